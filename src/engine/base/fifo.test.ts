import { expect, test } from 'vitest'
import { createFifo } from './fifo.ts'

test('what went in first comes out first, over any pushing and shifting', () => {
  const fifo = createFifo<number>()
  let pushed = 0
  let shifted = 0
  // Grows to thousands, shrinks to nothing, and again.
  for (const [pushes, shifts] of [
    [3, 1],
    [5000, 1500],
    [10, 3000],
    [0, 512],
    [4000, 4000],
  ] as const) {
    for (let i = 0; i < pushes; i++) fifo.push(pushed++)
    for (let i = 0; i < shifts; i++) expect(fifo.shift()).toBe(shifted++)
    expect(fifo.size).toBe(pushed - shifted)
  }
  expect(fifo.size).toBe(0)
  expect(fifo.shift()).toBeUndefined()
})
