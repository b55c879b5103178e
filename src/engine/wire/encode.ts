import { MAX_MESSAGE_BYTES, Writer } from './codec.ts'
import type { MessageCodec } from './fields.ts'
import type { KnownMessage, Message } from './messages.ts'
import { CODECS } from './table.ts'

/**
 * A message as it goes into the transport: 2-byte type, fields, TLVs. Throws RangeError when a value does not fit its
 * field or the message exceeds 65,535 bytes: messages are built by us, so that is a defect.
 */
export function encodeMessage(message: Message): Uint8Array {
  const writer = new Writer()
  if (message.type === 'unknown') {
    writer.u16(message.number).bytes(message.payload)
  } else {
    const codec = CODECS[message.type] as unknown as MessageCodec<KnownMessage>
    codec.write(writer.u16(codec.number), message)
  }
  if (writer.size > MAX_MESSAGE_BYTES) throw new RangeError(`${message.type} of ${writer.size} bytes`)
  return writer.finish()
}

/** The number of a message's type (BOLT 1 §Lightning Message Format). */
export const messageNumber = (message: Message): number =>
  message.type === 'unknown' ? message.number : CODECS[message.type].number
