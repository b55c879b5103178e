import { expect, test } from 'vitest'
import { runAll } from './schedule.ts'

test('what needs both cores runs alone, nothing overtakes, and results keep the order of the tasks', async () => {
  const running = new Map<string, () => void>()
  const started: string[] = []
  const tasks = [
    { name: 'a', cores: 1 },
    { name: 'b', cores: 1 },
    { name: 'c', cores: 2 },
    { name: 'd', cores: 1 },
  ]
  const all = runAll(tasks, 2, (task) => {
    started.push(task.name)
    return new Promise<string>((resolve) => running.set(task.name, () => resolve(task.name)))
  })
  const end = async (name: string): Promise<void> => {
    running.get(name)?.()
    await Promise.resolve()
    await Promise.resolve()
  }
  expect(started).toEqual(['a', 'b'])
  await end('b')
  expect(started).toEqual(['a', 'b'])
  await end('a')
  expect(started).toEqual(['a', 'b', 'c'])
  await end('c')
  expect(started).toEqual(['a', 'b', 'c', 'd'])
  await end('d')
  await expect(all).resolves.toEqual(['a', 'b', 'c', 'd'])
})

test('a task that needs more cores than there are still runs, alone', async () => {
  await expect(
    runAll([{ cores: 2 }, { cores: 1 }], 1, (task) => Promise.resolve(task.cores)),
  ).resolves.toEqual([2, 1])
})

test('no tasks, no wait', async () => {
  await expect(runAll([], 2, () => Promise.resolve(0))).resolves.toEqual([])
})
