import { invariant } from '../base/result.ts'
import {
  ACT_LENGTH,
  type InitiatorState,
  type LocalKeys,
  type ResponderAwaitsAct3,
  type ResponderState,
  readAct1,
  readAct2,
  readAct3,
  startInitiator,
  startResponder,
} from './handshake.ts'
import { HEADER_LENGTH, Receiver, Sender } from './transport.ts'
import type { NoiseError, SessionKeys } from './types.ts'

/** What one piece of the byte stream led to. */
export interface NoiseOutput {
  /** Handshake bytes to write to the socket, in order. */
  readonly toSend: readonly Uint8Array[]
  /** Messages that arrived whole, in order; genuine even when `error` is set behind them. */
  readonly messages: readonly Uint8Array[]
  /** Set once, in the output in which the handshake completes: whom we talk to (33 bytes). */
  readonly remotePubkey?: Uint8Array
  /** Final: close the socket and send nothing more. */
  readonly error?: NoiseError
}

type Phase =
  | { readonly name: 'act1'; readonly state: ResponderState }
  | { readonly name: 'act2'; readonly state: InitiatorState }
  | { readonly name: 'act3'; readonly state: ResponderAwaitsAct3 }
  | { readonly name: 'length' }
  | { readonly name: 'message' }
  | { readonly name: 'failed'; readonly error: NoiseError }

/**
 * One BOLT 8 connection over any byte stream, for a socket shell: what arrives goes into `receive` in pieces of any size,
 * what is to be said goes through `encrypt` once `ready`. It buffers one incomplete unit at most (65,551 bytes), and that
 * only after the peer has authenticated its length. Mutable, never stored.
 */
export class NoiseConnection {
  #phase: Phase
  #need: number
  #part: Uint8Array = new Uint8Array(0)
  #have = 0
  #sender: Sender | undefined
  #receiver: Receiver | undefined
  #remotePubkey: Uint8Array | undefined

  private constructor(phase: Phase, need: number) {
    this.#phase = phase
    this.#need = need
  }

  /** Calls `remotePubkey` (a valid point, else this throws); `act1` goes to the socket first. */
  static initiate(keys: LocalKeys & { readonly remotePubkey: Uint8Array }): {
    readonly connection: NoiseConnection
    readonly act1: Uint8Array
  } {
    const { state, act1 } = startInitiator(keys)
    return { connection: new NoiseConnection({ name: 'act2', state }, ACT_LENGTH[2]), act1 }
  }

  /** Answers a call. */
  static respond(keys: LocalKeys): NoiseConnection {
    return new NoiseConnection({ name: 'act1', state: startResponder(keys) }, ACT_LENGTH[1])
  }

  /** Whether messages can be encrypted. */
  get ready(): boolean {
    return this.#sender !== undefined && this.#phase.name !== 'failed'
  }

  /** The peer's node id, once the handshake is complete. */
  get remotePubkey(): Uint8Array | undefined {
    return this.#remotePubkey
  }

  /** Encrypts one message of at most 65,535 bytes. Throws (a defect) before `ready`. */
  encrypt(message: Uint8Array): Uint8Array {
    return this.encryptMany([message])
  }

  /** Encrypts messages in order into one buffer. Throws (a defect) before `ready`. */
  encryptMany(messages: readonly Uint8Array[]): Uint8Array {
    invariant(this.#sender !== undefined && this.ready, 'noise: encrypt on a connection that is not ready')
    return this.#sender.encryptMany(messages)
  }

  /** Takes the next bytes of the stream, however they are cut. Never throws; an error is final and repeated. */
  receive(chunk: Uint8Array): NoiseOutput {
    const toSend: Uint8Array[] = []
    const messages: Uint8Array[] = []
    const before = this.#remotePubkey
    let at = 0
    while (this.#phase.name !== 'failed') {
      const missing = this.#need - this.#have
      const available = chunk.length - at
      if (available < missing) {
        this.#keep(chunk.subarray(at))
        break
      }
      let unit = chunk.subarray(at, at + missing)
      at += missing
      if (this.#have > 0) {
        this.#part.set(unit, this.#have)
        unit = this.#part
      }
      this.#have = 0
      this.#part = EMPTY
      this.#take(unit, toSend, messages)
    }
    return {
      toSend,
      messages,
      ...(before === undefined && this.#remotePubkey !== undefined
        ? { remotePubkey: this.#remotePubkey }
        : {}),
      ...(this.#phase.name === 'failed' ? { error: this.#phase.error } : {}),
    }
  }

  /** Keeps the beginning of a unit; its buffer has the unit's exact size, so many small pieces cost no more than one. */
  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    if (this.#have === 0) this.#part = new Uint8Array(this.#need)
    this.#part.set(bytes, this.#have)
    this.#have += bytes.length
  }

  /** Handles one whole unit: an act, an encrypted length or an encrypted message. */
  #take(unit: Uint8Array, toSend: Uint8Array[], messages: Uint8Array[]): void {
    const phase = this.#phase
    switch (phase.name) {
      case 'act1': {
        const read = readAct1(phase.state, unit)
        if (!read.ok) return this.#fail(read.error)
        toSend.push(read.value.act2)
        this.#expect({ name: 'act3', state: read.value.state }, ACT_LENGTH[3])
        return
      }
      case 'act2': {
        const read = readAct2(phase.state, unit)
        if (!read.ok) return this.#fail(read.error)
        toSend.push(read.value.act3)
        this.#complete(read.value.keys)
        return
      }
      case 'act3': {
        const read = readAct3(phase.state, unit)
        if (!read.ok) return this.#fail(read.error)
        this.#complete(read.value)
        return
      }
      case 'length': {
        const length = this.#receiver?.openLength(unit)
        if (length === undefined) return this.#fail({ act: 'transport', code: 'bad_length_tag' })
        this.#expect({ name: 'message' }, length)
        return
      }
      case 'message': {
        const message = this.#receiver?.openMessage(unit)
        if (message === undefined) return this.#fail({ act: 'transport', code: 'bad_message_tag' })
        messages.push(message)
        this.#expect({ name: 'length' }, HEADER_LENGTH)
        return
      }
      case 'failed':
        return
    }
  }

  #expect(phase: Phase, need: number): void {
    this.#phase = phase
    this.#need = need
  }

  #complete(keys: SessionKeys): void {
    this.#sender = new Sender(keys.sendKey, keys.chainingKey)
    this.#receiver = new Receiver(keys.receiveKey, keys.chainingKey)
    this.#remotePubkey = keys.remotePubkey
    this.#expect({ name: 'length' }, HEADER_LENGTH)
  }

  #fail(error: NoiseError): void {
    this.#phase = { name: 'failed', error }
  }
}

const EMPTY = new Uint8Array(0)
