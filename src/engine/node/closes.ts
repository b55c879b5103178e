import { toHex } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { entry } from '../base/table.ts'
import { decodeTx } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import type { ChainEvent } from '../chain/types.ts'
import { closingSnapshot, preimagesOf } from '../channel/closing-snapshot.ts'
import { COURT_PREFIX, COURT_VERSION, courtKey } from '../channel/records.ts'
import type { Channel, CourtRecord } from '../channel/types.ts'
import type { ClosingSnapshot, RevokedRecord } from '../commitment/snapshot.ts'
import { isGenuineFundingSpend } from '../onchain/classify.ts'
import { createOnchain, onchainStep, resumeOnchain } from '../onchain/step.ts'
import type {
  CloseKind,
  OnchainContext,
  OnchainEffect,
  OnchainEvent,
  OnchainInput,
  OnchainState,
} from '../onchain/types.ts'
import { decodeRecord, encodeRecord } from '../records/codec.ts'
import { circuitOfToken } from '../switch/types.ts'
import { chainInput } from './chain.ts'
import { channelContext, channelInput } from './channels.ts'
import type { RecordWrite } from './ports.ts'
import { forwardLost, forwardOver, forwardPreimage, forwardRefused, isForwardToken } from './forwards.ts'
import { failOnChain, fulfilOnChain, htlcSettled, paymentRefused, settleOnChain } from './payments.ts'
import { emit, feerateFor, heightOf, omit, type Turn } from './state.ts'
import { feePayer, forgetClose, freshScript, noteClose, releaseFunding } from './wallet.ts'

/** Closed channels in the node's turns: a channel hands over a snapshot, and the on-chain machine goes to court with it. */

export const CLOSE_VERSION = 1

/** All that the court needs of a channel. */
const snapshotOf = (turn: Turn, channel: Channel, sweepScript = freshScript(turn)): ClosingSnapshot =>
  closingSnapshot(channel, sweepScript)

function setClose(turn: Turn, id: string, state: OnchainState): void {
  turn.state = { ...turn.state, closes: { ...turn.state.closes, [id]: state } }
}

const onchainContext = (turn: Turn, channel: Channel): OnchainContext => ({
  signer: channelContext(turn, channel).signer,
  feeratePerKw: feerateFor(turn.state, turn.setup, 6),
  urgentFeeratePerKw: feerateFor(turn.state, turn.setup, 2),
  ...(isFunded(turn, channel) ? { feePayer: feePayer(turn) } : {}),
})

/**
 * Whether the funding output exists, or we ourselves have sent it. Before that no coin is put behind our commitment: a peer that opens
 * and never funds would have it tied for as long as it likes.
 */
const isFunded = (turn: Turn, channel: Channel): boolean =>
  channel.funding.confirmedHeight !== undefined ||
  channel.funding.tx !== undefined ||
  turn.state.closes[channel.id]?.close !== undefined

function closeInput(turn: Turn, id: string, input: OnchainInput): void {
  const state = turn.state.closes[id]
  const channel = turn.state.channels[id]
  if (state === undefined || channel === undefined) return
  const result = onchainStep(state, input, onchainContext(turn, channel))
  setClose(turn, id, result.state)
  perform(turn, id, result.effects)
}

/** Makes the machine for a channel that stops off chain; the machine watches the funding output itself from now on. */
function ensureClose(turn: Turn, channel: Channel): void {
  if (turn.state.closes[channel.id] !== undefined) return
  chainInput(turn, { type: 'unwatch', token: `spend/${channel.id}` })
  // A close that both signed is sent until it is in a block, also after a restart.
  const begun = createOnchain(
    snapshotOf(turn, channel),
    heightOf(turn.state),
    onchainContext(turn, channel),
    channel.closing?.tx,
  )
  setClose(turn, channel.id, begun.state)
  perform(turn, channel.id, begun.effects)
  tellPreimages(turn, channel)
}

/**
 * Preimages that the channel knows, and those of HTLCs that we offered which it knows no more: a fulfilment is dropped with a connection
 * (rule 9), the proof of payment stays.
 */
