import type { PeerAddress } from './peer-address.ts'

/** Why a connection could not be made, as codes of the contract. */
export type DialFailureCode =
  | 'gatewayUnreachable'
  | 'peerUnreachable'
  | 'handshakeFailed'
  | 'peerAddressInvalid'

/** How a socket ended. */
export interface SocketEnd {
  /** For logs. */
  readonly reason: string
  /** Set when whoever closed it said whose fault it is. */
  readonly failure?: DialFailureCode
}

/** An open stream of bytes, both ways. Whoever makes it keeps what arrives before `onData`. */
export interface ByteSocket {
  /** Queues bytes; nothing happens on a closed socket. The caller does not change them afterwards. */
  write(bytes: Uint8Array): void
  /** What is queued still leaves. `onClose` may or may not follow. */
  close(): void
  /** Registers the only listener. */
  onData(listener: (bytes: Uint8Array) => void): void
  /** Registers the only listener; called once. */
  onClose(listener: (end: SocketEnd) => void): void
  /** Bytes queued that have not left yet. */
  readonly bufferedAmount: number
  /** Stops and starts reading. Absent where the platform cannot (WebSocket). */
  pause?(): void
  resume?(): void
}

/** Opens a stream to a peer. Rejects with `ApiError` of a `DialFailureCode`; an abort means that nobody waits any more. */
export type Dial = (address: PeerAddress, signal: AbortSignal) => Promise<ByteSocket>
