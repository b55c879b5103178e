/** A binary heap of node slots by cost; equal costs come out by slot, so that the same graph gives the same answer everywhere. */
export class Heap {
  size = 0
  #keys = new Float64Array(1024)
  #slots = new Int32Array(1024)

  clear(): void {
    this.size = 0
  }

  push(key: number, slot: number): void {
    if (this.size === this.#keys.length) {
      const keys = new Float64Array(2 * this.size)
      const slots = new Int32Array(2 * this.size)
      keys.set(this.#keys)
      slots.set(this.#slots)
      this.#keys = keys
      this.#slots = slots
    }
    let at = this.size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      const k = this.#keys[parent] as number
      if (k < key || (k === key && (this.#slots[parent] as number) <= slot)) break
      this.#keys[at] = k
      this.#slots[at] = this.#slots[parent] as number
      at = parent
    }
    this.#keys[at] = key
    this.#slots[at] = slot
  }

  /** Cost of the next, for `pop`. Only while `size` is above 0. */
  get least(): number {
    return this.#keys[0] as number
  }

  /** The slot of the least cost. Only while `size` is above 0. */
  pop(): number {
    const keys = this.#keys
    const slots = this.#slots
    const top = slots[0] as number
    const size = --this.size
    const key = keys[size] as number
    const slot = slots[size] as number
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= size) break
      const right = child + 1
      if (
        right < size &&
        ((keys[right] as number) < (keys[child] as number) ||
          (keys[right] === keys[child] && (slots[right] as number) < (slots[child] as number)))
      )
        child = right
      const k = keys[child] as number
      if (k > key || (k === key && (slots[child] as number) >= slot)) break
      keys[at] = k
      slots[at] = slots[child] as number
      at = child
    }
    keys[at] = key
    slots[at] = slot
    return top
  }
}
