import type { Sat } from '../base/units.ts'
import type { OutPoint } from '../bitcoin/types.ts'
import type { SecretStore } from '../revocation/secrets.ts'
import { formatNamed } from './formats.ts'
import type { SignerState } from './signer.ts'
import type { CommitmentParams, CommitmentView, Role, SideParams, ViewHtlc } from './types.ts'

/** Our newest commitment, the only one of ours that is ever broadcast (design: lcp, rule 11). */
export interface SnapshotLocal {
  readonly number: bigint
  readonly view: CommitmentView
  /** The peer's signature on it, 64 bytes. */
  readonly signature: Uint8Array
  /** The peer's signatures on its second stages, 64 bytes each, in output order. */
  readonly htlcSignatures: readonly Uint8Array[]
}

/** A commitment of the peer's that is not revoked, as we signed it. */
export interface SnapshotRemote {
  readonly number: bigint
  /** The peer's per-commitment point, 33 bytes. */
  readonly point: Uint8Array
  readonly txid: string
  readonly view: CommitmentView
}

/**
 * All that the on-chain machine needs of a channel, taken once when it stops off chain (house: a channel hands over a closing
 * snapshot). Plain data, stored in the machine's record; no secret in it but those that the peer revealed.
 */
export interface ClosingSnapshot {
  /** 64 hex digits */
  readonly channelId: string
  /** Ours. */
  readonly role: Role
  readonly formatName: string
  /** 32 bytes; with the wallet's channel key they give the channel's secrets (`secrets.ts`). */
  readonly salt: Uint8Array
  readonly fundingOutpoint: OutPoint
  readonly fundingSat: Sat
  readonly opener: SideParams
  readonly accepter: SideParams
  readonly local: SnapshotLocal
  /** Tail to tip, ascending: up to W + 1, also ones whose signature may never have arrived. */
  readonly remote: readonly SnapshotRemote[]
  /** Scripts of the `shutdown` messages, as far as they were exchanged. */
  readonly localShutdownScript?: Uint8Array
  readonly remoteShutdownScript?: Uint8Array
  /** 32 bytes each: of offered HTLCs as far as known, and of received ones that are to be claimed. */
  readonly preimages: readonly Uint8Array[]
  /** The peer's revealed secrets: 0 … remote tail − 1. */
  readonly secrets: SecretStore
  /** What the signer remembers: taken after the local commitment was signed for broadcast, if it was. */
  readonly signer: SignerState
  /** scriptPubKey of the wallet that all claims pay to. */
  readonly sweepScript: Uint8Array
}

/** What the court's record of a revoked commitment (design: lcp, rule 11) says of its outputs. */
export interface RevokedRecord {
  readonly number: bigint
  readonly txid: string
  /** The untrimmed HTLCs. */
  readonly htlcs: readonly ViewHtlc[]
}

const paramsCache = new WeakMap<ClosingSnapshot, CommitmentParams>()

/** The parameters that the channel's transactions are built from. */
export function snapshotParams(snapshot: ClosingSnapshot): CommitmentParams {
  const cached = paramsCache.get(snapshot)
  if (cached !== undefined) return cached
  const params: CommitmentParams = {
    format: formatNamed(snapshot.formatName),
    fundingOutpoint: snapshot.fundingOutpoint,
    fundingSat: snapshot.fundingSat,
    opener: snapshot.opener,
    accepter: snapshot.accepter,
  }
  paramsCache.set(snapshot, params)
  return params
}
