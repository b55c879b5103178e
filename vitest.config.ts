import { defineConfig } from 'vitest/config'

const slow = ['**/*.sim.test.ts', '**/*.interop.test.ts', '**/*.vectors.test.ts']

/** One project a kind of test, so that each can be run by itself (`npm run test:vectors`, …). */
export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['src/**/*.test.{ts,tsx}'], exclude: slow } },
      { test: { name: 'vectors', include: ['src/**/*.vectors.test.ts'] } },
      { test: { name: 'sim', include: ['src/**/*.sim.test.ts'], testTimeout: 300_000 } },
      {
        test: {
          name: 'interop',
          include: ['src/**/*.interop.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
