import { compareBytes, readUintBE } from '../base/bytes.ts'
import { invariant } from '../base/result.ts'
import { type Sat, sat, toSatFloor } from '../base/units.ts'
import { p2wpkh, p2wsh } from '../bitcoin/script.ts'
import { SIGHASH_ALL, SIGHASH_ANYONECANPAY, SIGHASH_SINGLE, sighashSegwitV0, txidOf } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { sha256 } from '../crypto/hash.ts'
import { ANCHOR_SAT, anchorsCostSat, commitmentFeeSat, secondStageFeeSat, untrimmedFromSat } from './fees.ts'
import { deriveCommitmentKeys } from './keys.ts'
import {
  anchorScript,
  delayedScript,
  fundingScript,
  type HtlcScripts,
  htlcScripts,
  toRemoteAnchorsScript,
} from './scripts.ts'
import {
  type BuiltCommitment,
  type CommitmentFormat,
  type CommitmentKeys,
  type CommitmentParams,
  type CommitmentView,
  type HtlcOutput,
  otherRole,
  type Role,
  type ViewHtlc,
} from './types.ts'

const EMPTY = new Uint8Array(0)
const LOW_24 = 0xffffffn

/** What 48-bit commitment numbers are hidden with (BOLT 3 §Commitment Transaction). */
export const obscuringFactor = (params: CommitmentParams): bigint =>
  readUintBE(sha256(params.opener.keys.paymentBasepoint, params.accepter.keys.paymentBasepoint).subarray(26))

/** The commitment number that a transaction's locktime and sequence hide, or undefined when it is no commitment's form. */
export function commitmentNumberOf(tx: Tx, factor: bigint): bigint | undefined {
  const sequence = tx.inputs[0]?.sequence ?? 0
  if (tx.inputs.length !== 1 || sequence >>> 24 !== 0x80 || tx.locktime >>> 24 !== 0x20) return undefined
  return ((BigInt(sequence & 0xffffff) << 24n) | BigInt(tx.locktime & 0xffffff)) ^ factor
}

/** The sighash type of the other side's signature on a second stage (BOLT 3 §HTLC-Timeout and HTLC-Success Transactions). */
export const htlcSighashType = (format: Pick<CommitmentFormat, 'anchors'>): number =>
  format.anchors ? SIGHASH_SINGLE | SIGHASH_ANYONECANPAY : SIGHASH_ALL

type OutputKind = 'to_local' | 'to_remote' | 'owner_anchor' | 'other_anchor' | 'htlc'

/** An output on its way to its place: `script` pays, `witnessScript` spends. */
interface Draft {
  readonly kind: OutputKind
  readonly valueSat: Sat
  readonly script: Uint8Array
  readonly witnessScript?: Uint8Array
  readonly htlc?: ViewHtlc
}

/**
 * BIP 69 and then CLTV order (BOLT 3 §Transaction Output Ordering). What is left equal, HTLCs that differ in nothing but the id,
 * goes by id, so that both sides name them alike.
 */
function compareDrafts(a: Draft, b: Draft): number {
  if (a.valueSat !== b.valueSat) return a.valueSat < b.valueSat ? -1 : 1
  const byScript = compareBytes(a.script, b.script)
  if (byScript !== 0 || a.htlc === undefined || b.htlc === undefined) return byScript
  if (a.htlc.cltvExpiry !== b.htlc.cltvExpiry) return a.htlc.cltvExpiry - b.htlc.cltvExpiry
  return a.htlc.id === b.htlc.id ? 0 : a.htlc.id < b.htlc.id ? -1 : 1
}

/** The funding transaction's 2-of-2 witness script for a channel. */
export const fundingScriptOf = (params: CommitmentParams): Uint8Array =>
  fundingScript(params.opener.keys.fundingPubkey, params.accepter.keys.fundingPubkey)

/** A view divides the channel's value without remainder (design: lcp, invariant A). */
function checkView(params: CommitmentParams, view: CommitmentView): void {
  invariant(view.openerMsat >= 0n && view.accepterMsat >= 0n, 'a view has no negative balance')
  let total: bigint = view.openerMsat + view.accepterMsat
  for (const h of view.htlcs) total += h.amountMsat
  invariant(total === params.fundingSat * 1000n, 'a view adds up to the channel')
}

