import { equalBytes, toHex } from '../base/bytes.ts'
import { sat, type Sat } from '../base/units.ts'
import { p2wsh } from '../bitcoin/script.ts'
import { decodeTx } from '../bitcoin/tx.ts'
import { type OutPoint, outPointKey, type Tx } from '../bitcoin/types.ts'
import { snapshotParams } from '../commitment/snapshot.ts'
import type { SweepOutput } from '../commitment/sweeps.ts'
import { otherRole, type ViewHtlc } from '../commitment/types.ts'
import type { Close, Confirmation, KnownOutput, OnchainState, Spend } from './types.ts'

/** Every output that the close made, directly or through second stages, with what can be done about it as things stand. */

/** How an output is claimed: by one signature of ours, or through the second stage that the peer signed with us. */
export type Method =
  | { readonly kind: 'sweep'; readonly output: SweepOutput }
  | { readonly kind: 'second_stage'; readonly vout: number; readonly preimage?: Uint8Array }

export interface TrackedOutput {
  readonly key: string
  readonly outpoint: OutPoint
  readonly kind: KnownOutput['kind']
  readonly valueSat: Sat
  /** scriptPubKey */
  readonly script: Uint8Array
  readonly ours: boolean
  readonly htlc?: ViewHtlc
  /** The output of a second stage, and the key of the HTLC output that it spent. */
  readonly parent?: string
  /** The block that made it. */
  readonly created: Confirmation | null
  readonly spend?: Spend
  /** Absent while nothing can be done about it. */
  readonly method?: Method
  /** The first block that may hold the claim. Absent: any. */
  readonly spendableAt?: number
  /** Whether somebody else can claim it too, now or after a height. */
  readonly contested: boolean
}

export const fundingKey = (state: OnchainState): string => outPointKey(state.snapshot.fundingOutpoint)

/** The spend of the funding output. */
export const fundingSpend = (state: OnchainState): Spend | undefined => state.spends[fundingKey(state)]

const decoded = new WeakMap<Uint8Array, Tx | null>()

/** A transaction that was reported, decoded once; undefined when it is none. */
export function txOf(spend: Spend): Tx | undefined {
  let tx = decoded.get(spend.tx)
  if (tx === undefined) {
    const result = decodeTx(spend.tx)
    tx = result.ok ? result.value : null
    decoded.set(spend.tx, tx)
  }
  return tx ?? undefined
}

/** Blocks on top of a transaction, its own counted; 0 when it is in none. */
export const depthOf = (state: Pick<OnchainState, 'height'>, confirmed: Confirmation | null): number =>
  confirmed === null ? 0 : Math.max(1, state.height - confirmed.height + 1)

/** All outputs of the close, and those of second stages that spend them. Empty without a close. */
export function trackedOutputs(state: OnchainState): readonly TrackedOutput[] {
  const { close } = state
  const spend = fundingSpend(state)
  if (close === undefined || spend === undefined) return []
  const tracked: TrackedOutput[] = []
  for (const output of close.outputs) {
    const first = firstStage(state, close, output, spend.confirmed)
    tracked.push(first)
    const second = first.spend && secondStage(state, close, first, first.spend)
    if (second !== undefined) tracked.push(second)
  }
  return tracked
}

function firstStage(
  state: OnchainState,
  close: Close,
  output: KnownOutput,
  created: Confirmation | null,
): TrackedOutput {
  const outpoint = { txid: close.txid, vout: output.vout }
  const key = outPointKey(outpoint)
  const spend = state.spends[key]
  return {
    key,
    outpoint,
    kind: output.kind,
    valueSat: output.valueSat,
    script: output.script,
    ours: output.ours,
    ...(output.htlc && { htlc: output.htlc }),
    created,
    ...(spend && { spend }),
    ...remedy(state, close, output, created),
  }
}

type Remedy = Pick<TrackedOutput, 'method' | 'spendableAt' | 'contested'>
const NOTHING: Remedy = { contested: false }

const sweep = (output: SweepOutput, contested: boolean, spendableAt?: number): Remedy => ({
  method: { kind: 'sweep', output },
  contested,
  ...(spendableAt !== undefined && { spendableAt }),
})

