import type { Result } from '../base/result.ts'
import { Reader, Writer } from './codec.ts'
import type { WireError } from './errors.ts'
import { DecodeError, decoding, refuse } from './errors.ts'

/** One record of a TLV stream (BOLT 1 §Type-Length-Value Format), its value undecoded. */
export interface TlvRecord {
  readonly type: bigint
  readonly value: Uint8Array
}

/** How the value of one known TLV type is read and written. `read` need not check that it consumed everything. */
export interface TlvField<T> {
  readonly type: bigint
  read(reader: Reader): T
  write(writer: Writer, value: T): void
}

/**
 * The known records of a namespace by field name. `T` holds them as optional fields, so that a stream decodes to an
 * object with just the fields that were there.
 */
export type TlvSchema<T> = { readonly [K in keyof T]-?: TlvField<Exclude<T[K], undefined>> }

/** A field of a TLV namespace, with its type as a number or bigint. */
export const tlv = <T>(
  type: number | bigint,
  read: (reader: Reader) => T,
  write: (writer: Writer, value: T) => void,
): TlvField<T> => ({ type: BigInt(type), read, write })

/** A TLV whose value is a plain byte string, of `length` bytes when given. */
export const tlvBytes = (type: number | bigint, length?: number): TlvField<Uint8Array> =>
  tlv(
    type,
    (r) => (length === undefined ? r.rest() : r.bytes(length)),
    (w, value) => w.bytes(value, length),
  )

/** A TLV of no value, whose presence is `true`. */
export const tlvFlag = (type: number | bigint): TlvField<true> =>
  tlv<true>(
    type,
    () => true,
    () => {},
  )

function* records(reader: Reader): Generator<{ type: bigint; value: Reader }> {
  let last = -1n
  while (reader.left > 0) {
    const type = reader.bigsize()
    if (type <= last) refuse('tlv_order', `TLV type ${type} after ${last}`, type)
    last = type
    const length = reader.length(reader.left, `TLV ${type}`)
    yield { type, value: reader.sub(length) }
  }
}

/** Reads all that is left as TLV records without looking into them. Inside `decoding` only. */
export function readTlvRecords(reader: Reader): TlvRecord[] {
  const out: TlvRecord[] = []
  for (const { type, value } of records(reader)) out.push({ type, value: value.rest() })
  return out
}

/**
 * Reads all that is left as a TLV stream of a namespace. Unknown even types are refused; unknown odd ones are handed
 * to `unknown` when given and dropped otherwise (BOLT 1 §Type-Length-Value Format). Inside `decoding` only.
 */
export function readTlvs<T extends object>(
  reader: Reader,
  schema: TlvSchema<T>,
  unknown?: (record: TlvRecord) => void,
): Partial<T> {
  const known = new Map<bigint, [string, TlvField<unknown>]>()
  for (const [name, field] of Object.entries<TlvField<unknown>>(schema)) known.set(field.type, [name, field])
  const out: Record<string, unknown> = {}
  for (const { type, value } of records(reader)) {
    const entry = known.get(type)
    if (entry === undefined) {
      if (type % 2n === 0n) refuse('tlv_unknown_even', `unknown even TLV type ${type}`, type)
      unknown?.({ type, value: value.rest() })
      continue
    }
    out[entry[0]] = readValue(type, value, entry[1])
  }
  return out as Partial<T>
}

function readValue(type: bigint, value: Reader, field: TlvField<unknown>): unknown {
  try {
    const decoded = field.read(value)
    value.end()
    return decoded
  } catch (e) {
    // Whatever is wrong inside a value, the report names the record.
    if (e instanceof DecodeError) refuse(e.code, `TLV ${type}: ${e.message}`, type)
    throw e
  }
}

/** Writes records, which must be in strictly increasing order of type (else it throws: a defect). */
export function writeTlvRecords(writer: Writer, stream: readonly TlvRecord[]): void {
  let last = -1n
  for (const { type, value } of stream) {
    if (type <= last) throw new RangeError(`TLV type ${type} after ${last}`)
    last = type
    writer.bigsize(type).bigsize(value.length).bytes(value)
  }
}

/** Writes the fields of `values` that the schema knows and that are present, and `unknown` records, in order of type. */
export function writeTlvs<T extends object>(
  writer: Writer,
  schema: TlvSchema<T>,
  values: Partial<T>,
  unknown: readonly TlvRecord[] = [],
): void {
  const stream: TlvRecord[] = [...unknown]
  const given = values as Record<string, unknown>
  for (const [name, field] of Object.entries<TlvField<unknown>>(schema)) {
    const value = given[name]
    if (value === undefined) continue
    const body = new Writer()
    field.write(body, value)
    stream.push({ type: field.type, value: body.finish() })
  }
  stream.sort((a, b) => (a.type < b.type ? -1 : a.type > b.type ? 1 : 0))
  writeTlvRecords(writer, stream)
}

/** The records of a whole TLV stream, undecoded: canonical, strictly increasing, complete. */
export const decodeTlvRecords = (bytes: Uint8Array): Result<TlvRecord[], WireError> =>
  decoding(() => readTlvRecords(new Reader(bytes)))

/** Bytes of a stream of records in strictly increasing order of type. */
export function encodeTlvRecords(stream: readonly TlvRecord[]): Uint8Array {
  const writer = new Writer()
  writeTlvRecords(writer, stream)
  return writer.finish()
}

/** A whole TLV stream of a namespace: the known fields that were present. Unknown even types are an error. */
export const decodeTlvs = <T extends object>(
  bytes: Uint8Array,
  schema: TlvSchema<T>,
  unknown?: (record: TlvRecord) => void,
): Result<Partial<T>, WireError> => decoding(() => readTlvs(new Reader(bytes), schema, unknown))

/** Bytes of a TLV stream of a namespace. */
export function encodeTlvs<T extends object>(
  schema: TlvSchema<T>,
  values: Partial<T>,
  unknown: readonly TlvRecord[] = [],
): Uint8Array {
  const writer = new Writer()
  writeTlvs(writer, schema, values, unknown)
  return writer.finish()
}
