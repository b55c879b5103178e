/**
 * An open table from names to slots: it holds slots alone, and asks where a slot's name hashes to. Half full at most; grows by itself.
 */
export class SlotTable {
  #table = new Int32Array(4096).fill(-1)
  readonly #hashOf: (slot: number) => number

  constructor(hashOf: (slot: number) => number) {
    this.#hashOf = hashOf
  }

  get bytes(): number {
    return this.#table.byteLength
  }

  /** The slot of this hash that `is` the one, or −1. */
  find(hash: number, is: (slot: number) => boolean): number {
    const table = this.#table
    const mask = table.length - 1
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = table[at] as number
      if (slot === -1 || is(slot)) return slot
    }
  }

  /** Puts a slot in; `count`: how many there are then. */
  put(slot: number, count: number): void {
    if (2 * count > this.#table.length) {
      const old = this.#table
      this.#table = new Int32Array(2 * old.length).fill(-1)
      for (const other of old) if (other !== -1) this.#insert(other)
    }
    this.#insert(slot)
  }

  #insert(slot: number): void {
    const mask = this.#table.length - 1
    let at = this.#hashOf(slot) & mask
    while (this.#table[at] !== -1) at = (at + 1) & mask
    this.#table[at] = slot
  }

  /** Takes a slot out, whose name must still be what it was, and moves up what it had pushed on. */
  take(slot: number): void {
    const table = this.#table
    const mask = table.length - 1
    let hole = this.#hashOf(slot) & mask
    while (table[hole] !== slot) hole = (hole + 1) & mask
    for (let at = (hole + 1) & mask; table[at] !== -1; at = (at + 1) & mask) {
      const home = this.#hashOf(table[at] as number) & mask
      // Whether `home` lies outside the stretch from the hole (exclusive) to `at`.
      if (((at - home) & mask) >= ((at - hole) & mask)) {
        table[hole] = table[at] as number
        hole = at
      }
    }
    table[hole] = -1
  }
}

/** Spreads 32 bits over all of them. */
export function mix(h: number): number {
  let x = Math.imul(h ^ (h >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return x ^ (x >>> 16)
}
