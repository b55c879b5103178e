import { concat, utf8 } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { openAead, sealAead } from '../crypto/cipher.ts'
import { ecdh, ecdhOnce, isPublicKey, publicKey } from '../crypto/curve.ts'
import { sha256 } from '../crypto/hash.ts'
import { mixKey } from './keys.ts'
import type { HandshakeError, SessionKeys } from './types.ts'

/** BOLT 8 §Authenticated Key Agreement Handshake: Noise_XK over secp256k1, as pure functions over plain states. */

/** Bytes of the three handshake messages. */
export const ACT_LENGTH = { 1: 50, 2: 50, 3: 66 } as const

const VERSION = 0
const EMPTY = new Uint8Array(0)
const NONCE_0 = new Uint8Array(12)
/** 32 zero bits, then a little-endian 64-bit counter. */
const NONCE_1 = Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0)
const PROTOCOL_HASH = sha256(utf8('Noise_XK_secp256k1_ChaChaPoly_SHA256'))
const PROLOGUE_HASH = sha256(PROTOCOL_HASH, utf8('lightning'))

/** What both sides start from: our long-lived node secret and a fresh one for this connection only (32 bytes each). */
export interface LocalKeys {
  readonly localSecret: Uint8Array
  /** Never used for a second connection. */
  readonly ephemeralSecret: Uint8Array
}

/** The initiator after act one. */
export interface InitiatorState extends LocalKeys {
  readonly remotePubkey: Uint8Array
  readonly hash: Uint8Array
  readonly chainingKey: Uint8Array
}

/** The responder before act one. */
export type ResponderState = LocalKeys

/** The responder after act two. */
export interface ResponderAwaitsAct3 extends LocalKeys {
  readonly hash: Uint8Array
  readonly chainingKey: Uint8Array
  /** temp_k2: opens the first half of act three. */
  readonly key: Uint8Array
}

/**
 * Act one, initiator. `remotePubkey` is 33 bytes and a valid point: check with `isPublicKey` where a user typed it;
 * throws (a defect) otherwise.
 */
export function startInitiator(keys: LocalKeys & { readonly remotePubkey: Uint8Array }): {
  readonly state: InitiatorState
  readonly act1: Uint8Array
} {
  const { remotePubkey } = keys
  if (!isPublicKey(remotePubkey)) throw new RangeError('startInitiator: remotePubkey is no public key')
  const ephemeral = publicKey(keys.ephemeralSecret)
  const h = sha256(sha256(PROLOGUE_HASH, remotePubkey), ephemeral)
  const { chainingKey, key } = mixKey(PROTOCOL_HASH, ecdhOnce(keys.ephemeralSecret, remotePubkey))
  const c = sealAead(key, NONCE_0, h, EMPTY)
  const { localSecret, ephemeralSecret } = keys
  return {
    state: { localSecret, ephemeralSecret, remotePubkey, hash: sha256(h, c), chainingKey },
    act1: concat(Uint8Array.of(VERSION), ephemeral, c),
  }
}

/** The responder's state before act one. */
export const startResponder = (keys: LocalKeys): ResponderState => ({
  localSecret: keys.localSecret,
  ephemeralSecret: keys.ephemeralSecret,
})

/** Act one received (50 bytes), act two to send. */
export function readAct1(
  state: ResponderState,
  message: Uint8Array,
): Result<{ readonly state: ResponderAwaitsAct3; readonly act2: Uint8Array }, HandshakeError> {
  const start = sha256(PROLOGUE_HASH, publicKey(state.localSecret))
  const read = readEphemeral(1, message, start, PROTOCOL_HASH, state.localSecret)
  if (!read.ok) return read
  const ephemeral = publicKey(state.ephemeralSecret)
  const h = sha256(read.value.hash, ephemeral)
  const { chainingKey, key } = mixKey(
    read.value.chainingKey,
    ecdhOnce(state.ephemeralSecret, read.value.remoteEphemeral),
  )
  const c = sealAead(key, NONCE_0, h, EMPTY)
  return ok({
    state: { ...state, hash: sha256(h, c), chainingKey, key },
    act2: concat(Uint8Array.of(VERSION), ephemeral, c),
  })
}