/** Splits a view's HTLCs into those with an output on the owner's commitment and those without. */
function splitTrimmed(params: CommitmentParams, owner: Role, view: CommitmentView) {
  const { format } = params
  const dust = params[owner].dustLimitSat
  const offeredFrom = untrimmedFromSat(format, true, view.feeratePerKw, dust)
  const receivedFrom = untrimmedFromSat(format, false, view.feeratePerKw, dust)
  const untrimmed: ViewHtlc[] = []
  const trimmed: ViewHtlc[] = []
  for (const h of view.htlcs) {
    const from = h.offerer === owner ? offeredFrom : receivedFrom
    if (toSatFloor(h.amountMsat) >= from) untrimmed.push(h)
    else trimmed.push(h)
  }
  return { untrimmed, trimmed }
}

/** What each side is paid in whole satoshi: the opener after fee and anchors, or nothing when it cannot pay them in full. */
function balancesSat(params: CommitmentParams, view: CommitmentView, untrimmed: number) {
  const opener = toSatFloor(view.openerMsat)
  const cost = commitmentFeeSat(params.format, view.feeratePerKw, untrimmed) + anchorsCostSat(params.format)
  // Crossing updates can leave the opener short: then it pays what there is (design: lcp, rule 8).
  return { opener: sat(opener > cost ? opener - cost : 0n), accepter: toSatFloor(view.accepterMsat) }
}

/** All outputs of a commitment, not yet in order (BOLT 3 §Commitment Transaction Construction). */
function draftOutputs(
  params: CommitmentParams,
  owner: Role,
  keys: CommitmentKeys,
  view: CommitmentView,
  untrimmed: readonly ViewHtlc[],
  toLocalScript: Uint8Array,
): Draft[] {
  const { format } = params
  const other = otherRole(owner)
  const dust = params[owner].dustLimitSat
  const drafts: Draft[] = []
  let scripts: HtlcScripts | undefined
  for (const htlc of untrimmed) {
    // Made for the first of them: without any, the keys of HTLCs are not even derived.
    scripts ??= htlcScripts(keys, format.anchors)
    const witnessScript =
      htlc.offerer === owner
        ? scripts.offered(htlc.paymentHash)
        : scripts.received(htlc.paymentHash, htlc.cltvExpiry)
    const valueSat = toSatFloor(htlc.amountMsat)
    drafts.push({ kind: 'htlc', valueSat, script: p2wsh(witnessScript), witnessScript, htlc })
  }
  const balances = balancesSat(params, view, untrimmed.length)
  const hasLocal = balances[owner] >= dust && balances[owner] > 0n
  const hasRemote = balances[other] >= dust && balances[other] > 0n
  if (hasLocal)
    drafts.push({
      kind: 'to_local',
      valueSat: balances[owner],
      script: p2wsh(toLocalScript),
      witnessScript: toLocalScript,
    })
  if (hasRemote) {
    const witnessScript = format.anchors ? toRemoteAnchorsScript(keys.otherPaymentKey) : undefined
    drafts.push({
      kind: 'to_remote',
      valueSat: balances[other],
      script: witnessScript ? p2wsh(witnessScript) : p2wpkh(keys.otherPaymentKey),
      ...(witnessScript && { witnessScript }),
    })
  }
  if (!format.anchors) return drafts
  // Anchors come out of what the opener left for them; one that cannot even pay those gets fewer, the owner's first.
  let spare = params.fundingSat - drafts.reduce((sum, d) => sum + d.valueSat, 0n)
  const anchor = (kind: OutputKind, role: Role) => {
    if (spare < ANCHOR_SAT) return
    spare -= ANCHOR_SAT
    const witnessScript = anchorScript(params[role].keys.fundingPubkey)
    drafts.push({ kind, valueSat: ANCHOR_SAT, script: p2wsh(witnessScript), witnessScript })
  }
  if (hasLocal || untrimmed.length > 0) anchor('owner_anchor', owner)
  if (hasRemote || untrimmed.length > 0) anchor('other_anchor', other)
  return drafts
}

/** The commitment transaction around its outputs (BOLT 3 §Commitment Transaction). */
function commitmentTx(params: CommitmentParams, number: bigint, outputs: readonly Draft[]): Tx {
  const obscured = number ^ obscuringFactor(params)
  return {
    version: 2,
    inputs: [
      {
        outpoint: params.fundingOutpoint,
        scriptSig: EMPTY,
        sequence: 0x80000000 + Number(obscured >> 24n),
        witness: [],
      },
    ],
    outputs: outputs.map((d) => ({ valueSat: d.valueSat, script: d.script })),
    locktime: 0x20000000 + Number(obscured & LOW_24),
  }
}

