import { err, ok, type Result } from '../base/result.ts'
import { openAead, sealAead } from '../crypto/cipher.ts'
import { ecdh, isPublicKey, multiplyPoint, multiplyScalars, publicKey } from '../crypto/curve.ts'
import type { BlindedPath } from './blinded-path.ts'
import { blindPoint, blindSecret, deriveKey } from './keys.ts'

const NONCE = new Uint8Array(12)
const NO_AAD = new Uint8Array(0)

/** A node of a path to blind, with what it shall be told (`encodeRecipientData`). */
export interface PathHop {
  /** 33 bytes */
  readonly nodeId: Uint8Array
  readonly data: Uint8Array
}

/**
 * Blinds a path of at least one hop. `sessionKey`: 32 fresh random bytes, a valid secret key. Throws (a defect) on invalid keys.
 * `pathKeys[i]` is what hop i will see; the recipient recognises its own path by the last one.
 */
export function createBlindedPath(
  sessionKey: Uint8Array,
  hops: readonly PathHop[],
): { readonly path: BlindedPath; readonly pathKeys: readonly Uint8Array[] } {
  const first = hops[0]
  if (first === undefined) throw new RangeError('createBlindedPath: no hops')
  const pathKeys: Uint8Array[] = []
  let secret = sessionKey
  const blinded = hops.map(({ nodeId, data }) => {
    const pathKey = publicKey(secret)
    const shared = ecdh(secret, nodeId)
    pathKeys.push(pathKey)
    secret = blindSecret(secret, pathKey, shared)
    return {
      blindedNodeId: multiplyPoint(nodeId, deriveKey('blinded_node_id', shared)),
      encryptedRecipientData: sealAead(deriveKey('rho', shared), NONCE, NO_AAD, data),
    }
  })
  return {
    path: { introduction: { nodeId: first.nodeId }, firstPathKey: pathKeys[0] as Uint8Array, hops: blinded },
    pathKeys,
  }
}

/** The secret that belongs to our blinded node id under a (valid) path key: onions to that id are peeled with it. */
export function blindedSecret(nodeSecret: Uint8Array, pathKey: Uint8Array): Uint8Array {
  const tweak = deriveKey('blinded_node_id', ecdh(nodeSecret, pathKey))
  const secret = multiplyScalars(nodeSecret, tweak)
  if (secret === undefined) throw new Error('onion: blinded secret is zero')
  return secret
}

/**
 * Opens what a path's creator left for us: the bytes of an `encrypted_data_tlv` and the path key that the next hop gets
 * unless those bytes override it (`decodeRecipientData`).
 */
export function openRecipientData(
  nodeSecret: Uint8Array,
  pathKey: Uint8Array,
  encryptedRecipientData: Uint8Array,
): Result<{ readonly data: Uint8Array; readonly nextPathKey: Uint8Array }, 'bad_path_key' | 'undecryptable'> {
  if (!isPublicKey(pathKey)) return err('bad_path_key')
  const shared = ecdh(nodeSecret, pathKey)
  const data = openAead(deriveKey('rho', shared), NONCE, NO_AAD, encryptedRecipientData)
  if (data === undefined) return err('undecryptable')
  return ok({ data, nextPathKey: blindPoint(pathKey, shared) })
}
