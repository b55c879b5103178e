import { Decoder, Encoder } from '@msgpack/msgpack'
import { err, ok, type Result } from '../base/result.ts'

/**
 * Everything stored is a version byte and one MessagePack value. Plain data only: null, booleans, numbers, strings, bytes, bigints
 * of 64 bits, arrays, objects. A number comes back as number and a bigint as bigint, whatever its size: integers beyond 32 bits that
 * are numbers travel as doubles, and MessagePack's 64-bit integers are bigints.
 */

/** Largest record, version byte included. Far above what a channel needs; below what a phone's memory feels. */
export const MAX_RECORD_BYTES = 64 * 1024 * 1024
/** Deepest nesting of arrays and objects. */
export const MAX_RECORD_DEPTH = 64

const MIN_INT64 = -(2n ** 63n)
const MAX_UINT64 = 2n ** 64n - 1n

/** A decoded record: its version (0 to 255) and its value, of unknown shape. */
export interface DecodedRecord {
  readonly version: number
  readonly value: unknown
}

const encoder = new Encoder({ useBigInt64: true, ignoreUndefined: true, maxDepth: MAX_RECORD_DEPTH + 1 })

/**
 * Encodes a record. Object properties that are undefined are left out. Throws (a defect) on what would not come back as it
 * went in: bigints beyond 64 bits, undefined in arrays, functions, symbols, class instances other than Uint8Array, cycles.
 */
export function encodeRecord(version: number, value: unknown): Uint8Array {
  if (!Number.isInteger(version) || version < 0 || version > 255)
    throw new RangeError(`encodeRecord: version ${version} is no byte`)
  // Paths are put together only for the message of the error that ends it.
  if (!isPlain(value, 0)) requirePlain(value, 'value', 0)
  const body = encoder.encodeSharedRef(value)
  if (body.length + 1 > MAX_RECORD_BYTES) throw new RangeError(`encodeRecord: ${body.length} bytes`)
  const out = new Uint8Array(1 + body.length)
  out[0] = version
  out.set(body, 1)
  return out
}

/** Decodes a record. Bytes inside are copies. Never throws; memory used is linear in the record's length. */
export function decodeRecord(bytes: Uint8Array): Result<DecodedRecord, string> {
  const version = bytes[0]
  if (version === undefined) return err('record is empty')
  if (bytes.length > MAX_RECORD_BYTES) return err(`record has ${bytes.length} bytes`)
  const body = bytes.subarray(1)
  const problem = scan(body)
  if (problem !== undefined) return err(problem)
  try {
    // One decoder a call: a decode that throws leaves a decoder's stack dirty.
    const decoder = new Decoder({ useBigInt64: true, mapKeyConverter: requireTextKey, keyDecoder: null })
    return ok({ version, value: ownBytes(decoder.decode(body)) })
  } catch (e) {
    return err(e instanceof Error ? e.message : 'record is not readable')
  }
}

/** Whether the value is of the kinds that survive a round trip; what is false here makes `requirePlain` throw. */
function isPlain(value: unknown, depth: number): boolean {
  if (depth > MAX_RECORD_DEPTH) return false
  switch (typeof value) {
    case 'boolean':
    case 'number':
    case 'string':
      return true
    case 'bigint':
      return value >= MIN_INT64 && value <= MAX_UINT64
    case 'object':
      break
    default:
      return false
  }
  if (value === null || value instanceof Uint8Array) return true
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isPlain(value[i], depth + 1)) return false
    return true
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return false
  const record = value as Readonly<Record<string, unknown>>
  for (const key of Object.keys(record)) {
    const item = record[key]
    if (key === '__proto__' || (item !== undefined && !isPlain(item, depth + 1))) return false
  }
  return true
}

