import type { ApiErrorData } from '../contract/errors.ts'
import { parseHex, toHex } from '../engine/base/bytes.ts'
import { NoiseConnection, type NoiseOutput } from '../engine/noise/connection.ts'
import type { Clock } from './ports.ts'
import type { ByteSocket } from './socket.ts'

/** Until the handshake must be complete, counted from the open socket. */
const HANDSHAKE_MS = 15_000
/** A peer that does not read for so long that this much waits for it is let go. */
const MAX_BUFFERED_BYTES = 16 * 1024 * 1024

export interface LinkListener {
  /** The handshake is complete; 66 hex digits. */
  ready(nodeId: string): void
  /** Messages that came together. */
  messages(messages: readonly Uint8Array[]): void
  /** The link is over, by whatever cause except our own `close`. Called once. */
  ended(failure: ApiErrorData): void
}

/** One socket with BOLT 8 on it. */
export interface Link {
  /** Begins; the listener may be called before this returns. */
  start(): void
  /** Encrypts the messages into one frame and writes it. Nothing happens when the link is over. */
  send(messages: readonly Uint8Array[]): void
  /** Ends the link without a word to the listener. */
  close(): void
  pause(): void
  resume(): void
  /** Whether `pause` does anything. */
  readonly canPause: boolean
}

export interface LinkOptions {
  readonly socket: ByteSocket
  readonly clock: Clock
  readonly localSecret: Uint8Array
  /** 32 fresh bytes. */
  readonly ephemeralSecret: Uint8Array
  /** Whom we call; absent when the call came to us. */
  readonly remoteNodeId?: string
}

/** BOLT 8 over an open socket, as initiator when `remoteNodeId` is given and as responder otherwise. */
export function openLink(options: LinkOptions, listener: LinkListener): Link {
  const { socket, localSecret, ephemeralSecret } = options
  let over = false
  let ready = false
  let act1: Uint8Array | undefined
  let noise: NoiseConnection
  let cancelTimer = () => {}

  function end(failure: ApiErrorData): void {
    if (over) return
    over = true
    cancelTimer()
    socket.close()
    listener.ended(failure)
  }

  function take(output: NoiseOutput): void {
    for (const bytes of output.toSend) socket.write(bytes)
    if (output.remotePubkey !== undefined) {
      ready = true
      cancelTimer()
      listener.ready(toHex(output.remotePubkey))
    }
    // The listener may have closed us. What was authenticated before an error still counts: it may hold a preimage.
    if (output.messages.length > 0 && !over) listener.messages(output.messages)
    if (output.error === undefined) return
    const { act, code } = output.error
    end(
      ready
        ? { code: 'peerDisconnected', message: `The encrypted connection broke (${code}).` }
        : {
            code: 'handshakeFailed',
            message: `The encrypted handshake failed in act ${act} (${code}): another key or another protocol.`,
          },
    )
  }

  if (options.remoteNodeId === undefined) noise = NoiseConnection.respond({ localSecret, ephemeralSecret })
  else {
    const remotePubkey = parseHex(options.remoteNodeId, 33) ?? new Uint8Array(0)
    const initiated = NoiseConnection.initiate({ localSecret, ephemeralSecret, remotePubkey })
    noise = initiated.connection
    act1 = initiated.act1
  }

  function start(): void {
    cancelTimer = options.clock.after(HANDSHAKE_MS, () =>
      end({
        code: 'handshakeFailed',
        message: `The handshake was not complete within ${HANDSHAKE_MS / 1000} s.`,
      }),
    )
    socket.onClose(({ reason, failure }) => {
      if (ready) end({ code: 'peerDisconnected', message: reason })
      else if (failure !== undefined) end({ code: failure, message: reason })
      else
        end({
          code: 'handshakeFailed',
          message: `The connection ended during the handshake (${reason}): the node may have another key.`,
        })
    })
    if (act1 !== undefined && !over) socket.write(act1)
    socket.onData((bytes) => {
      if (!over) take(noise.receive(bytes))
    })
  }

  return {
    start,
    send(messages) {
      if (over || messages.length === 0) return
      if (socket.bufferedAmount > MAX_BUFFERED_BYTES)
        return end({ code: 'peerDisconnected', message: 'The peer reads too slowly.' })
      socket.write(noise.encryptMany(messages))
    },
    close() {
      if (over) return
      over = true
      cancelTimer()
      socket.close()
    },
    pause: () => socket.pause?.(),
    resume: () => socket.resume?.(),
    canPause: socket.pause !== undefined,
  }
}
