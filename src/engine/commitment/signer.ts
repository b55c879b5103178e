import { equalBytes, equalSecret } from '../base/bytes.ts'
import { err, invariant, ok, type Result } from '../base/result.ts'
import { sat } from '../base/units.ts'
import {
  outputSumSat,
  SEQUENCE_FINAL,
  SEQUENCE_RBF,
  SIGHASH_ALL,
  type SighashMidstate,
  sighashSegwitV0,
} from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { publicKey, signEcdsa, verifyEcdsa } from '../crypto/curve.ts'
import {
  aggregateNonces,
  makeNonce,
  type SecretNonce,
  signingSession,
  signPartially,
} from '../crypto/musig2.ts'
import { hash256, sha256 } from '../crypto/hash.ts'
import { derivePrivateKey, perCommitmentPoint } from '../revocation/keys.ts'
import { revocationPrivateKey } from '../revocation/penalty-key.ts'
import { type ProofContext, proveKey } from '../revocation/proofs.ts'
import { commitmentSecret, MAX_COMMITMENT_NUMBER } from '../revocation/secrets.ts'
import { encodeMessage } from '../wire/encode.ts'
import type { ChannelAnnouncement } from '../wire/messages.ts'
import { keysOfWords, provenDigest, type ProvenWords } from '../wire/proven.ts'
import type { BuiltClosing } from './closing.ts'
import { type ChannelSecrets, channelPublicKeys } from './secrets.ts'
import { type SweepOutput, sweepScriptCode, sweepWitness } from './sweeps.ts'
import type { BuiltCommitment, ChannelPublicKeys, CommitmentFormat, HtlcOutput } from './types.ts'
import { fundingKeys, scriptSignature, secondStageWitness, withFundingWitness } from './witness.ts'

/**
 * The signer and its policy (house law 5). It holds a channel's secrets for the length of a turn and answers from what the
 * channel's record says was done before: whatever asks, a commitment number is never skipped, never signed with a second
 * content, never broadcast once revoked and never revealed before its successor is held.
 */

/** What the signer has to remember of a channel: plain data in the channel's record, written with the turn that changed it. */
export interface SignerState {
  /** The newest remote commitment signed, and a hash over all that was signed with it. */
  readonly remoteSigned?: { readonly number: bigint; readonly content: Uint8Array }
  /** Local commitments below this number are revoked: their secrets have been handed out. */
  readonly localRevoked: bigint
  /** The local commitment that was signed for broadcast: from then on its secret stays here for good. */
  readonly localSigned?: bigint
}

/** Nothing signed, nothing revoked. */
export const INITIAL_SIGNER_STATE: SignerState = { localRevoked: 0n }

/** Why the signer refuses. A refusal is a defect or a corrupted record, never a peer's doing: nothing is sent, all freezes. */
export type SignerRefusal =
  | 'not_ours'
  | 'digest_mismatch'
  | 'number_skipped'
  | 'number_repeated'
  | 'number_revoked'
  | 'successor_not_accepted'
  | 'signed_for_broadcast'
  | 'bad_remote_signature'
  | 'bad_nonce'

