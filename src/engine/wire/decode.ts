import type { Result } from '../base/result.ts'
import { err } from '../base/result.ts'
import { MAX_MESSAGE_BYTES, Reader } from './codec.ts'
import type { WireError } from './errors.ts'
import { decoding } from './errors.ts'
import type { Message } from './messages.ts'
import { CODECS_BY_NUMBER, UNUSED_EVEN } from './table.ts'

/**
 * Reads one message as the transport delivered it (2-byte type first). Never throws; time and memory are linear in the
 * input, which is at most 65,535 bytes.
 *
 * - A known message is checked for lengths, counts, amounts, point prefixes and its TLV stream; not for what needs state,
 *   and not for points being on the curve (`invalidPoints` of points.ts does that).
 * - An unknown odd type is `{type: 'unknown'}`: ignore it. An unknown even type is the error `unknown_even_message`: close
 *   the connection. Any other error is a malformed message: close the connection (BOLT 1 §Lightning Message Format).
 */
export function decodeMessage(bytes: Uint8Array): Result<Message, WireError> {
  if (bytes.length < 2) return err({ code: 'truncated', message: `message of ${bytes.length} bytes` })
  const reader = new Reader(bytes)
  const number = reader.u16()
  if (bytes.length > MAX_MESSAGE_BYTES)
    return err({ code: 'too_long', message: `message of ${bytes.length} bytes`, messageType: number })
  const codec = CODECS_BY_NUMBER.get(number)
  if (codec === undefined && number % 2 === 0 && !UNUSED_EVEN.has(number))
    return err({
      code: 'unknown_even_message',
      message: `unknown even message type ${number}`,
      messageType: number,
    })
  const result = decoding<Message>(
    () => codec?.read(reader) ?? { type: 'unknown', number, payload: reader.rest() },
  )
  return result.ok ? result : err({ ...result.error, messageType: number })
}