function tellPreimages(turn: Turn, channel: Channel): void {
  const { payments, circuits } = turn.state
  const learnt = channel.base.htlcs.flatMap(({ offerer, paymentHash, token }) => {
    if (offerer !== channel.role) return []
    const circuit = token === undefined ? undefined : circuitOfToken(token)
    if (circuit !== undefined) {
      const known = circuits[circuit]?.preimage
      return known === undefined ? [] : [known]
    }
    const payment = entry(payments, toHex(paymentHash))
    const lost = payment?.attempts.some((a) => a.token === token && a.state === 'failed') === true
    return payment?.preimage === undefined || lost ? [] : [payment.preimage]
  })
  for (const preimage of [...preimagesOf(channel), ...learnt])
    closeInput(turn, channel.id, { type: 'preimage', preimage })
}

/** Our newest commitment goes to the chain. */
export function beginClose(turn: Turn, id: string, tx: Tx): void {
  const channel = turn.state.channels[id]
  if (channel === undefined) return
  ensureClose(turn, channel)
  closeInput(turn, id, { type: 'publish', tx })
}

/** Somebody spent the funding output. */
export function fundingSpent(turn: Turn, id: string, event: Extract<ChainEvent, { type: 'spent' }>): void {
  const channel = turn.state.channels[id]
  if (channel === undefined) return
  if (turn.state.closes[id] === undefined && !isCredible(turn, channel, event))
    return chainInput(turn, { type: 'notSigned', txid: event.txid })
  ensureClose(turn, channel)
  closeInput(turn, id, {
    type: 'spent',
    outpoint: event.outpoint,
    txid: event.txid,
    tx: event.tx,
    confirmed: event.confirmed,
  })
}

/**
 * A spend in a block is proved. One in a mempool is a single server's word: it ends a channel only with the signatures of both sides,
 * or a lying server could take a channel off, deadlines and all.
 */
function isCredible(turn: Turn, channel: Channel, event: Extract<ChainEvent, { type: 'spent' }>): boolean {
  if (event.confirmed !== null) return true
  const tx = decodeTx(event.tx)
  return tx.ok && isGenuineFundingSpend(snapshotOf(turn, channel, channel.shutdownScript), tx.value)
}

/** An event of one of the machine's own watches. */
export function closeChainEvent(turn: Turn, id: string, event: ChainEvent): void {
  switch (event.type) {
    case 'spent':
      return closeInput(turn, id, {
        type: 'spent',
        outpoint: event.outpoint,
        txid: event.txid,
        tx: event.tx,
        confirmed: event.confirmed,
      })
    case 'unspent':
      return closeInput(turn, id, { type: 'unspent', outpoint: event.outpoint })
    case 'unconfirmed':
      return closeInput(turn, id, { type: 'unconfirmed', txid: event.txid })
    default:
      return
  }
}

/** A record for the court came from the disk: what a revoked commitment holds besides balances. */
export function courtRecordRead(turn: Turn, key: string, value: Uint8Array | null): void {
  const [prefix, id = '', number = ''] = key.split('/')
  if (`${prefix}/` !== COURT_PREFIX || !/^\d+$/.test(number)) return
  closeInput(turn, id, { type: 'courtRecord', number: BigInt(number), record: readCourtRecord(value) })
}

/** The court's record as it is stored; one that cannot be read is as good as none: balances are still punished. */
export function readCourtRecord(value: Uint8Array | null): RevokedRecord | null {
  const decoded = value === null ? undefined : decodeRecord(value)
  if (decoded?.ok !== true || decoded.value.version !== COURT_VERSION) return null
  const { number, txid, htlcs } = decoded.value.value as CourtRecord
  return { number: BigInt(number), txid, htlcs }
}

/** A block came. */
export function closesTip(turn: Turn): void {
  for (const [id, close] of Object.entries(turn.state.closes)) {
    const channel = turn.state.channels[id]
    // Should a received HTLC be settled after the snapshot was taken, it is claimed all the same.
    if (channel !== undefined && !close.told.includes('done')) tellPreimages(turn, channel)
    closeInput(turn, id, { type: 'tip', height: heightOf(turn.state) })
  }
}

function perform(turn: Turn, id: string, effects: readonly OnchainEffect[]): void {
  for (const effect of effects) {
    switch (effect.type) {
      case 'watchSpend':
      case 'unwatch':
      case 'broadcast':
      case 'askEveryone':
      case 'witnessHolds':
        chainInput(turn, effect)
        break
      case 'loadCourtRecord':
        turn.effects.push({ type: 'readRecord', key: courtKey(id, effect.number) })
        break
      case 'releaseCoins':
        releaseFunding(turn, effect.token)
        break
      case 'event':
        closeEvent(turn, id, effect.event)
        break
    }
  }
}