export interface ChannelSigner {
  /** The five keys for `open_channel` or `accept_channel`. */
  readonly publicKeys: ChannelPublicKeys
  /** Our per-commitment point, 33 bytes. */
  commitmentPoint(number: bigint): Uint8Array
  /** Proof of possession of our revocation basepoint, 64 bytes; the same bytes every time. */
  proveBasepoint(context: ProofContext): Uint8Array
  /** Proof of possession of our point for a commitment, 64 bytes; the same bytes every time. */
  provePoint(context: ProofContext, number: bigint): Uint8Array
  /**
   * Signs the peer's commitment and its second stages: 64-byte signatures, those of HTLCs in output order. The number is one above
   * the last (0 at first), or the last again with the same content, which gives the same bytes.
   */
  signRemoteCommitment(
    state: SignerState,
    built: BuiltCommitment,
  ): Result<
    { state: SignerState; signature: Uint8Array; htlcSignatures: readonly Uint8Array[] },
    SignerRefusal
  >
  /** Signs our own commitment for broadcast: the complete transaction. Its number must not be revoked. */
  signLocalCommitment(
    state: SignerState,
    built: BuiltCommitment,
    remoteSignature: Uint8Array,
  ): Result<{ state: SignerState; tx: Tx }, SignerRefusal>
  /**
   * Hands out the secret of our commitment `number`, which revokes it: the next one to be revoked, or again an earlier one.
   * @param acceptedThrough the highest of our commitments whose signature from the peer is accepted; at least number + 1
   */
  revealSecret(
    state: SignerState,
    number: bigint,
    acceptedThrough: bigint,
  ): Result<{ state: SignerState; secret: Uint8Array }, SignerRefusal>
  /** The secret of a commitment that is revoked already, else undefined. */
  secretIfRevoked(state: SignerState, number: bigint): Uint8Array | undefined
  /** Whether the peer holds our secret of `number`, revoked as far as we know or not: then we may have lost state. */
  proveSecret(number: bigint, secret: Uint8Array): boolean
  /**
   * Signs a channel_announcement that names our funding key, 64 bytes: of what it says, not of a digest from outside, so that nothing
   * that spends can be passed off as one (BOLT 7 §announcement_signatures).
   */
  signAnnouncement(announcement: ChannelAnnouncement): Result<Uint8Array, SignerRefusal>
  /** A nonce of our funding key for one signature under the four keys of an announcement; `random`: 32 bytes never used before. */
  announcementNonce(words: ProvenWords, random: Uint8Array): Result<SecretNonce, SignerRefusal>
  /**
   * Our funding key's part of that signature, 32 bytes: of what the words say, not of a digest from outside. The nonce is used up.
   * @param publicNonces of all four keys, in their order
   */
  signTogether(
    words: ProvenWords,
    nonce: SecretNonce,
    publicNonces: readonly Uint8Array[],
  ): Result<Uint8Array, SignerRefusal>
  /** Signs a closing transaction, 64 bytes. */
  signClosing(closing: BuiltClosing): Result<Uint8Array, SignerRefusal>
  /**
   * The witness of our HTLC-success or HTLC-timeout transaction, by itself or, with anchors, as input `inputIndex` of a larger
   * one that pays the fee (its output at the same index is the second stage's).
   * @param preimage 32 bytes, for HTLC-success
   */
  signSecondStage(
    state: SignerState,
    built: BuiltCommitment,
    output: HtlcOutput,
    remoteSignature: Uint8Array,
    preimage?: Uint8Array,
    combined?: { readonly tx: Tx; readonly inputIndex: number; readonly midstate?: SighashMidstate },
  ): Result<readonly Uint8Array[], SignerRefusal>
  /** The witness that claims one output of a closed channel; signs with SIGHASH_ALL. */
  signSweep(
    tx: Tx,
    inputIndex: number,
    output: SweepOutput,
    midstate?: SighashMidstate,
  ): readonly Uint8Array[]
}

/** All that a signature on a commitment stands for: its digest and those of its second stages. */
const contentOf = (built: BuiltCommitment): Uint8Array =>
  sha256(built.sighash, ...built.htlcs.map((h) => h.sighash))

/** The digest of a funding spend, made anew from the transaction itself. */
const fundingDigest = (spend: { tx: Tx; fundingScript: Uint8Array; feeSat: bigint }): Uint8Array =>
  sighashSegwitV0(spend.tx, 0, spend.fundingScript, sat(outputSumSat(spend.tx) + spend.feeSat), SIGHASH_ALL)

const namesFundingKey = (words: Pick<ProvenWords, 'bitcoinKey1' | 'bitcoinKey2'>, own: Uint8Array): boolean =>
  equalBytes(words.bitcoinKey1, own) || equalBytes(words.bitcoinKey2, own)

/** Fixed auxiliary data: BIP 340 allows it, and a proof that is sent again has the same bytes. */
const PROOF_AUX = new Uint8Array(32)

/** Numbers of which secrets and points are kept at hand: those of the widest window, and as many again. */
const REMEMBERED = 128

/** What a function of a commitment number said, kept for the last few numbers. */
function remembered(compute: (number: bigint) => Uint8Array): (number: bigint) => Uint8Array {
  const known = new Map<bigint, Uint8Array>()
  return (number) => {
    const found = known.get(number)
    if (found !== undefined) return found
    const value = compute(number)
    for (const oldest of known.keys()) {
      if (known.size < REMEMBERED) break
      known.delete(oldest)
    }
    known.set(number, value)
    return value
  }
}

