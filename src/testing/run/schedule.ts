export interface Task {
  /** Cores it keeps busy. */
  readonly cores: number
}

/**
 * Runs tasks in their order, as many at a time as fit on the cores; none overtakes another. Results come in the order of the tasks.
 * `run` must not reject.
 */
export function runAll<T extends Task, R>(
  tasks: readonly T[],
  cores: number,
  run: (task: T) => Promise<R>,
): Promise<readonly R[]> {
  return new Promise((resolve, reject) => {
    const results: R[] = []
    let next = 0
    let done = 0
    let busy = 0
    const go = (): void => {
      if (done === tasks.length) {
        resolve(results)
        return
      }
      for (let task = tasks[next]; task !== undefined; task = tasks[next]) {
        if (busy > 0 && busy + task.cores > cores) return
        const index = next++
        const taken = task.cores
        busy += taken
        run(task).then((result) => {
          results[index] = result
          busy -= taken
          done++
          go()
        }, reject)
      }
    }
    go()
  })
}