function closeEvent(turn: Turn, id: string, event: OnchainEvent): void {
  const channel = turn.state.channels[id]
  if (channel === undefined) return
  switch (event.type) {
    case 'closeSeen':
      // Off chain nothing goes on; the machine has what it needs.
      if (event.kind !== 'mutual' && channel.failure === undefined) {
        turn.state = {
          ...turn.state,
          channels: {
            ...turn.state.channels,
            [id]: {
              ...channel,
              failure: {
                code: `closed:${event.kind}`,
                reason: REASONS[event.kind],
                remedy: 'awaitRemote',
              },
            },
          },
        }
        emit(turn, { type: 'channelFailed', channelId: id, reason: REASONS[event.kind] })
      }
      refuseWaiting(turn, id)
      forgetClose(turn, id, event.txid)
      nameClose(turn, id)
      return emit(turn, { type: 'channelClosing', channelId: id, txid: event.txid })
    case 'closeGone':
      forgetClose(turn, id, undefined)
      return emit(turn, { type: 'channelChanged', channelId: id })
    case 'preimageLearnt':
      forwardPreimage(turn, id, event.paymentHash, event.preimage)
      return settleOnChain(turn, toHex(event.paymentHash), event.preimage)
    case 'htlcFulfilled':
      // A received one counts as paid off chain does: once its money is irrevocably ours.
      if (event.offerer !== channel.role) {
        if (forwardOver(turn, id, event.id)) return
        return htlcSettled(turn, id, event.id, event.paymentHash, true)
      }
      forwardPreimage(turn, id, event.paymentHash, event.preimage)
      return fulfilOnChain(turn, id, { ...event, paymentHash: toHex(event.paymentHash) })
    case 'htlcFailed':
      if (event.offerer !== channel.role) {
        forwardOver(turn, id, event.id)
        return
      }
      return offeredLost(turn, channel, event.id, event.paymentHash)
    case 'outputSwept':
      return emit(turn, { type: 'walletChanged' })
    case 'done':
      return emit(turn, {
        type: 'channelClosed',
        channelId: id,
        txid: turn.state.closes[id]?.close?.txid ?? '',
      })
    case 'forget':
      return
  }
}

/** Adds that the channel has not offered yet never will be: nothing was signed, and their owners may look for another way at once. */
function refuseWaiting(turn: Turn, id: string): void {
  for (const proposal of turn.state.channels[id]?.outbox ?? []) {
    if (proposal.type !== 'add' || proposal.token === undefined) continue
    const { token } = proposal
    channelInput(turn, id, { type: 'withdraw', token })
    if (isForwardToken(token)) forwardRefused(turn, token)
    else paymentRefused(turn, token, 'channelFailed')
  }
}

/** An HTLC that we offered is over without its preimage: its owner hears, found by the token of its add. */
function offeredLost(turn: Turn, channel: Channel, htlcId: bigint, paymentHash: Uint8Array): void {
  const token = tokenOfOffered(channel, htlcId)
  if (token !== undefined && isForwardToken(token)) forwardLost(turn, token)
  else failOnChain(turn, channel.id, toHex(paymentHash), token)
}

/**
 * The channel was never funded after all: no HTLC of it can come to the chain, and none is paid. Payments that went through it look for
 * another way, and what was passed on hears that nobody pays for it.
 */
export function endNeverFundedHtlcs(turn: Turn, id: string): void {
  const channel = turn.state.channels[id]
  if (channel === undefined) return
  const us = channel.role
  for (const htlc of channel.base.htlcs) {
    if (htlc.offerer === us) offeredLost(turn, channel, htlc.id, htlc.paymentHash)
    else forwardOver(turn, id, htlc.id)
  }
  for (const add of channel.logs[us].entries)
    if (add.type === 'add') offeredLost(turn, channel, add.id, add.paymentHash)
}

/** The token of an HTLC that we offered, from wherever the channel still has it. */
function tokenOfOffered(channel: Channel, htlcId: bigint): string | undefined {
  const us = channel.role
  const inBase = channel.base.htlcs.find((h) => h.offerer === us && h.id === htlcId)
  if (inBase !== undefined) return inBase.token
  const entry = channel.logs[us].entries.find((e) => e.type === 'add' && e.id === htlcId)
  return entry?.type === 'add' ? entry.token : undefined
}

