import { defineConfig } from 'vitest/config'

const slow = ['**/*.sim.test.ts', '**/*.interop.test.ts', '**/*.vectors.test.ts']
/** Vectors run on the reference curve; everything else on the WASM one, which a differential test holds to it. */
const setupFiles = ['src/testing/setup-fast.ts']

/** One project a kind of test, so that each can be run by itself (`npm run test:vectors`, …). */
export default defineConfig({
  test: {
    // Vitest leaves one core to itself; with two, that would be half of the machine.
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.{ts,tsx}'],
          exclude: slow,
          setupFiles,
          testTimeout: 30_000,
        },
      },
      { test: { name: 'vectors', include: ['src/**/*.vectors.test.ts'], testTimeout: 60_000 } },
      { test: { name: 'sim', include: ['src/**/*.sim.test.ts'], setupFiles, testTimeout: 300_000 } },
      {
        test: {
          name: 'interop',
          include: ['src/**/*.interop.test.ts'],
          setupFiles,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Each starts servers of its own, and a few wait for their clocks.
          fileParallelism: false,
        },
      },
    ],
  },
})