/** Act two received (50 bytes), act three to send; the initiator is done. */
export function readAct2(
  state: InitiatorState,
  message: Uint8Array,
): Result<{ readonly keys: SessionKeys; readonly act3: Uint8Array }, HandshakeError> {
  const read = readEphemeral(2, message, state.hash, state.chainingKey, state.ephemeralSecret)
  if (!read.ok) return read
  const c = sealAead(read.value.key, NONCE_1, read.value.hash, publicKey(state.localSecret))
  const h = sha256(read.value.hash, c)
  const { chainingKey, key } = mixKey(
    read.value.chainingKey,
    ecdh(state.localSecret, read.value.remoteEphemeral),
  )
  const t = sealAead(key, NONCE_0, h, EMPTY)
  const [sendKey, receiveKey] = split(chainingKey)
  return ok({
    keys: { sendKey, receiveKey, chainingKey, remotePubkey: state.remotePubkey },
    act3: concat(Uint8Array.of(VERSION), c, t),
  })
}

/** Act three received (66 bytes); the responder is done and knows who called. */
export function readAct3(
  state: ResponderAwaitsAct3,
  message: Uint8Array,
): Result<SessionKeys, HandshakeError> {
  if (message.length !== ACT_LENGTH[3]) return err({ act: 3, code: 'read_failed' })
  if (message[0] !== VERSION) return err({ act: 3, code: 'bad_version' })
  const c = message.subarray(1, 50)
  const t = message.subarray(50)
  const remotePubkey = openAead(state.key, NONCE_1, state.hash, c)
  if (remotePubkey === undefined) return err({ act: 3, code: 'bad_ciphertext' })
  if (!isPublicKey(remotePubkey)) return err({ act: 3, code: 'bad_pubkey' })
  const h = sha256(state.hash, c)
  const { chainingKey, key } = mixKey(state.chainingKey, ecdhOnce(state.ephemeralSecret, remotePubkey))
  if (openAead(key, NONCE_0, h, t) === undefined) return err({ act: 3, code: 'bad_tag' })
  const [receiveKey, sendKey] = split(chainingKey)
  return ok({ sendKey, receiveKey, chainingKey, remotePubkey })
}

/** Acts one and two have one form: version, ephemeral key, tag over the transcript. */
function readEphemeral(
  act: 1 | 2,
  message: Uint8Array,
  hash: Uint8Array,
  chainingKey: Uint8Array,
  secret: Uint8Array,
): Result<
  { hash: Uint8Array; chainingKey: Uint8Array; key: Uint8Array; remoteEphemeral: Uint8Array },
  HandshakeError
> {
  if (message.length !== ACT_LENGTH[act]) return err({ act, code: 'read_failed' })
  if (message[0] !== VERSION) return err({ act, code: 'bad_version' })
  const remoteEphemeral = message.slice(1, 34)
  const c = message.subarray(34)
  if (!isPublicKey(remoteEphemeral)) return err({ act, code: 'bad_pubkey' })
  const h = sha256(hash, remoteEphemeral)
  const mixed = mixKey(chainingKey, ecdh(secret, remoteEphemeral))
  if (openAead(mixed.key, NONCE_0, h, c) === undefined) return err({ act, code: 'bad_tag' })
  return ok({ hash: sha256(h, c), chainingKey: mixed.chainingKey, key: mixed.key, remoteEphemeral })
}

/** HKDF(ck, zero): the initiator's sending key, then its receiving key. */
function split(chainingKey: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const out = mixKey(chainingKey, EMPTY)
  return [out.chainingKey, out.key]
}
