import { defineConfig } from '@playwright/test'
import { CHROMIUM_FLAGS, findChromium } from './src/testing/chromium.ts'

/** Each test file starts what it needs (a playground of its own) through its fixtures: there is no web server here. */
export default defineConfig({
  testDir: 'e2e',
  globalSetup: './e2e/setup.ts',
  outputDir: 'test-results',
  // On two cores: each worker has a network of its own, and half of the time one waits for the other's core anyway.
  workers: 2,
  // A second try would hide what happens once in ten times, and that is where money goes missing.
  retries: 0,
  forbidOnly: process.env.CI !== undefined,
  timeout: 120_000,
  expect: { timeout: 15_000 },
  reporter: [['list']],
  use: {
    launchOptions: { executablePath: findChromium(), args: [...CHROMIUM_FLAGS] },
    actionTimeout: 15_000,
    navigationTimeout: 30_000,
    // Without a picture of every frame, which two cores would feel.
    trace: { mode: 'retain-on-failure', screenshots: false },
    screenshot: 'only-on-failure',
  },
  projects: [
    {
      name: 'phone',
      use: { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
    },
  ],
})