/** A preimage that may be given out: the channel's machine claims what was received with its hash. */
export const claimWith = (turn: Turn, id: string, preimage: Uint8Array): void =>
  closeInput(turn, id, { type: 'preimage', preimage })

/** What is said of a close that came as it did. */
export const closeReason = (kind: CloseKind): string => REASONS[kind]

/** A mutual close that pays the wallet is shown as what it is. */
function nameClose(turn: Turn, id: string): void {
  const state = turn.state.closes[id]
  const spend = Object.values(state?.spends ?? {}).find((s) => s.txid === state?.close?.txid)
  const tx = spend === undefined ? undefined : decodeTx(spend.tx)
  if (state?.close?.kind === 'mutual' && tx?.ok === true) noteClose(turn, tx.value, id)
}

const REASONS = {
  mutual: 'Both sides closed the channel.',
  local: 'The channel was closed on chain from this side.',
  remote: 'The peer closed the channel on chain.',
  remoteNext: 'The peer closed the channel on chain.',
  revoked: 'The peer broadcast an old state of the channel.',
  unknown: 'The channel was closed with a state that this device does not know.',
} as const

/** Records for the court that one turn deletes: a write of a few milliseconds, of which a million records take a few hundred. */
const ERASED_A_TURN = 5_000n

/**
 * Deletes the court's records of channels that are resolved irrevocably, 100 blocks deep (BOLT 5), and none before: until then any
 * old state may still turn up. What is left, the channel and its close, is the user's history.
 */
export function eraseForgotten(turn: Turn): void {
  for (const [id, state] of Object.entries(turn.state.closes)) {
    const end = (state.snapshot.remote.at(-1)?.number ?? -1n) + 1n
    const from = state.erased ?? 0n
    if (from >= end || !state.told.includes('forget')) continue
    const to = end - from > ERASED_A_TURN ? from + ERASED_A_TURN : end
    for (let n = from; n < to; n++) turn.extraWrites.push({ key: courtKey(id, n), value: null })
    setClose(turn, id, { ...state, erased: to })
  }
}

/** The channel is forgotten, and with it what was done about its close: nothing is watched or broadcast for it any more. */
export function dropClose(turn: Turn, id: string): void {
  const state = turn.state.closes[id]
  if (state === undefined) return
  for (const token of state.tokens) chainInput(turn, { type: 'unwatch', token })
  for (const { coins } of state.claims) if (coins !== undefined) releaseFunding(turn, coins)
  turn.state = { ...turn.state, closes: omit(turn.state.closes, id) }
}

/** Records of the closes. */
export function closeWrites(
  prev: Readonly<Record<string, OnchainState>> | undefined,
  next: Readonly<Record<string, OnchainState>>,
): readonly RecordWrite[] {
  const writes: RecordWrite[] = []
  for (const [id, state] of Object.entries(next)) {
    if (prev?.[id] !== state) writes.push({ key: `close/${id}`, value: encodeRecord(CLOSE_VERSION, state) })
  }
  for (const id of Object.keys(prev ?? {})) {
    if (next[id] === undefined) writes.push({ key: `close/${id}`, value: null })
  }
  return writes
}

export function loadCloses(
  records: ReadonlyMap<string, Uint8Array>,
): Result<Readonly<Record<string, OnchainState>>> {
  const closes: Record<string, OnchainState> = {}
  for (const [key, bytes] of records) {
    if (!key.startsWith('close/')) continue
    const decoded = decodeRecord(bytes)
    if (!decoded.ok) return err(`${key}: ${decoded.error}`)
    if (decoded.value.version !== CLOSE_VERSION) return err(`${key}: version ${decoded.value.version}`)
    closes[key.slice('close/'.length)] = decoded.value.value as OnchainState
  }
  return ok(closes)
}

/** After loading: the machines' watches and broadcasts again. */
export function resumeCloses(turn: Turn): void {
  for (const [id, state] of Object.entries(turn.state.closes)) perform(turn, id, resumeOnchain(state))
}

/** The spend that was reported is gone: the machine, where there is one, watches by itself. */
export function fundingUnspent(turn: Turn, id: string): void {
  channelInput(turn, id, { type: 'tick' })
}
