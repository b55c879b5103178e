import type { Result } from '../base/result.ts'
import { err, ok } from '../base/result.ts'

/**
 * Why bytes were refused. The machine that asked decides what follows (house law 9); for messages the floor is BOLT 1
 * §Lightning Message Format: all of these close the connection.
 *
 * - `truncated`: fewer bytes than the fields need.
 * - `trailing`: bytes left over where the encoding has an exact length.
 * - `not_minimal`: a bigsize or truncated integer in more bytes than needed.
 * - `tlv_order`: TLV types not strictly increasing.
 * - `tlv_unknown_even`: a TLV record that must be understood and is not.
 * - `bad_length`: a field whose length is outside what the specification allows.
 * - `bad_value`: a field with a value that the specification rules out.
 * - `bad_amount`: more than 21 million bitcoin (BOLT 1 §Fundamental Types).
 * - `too_many`: a count above the specification's bound or ours.
 * - `too_long`: a message above 65,535 bytes.
 * - `unknown_even_message`: a message type that must be understood and is not: disconnect.
 */
export type WireErrorCode =
  | 'truncated'
  | 'trailing'
  | 'not_minimal'
  | 'tlv_order'
  | 'tlv_unknown_even'
  | 'bad_length'
  | 'bad_value'
  | 'bad_amount'
  | 'too_many'
  | 'too_long'
  | 'unknown_even_message'

/** A refusal as data. `message` is for logs, in English; it holds no bytes of the input. */
export interface WireError {
  readonly code: WireErrorCode
  readonly message: string
  /** The message's type number, when it was read. */
  readonly messageType?: number
  /** The TLV record's type, when one is at fault. */
  readonly tlvType?: bigint
}

/** Thrown by `Reader` inside decoders and turned into data by `decoding`; never leaves a public function. */
export class DecodeError extends Error {
  readonly code: WireErrorCode
  readonly tlvType: bigint | undefined
  constructor(code: WireErrorCode, message: string, tlvType?: bigint) {
    super(message)
    this.name = 'DecodeError'
    this.code = code
    this.tlvType = tlvType
  }
}

/** Stops the running decoder. Only inside `decoding`. */
export function refuse(code: WireErrorCode, message: string, tlvType?: bigint): never {
  throw new DecodeError(code, message, tlvType)
}

/**
 * The public edge of every decoder: runs `read` and returns its value, or the refusal as data. Anything else that is
 * thrown is a defect of ours and passes through.
 */
export function decoding<T>(read: () => T): Result<T, WireError> {
  try {
    return ok(read())
  } catch (e) {
    if (!(e instanceof DecodeError)) throw e
    return err({
      code: e.code,
      message: e.message,
      ...(e.tlvType === undefined ? {} : { tlvType: e.tlvType }),
    })
  }
}
