/**
 * What a search reads of a half-edge, in one stretch of 48 bytes: a search goes over a hundred thousand of them in no order, and what it
 * waits for is memory. The columns of the graph stay what is true; this is kept in step with them (`Graph`), and they say how.
 *
 * Of half-edge `h` of node `v` it holds what matters for coming to `v` over it: the other end, and the terms of that end (index `h ^ 1` of
 * the columns). Half-edges of one node are a list, linked both ways.
 */
export class HalfEdges {
  /** `WORDS` numbers each: `NEXT` … `DELTA_FLAGS`. */
  words = new Int32Array(WORDS * 2048)
  /** The same memory as floats, half as many: from `MINIMUM` on, `FLOATS` each. */
  floats = new Float64Array(this.words.buffer)

  get bytes(): number {
    return this.words.byteLength
  }

  /** Room for so many; what is there stays. */
  grow(halves: number): void {
    const words = new Int32Array(WORDS * halves)
    words.set(this.words)
    this.words = words
    this.floats = new Float64Array(words.buffer)
  }

  /** The next half-edge of the same node, or −1. */
  after(half: number): number {
    return this.words[WORDS * half + NEXT] as number
  }

  /** Puts a half-edge before `first` (or −1) of its node's list; `other`: the node at its other end. */
  link(half: number, first: number, other: number): void {
    const at = WORDS * half
    this.words[at + NEXT] = first
    this.words[at + BEFORE] = -1
    this.words[at + OTHER] = other
    if (first !== -1) this.words[WORDS * first + BEFORE] = half
  }

  /** Takes it out of its list; returns what is first then, given what was. */
  unlink(half: number, first: number): number {
    const next = this.words[WORDS * half + NEXT] as number
    const before = this.words[WORDS * half + BEFORE] as number
    if (next !== -1) this.words[WORDS * next + BEFORE] = before
    if (before === -1) return next
    this.words[WORDS * before + NEXT] = next
    return first
  }

  /** Terms for coming over it. `flags`: of the channel, and of the policy six bits above them. */
  set(
    half: number,
    base: number,
    ppm: number,
    delta: number,
    flags: number,
    minimum: number,
    maximum: number,
    capacity: number,
  ): void {
    const at = WORDS * half
    this.words[at + BASE] = base
    this.words[at + PPM] = ppm
    this.words[at + DELTA_FLAGS] = delta | (flags << 16)
    this.floats[FLOATS * half + MINIMUM] = minimum
    this.floats[FLOATS * half + MAXIMUM] = maximum
    this.floats[FLOATS * half + CAPACITY] = capacity
  }
}

export const WORDS = 12
export const NEXT = 0
const BEFORE = 1
/** The node at the other end. */
export const OTHER = 2
/** msat and millionths; unsigned: read with `>>> 0`. */
export const BASE = 3
export const PPM = 4
/** `cltv_expiry_delta` in the low 16 bits, flags above. */
export const DELTA_FLAGS = 5
export const FLOATS = 6
/** msat. */
export const MINIMUM = 3
export const MAXIMUM = 4
/** msat, 0 where unknown. */
export const CAPACITY = 5
/** Flags of the policy stand so far above those of the channel. */
export const POLICY_SHIFT = 6
