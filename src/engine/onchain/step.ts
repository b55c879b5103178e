import { equalBytes, toHex } from '../base/bytes.ts'
import { assertNever, invariant } from '../base/result.ts'
import { p2wsh } from '../bitcoin/script.ts'
import { decodeTx, encodeTx, txidOf } from '../bitcoin/tx.ts'
import { outPointKey, type Tx, type Txid } from '../bitcoin/types.ts'
import { fundingScriptOf } from '../commitment/build.ts'
import { type ClosingSnapshot, snapshotParams } from '../commitment/snapshot.ts'
import { sha256 } from '../crypto/hash.ts'
import { planClaims } from './claims.ts'
import { buildSnapshotLocal, classify, isGenuineFundingSpend } from './classify.ts'
import { FORGET_DEPTH, IRREVOCABLE_DEPTH } from './constants.ts'
import { htlcFates, htlcKey, liveHtlcs, preimagesIn } from './htlcs.ts'
import {
  depthOf,
  fundingKey,
  fundingSpend,
  isWatched,
  type TrackedOutput,
  trackedOutputs,
  txOf,
} from './outputs.ts'
import { isSettled } from './resolved.ts'
import type {
  OnchainContext,
  OnchainEffect,
  OnchainEvent,
  OnchainInput,
  OnchainState,
  OnchainStep,
  Spend,
} from './types.ts'

/**
 * The machine after any close (BOLT 5). The state holds facts (what spends what, in which block) and what was done about them; each
 * turn takes in a fact and then derives everything else anew. A reorganisation is a fact like any other, so nothing has to be
 * undone by hand.
 */

/**
 * A machine for a channel that is being closed, or was.
 * @param height of the best verified block
 * @param publish our commitment or a mutual close, complete, to be broadcast
 */
export function createOnchain(
  snapshot: ClosingSnapshot,
  height: number,
  ctx: OnchainContext,
  publish?: Tx,
): OnchainStep {
  const preimages: Record<string, Uint8Array> = {}
  for (const preimage of snapshot.preimages) preimages[toHex(sha256(preimage))] = preimage
  const state: OnchainState = {
    snapshot,
    localTxid: buildSnapshotLocal(snapshot, ctx.signer).txid,
    height,
    ...(publish && { publish }),
    spends: {},
    preimages,
    claims: [],
    ownTxids: [],
    tokens: [],
    told: [],
  }
  return settle(state, state, ctx, [])
}

/** One input to the next state and what is to be done once it is written (house law 1). */
export function onchainStep(state: OnchainState, input: OnchainInput, ctx: OnchainContext): OnchainStep {
  if (isForgotten(state)) return { state, effects: [] }
  switch (input.type) {
    case 'spent':
      return spent(state, input, ctx)
    case 'unspent': {
      const key = outPointKey(input.outpoint)
      if (state.spends[key] === undefined) return { state, effects: [] }
      const { [key]: _, ...spends } = state.spends
      return settle(state, { ...state, spends }, ctx, [])
    }
    case 'unconfirmed': {
      const entries = Object.entries(state.spends)
      if (!entries.some(([, s]) => s.txid === input.txid && s.confirmed !== null))
        return { state, effects: [] }
      const spends = Object.fromEntries(
        entries.map(([key, s]) => [key, s.txid === input.txid ? { ...s, confirmed: null } : s]),
      )
      return settle(state, { ...state, spends }, ctx, [])
    }
    case 'tip':
      if (input.height === state.height) return { state, effects: [] }
      return settle(state, { ...state, height: input.height }, ctx, [])
    case 'publish':
      return settle(state, { ...state, publish: input.tx }, ctx, [])
    case 'preimage': {
      const hash = toHex(sha256(input.preimage))
      if (state.preimages[hash] !== undefined) return { state, effects: [] }
      const preimages = { ...state.preimages, [hash]: input.preimage }
      return settle(state, { ...state, preimages }, ctx, [])
    }
    case 'courtRecord': {
      if (state.close?.kind !== 'revoked' || state.close.number !== input.number)
        return { state, effects: [] }
      const { close: _, ...rest } = state
      return settle(state, { ...rest, court: { number: input.number, record: input.record } }, ctx, [])
    }
    default:
      return assertNever(input)
  }
}