/** A signer over a channel's secrets. Cheap to make; keep it no longer than a turn. */
export function createChannelSigner(
  secrets: ChannelSecrets,
  format: Pick<CommitmentFormat, 'secrets' | 'revocationKey' | 'anchors'>,
): ChannelSigner {
  let keys: ChannelPublicKeys | undefined
  const publicKeys = (): ChannelPublicKeys => (keys ??= channelPublicKeys(secrets))
  const root = secrets.commitmentRoot
  // A turn asks several times for the same few: a secret is up to 47 hashes from the root.
  const secretOf = remembered((number) => commitmentSecret(format.secrets, root, number))
  const pointOf = remembered((number) => perCommitmentPoint(secretOf(number)))
  const htlcKey = (point: Uint8Array) =>
    derivePrivateKey(secrets.htlcBasepoint, point, publicKeys().htlcBasepoint)

  /** Which of the two keys of a funding script is ours; the other one, or undefined when neither is. */
  const otherFundingKey = (fundingScript: Uint8Array): Uint8Array | undefined => {
    const [a, b] = fundingKeys(fundingScript)
    const own = publicKeys().fundingPubkey
    return equalBytes(a, own) ? b : equalBytes(b, own) ? a : undefined
  }

  const isRemote = (built: BuiltCommitment): boolean =>
    equalBytes(built.keys.otherPaymentKey, publicKeys().paymentBasepoint) &&
    otherFundingKey(built.fundingScript) !== undefined

  /** Our own commitment: it is built on our point for its number. */
  const isLocal = (built: BuiltCommitment): boolean =>
    !equalBytes(built.keys.otherPaymentKey, publicKeys().paymentBasepoint) &&
    equalBytes(built.keys.point, pointOf(built.number))

  return {
    get publicKeys() {
      return publicKeys()
    },
    commitmentPoint: pointOf,
    proveBasepoint: (context) =>
      proveKey(context, { kind: 'basepoint' }, secrets.revocationBasepoint, PROOF_AUX),
    provePoint: (context, number) =>
      proveKey(context, { kind: 'point', number }, secretOf(number), PROOF_AUX),

    signRemoteCommitment(state, built) {
      if (!isRemote(built)) return err('not_ours')
      if (!equalBytes(fundingDigest(built), built.sighash)) return err('digest_mismatch')
      const last = state.remoteSigned
      const content = contentOf(built)
      const repeated = last !== undefined && built.number === last.number
      if (repeated && !equalBytes(content, last.content)) return err('number_repeated')
      if (!repeated && built.number !== (last === undefined ? 0n : last.number + 1n))
        return err(last !== undefined && built.number < last.number ? 'number_repeated' : 'number_skipped')
      const key = built.htlcs.length === 0 ? undefined : htlcKey(built.keys.point)
      return ok({
        state: repeated ? state : { ...state, remoteSigned: { number: built.number, content } },
        signature: signEcdsa(built.sighash, secrets.funding),
        htlcSignatures: key === undefined ? [] : built.htlcs.map((h) => signEcdsa(h.sighash, key)),
      })
    },

    signLocalCommitment(state, built, remoteSignature) {
      if (built.number < state.localRevoked) return err('number_revoked')
      const remoteKey = otherFundingKey(built.fundingScript)
      if (remoteKey === undefined || !isLocal(built)) return err('not_ours')
      if (!equalBytes(fundingDigest(built), built.sighash)) return err('digest_mismatch')
      if (!verifyEcdsa(remoteSignature, built.sighash, remoteKey)) return err('bad_remote_signature')
      const tx = withFundingWitness(
        built.tx,
        built.fundingScript,
        { key: publicKeys().fundingPubkey, signature: signEcdsa(built.sighash, secrets.funding) },
        { key: remoteKey, signature: remoteSignature },
      )
      return ok({ state: { ...state, localSigned: built.number }, tx })
    },

    revealSecret(state, number, acceptedThrough) {
      if (number < 0n || number > state.localRevoked) return err('number_skipped')
      if (number < state.localRevoked) return ok({ state, secret: secretOf(number) })
      if (acceptedThrough <= number) return err('successor_not_accepted')
      if (state.localSigned !== undefined && number >= state.localSigned) return err('signed_for_broadcast')
      return ok({ state: { ...state, localRevoked: number + 1n }, secret: secretOf(number) })
    },

    secretIfRevoked: (state, number) =>
      number >= 0n && number < state.localRevoked ? secretOf(number) : undefined,

    proveSecret: (number, secret) =>
      number >= 0n && number <= MAX_COMMITMENT_NUMBER && equalSecret(secret, secretOf(number)),

    signAnnouncement(announcement) {
      if (!namesFundingKey(announcement, publicKeys().fundingPubkey)) return err('not_ours')
      // Type and four signatures come before what is signed.
      return ok(signEcdsa(hash256(encodeMessage(announcement).subarray(2 + 4 * 64)), secrets.funding))
    },

    announcementNonce(words, random) {
      const own = publicKeys().fundingPubkey
      if (!namesFundingKey(words, own)) return err('not_ours')
      return ok(makeNonce(random, own, { secretKey: secrets.funding, message: provenDigest(words) }))
    },

    signTogether(words, nonce, publicNonces) {
      if (!namesFundingKey(words, publicKeys().fundingPubkey)) return err('not_ours')
      const sum = publicNonces.length === 4 ? aggregateNonces(publicNonces) : undefined
      const digest = provenDigest(words)
      const session = sum === undefined ? undefined : signingSession(keysOfWords(words), sum, digest)
      const partial = session === undefined ? undefined : signPartially(session, nonce, secrets.funding)
      return partial === undefined ? err('bad_nonce') : ok(partial)
    },

    signClosing(closing) {
      const sequence = closing.tx.inputs[0]?.sequence
      // A commitment's sequence starts with 0x80: none passes for a closing transaction.
      if (closing.tx.inputs.length !== 1 || (sequence !== SEQUENCE_FINAL && sequence !== SEQUENCE_RBF))
        return err('not_ours')
      if (otherFundingKey(closing.fundingScript) === undefined) return err('not_ours')
      if (!equalBytes(fundingDigest(closing), closing.sighash)) return err('digest_mismatch')
      return ok(signEcdsa(closing.sighash, secrets.funding))
    },

    signSecondStage(state, built, output, remoteSignature, preimage, combined) {
      if (built.number < state.localRevoked) return err('number_revoked')
      if (!isLocal(built)) return err('not_ours')
      if (!verifyEcdsa(remoteSignature, output.sighash, built.keys.otherHtlcKey))
        return err('bad_remote_signature')
      const { tx, inputIndex, midstate } = combined ?? { tx: output.secondStage, inputIndex: 0 }
      const value = built.tx.outputs[output.outputIndex]?.valueSat
      invariant(value !== undefined, 'an HTLC output of this commitment')
      const digest = sighashSegwitV0(tx, inputIndex, output.script, value, SIGHASH_ALL, midstate)
      const own = signEcdsa(digest, htlcKey(built.keys.point))
      return ok(secondStageWitness(format, output, remoteSignature, own, preimage))
    },

    signSweep(tx, inputIndex, output, midstate) {
      const secret = sweepKey(secrets, publicKeys(), format, output)
      const key = publicKey(secret)
      const digest = sighashSegwitV0(
        tx,
        inputIndex,
        sweepScriptCode(output, key),
        output.valueSat,
        SIGHASH_ALL,
        midstate,
      )
      return sweepWitness(output, scriptSignature(signEcdsa(digest, secret), SIGHASH_ALL), key)
    },
  }
}

/** The secret key that claims an output. The funding key signs for anchors only: its script code is no funding script. */
function sweepKey(
  secrets: ChannelSecrets,
  keys: ChannelPublicKeys,
  format: Pick<CommitmentFormat, 'revocationKey'>,
  output: SweepOutput,
): Uint8Array {
  switch (output.kind) {
    case 'delayed':
      return derivePrivateKey(secrets.delayedPaymentBasepoint, output.point, keys.delayedPaymentBasepoint)
    case 'to_remote':
      return secrets.paymentBasepoint
    case 'anchor':
      return secrets.funding
    case 'htlc_preimage':
    case 'htlc_timeout':
      return derivePrivateKey(secrets.htlcBasepoint, output.point, keys.htlcBasepoint)
    case 'penalty':
    case 'htlc_penalty': {
      const key = revocationPrivateKey(
        format.revocationKey,
        secrets.revocationBasepoint,
        output.perCommitmentSecret,
      )
      invariant(key !== undefined, 'revocation secret is not zero')
      return key
    }
  }
}