/**
 * Builds a commitment and its second stages from a view (BOLT 3). Both sides build the same bytes from the same arguments.
 * @param owner whose commitment it is: who may broadcast it
 * @param number below 2^48
 * @param point the owner's per-commitment point for that number, 33 bytes
 * @param cachedKeys from `deriveCommitmentKeys(params, owner, point)`, when the caller has them
 */
export function buildCommitment(
  params: CommitmentParams,
  owner: Role,
  number: bigint,
  point: Uint8Array,
  view: CommitmentView,
  cachedKeys?: CommitmentKeys,
): BuiltCommitment {
  invariant(number >= 0n && number < 1n << 48n, 'commitment number of 48 bits')
  checkView(params, view)
  const { format } = params
  const keys = cachedKeys ?? deriveCommitmentKeys(params, owner, point)
  invariant(compareBytes(keys.point, point) === 0, 'cached keys are of this point')
  const { untrimmed, trimmed } = splitTrimmed(params, owner, view)
  const toLocalScript = delayedScript(
    keys.revocationKey,
    params[otherRole(owner)].toSelfDelay,
    keys.ownerDelayedKey,
  )
  const drafts = draftOutputs(params, owner, keys, view, untrimmed, toLocalScript).sort(compareDrafts)
  const tx = commitmentTx(params, number, drafts)
  const txid = txidOf(tx)
  const spent = drafts.reduce((sum, d) => sum + d.valueSat, 0n)
  invariant(spent <= params.fundingSat, 'a commitment spends no more than the funding output')
  const funding = fundingScriptOf(params)
  const at = (kind: OutputKind) => drafts.findIndex((d) => d.kind === kind)
  const toLocal = at('to_local')
  const toRemote = at('to_remote')
  const ownerAnchor = at('owner_anchor')
  const otherAnchor = at('other_anchor')
  const remoteScript = drafts[toRemote]?.witnessScript
  return {
    owner,
    number,
    keys,
    tx,
    txid,
    sighash: sighashSegwitV0(tx, 0, funding, params.fundingSat, SIGHASH_ALL),
    fundingScript: funding,
    htlcs: secondStages(format, owner, view.feeratePerKw, txid, drafts, toLocalScript),
    trimmed,
    feeSat: sat(params.fundingSat - spent),
    ...(toLocal >= 0 && {
      toLocal: { outputIndex: toLocal, valueSat: valueAt(drafts, toLocal), script: toLocalScript },
    }),
    ...(toRemote >= 0 && {
      toRemote: {
        outputIndex: toRemote,
        valueSat: valueAt(drafts, toRemote),
        ...(remoteScript && { script: remoteScript }),
      },
    }),
    ...(ownerAnchor >= 0 && { ownerAnchor }),
    ...(otherAnchor >= 0 && { otherAnchor }),
  }
}

const valueAt = (drafts: readonly Draft[], i: number): Sat => (drafts[i] as Draft).valueSat

/** The HTLC outputs in output order, each with its second stage (BOLT 3 §HTLC-Timeout and HTLC-Success Transactions). */
function secondStages(
  format: CommitmentFormat,
  owner: Role,
  feeratePerKw: number,
  txid: string,
  drafts: readonly Draft[],
  outputScript: Uint8Array,
): HtlcOutput[] {
  const script = p2wsh(outputScript)
  const sighashType = htlcSighashType(format)
  const fees = {
    offered: secondStageFeeSat(format, true, feeratePerKw),
    received: secondStageFeeSat(format, false, feeratePerKw),
  }
  const outputs: HtlcOutput[] = []
  for (const [outputIndex, draft] of drafts.entries()) {
    const { htlc, witnessScript } = draft
    if (htlc === undefined || witnessScript === undefined) continue
    const offered = htlc.offerer === owner
    const secondStage: Tx = {
      version: 2,
      inputs: [
        {
          outpoint: { txid, vout: outputIndex },
          scriptSig: EMPTY,
          sequence: format.anchors ? 1 : 0,
          witness: [],
        },
      ],
      outputs: [{ valueSat: sat(draft.valueSat - (offered ? fees.offered : fees.received)), script }],
      locktime: offered ? htlc.cltvExpiry : 0,
    }
    outputs.push({
      htlc,
      outputIndex,
      script: witnessScript,
      secondStage,
      secondStageScript: outputScript,
      sighash: sighashSegwitV0(secondStage, 0, witnessScript, draft.valueSat, sighashType),
    })
  }
  return outputs
}
