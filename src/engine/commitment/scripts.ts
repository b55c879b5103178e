import { compareBytes } from '../base/bytes.ts'
import { OP, script, scriptNumber } from '../bitcoin/script.ts'
import { hash160, ripemd160 } from '../crypto/hash.ts'
import type { CommitmentKeys } from './types.ts'

/** Witness scripts of BOLT 3. */

/** The 2-of-2 of the funding output, keys in lexicographic order (§Funding Transaction Output), 71 bytes. */
export function fundingScript(a: Uint8Array, b: Uint8Array): Uint8Array {
  const [first, second] = compareBytes(a, b) < 0 ? [a, b] : [b, a]
  return script(OP.TWO, first, second, OP.TWO, OP.CHECKMULTISIG)
}

/** `to_local`, and the output of every second stage: the owner after the delay, the other side with the revocation key. */
export const delayedScript = (
  revocationKey: Uint8Array,
  toSelfDelay: number,
  delayedKey: Uint8Array,
): Uint8Array =>
  script(
    OP.IF,
    revocationKey,
    OP.ELSE,
    scriptNumber(toSelfDelay),
    OP.CHECKSEQUENCEVERIFY,
    OP.DROP,
    delayedKey,
    OP.ENDIF,
    OP.CHECKSIG,
  )

/** `to_remote` with anchors: the other side's payment key after one block, so that only anchors can be spent at once. */
export const toRemoteAnchorsScript = (paymentKey: Uint8Array): Uint8Array =>
  script(paymentKey, OP.CHECKSIGVERIFY, OP.ONE, OP.CHECKSEQUENCEVERIFY)

/** An anchor: its side's funding key at once, anybody after 16 blocks. */
export const anchorScript = (fundingPubkey: Uint8Array): Uint8Array =>
  script(fundingPubkey, OP.CHECKSIG, OP.IFDUP, OP.NOTIF, OP.SIXTEEN, OP.CHECKSEQUENCEVERIFY, OP.ENDIF)

/** With anchors every path but the penalty waits for one block. */
const CSV_1 = [OP.ONE, OP.CHECKSEQUENCEVERIFY, OP.DROP]
const HASH_BYTES = Uint8Array.of(32)

/** The HTLC scripts of one commitment, with what all of them share computed once. */
export interface HtlcScripts {
  offered(paymentHash: Uint8Array): Uint8Array
  received(paymentHash: Uint8Array, cltvExpiry: number): Uint8Array
}

/** HTLC scripts for a commitment's keys (§Offered HTLC Outputs, §Received HTLC Outputs); payment hashes of 32 bytes. */
export function htlcScripts(keys: CommitmentKeys, anchors: boolean): HtlcScripts {
  const revocationHash = hash160(keys.revocationKey)
  const head = [
    OP.DUP,
    OP.HASH160,
    revocationHash,
    OP.EQUAL,
    OP.IF,
    OP.CHECKSIG,
    OP.ELSE,
    keys.otherHtlcKey,
    OP.SWAP,
    OP.SIZE,
    HASH_BYTES,
    OP.EQUAL,
  ]
  const multisig = [OP.TWO, OP.SWAP, keys.ownerHtlcKey, OP.TWO, OP.CHECKMULTISIG]
  const tail = [OP.CHECKSIG, OP.ENDIF, ...(anchors ? CSV_1 : []), OP.ENDIF]
  return {
    offered: (paymentHash) =>
      script(
        ...head,
        OP.NOTIF,
        OP.DROP,
        ...multisig,
        OP.ELSE,
        OP.HASH160,
        ripemd160(paymentHash),
        OP.EQUALVERIFY,
        ...tail,
      ),
    received: (paymentHash, cltvExpiry) =>
      script(
        ...head,
        OP.IF,
        OP.HASH160,
        ripemd160(paymentHash),
        OP.EQUALVERIFY,
        ...multisig,
        OP.ELSE,
        OP.DROP,
        scriptNumber(cltvExpiry),
        OP.CHECKLOCKTIMEVERIFY,
        OP.DROP,
        ...tail,
      ),
  }
}