/** Everything that is to be watched, broadcast and asked, again after a restart. */
export function resumeOnchain(state: OnchainState): readonly OnchainEffect[] {
  const outputs = trackedOutputs(state)
  const effects: OnchainEffect[] = [...wantedTokens(state, outputs).values()]
  for (const txid of unexplained(state, outputs)) effects.push({ type: 'askEveryone', txid })
  // A record that was not found is asked for again: an earlier version of this program did not read it.
  const asked = courtQuestion(state.court?.record === null ? omitCourt(state) : state)
  return asked === undefined ? effects : [...effects, asked]
}

function spent(
  state: OnchainState,
  input: Extract<OnchainInput, { type: 'spent' }>,
  ctx: OnchainContext,
): OnchainStep {
  const key = outPointKey(input.outpoint)
  const still: OnchainStep = { state, effects: [] }
  const before = state.spends[key]
  const { txid, confirmed } = input
  const same = before?.txid === txid && before.confirmed?.blockHash === confirmed?.blockHash
  // Other bytes of the same transaction: another witness.
  if (same && equalBytes(before.tx, input.tx)) return still
  const isFunding = key === fundingKey(state)
  if (!isFunding && !state.tokens.includes(spendToken(state, key))) return still
  const tx = decodeTx(input.tx)
  if (!tx.ok) return still
  // A server's word alone must not look like a close: the mempool's spend has to be one that the chain could take.
  if (isFunding && confirmed === null && !isGenuineFundingSpend(state.snapshot, tx.value)) return still
  const spend: Spend = { txid, tx: input.tx, confirmed }
  const next: OnchainState = {
    ...state,
    spends: { ...state.spends, [key]: spend },
    height: Math.max(state.height, confirmed?.height ?? 0),
  }
  const learnt = learn(next, spend)
  return settle(state, learnt.state, ctx, learnt.effects)
}

/** Takes preimages out of a transaction that spends something of ours: proof of payment in a mempool as well as in a block. */
function learn(state: OnchainState, spend: Spend): OnchainStep {
  const hashes = liveHtlcs(state).map((h) => toHex(h.paymentHash))
  for (const o of state.close?.outputs ?? []) if (o.htlc) hashes.push(toHex(o.htlc.paymentHash))
  const wanted = new Set(hashes.filter((hash) => state.preimages[hash] === undefined))
  const preimages: Record<string, Uint8Array> = {}
  const effects: OnchainEffect[] = []
  for (const { hash, preimage } of preimagesIn(spend, wanted)) {
    if (preimages[hash] !== undefined) continue
    preimages[hash] = preimage
    effects.push(tell({ type: 'preimageLearnt', paymentHash: sha256(preimage), preimage }))
  }
  if (effects.length === 0) return { state, effects }
  effects.push({ type: 'witnessHolds', txid: spend.txid, tx: spend.tx })
  return { state: { ...state, preimages: { ...state.preimages, ...preimages } }, effects }
}

const tell = (event: OnchainEvent): OnchainEffect => ({ type: 'event', event })

/** Derives everything from the facts: the close, the claims, what to watch and broadcast, what to tell. */
function settle(
  prev: OnchainState,
  facts: OnchainState,
  ctx: OnchainContext,
  first: readonly OnchainEffect[],
): OnchainStep {
  const effects: OnchainEffect[] = [...first]
  let state = noteWaiting(explainClose(facts, ctx))
  const question = courtQuestion(state)
  if (question !== undefined && courtQuestion(prev)?.number !== question.number) effects.push(question)

  const outputs = trackedOutputs(state)
  const claims = planClaims(state, outputs, ctx)
  if (claims !== state.claims) {
    const made = claims.map((c) => c.txid).filter((txid) => !state.ownTxids.includes(txid))
    state = { ...state, claims, ownTxids: [...state.ownTxids, ...made] }
  }
  const before = unexplained(prev, trackedOutputs(prev))
  for (const txid of unexplained(state, outputs))
    if (!before.has(txid)) effects.push({ type: 'askEveryone', txid })
  const coins = heldCoins(state, outputs)
  for (const token of heldCoins(prev, trackedOutputs(prev)))
    if (!coins.includes(token)) effects.push({ type: 'releaseCoins', token })

  const events = tellAll(state, outputs)
  effects.push(...events.effects)
  state = { ...state, told: events.told }

  const wanted = wantedTokens(state, outputs)
  for (const token of state.tokens) if (!wanted.has(token)) effects.push({ type: 'unwatch', token })
  for (const [token, effect] of wanted) if (!state.tokens.includes(token)) effects.push(effect)
  // Facts of outputs that are watched no more would grow stale.
  const spends = Object.fromEntries(
    Object.entries(state.spends).filter(([key]) => wanted.has(spendToken(state, key))),
  )
  const tokens = [...wanted.keys()]
  return { state: isForgotten(state) ? { ...state, tokens } : { ...state, spends, tokens }, effects }
}

