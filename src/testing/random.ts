/** A small seeded generator for simulations (mulberry32): the same seed gives the same run on every machine. */
export interface Random {
  /** 0 ≤ x < 1 */
  next(): number
  /** 0 ≤ n < bound */
  int(bound: number): number
  bool(probability: number): boolean
  pick<T>(items: readonly T[]): T
  bytes(length: number): Uint8Array
}

export function seeded(seed: number): Random {
  let a = seed >>> 0
  const next = () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = a
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const int = (bound: number) => Math.floor(next() * bound)
  return {
    next,
    int,
    bool: (probability) => next() < probability,
    pick: (items) => {
      const item = items[int(items.length)]
      if (item === undefined) throw new Error('pick: nothing to pick from')
      return item
    },
    bytes: (length) => Uint8Array.from({ length }, () => int(256)),
  }
}
