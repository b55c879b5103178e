import type { Msat, Sat } from '../base/units.ts'
import type { OutPoint, Tx } from '../bitcoin/types.ts'

/** Who opened the channel and pays its commitment fee (BOLT 2), and who accepted. */
export type Role = 'opener' | 'accepter'

export const otherRole = (role: Role): Role => (role === 'opener' ? 'accepter' : 'opener')

/**
 * What differs between channel types; everything else is one engine (design: BOLT 2 is LCP with a window of one).
 * The format chooses the window, the tree of secrets, the revocation key and the scripts.
 */
export interface CommitmentFormat {
  readonly name: string
  /** Bits of the BOLT 2 `channel_type` feature vector. */
  readonly channelTypeBits: readonly number[]
  /** option_anchors scripts and zero-fee HTLC transactions (BOLT 3), else static_remotekey ones. */
  readonly anchors: boolean
  readonly secrets: 'shachain' | 'elkrem'
  readonly revocationKey: 'blinded' | 'additive'
  /** The most points past its tail that a side may have granted; 1 for BOLT. */
  readonly maxWindow: number
  /** Whether the LCP TLVs (lcp_points, lcp_indexes, lcp_state, lcp_parameters) go on the wire. */
  readonly lcpTlvs: boolean
}

/** The five public keys of one side (BOLT 3 §Key Derivation), 33 bytes each. */
export interface ChannelPublicKeys {
  readonly fundingPubkey: Uint8Array
  readonly revocationBasepoint: Uint8Array
  readonly paymentBasepoint: Uint8Array
  readonly delayedPaymentBasepoint: Uint8Array
  readonly htlcBasepoint: Uint8Array
}

/** An HTLC as a commitment shows it. */
export interface ViewHtlc {
  /** Who proposed the add. */
  readonly offerer: Role
  readonly id: bigint
  readonly amountMsat: Msat
  /** 32 bytes */
  readonly paymentHash: Uint8Array
  readonly cltvExpiry: number
}

/** The state that a commitment transaction expresses: a pure function of parameters, logs and two indexes. */
export interface CommitmentView {
  /** sat per 1000 weight */
  readonly feeratePerKw: number
  /** Balances before the commitment fee and the anchors are taken from the opener. */
  readonly openerMsat: Msat
  readonly accepterMsat: Msat
  readonly htlcs: readonly ViewHtlc[]
}

/** All that two sides fix when a channel is opened and that its transactions depend on. */
export interface CommitmentParams {
  readonly format: CommitmentFormat
  readonly fundingOutpoint: OutPoint
  readonly fundingSat: Sat
  readonly opener: SideParams
  readonly accepter: SideParams
}

export interface SideParams {
  readonly keys: ChannelPublicKeys
  /** The dust limit for outputs of this side's own commitment. */
  readonly dustLimitSat: Sat
  /** The delay that this side imposes on the *other* side's to_local (BOLT 2 `to_self_delay` that it sent). */
  readonly toSelfDelay: number
}

/** The public keys of one commitment, 33 bytes each (BOLT 3 §Key Derivation), named from its owner's side. */
export interface CommitmentKeys {
  /** The owner's per-commitment point that the others come from. */
  readonly point: Uint8Array
  readonly revocationKey: Uint8Array
  readonly ownerDelayedKey: Uint8Array
  readonly ownerHtlcKey: Uint8Array
  readonly otherHtlcKey: Uint8Array
  /** The other side's payment basepoint. */
  readonly otherPaymentKey: Uint8Array
}

/** An HTLC output of a commitment. */
export interface HtlcOutput {
  readonly htlc: ViewHtlc
  readonly outputIndex: number
  /** The witness script of the output. */
  readonly script: Uint8Array
  /** Unsigned HTLC-success or HTLC-timeout transaction of the commitment's owner. */
  readonly secondStage: Tx
  /** The witness script of the second stage's only output. */
  readonly secondStageScript: Uint8Array
  /** The digest that the other side signs (BOLT 3: SIGHASH_ALL, with anchors SINGLE|ANYONECANPAY). */
  readonly sighash: Uint8Array
}

/** A commitment transaction with what is needed to sign, check, spend and explain it. */
export interface BuiltCommitment {
  readonly owner: Role
  readonly number: bigint
  readonly keys: CommitmentKeys
  /** Unsigned. */
  readonly tx: Tx
  readonly txid: string
  /** The digest both funding keys sign (SIGHASH_ALL). */
  readonly sighash: Uint8Array
  readonly fundingScript: Uint8Array
  /** Untrimmed HTLCs in output order: the order of `htlc_signature` in `commitment_signed`. */
  readonly htlcs: readonly HtlcOutput[]
  readonly trimmed: readonly ViewHtlc[]
  /** Fee of the transaction: inputs minus outputs, trimmed amounts included. */
  readonly feeSat: Sat
  readonly toLocal?: { readonly outputIndex: number; readonly valueSat: Sat; readonly script: Uint8Array }
  /** `script` is the witness script with anchors; absent for a plain P2WPKH. */
  readonly toRemote?: { readonly outputIndex: number; readonly valueSat: Sat; readonly script?: Uint8Array }
  readonly ownerAnchor?: number
  readonly otherAnchor?: number
}
