/** Small numbers for large things, so that a state of both machines and the link is a handful of integers. */

/** Lists of numbers, each kept once. 0 is the empty one. */
export class Lists {
  readonly #lists: (readonly number[])[] = [[]]
  readonly #ids = new Map<string, number>([['', 0]])
  readonly #sums = new Map<number, number>()
  readonly #rests = new Map<number, number>()

  of(list: readonly number[]): number {
    const key = list.join()
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    const id = this.#lists.push([...list]) - 1
    this.#ids.set(key, id)
    return id
  }

  at(id: number): readonly number[] {
    return this.#lists[id] as readonly number[]
  }

  /** `a` followed by `b`. */
  concat(a: number, b: number): number {
    if (a === 0) return b
    if (b === 0) return a
    const key = a * 2 ** 26 + b
    const known = this.#sums.get(key)
    if (known !== undefined) return known
    const id = this.of([...this.at(a), ...this.at(b)])
    this.#sums.set(key, id)
    return id
  }

  /** Without its first `count`. */
  rest(id: number, count: number): number {
    if (count === 0) return id
    const key = id * 2 ** 10 + count
    const known = this.#rests.get(key)
    if (known !== undefined) return known
    const made = this.of(this.at(id).slice(count))
    this.#rests.set(key, made)
    return made
  }
}

/** Things by a string that says all there is to know of them. */
export class Table<T> {
  readonly #values: T[] = []
  readonly #ids = new Map<string, number>()

  get size(): number {
    return this.#values.length
  }

  at(id: number): T {
    return this.#values[id] as T
  }

  /** The id of the thing with this key; made when it is new. */
  of(key: string, make: () => T): number {
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    const id = this.#values.push(make()) - 1
    this.#ids.set(key, id)
    return id
  }
}

/** Tuples of `width` non-negative integers, numbered as they come: an open hash over typed arrays. */
export class Tuples {
  readonly #width: number
  #words: Int32Array
  #slots: Int32Array
  #count = 0

  constructor(width: number) {
    this.#width = width
    this.#words = new Int32Array(width * 1024)
    this.#slots = new Int32Array(4096)
  }

  get size(): number {
    return this.#count
  }

  /** One word of a tuple. */
  word(id: number, index: number): number {
    return this.#words[id * this.#width + index] as number
  }

  /** The number of a tuple, a new one if it has not been seen. */
  of(tuple: readonly number[]): number {
    const mask = this.#slots.length - 1
    let slot = this.#hash(tuple, 0) & mask
    for (;;) {
      const id = (this.#slots[slot] as number) - 1
      if (id < 0) break
      if (this.#equals(id, tuple)) return id
      slot = (slot + 1) & mask
    }
    const id = this.#count
    this.#count += 1
    if ((id + 1) * this.#width > this.#words.length) {
      const wider = new Int32Array(this.#words.length * 2)
      wider.set(this.#words)
      this.#words = wider
    }
    for (let i = 0; i < this.#width; i++) this.#words[id * this.#width + i] = tuple[i] as number
    this.#slots[slot] = id + 1
    if (this.#count * 2 > this.#slots.length) this.#grow()
    return id
  }

  #equals(id: number, tuple: readonly number[]): boolean {
    const at = id * this.#width
    for (let i = 0; i < this.#width; i++) if (this.#words[at + i] !== tuple[i]) return false
    return true
  }

  #hash(words: readonly number[] | Int32Array, at: number): number {
    let h = 0x811c9dc5
    for (let i = 0; i < this.#width; i++) {
      h = Math.imul(h ^ (words[at + i] as number), 0x9e3779b1)
      h ^= h >>> 15
    }
    return h >>> 0
  }

  #grow(): void {
    const slots = new Int32Array(this.#slots.length * 2)
    const mask = slots.length - 1
    for (let id = 0; id < this.#count; id++) {
      let slot = this.#hash(this.#words, id * this.#width) & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = id + 1
    }
    this.#slots = slots
  }
}

/** A list of integers that only grows. */
export class Column {
  #words = new Int32Array(1024)
  length = 0

  push(value: number): void {
    if (this.length === this.#words.length) {
      const wider = new Int32Array(this.length * 2)
      wider.set(this.#words)
      this.#words = wider
    }
    this.#words[this.length] = value
    this.length += 1
  }

  /** 0 beyond the end. */
  at(index: number): number {
    return index < this.length ? (this.#words[index] as number) : 0
  }

  set(index: number, value: number): void {
    while (this.length <= index) this.push(0)
    this.#words[index] = value
  }
}
