import type { Msat, Sat } from '../base/units.ts'
import type { Reader } from './codec.ts'
import { Writer } from './codec.ts'
import { refuse } from './errors.ts'
import type { Message, MessageOf, MessageType } from './messages.ts'
import type { TlvSchema } from './tlv.ts'
import { readTlvs, writeTlvs } from './tlv.ts'

/** How one field goes to and from the wire. Reading throws `DecodeError`; writing throws RangeError for a defect of ours. */
export interface Field<T> {
  read(reader: Reader): T
  write(writer: Writer, value: T): void
}

export const field = <T>(read: (r: Reader) => T, write: (w: Writer, value: T) => void): Field<T> => ({
  read,
  write,
})

/** A byte string of fixed length. */
export const fixed = (length: number): Field<Uint8Array> =>
  field(
    (r) => r.bytes(length),
    (w, v) => w.bytes(v, length),
  )

export const bytes32 = fixed(32)
/** A compact ECDSA or BIP 340 signature. */
export const signature = fixed(64)
export const point: Field<Uint8Array> = field(
  (r) => r.point(),
  (w, v) => w.point(v),
)
/** A byte string after its u16 length. */
export const blob: Field<Uint8Array> = field(
  (r) => r.blob(),
  (w, v) => w.blob(v),
)
export const u8: Field<number> = field(
  (r) => r.u8(),
  (w, v) => w.u8(v),
)
export const u16: Field<number> = field(
  (r) => r.u16(),
  (w, v) => w.u16(v),
)
export const u32: Field<number> = field(
  (r) => r.u32(),
  (w, v) => w.u32(v),
)
export const u64: Field<bigint> = field(
  (r) => r.u64(),
  (w, v) => w.u64(v),
)
/** An amount of at most 21 million bitcoin. */
export const sat: Field<Sat> = field(
  (r) => r.sat(),
  (w, v) => w.sat(v),
)
/** An amount of at most 21 million bitcoin. */
export const msat: Field<Msat> = field(
  (r) => r.msat(),
  (w, v) => w.msat(v),
)
/** A limit, any u64: peers say "none" with 2^64 − 1. */
export const msatLimit: Field<Msat> = field(
  (r) => r.u64() as Msat,
  (w, v) => w.u64(v),
)

type OptionalKeys<M> = { [K in keyof M]-?: object extends Pick<M, K> ? K : never }[keyof M]
type RequiredKeys<M> = Exclude<keyof M, OptionalKeys<M> | 'type'>

/** The fixed fields of a message in the order of the wire: property order is wire order. */
export type Fields<M> = { readonly [K in RequiredKeys<M>]: Field<M[K]> }
/** The TLVs of a message: its optional fields. */
export type Tlvs<M> = TlvSchema<Pick<M, OptionalKeys<M>>>

/** One message's layout. The codec covers all that follows the 2-byte type. */
export interface MessageCodec<M extends Message> {
  readonly number: number
  read(reader: Reader): M
  write(writer: Writer, message: M): void
}

function readFields(type: MessageType, fields: object, reader: Reader): Record<string, unknown> {
  const out: Record<string, unknown> = { type }
  for (const [name, f] of Object.entries<Field<unknown>>(fields as Record<string, Field<unknown>>))
    out[name] = f.read(reader)
  return out
}

function writeFields(fields: object, writer: Writer, message: object): void {
  const values = message as Record<string, unknown>
  for (const [name, f] of Object.entries<Field<unknown>>(fields as Record<string, Field<unknown>>))
    f.write(writer, values[name])
}

/**
 * A message without an extension of its own. What follows its fields is ignored (BOLT 1 §Lightning Message Format: a
 * receiver MAY ignore the extension).
 */
export const plain = <T extends MessageType>(
  number: number,
  type: T,
  fields: Fields<MessageOf<T>>,
): MessageCodec<MessageOf<T>> => ({
  number,
  read: (reader) => readFields(type, fields, reader) as unknown as MessageOf<T>,
  write: (writer, message) => writeFields(fields, writer, message),
})

/** A message whose fields are followed by a TLV stream. Unknown even types are refused, unknown odd ones dropped. */
export const extended = <T extends MessageType>(
  number: number,
  type: T,
  fields: Fields<MessageOf<T>>,
  tlvs: Tlvs<MessageOf<T>>,
): MessageCodec<MessageOf<T>> => {
  const schema = tlvs as TlvSchema<Record<string, unknown>>
  return {
    number,
    read: (reader) => {
      const message = readFields(type, fields, reader)
      return Object.assign(message, readTlvs(reader, schema)) as unknown as MessageOf<T>
    },
    write: (writer, message) => {
      writeFields(fields, writer, message)
      writeTlvs(writer, schema, message as unknown as Record<string, unknown>)
    },
  }
}

/** A signed gossip message: what follows its fields is kept as `extra`, because the signature covers it. */
export const signed = <T extends 'channel_announcement' | 'node_announcement' | 'channel_update'>(
  number: number,
  type: T,
  fields: Fields<MessageOf<T>>,
): MessageCodec<MessageOf<T>> => ({
  number,
  read: (reader) => {
    const message = readFields(type, fields, reader)
    if (reader.left > 0) message['extra'] = reader.rest()
    return message as unknown as MessageOf<T>
  },
  write: (writer, message) => {
    writeFields(fields, writer, message)
    const { extra } = message as { readonly extra?: Uint8Array }
    if (extra !== undefined) writer.bytes(extra)
  },
})

/** A codec that refuses what `check` finds wrong between the fields of a message. */
export const checked = <M extends Message>(
  codec: MessageCodec<M>,
  check: (message: M) => void,
): MessageCodec<M> => ({
  ...codec,
  read: (reader) => {
    const message = codec.read(reader)
    check(message)
    return message
  },
})

/** Items that fill the rest of a value, at most `max` of them. Each item must consume at least one byte. */
export function readItems<T>(reader: Reader, max: number, item: (r: Reader) => T): T[] {
  const out: T[] = []
  while (reader.left > 0) {
    if (out.length >= max) refuse('too_many', `more than ${max} items`)
    out.push(item(reader))
  }
  return out
}

/** The bytes that `write` produces. */
export function written(write: (writer: Writer) => void): Uint8Array {
  const writer = new Writer()
  write(writer)
  return writer.finish()
}
