/** Why a handshake ended. `read_failed` is a message of the wrong length: the stream ended inside it. */
export interface HandshakeError {
  readonly act: 1 | 2 | 3
  readonly code: 'read_failed' | 'bad_version' | 'bad_pubkey' | 'bad_ciphertext' | 'bad_tag'
}

/** A frame after the handshake whose tag is wrong: the stream was altered, or the sides are out of step. */
export interface TransportError {
  readonly act: 'transport'
  readonly code: 'bad_length_tag' | 'bad_message_tag'
}

/** Why a connection is unusable. All are final: BOLT 8 has the connection closed without another word. */
export type NoiseError = HandshakeError | TransportError

/** What a handshake leaves: 32-byte keys and whom we talk to (33 bytes). */
export interface SessionKeys {
  readonly sendKey: Uint8Array
  readonly receiveKey: Uint8Array
  /** Both directions' chaining keys start with this value. */
  readonly chainingKey: Uint8Array
  readonly remotePubkey: Uint8Array
}
