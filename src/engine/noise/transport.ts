import { openAead, sealAead } from '../crypto/cipher.ts'
import { mixKey } from './keys.ts'

/** BOLT 8 §Lightning Message Specification: the most a message may have. */
export const MAX_MESSAGE = 65535

/** Bytes of the encrypted length that precedes each message. */
export const HEADER_LENGTH = 18

/** Bytes that a frame has over its message. */
export const FRAME_OVERHEAD = 34

const TAG = 16
const ROTATE_AT = 1000
const NO_AAD = new Uint8Array(0)

/** One direction's key: its nonce counts up to 1000, then key and chaining key are replaced (BOLT 8 §Key Rotation). */
class CipherState {
  #key: Uint8Array
  #chainingKey: Uint8Array
  #count = 0
  readonly #nonce = new Uint8Array(12)

  constructor(key: Uint8Array, chainingKey: Uint8Array) {
    this.#key = key
    this.#chainingKey = chainingKey
  }

  seal(plaintext: Uint8Array): Uint8Array {
    const sealed = sealAead(this.#key, this.#nonce, NO_AAD, plaintext)
    this.#advance()
    return sealed
  }

  open(ciphertext: Uint8Array): Uint8Array | undefined {
    const opened = openAead(this.#key, this.#nonce, NO_AAD, ciphertext)
    this.#advance()
    return opened
  }

  #advance(): void {
    this.#count += 1
    if (this.#count === ROTATE_AT) {
      const next = mixKey(this.#chainingKey, this.#key)
      this.#key = next.key
      this.#chainingKey = next.chainingKey
      this.#count = 0
    }
    // The counter stays below 1000, so two bytes of the little-endian 64-bit field are enough.
    this.#nonce[4] = this.#count & 0xff
    this.#nonce[5] = this.#count >> 8
  }
}

/** The sending half of a connection. Mutable and never stored: it lives and dies with the socket. */
export class Sender {
  readonly #cipher: CipherState
  readonly #length = new Uint8Array(2)

  constructor(key: Uint8Array, chainingKey: Uint8Array) {
    this.#cipher = new CipherState(key, chainingKey)
  }

  /** One frame for a message of at most 65,535 bytes; throws (a defect) above that. */
  encrypt(message: Uint8Array): Uint8Array {
    return this.encryptMany([message])
  }

  /** The frames of all messages in order, in one buffer: a turn's answer is one socket write. */
  encryptMany(messages: readonly Uint8Array[]): Uint8Array {
    let total = 0
    for (const message of messages) {
      // Checked for all before the first is sealed, so that a refusal leaves the nonces alone.
      if (message.length > MAX_MESSAGE) throw new RangeError(`noise: message of ${message.length} bytes`)
      total += message.length + FRAME_OVERHEAD
    }
    const out = new Uint8Array(total)
    let at = 0
    for (const message of messages) {
      this.#length[0] = message.length >> 8
      this.#length[1] = message.length & 0xff
      out.set(this.#cipher.seal(this.#length), at)
      out.set(this.#cipher.seal(message), at + HEADER_LENGTH)
      at += message.length + FRAME_OVERHEAD
    }
    return out
  }
}

/** The receiving half of a connection: frames come as two exact reads. */
export class Receiver {
  readonly #cipher: CipherState

  constructor(key: Uint8Array, chainingKey: Uint8Array) {
    this.#cipher = new CipherState(key, chainingKey)
  }

  /** 18 bytes to the number of bytes of the part that follows (message and tag), or undefined when the tag is wrong. */
  openLength(header: Uint8Array): number | undefined {
    const length = this.#cipher.open(header)
    return length === undefined ? undefined : (length[0] as number) * 256 + (length[1] as number) + TAG
  }

  /** Message and tag to the message, or undefined when the tag is wrong. */
  openMessage(sealed: Uint8Array): Uint8Array | undefined {
    return this.#cipher.open(sealed)
  }
}
