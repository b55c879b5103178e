import type { Msat, Sat } from '../base/units.ts'
import { MAX_SAT } from '../base/units.ts'
import { refuse } from './errors.ts'

/** The most a Lightning message may have, its 2-byte type included (BOLT 1 §Lightning Message Format). */
export const MAX_MESSAGE_BYTES = 65_535

const MAX_MSAT = MAX_SAT * 1000n

/**
 * A cursor over bytes from outside, big endian as all of BOLT 1. Its methods throw `DecodeError`, so use it only
 * inside `decoding` (errors.ts). Byte strings are returned as copies: state never aliases a network buffer.
 */
export class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #position = 0

  constructor(bytes: Uint8Array) {
    // A plain Uint8Array over the same memory: slice() of Node's Buffer would alias.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#bytes.length - this.#position
  }

  /** Bytes read so far. */
  get position(): number {
    return this.#position
  }

  #take(count: number, what: string): number {
    if (count > this.left) refuse('truncated', `${what}: ${count} bytes needed, ${this.left} left`)
    const at = this.#position
    this.#position += count
    return at
  }

  /** The next `count` bytes, copied. `count` may come from outside: it is checked before anything is allocated. */
  bytes(count: number, what = 'bytes'): Uint8Array {
    const at = this.#take(count, what)
    return this.#bytes.slice(at, at + count)
  }

  /** All bytes that are left, copied. */
  rest(): Uint8Array {
    return this.bytes(this.left)
  }

  /** A reader over the next `count` bytes, which this one skips. */
  sub(count: number, what = 'bytes'): Reader {
    const at = this.#take(count, what)
    return new Reader(this.#bytes.subarray(at, at + count))
  }

  /** Refuses bytes that are left over. */
  end(what = 'value'): void {
    if (this.left > 0) refuse('trailing', `${what}: ${this.left} bytes left over`)
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1, 'u8'))
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2, 'u16'))
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4, 'u32'))
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8, 'u64'))
  }

  s8(): number {
    return this.#view.getInt8(this.#take(1, 's8'))
  }

  s16(): number {
    return this.#view.getInt16(this.#take(2, 's16'))
  }

  s32(): number {
    return this.#view.getInt32(this.#take(4, 's32'))
  }

  s64(): bigint {
    return this.#view.getBigInt64(this.#take(8, 's64'))
  }

  /** A u64 of satoshi of at most 21 million bitcoin. For limits, which peers set to 2^64 − 1, use `u64`. */
  sat(): Sat {
    return this.#amount(this.u64(), MAX_SAT) as Sat
  }

  /** A u64 of millisatoshi of at most 21 million bitcoin. For limits, which peers set to 2^64 − 1, use `u64`. */
  msat(): Msat {
    return this.#amount(this.u64(), MAX_MSAT) as Msat
  }

  #amount(value: bigint, max: bigint): bigint {
    if (value > max) refuse('bad_amount', 'amount above 21 million bitcoin')
    return value
  }

  /** BOLT 1 §BigSize, canonical. */
  bigsize(): bigint {
    const first = this.u8()
    if (first < 0xfd) return BigInt(first)
    const value = first === 0xfd ? BigInt(this.u16()) : first === 0xfe ? BigInt(this.u32()) : this.u64()
    const least = first === 0xfd ? 0xfdn : first === 0xfe ? 0x1_0000n : 0x1_0000_0000n
    if (value < least) refuse('not_minimal', 'bigsize is not canonical')
    return value
  }

  /** A bigsize that counts bytes or items here: it must not exceed `max`. */
  length(max = this.left, what = 'length'): number {
    const value = this.bigsize()
    if (value > BigInt(max)) refuse('truncated', `${what}: ${value} exceeds ${max}`)
    return Number(value)
  }

  /** A truncated integer: all that is left, at most `max` bytes, no leading zero byte. Last in a TLV value. */
  #truncated(max: number): bigint {
    if (this.left > max) refuse('bad_length', `truncated integer in ${this.left} bytes, at most ${max}`)
    let value = 0n
    const count = this.left
    for (let i = 0; i < count; i++) {
      const byte = this.u8()
      if (i === 0 && byte === 0) refuse('not_minimal', 'truncated integer with a leading zero')
      value = (value << 8n) | BigInt(byte)
    }
    return value
  }

  tu16(): number {
    return Number(this.#truncated(2))
  }

  tu32(): number {
    return Number(this.#truncated(4))
  }

  tu64(): bigint {
    return this.#truncated(8)
  }

  /** A tu64 of millisatoshi of at most 21 million bitcoin. */
  tmsat(): Msat {
    return this.#amount(this.tu64(), MAX_MSAT) as Msat
  }

  /**
   * A compressed point of 33 bytes. Only the prefix is checked (02 or 03); that it is on the curve costs a square root
   * and is checked by whoever uses it (`isPublicKey`, or `invalidPoints` of points.ts for a whole message).
   */
  point(): Uint8Array {
    const point = this.bytes(33, 'point')
    if (point[0] !== 2 && point[0] !== 3) refuse('bad_value', 'point without the prefix 02 or 03')
    return point
  }

  /** A byte string after its u16 length. */
  blob(what = 'blob'): Uint8Array {
    return this.bytes(this.u16(), what)
  }
}

/** Builds bytes, big endian. Throws RangeError for a value that does not fit: a defect of ours, not an input. */
export class Writer {
  #bytes = new Uint8Array(256)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  /** Bytes written so far. */
  get size(): number {
    return this.#length
  }

  /**
   * Makes room for `count` bytes and says where. It may replace the buffer and its view: call it before naming either
   * (`this.#view.setUint8(this.#room(1), …)` would write to the old one).
   */
  #room(count: number): number {
    const at = this.#length
    const needed = at + count
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length))
      grown.set(this.#bytes)
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    this.#length = needed
    return at
  }

  #fits(value: number | bigint, least: number | bigint, most: number | bigint): void {
    if (value < least || value > most || (typeof value === 'number' && !Number.isInteger(value)))
      throw new RangeError(`${value} is not an integer in ${least}..${most}`)
  }

  /** `bytes`, which must have `length` bytes when that is given. */
  bytes(bytes: Uint8Array, length?: number): this {
    if (length !== undefined && bytes.length !== length)
      throw new RangeError(`${bytes.length} bytes where ${length} belong`)
    const at = this.#room(bytes.length)
    this.#bytes.set(bytes, at)
    return this
  }

  u8(value: number): this {
    this.#fits(value, 0, 0xff)
    const at = this.#room(1)
    this.#view.setUint8(at, value)
    return this
  }

  u16(value: number): this {
    this.#fits(value, 0, 0xffff)
    const at = this.#room(2)
    this.#view.setUint16(at, value)
    return this
  }

  u32(value: number): this {
    this.#fits(value, 0, 0xffff_ffff)
    const at = this.#room(4)
    this.#view.setUint32(at, value)
    return this
  }

  u64(value: bigint): this {
    this.#fits(value, 0n, 0xffff_ffff_ffff_ffffn)
    const at = this.#room(8)
    this.#view.setBigUint64(at, value)
    return this
  }

  s8(value: number): this {
    this.#fits(value, -0x80, 0x7f)
    const at = this.#room(1)
    this.#view.setInt8(at, value)
    return this
  }

  s16(value: number): this {
    this.#fits(value, -0x8000, 0x7fff)
    const at = this.#room(2)
    this.#view.setInt16(at, value)
    return this
  }

  s32(value: number): this {
    this.#fits(value, -0x8000_0000, 0x7fff_ffff)
    const at = this.#room(4)
    this.#view.setInt32(at, value)
    return this
  }

  s64(value: bigint): this {
    this.#fits(value, -(1n << 63n), (1n << 63n) - 1n)
    const at = this.#room(8)
    this.#view.setBigInt64(at, value)
    return this
  }

  /** A u64 of satoshi of at most 21 million bitcoin. */
  sat(value: Sat): this {
    this.#fits(value, 0n, MAX_SAT)
    return this.u64(value)
  }

  /** A u64 of millisatoshi of at most 21 million bitcoin. */
  msat(value: Msat): this {
    this.#fits(value, 0n, MAX_MSAT)
    return this.u64(value)
  }

  bigsize(value: bigint | number): this {
    const v = BigInt(value)
    this.#fits(v, 0n, 0xffff_ffff_ffff_ffffn)
    if (v < 0xfdn) return this.u8(Number(v))
    if (v < 0x1_0000n) return this.u8(0xfd).u16(Number(v))
    if (v < 0x1_0000_0000n) return this.u8(0xfe).u32(Number(v))
    return this.u8(0xff).u64(v)
  }

  #truncated(value: bigint, bytes: number): this {
    this.#fits(value, 0n, (1n << BigInt(8 * bytes)) - 1n)
    let length = 0
    while (value >> BigInt(8 * length) > 0n) length++
    for (let i = length - 1; i >= 0; i--) this.u8(Number((value >> BigInt(8 * i)) & 0xffn))
    return this
  }

  tu16(value: number): this {
    return this.#truncated(BigInt(value), 2)
  }

  tu32(value: number): this {
    return this.#truncated(BigInt(value), 4)
  }

  tu64(value: bigint): this {
    return this.#truncated(value, 8)
  }

  /** A tu64 of millisatoshi of at most 21 million bitcoin. */
  tmsat(value: Msat): this {
    this.#fits(value, 0n, MAX_MSAT)
    return this.tu64(value)
  }

  /** A compressed point, 33 bytes. */
  point(point: Uint8Array): this {
    return this.bytes(point, 33)
  }

  /** A byte string after its u16 length. */
  blob(bytes: Uint8Array): this {
    return this.u16(bytes.length).bytes(bytes)
  }

  /** What was written, copied. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }
}
