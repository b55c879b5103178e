/** First in, first out, at the same cost however long: arrays move everything when their first element goes. */
export interface Fifo<T> {
  readonly size: number
  push(value: T): void
  /** The oldest; undefined when there is none. */
  shift(): T | undefined
}

/** Spent places kept at the front before the rest is moved up. */
const SPENT = 1024

export function createFifo<T>(): Fifo<T> {
  let values: (T | undefined)[] = []
  let head = 0
  return {
    get size() {
      return values.length - head
    },
    push(value) {
      values.push(value)
    },
    shift() {
      if (head === values.length) return undefined
      const value = values[head]
      values[head++] = undefined
      if (head === values.length || (head >= SPENT && head * 2 >= values.length)) {
        values = values.slice(head)
        head = 0
      }
      return value
    },
  }
}