/** BOLT 5: what each output asks of us. */
function remedy(
  state: OnchainState,
  close: Close,
  output: KnownOutput,
  created: Confirmation | null,
): Remedy {
  const { snapshot } = state
  const { valueSat, witnessScript: script } = output
  const us = snapshot.role
  switch (output.kind) {
    case 'toRemote':
      // With anchors after one block, which is past as soon as it is in one.
      return output.ours ? sweep({ kind: 'to_remote', valueSat, ...(script && { script }) }, false) : NOTHING
    case 'toLocal':
      if (script === undefined || !output.ours) return NOTHING
      if (close.secret !== undefined)
        return sweep({ kind: 'penalty', valueSat, script, perCommitmentSecret: close.secret }, true)
      return delayed(state, close, valueSat, script, created)
    case 'htlc': {
      const { htlc } = output
      if (htlc === undefined || script === undefined) return NOTHING
      if (close.secret !== undefined)
        return sweep({ kind: 'htlc_penalty', valueSat, script, perCommitmentSecret: close.secret }, true)
      const preimage = state.preimages[toHex(htlc.paymentHash)]
      const offered = htlc.offerer === us
      // BOLT 5: timed out once the height of the latest block is at least cltv_expiry: the next block may hold the claim.
      const expired = htlc.cltvExpiry + 1
      if (close.kind === 'local') {
        const method: Method = {
          kind: 'second_stage',
          vout: output.vout,
          ...(!offered && preimage && { preimage }),
        }
        if (offered) return { method, contested: true, spendableAt: expired }
        return preimage === undefined ? NOTHING : { method, contested: true }
      }
      const { point } = close
      const { anchors } = snapshotParams(snapshot).format
      if (point === undefined || close.owner === us) return NOTHING
      if (offered) return sweep({ kind: 'htlc_timeout', valueSat, script, anchors, point }, true, expired)
      if (preimage === undefined) return NOTHING
      return sweep({ kind: 'htlc_preimage', valueSat, script, anchors, point, preimage }, true)
    }
    case 'mutualClose':
    case 'anchor':
    case 'unknown':
      return NOTHING
  }
}

function delayed(
  state: OnchainState,
  close: Close,
  valueSat: Sat,
  script: Uint8Array,
  created: Confirmation | null,
): Remedy {
  const { snapshot } = state
  const { toSelfDelay } = snapshot[otherRole(snapshot.role)]
  if (close.owner !== snapshot.role || close.point === undefined) return NOTHING
  const output: SweepOutput = { kind: 'delayed', valueSat, script, toSelfDelay, point: close.point }
  // An old commitment of our own: the peer can take everything until then.
  const contested = close.kind !== 'local'
  return sweep(output, contested, created === null ? undefined : created.height + toSelfDelay)
}

/**
 * The output of an HTLC-timeout or HTLC-success transaction. Its signature binds it to the index of its input, also where
 * several are combined (BOLT 3: SINGLE|ANYONECANPAY with anchors); its script is that of `to_local`.
 */
function secondStage(
  state: OnchainState,
  close: Close,
  first: TrackedOutput,
  spend: Spend,
): TrackedOutput | undefined {
  const { delayedScript: script } = close
  const spender = txOf(spend)
  if (script === undefined || spender === undefined) return undefined
  if (first.kind !== 'htlc' && first.kind !== 'unknown') return undefined
  const { txid, vout } = first.outpoint
  const vin = spender.inputs.findIndex((i) => i.outpoint.txid === txid && i.outpoint.vout === vout)
  const out = spender.outputs[vin]
  if (out === undefined || !equalBytes(out.script, p2wsh(script))) return undefined
  const outpoint = { txid: spend.txid, vout: vin }
  const key = outPointKey(outpoint)
  const next = state.spends[key]
  const ours = close.secret !== undefined || close.owner === state.snapshot.role
  const valueSat = sat(out.valueSat)
  const how: Remedy =
    close.secret !== undefined
      ? sweep({ kind: 'penalty', valueSat, script, perCommitmentSecret: close.secret }, true)
      : delayed(state, close, valueSat, script, spend.confirmed)
  return {
    key,
    outpoint,
    kind: 'htlc',
    valueSat,
    script: out.script,
    ours,
    ...(first.htlc && { htlc: first.htlc }),
    parent: first.key,
    created: spend.confirmed,
    ...(next && { spend: next }),
    ...how,
  }
}

/** Whether a claim of it may be broadcast now: it exists, nothing in a block spends it, and its delay has passed. */
export const isClaimable = (state: OnchainState, output: TrackedOutput): boolean =>
  output.method !== undefined &&
  output.created !== null &&
  (output.spend?.confirmed ?? null) === null &&
  (output.spendableAt === undefined || state.height + 1 >= output.spendableAt)

/**
 * Whether outputs that nobody explains may be HTLCs: of a revoked commitment without its record, and of one that our records do not
 * know, the peer's or our own.
 */
export const mayHideHtlcs = (close: Close): boolean =>
  close.secret !== undefined || (close.kind === 'unknown' && close.owner !== undefined)

/** Whether its spends are to be watched: what is ours or may be, and every HTLC for its preimage. */
export const isWatched = (close: Close, output: TrackedOutput): boolean =>
  output.kind === 'unknown'
    ? mayHideHtlcs(close)
    : output.ours && output.kind !== 'mutualClose' && output.kind !== 'anchor'