/**
 * Transactions that are not known to be ours, took an HTLC that we offered, and show no preimage. It would fail upstream once that is
 * irrevocable, so that a server which brings the bytes without their witness could have us pay twice.
 */
function unexplained(state: OnchainState, outputs: readonly TrackedOutput[]): ReadonlySet<Txid> {
  const found = new Set<Txid>()
  for (const { htlc, parent, spend } of outputs) {
    if (htlc?.offerer !== state.snapshot.role || parent !== undefined || spend === undefined) continue
    if (state.preimages[toHex(htlc.paymentHash)] === undefined && !state.ownTxids.includes(spend.txid))
      found.add(spend.txid)
  }
  return found
}

/** Since when the close waits in the mempool. */
function noteWaiting(state: OnchainState): OnchainState {
  const spend = fundingSpend(state)
  const { waits, ...rest } = state
  if (spend === undefined || spend.confirmed !== null) return waits === undefined ? state : rest
  return waits?.txid === spend.txid ? state : { ...state, waits: { txid: spend.txid, since: state.height } }
}

/** Explains the spend of the funding output when it is another than before, or more is known of it. */
function explainClose(state: OnchainState, ctx: OnchainContext): OnchainState {
  const spend = fundingSpend(state)
  if (spend === undefined) {
    const { close: _, ...rest } = state
    return rest
  }
  if (state.close?.txid === spend.txid) return state
  const tx = decodeTx(spend.tx)
  invariant(tx.ok, 'a spend that was taken in decodes')
  const record = state.court?.record ?? undefined
  const close = classify(state.snapshot, state.localTxid, ctx.signer, spend.txid, tx.value, record)
  return { ...state, close }
}

function omitCourt(state: OnchainState): OnchainState {
  const { court: _, ...rest } = state
  return rest
}

/** The record that has to be loaded before a revoked commitment is understood. */
function courtQuestion(state: OnchainState): Extract<OnchainEffect, { type: 'loadCourtRecord' }> | undefined {
  const { close, court, snapshot } = state
  if (close?.kind !== 'revoked' || close.number === undefined || court?.number === close.number)
    return undefined
  return { type: 'loadCourtRecord', channelId: snapshot.channelId, number: close.number }
}

// ---- watches and broadcasts ----------------------------------------------------------------------------------------

/** Tokens of a channel's watches and broadcasts begin like this. */
export const tokenPrefix = (channelId: string): string => `onchain/${channelId}/`

const spendToken = (state: OnchainState, key: string): string =>
  `${tokenPrefix(state.snapshot.channelId)}spend/${key}`
const txToken = (state: OnchainState, txid: string): string =>
  `${tokenPrefix(state.snapshot.channelId)}tx/${txid}`

const isForgotten = (state: OnchainState): boolean => state.told.includes('forget')