/** Throws unless the value is of the kinds that survive a round trip. */
function requirePlain(value: unknown, path: string, depth: number): void {
  if (depth > MAX_RECORD_DEPTH) throw new RangeError(`encodeRecord: ${path}: nested too deep`)
  switch (typeof value) {
    case 'boolean':
    case 'number':
    case 'string':
      return
    case 'bigint':
      if (value >= MIN_INT64 && value <= MAX_UINT64) return
      throw new RangeError(`encodeRecord: ${path}: bigint beyond 64 bits`)
    case 'object':
      break
    default:
      throw new TypeError(`encodeRecord: ${path}: ${typeof value} cannot be stored`)
  }
  if (value === null || value instanceof Uint8Array) return
  if (Array.isArray(value)) {
    // Not forEach, which would step over holes.
    for (let i = 0; i < value.length; i++) requirePlain(value[i], `${path}[${i}]`, depth + 1)
    return
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null)
    throw new TypeError(`encodeRecord: ${path}: only plain objects can be stored`)
  for (const [key, item] of Object.entries(value)) {
    if (key === '__proto__') throw new TypeError(`encodeRecord: ${path}: a key named __proto__`)
    if (item !== undefined) requirePlain(item, `${path}.${key}`, depth + 1)
  }
}

const requireTextKey = (key: unknown): string => {
  if (typeof key === 'string') return key
  throw new TypeError('a key that is no text')
}

/** Replaces byte strings that are views of the input by copies; `value` is fresh from the decoder and ours to change. */
function ownBytes(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.slice()
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = ownBytes(value[i])
  } else if (typeof value === 'object' && value !== null) {
    const object = value as Record<string, unknown>
    for (const key of Object.keys(object)) object[key] = ownBytes(object[key])
  }
  return value
}

/**
 * Walks the structure before anything is allocated: every length must fit what is left, and the number of values still promised
 * never exceeds the bytes left (a value takes one byte at least), so a few bytes cannot ask for gigabytes. Returns what is wrong.
 */
function scan(bytes: Uint8Array): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  /** Values still to come at each open level. */
  const open: number[] = [1]
  let promised = 1
  let at = 0
  while (promised > 0) {
    let depth = open.length - 1
    while (open[depth] === 0) {
      open.pop()
      depth--
    }
    if (promised > bytes.length - at) return 'record is cut off'
    open[depth] = (open[depth] ?? 0) - 1
    promised -= 1
    const head = headOf(view, at)
    if (head === undefined) return `record holds something unknown at ${at + 1}`
    at += head.bytes
    if (at > bytes.length) return 'record is cut off'
    if (head.values > 0) {
      if (open.length > MAX_RECORD_DEPTH) return 'record is nested too deep'
      open.push(head.values)
      promised += head.values
    }
  }
  return at === bytes.length ? undefined : 'record has bytes left over'
}

/** Bytes of one item (its payload included, its elements not) and how many values follow as its elements. */
function headOf(view: DataView, at: number): { bytes: number; values: number } | undefined {
  const left = view.byteLength - at
  const type = view.getUint8(at)
  const flat = (bytes: number) => ({ bytes, values: 0 })
  /** A length field of 1, 2 or 4 bytes; past the end it counts as longer than any record. */
  const length = (size: 1 | 2 | 4): number => {
    if (left < 1 + size) return MAX_RECORD_BYTES
    return size === 1 ? view.getUint8(at + 1) : size === 2 ? view.getUint16(at + 1) : view.getUint32(at + 1)
  }
  if (type <= 0x7f || type >= 0xe0) return flat(1)
  if (type <= 0x8f) return { bytes: 1, values: 2 * (type & 0x0f) }
  if (type <= 0x9f) return { bytes: 1, values: type & 0x0f }
  if (type <= 0xbf) return flat(1 + (type & 0x1f))
  switch (type) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return flat(1)
    case 0xc4: // bin 8, str 8
    case 0xd9:
      return flat(2 + length(1))
    case 0xc5: // bin 16, str 16
    case 0xda:
      return flat(3 + length(2))
    case 0xc6: // bin 32, str 32
    case 0xdb:
      return flat(5 + length(4))
    case 0xcc: // 8-bit integers
    case 0xd0:
      return flat(2)
    case 0xcd: // 16-bit integers
    case 0xd1:
      return flat(3)
    case 0xca: // float 32, 32-bit integers
    case 0xce:
    case 0xd2:
      return flat(5)
    case 0xcb: // float 64, 64-bit integers
    case 0xcf:
    case 0xd3:
      return flat(9)
    case 0xdc: // array 16
      return { bytes: 3, values: length(2) }
    case 0xdd: // array 32
      return { bytes: 5, values: length(4) }
    case 0xde: // map 16
      return { bytes: 3, values: 2 * length(2) }
    case 0xdf: // map 32
      return { bytes: 5, values: 2 * length(4) }
    default:
      // 0xc1 is unused; extension types (dates among them) are never written.
      return undefined
  }
}
