import { isAbandoned } from './claims.ts'
import { fundingSpend, isClaimable, type TrackedOutput, trackedOutputs } from './outputs.ts'
import type { KnownOutput, OnchainState } from './types.ts'

/** One output of a close as the API shows it (contract: `closingOutput`; amounts are text there). */
export interface ClosingOutput {
  readonly kind: Exclude<KnownOutput['kind'], 'unknown'>
  readonly amountSat: bigint
  /** The first block that may hold our claim. */
  readonly spendableAtHeight?: number
  readonly sweepTxid?: string
  /** `tooSmall`: claiming it would cost more than it brings, even on the cheapest day. */
  readonly state: 'waiting' | 'sweeping' | 'swept' | 'notOurs' | 'unresolved' | 'tooSmall'
}

/** The outputs of a close, each sat of it once: where a second stage is in a block its output stands for the HTLC's. */
export function closingOutputs(state: OnchainState): readonly ClosingOutput[] {
  const outputs = trackedOutputs(state)
  const replaced = new Set(
    outputs.flatMap((o) => (o.parent !== undefined && o.created !== null ? [o.parent] : [])),
  )
  return outputs
    .filter((o) => (o.parent === undefined ? !replaced.has(o.key) : o.created !== null))
    .map((o) => show(state, o))
}

function show(state: OnchainState, o: TrackedOutput): ClosingOutput {
  const kind = o.kind === 'unknown' ? 'htlc' : o.kind
  const base = { kind, amountSat: o.valueSat }
  const close = fundingSpend(state)
  if (o.kind === 'mutualClose') {
    if (!o.ours || close === undefined) return { ...base, state: 'notOurs' }
    // It pays the wallet by itself: the close is its own sweep.
    return { ...base, sweepTxid: close.txid, state: close.confirmed === null ? 'sweeping' : 'swept' }
  }
  if (o.spend?.confirmed) {
    const own = state.ownTxids.includes(o.spend.txid)
    return own ? { ...base, sweepTxid: o.spend.txid, state: 'swept' } : { ...base, state: 'notOurs' }
  }
  const claim = state.claims.find((c) => c.claims.includes(o.key))
  if (claim !== undefined) return { ...base, sweepTxid: claim.txid, state: 'sweeping' }
  if (o.method !== undefined) {
    if (isAbandoned(state, o)) return { ...base, state: 'tooSmall' }
    const at = isClaimable(state, o) ? undefined : o.spendableAt
    return { ...base, ...(at !== undefined && { spendableAtHeight: at }), state: 'waiting' }
  }
  // An HTLC that the peer offered is ours with its preimage, until it expires.
  if (o.kind === 'htlc' && o.ours && o.htlc !== undefined)
    return { ...base, state: state.height > o.htlc.cltvExpiry ? 'notOurs' : 'unresolved' }
  const hidden = o.kind === 'unknown' && state.close?.kind === 'revoked'
  return { ...base, state: hidden ? 'unresolved' : 'notOurs' }
}