/** Every watch and broadcast that there should be, by token. */
function wantedTokens(
  state: OnchainState,
  outputs: readonly TrackedOutput[],
): ReadonlyMap<string, OnchainEffect> {
  const wanted = new Map<string, OnchainEffect>()
  if (isForgotten(state)) return wanted
  const watch = (key: string, outpoint: TrackedOutput['outpoint'], scriptPubKey: Uint8Array) => {
    const token = spendToken(state, key)
    const spend = state.spends[key]
    const { height = null, blockHash = null, index = null } = spend?.confirmed ?? {}
    const known = spend && { txid: spend.txid, tx: spend.tx, height, blockHash, index }
    wanted.set(token, { type: 'watchSpend', token, outpoint, scriptPubKey, ...(known && { known }) })
  }
  const broadcast = (tx: Tx, txid: string) => {
    const token = txToken(state, txid)
    wanted.set(token, { type: 'broadcast', token, tx: encodeTx(tx), keep: true })
  }
  const { snapshot, close, publish } = state
  watch(fundingKey(state), snapshot.fundingOutpoint, p2wsh(fundingScriptOf(snapshotParams(snapshot))))
  for (const o of outputs)
    if (close !== undefined && isWatched(close, o) && (o.parent === undefined || o.created !== null))
      watch(o.key, o.outpoint, o.script)
  const spend = fundingSpend(state)
  if (publish !== undefined && (spend?.confirmed ?? null) === null) broadcast(publish, txidOf(publish))
  const confirmed = new Set(outputs.flatMap((o) => (o.spend?.confirmed ? [o.spend.txid] : [])))
  // A commitment of the peer's that we help goes along: servers that do not have it, or refuse it for its fee, take the two together.
  const helped = spend && state.claims.some((c) => c.bumps === spend.txid) ? txOf(spend) : undefined
  if (helped !== undefined && spend?.confirmed === null && spend.txid !== state.localTxid)
    broadcast(helped, spend.txid)
  for (const claim of state.claims) if (!confirmed.has(claim.txid)) broadcast(claim.tx, claim.txid)
  return wanted
}

/** Reservations of the fee payer that still stand: until the claim is irrevocable, or given up. */
function heldCoins(state: OnchainState, outputs: readonly TrackedOutput[]): readonly string[] {
  if (isForgotten(state)) return []
  const over = new Set(
    outputs.flatMap((o) =>
      o.spend && depthOf(state, o.spend.confirmed) >= IRREVOCABLE_DEPTH ? [o.spend.txid] : [],
    ),
  )
  return state.claims.flatMap((c) => (c.coins !== undefined && !over.has(c.txid) ? [c.coins] : []))
}

// ---- events --------------------------------------------------------------------------------------------------------

/** Told once and for all: what is irrevocable stays told. */
const isLasting = (name: string): boolean => name.startsWith('htlc:') || name === 'forget'

/** What holds now, told where it was not told yet; what holds no more may be told again. */
function tellAll(
  state: OnchainState,
  outputs: readonly TrackedOutput[],
): { readonly told: readonly string[]; readonly effects: readonly OnchainEffect[] } {
  const holds = new Map<string, OnchainEvent>()
  const { close } = state
  const spend = fundingSpend(state)
  if (close !== undefined && spend !== undefined) {
    const height = spend.confirmed?.height ?? null
    const { kind, txid } = close
    holds.set(`close:${txid}:${height ?? ''}`, { type: 'closeSeen', kind, txid, height })
  }
  for (const o of outputs) {
    if (!o.spend?.confirmed || !state.ownTxids.includes(o.spend.txid)) continue
    const { txid } = o.spend
    holds.set(`swept:${o.key}:${txid}`, {
      type: 'outputSwept',
      kind: o.kind,
      outpoint: o.outpoint,
      amountSat: o.valueSat,
      txid,
    })
  }
  for (const { htlc, fate } of htlcFates(state, outputs)) {
    const { offerer, id, paymentHash } = htlc
    const preimage = state.preimages[toHex(paymentHash)]
    const name = `htlc:${htlcKey(htlc)}`
    if (fate === 'failed') holds.set(name, { type: 'htlcFailed', offerer, id, paymentHash })
    if (fate === 'fulfilled' && preimage !== undefined)
      holds.set(name, { type: 'htlcFulfilled', offerer, id, paymentHash, preimage })
  }
  if (isSettled(state, outputs, IRREVOCABLE_DEPTH)) holds.set('done', { type: 'done' })
  if (isSettled(state, outputs, FORGET_DEPTH)) holds.set('forget', { type: 'forget' })

  const effects: OnchainEffect[] = []
  const wasClosed = state.told.some((name) => name.startsWith('close:'))
  if (wasClosed && close === undefined) effects.push(tell({ type: 'closeGone' }))
  for (const [name, event] of holds) if (!state.told.includes(name)) effects.push(tell(event))
  const lasting = state.told.filter((name) => isLasting(name) && !holds.has(name))
  const told = [...lasting, ...holds.keys()]
  return { told: equalLists(told, state.told) ? state.told : told, effects }
}

const equalLists = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((x, i) => x === b[i])
