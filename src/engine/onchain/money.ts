import { equalBytes, toHex } from '../base/bytes.ts'
import { type Msat, msat } from '../base/units.ts'
import { p2wsh } from '../bitcoin/script.ts'
import { outPointKey, type OutPoint, type Tx, type Txid } from '../bitcoin/types.ts'
import type { CommitmentView, ViewHtlc } from '../commitment/types.ts'
import { isAbandoned } from './claims.ts'
import { htlcKey } from './htlcs.ts'
import { fundingSpend, isClaimable, trackedOutputs, type TrackedOutput, txOf } from './outputs.ts'
import type { Close, KnownOutput, OnchainState } from './types.ts'

/**
 * Where every millisatoshi is that we had in a channel when it was closed: still on the chain, with the wallet, or gone and why.
 * due + gained = parts + passed + gone, exactly and at any time, also while transactions are only in a mempool.
 */

export interface ClosePart {
  readonly kind: Exclude<KnownOutput['kind'], 'unknown' | 'anchor'>
  readonly outpoint: OutPoint
  readonly amountMsat: Msat
  readonly htlc?: ViewHtlc
  /**
   * `unconfirmed`: the close is in no block. `waiting`: for block `atHeight`, if there is one to wait for. `claimable`: for a cheaper
   * day, or for coins to pay a fee with. `sweeping`: claim `txid` is out. `arriving`: paid to the wallet in a block that the wallet
   * has not looked at yet.
   */
  readonly state: 'unconfirmed' | 'waiting' | 'claimable' | 'sweeping' | 'arriving'
  readonly atHeight?: number
  readonly txid?: Txid
}

export interface Gone {
  /**
   * `closeFee`: the commitment's or the mutual close's, where the opener is us. `anchors`: 330 sat each, which the opener pays.
   * `rounding`: outputs hold whole satoshi. `dust`: too small for an output, or for a claim of it. `claimFee`: of our own claims.
   * `lost`: another took it. `unknownState`: the close is of a state in which less was ours.
   */
  readonly kind: 'closeFee' | 'anchors' | 'rounding' | 'dust' | 'claimFee' | 'lost' | 'unknownState'
  readonly amountMsat: Msat
  /** Of what was lost: the block in which another took it. */
  readonly atHeight?: number
}

export interface CloseMoney {
  readonly parts: readonly ClosePart[]
  readonly gone: readonly Gone[]
  /** What was ours off chain. */
  readonly dueMsat: Msat
  /** What a cheater's commitment, or one that we know nothing of, gives beyond that. */
  readonly gainedMsat: Msat
  /** What the wallet counts of it, less what it paid in fees of claims; may be negative. */
  readonly passedMsat: Msat
}

/** What the close itself does not know. */
export interface CloseFacts {
  /** The transaction of the wallet's list that counts and spends this outpoint (`txid:vout`). */
  readonly spenderOf: (key: string) => { readonly txid: Txid; readonly tx: Tx } | undefined
  /** Whether the wallet counts a transaction. */
  readonly counts: (txid: Txid) => boolean
  /** The value of a coin of the wallet's list, spent or not; undefined: not one of its. */
  readonly coinSat: (key: string) => bigint | undefined
  readonly isOurScript: (script: Uint8Array) => boolean
  readonly isPaid: (htlc: ViewHtlc) => boolean
  readonly isTaken: (htlc: ViewHtlc) => boolean
  /** What was ours is not known: the channel came from a backup. */
  readonly restored: boolean
}

/** An output whose money is ours, at whatever stage. */
interface Own {
  readonly key: string
  readonly outpoint: OutPoint
  readonly kind: ClosePart['kind']
  readonly valueSat: bigint
  readonly htlc?: ViewHtlc
}

/** A transaction that took outputs of ours. */
interface Taker {
  readonly txid: Txid
  readonly tx: Tx
  readonly counted: boolean
  /** Whether it is one of our own claims. */
  readonly own: boolean
  claimedSat: bigint
  passedOnSat: bigint
  first: Own
}

/** The money of a close that has been seen; undefined before. */
export function closeMoney(state: OnchainState, facts: CloseFacts): CloseMoney | undefined {
  const { close } = state
  const spend = fundingSpend(state)
  if (close === undefined || spend === undefined) return undefined
  const walk = new Walk(state, close, facts)
  const isOurs = judge(state, close, facts)
  let ownSat = 0n
  let unexpectedSat = 0n
  const tracked = trackedOutputs(state)
  const follows = new Set(tracked.flatMap((o) => (o.parent !== undefined && o.ours ? [o.parent] : [])))
  for (const output of close.outputs) {
    const outpoint = { txid: close.txid, vout: output.vout }
    const key = outPointKey(outpoint)
    const own = ownOf(outpoint, output)
    const hidden = output.kind === 'unknown' && follows.has(key)
    if (isOurs(output) || hidden) {
      ownSat += output.valueSat
      walk.follow(own)
    } else if (walk.isClaimed(key)) {
      // Fulfilled, and the peer let us have it all the same; or an anchor that paid for our commitment.
      if (output.kind === 'htlc') {
        unexpectedSat += output.valueSat
        walk.follow(own)
      } else walk.pay(own)
    }
  }
  const end = walk.finish()

  const { local, remote } = state.snapshot
  const signed = remote.find((r) => r.txid === close.txid)
  const view = close.kind === 'local' || close.kind === 'mutual' ? local.view : signed?.view
  const share = shareIn(state, view ?? local.view, facts)
  const dueMsat = view === undefined && facts.restored ? 0n : share.msat
  const gone = [...end.gone]
  let gainedMsat = unexpectedSat * 1000n
  if (view !== undefined) gone.push(...closingCosts(state, close, share, isOurs))
  else if (ownSat * 1000n >= dueMsat) gainedMsat += ownSat * 1000n - dueMsat
  else gone.push({ kind: 'unknownState', amountMsat: msat(dueMsat - ownSat * 1000n) })
  return {
    parts: end.parts,
    gone: gone.filter((g) => g.amountMsat !== 0n),
    dueMsat: msat(dueMsat),
    gainedMsat: msat(gainedMsat + end.gainedMsat),
    passedMsat: msat(end.passedSat * 1000n),
  }
}

const ownOf = (outpoint: OutPoint, { kind, valueSat, htlc }: KnownOutput): Own => ({
  key: outPointKey(outpoint),
  outpoint,
  kind: kind === 'unknown' || kind === 'anchor' ? 'htlc' : kind,
  valueSat,
  ...(htlc && { htlc }),
})

/**
 * Whether an HTLC's money is ours: offered and not paid, or received and taken. That a preimage is known says nothing of one that we offered:
 * another part, or a later attempt, may have brought it.
 */
const isOurHtlc = (state: OnchainState, htlc: ViewHtlc, facts: CloseFacts): boolean =>
  htlc.offerer === state.snapshot.role
    ? !facts.isPaid(htlc)
    : state.preimages[toHex(htlc.paymentHash)] !== undefined || facts.isTaken(htlc)

/** Whether an output of the close is ours. Of what a cheater broadcast all is. */
const judge =
  (state: OnchainState, close: Close, facts: CloseFacts) =>
  (output: KnownOutput): boolean => {
    if (!output.ours || output.kind === 'anchor' || output.kind === 'unknown') return false
    if (output.kind !== 'htlc' || close.secret !== undefined) return true
    return output.htlc !== undefined && isOurHtlc(state, output.htlc, facts)
  }

interface ViewShare {
  readonly msat: bigint
  readonly balanceMsat: bigint
  readonly htlcs: readonly ViewHtlc[]
}

/** What is ours in a commitment, to the millisatoshi. */
function shareIn(state: OnchainState, view: CommitmentView, facts: CloseFacts): ViewShare {
  const balanceMsat = state.snapshot.role === 'opener' ? view.openerMsat : view.accepterMsat
  const htlcs = view.htlcs.filter((htlc) => isOurHtlc(state, htlc, facts))
  return { msat: htlcs.reduce((n, h) => n + h.amountMsat, balanceMsat as bigint), balanceMsat, htlcs }
}

/** What lies between what was ours and what the outputs of the close hold of it. */
function closingCosts(
  state: OnchainState,
  close: Close,
  share: ViewShare,
  isOurs: (output: KnownOutput) => boolean,
): readonly Gone[] {
  const { role } = state.snapshot
  const sum = (outputs: readonly KnownOutput[]): bigint => outputs.reduce((n, o) => n + o.valueSat, 0n)
  const paidSat = sum(close.outputs.filter((o) => o.kind !== 'htlc' && isOurs(o)))
  let roundingMsat = share.balanceMsat % 1000n
  let dustMsat = 0n
  let missingSat = share.balanceMsat / 1000n - paidSat
  const anchorsSat = sum(close.outputs.filter((o) => o.kind === 'anchor'))
  const anchors = role === 'opener' ? (anchorsSat < missingSat ? anchorsSat : missingSat) : 0n
  missingSat -= anchors
  const present = new Set(close.outputs.flatMap((o) => (o.htlc ? [htlcKey(o.htlc)] : [])))
  for (const htlc of share.htlcs) {
    if (present.has(htlcKey(htlc))) roundingMsat += htlc.amountMsat % 1000n
    else dustMsat += htlc.amountMsat
  }
  // Only the opener pays a fee; what an accepter's balance lacks was too small for an output.
  if (role !== 'opener') dustMsat += missingSat * 1000n
  return [
    { kind: 'closeFee', amountMsat: msat(role === 'opener' ? missingSat * 1000n : 0n) },
    { kind: 'anchors', amountMsat: msat(anchors * 1000n) },
    { kind: 'rounding', amountMsat: msat(roundingMsat) },
    { kind: 'dust', amountMsat: msat(dustMsat) },
  ]
}

/** From each output of ours through the transactions that took it to where its money is now. */
class Walk {
  private readonly state: OnchainState
  private readonly close: Close
  private readonly facts: CloseFacts
  private readonly tracked: ReadonlyMap<string, TrackedOutput>
  private readonly takers = new Map<Txid, Taker>()
  private readonly parts: ClosePart[] = []
  private readonly gone: Gone[] = []
  private passedSat = 0n

  constructor(state: OnchainState, close: Close, facts: CloseFacts) {
    this.state = state
    this.close = close
    this.facts = facts
    this.tracked = new Map(trackedOutputs(state).map((o) => [o.key, o]))
  }

  /** Whether one of our claims took it, for good or in the wallet's list. */
  isClaimed(key: string): boolean {
    return this.takerOf(key)?.own === true
  }

  /** The transaction that took an output: the wallet's, or one in a block. */
  private takerOf(key: string): Omit<Taker, 'claimedSat' | 'passedOnSat' | 'first'> | undefined {
    const counted = this.facts.spenderOf(key)
    if (counted !== undefined) return { ...counted, counted: true, own: true }
    const spend = this.tracked.get(key)?.spend ?? this.state.spends[key]
    const tx = spend && txOf(spend)
    if (spend === undefined || tx === undefined) return undefined
    // One in a mempool may still lose to our own claim of the same output; unless the wallet counts what takes it from there.
    const followed = tx.outputs.some(
      (_, vout) => this.facts.spenderOf(outPointKey({ txid: spend.txid, vout })) !== undefined,
    )
    if (!spend.confirmed && !followed) return undefined
    return { txid: spend.txid, tx, counted: false, own: this.state.ownTxids.includes(spend.txid) }
  }

  private take(own: Own): Taker | undefined {
    const found = this.takerOf(own.key)
    if (found === undefined) return undefined
    const known = this.takers.get(found.txid)
    if (known !== undefined) return known
    const taker: Taker = { ...found, claimedSat: 0n, passedOnSat: 0n, first: own }
    this.takers.set(found.txid, taker)
    return taker
  }

  /** A transaction of ours that spends an output which is not counted as ours: what the wallet paid for it. */
  pay(own: Own): void {
    this.take(own)
  }

  follow(own: Own): void {
    if (own.kind === 'mutualClose') return this.followMutual(own)
    const taker = this.take(own)
    if (taker === undefined) return this.stay(own)
    const vin = taker.tx.inputs.findIndex((i) => outPointKey(i.outpoint) === own.key)
    const second = this.secondStage(own, taker, vin)
    if (taker.own) {
      taker.claimedSat += own.valueSat
      taker.passedOnSat += second?.valueSat ?? 0n
    } else {
      const lostSat = own.valueSat - (second?.valueSat ?? 0n)
      const atHeight = this.tracked.get(own.key)?.spend?.confirmed?.height
      const where = atHeight === undefined ? {} : { atHeight }
      this.gone.push({ kind: 'lost', amountMsat: msat(lostSat * 1000n), ...where })
    }
    if (second !== undefined) this.follow(second)
  }

  /** A mutual close pays the wallet by itself. */
  private followMutual(own: Own): void {
    if (this.facts.counts(this.close.txid)) this.passedSat += own.valueSat
    else {
      const confirmed = fundingSpend(this.state)?.confirmed ?? null
      this.part(own, confirmed === null ? { state: 'unconfirmed' } : { state: 'arriving' })
    }
  }

  /** The output of an HTLC transaction (BOLT 3: at the index of its input), where it is ours in turn. */
  private secondStage(own: Own, taker: Taker, vin: number): Own | undefined {
    const { delayedScript, secret, owner } = this.close
    const out = taker.tx.outputs[vin]
    const ours = secret !== undefined || owner === this.state.snapshot.role
    if (own.kind !== 'htlc' || delayedScript === undefined || out === undefined || !ours) return undefined
    if (!equalBytes(out.script, p2wsh(delayedScript))) return undefined
    const outpoint = { txid: taker.txid, vout: vin }
    return { ...own, key: outPointKey(outpoint), outpoint, valueSat: out.valueSat }
  }

  private part(own: Own, how: Pick<ClosePart, 'state' | 'atHeight' | 'txid'>): void {
    const { kind, outpoint, valueSat, htlc } = own
    this.parts.push({ kind, outpoint, amountMsat: msat(valueSat * 1000n), ...(htlc && { htlc }), ...how })
  }

  /** Nothing has taken it. */
  private stay(own: Own): void {
    const tracked = this.tracked.get(own.key)
    if (tracked === undefined || tracked.created === null) return this.part(own, { state: 'unconfirmed' })
    if (isAbandoned(this.state, tracked)) {
      this.gone.push({ kind: 'dust', amountMsat: msat(own.valueSat * 1000n) })
      return
    }
    const claim = this.state.claims.find((c) => c.claims.includes(own.key))
    if (claim !== undefined) return this.part(own, { state: 'sweeping', txid: claim.txid })
    if (isClaimable(this.state, tracked)) return this.part(own, { state: 'claimable' })
    const { spendableAt } = tracked
    this.part(own, { state: 'waiting', ...(spendableAt !== undefined && { atHeight: spendableAt }) })
  }

  /** The fees of our claims, and what they brought to the wallet. */
  finish(): {
    readonly parts: readonly ClosePart[]
    readonly gone: readonly Gone[]
    readonly passedSat: bigint
    readonly gainedMsat: bigint
  } {
    let gainedMsat = 0n
    for (const { tx, txid, counted, own, claimedSat, passedOnSat, first } of this.takers.values()) {
      if (!own) continue
      const { facts } = this
      const paidSat = tx.outputs.reduce((n, o) => (facts.isOurScript(o.script) ? n + o.valueSat : n), 0n)
      const putInSat = tx.inputs.reduce((n, i) => n + (facts.coinSat(outPointKey(i.outpoint)) ?? 0n), 0n)
      const net = paidSat - putInSat
      let feeSat = claimedSat - passedOnSat
      if (counted) {
        this.passedSat += net
        feeSat -= net
      } else if (net > 0n) {
        // In a block, and the wallet has not looked there yet: coins that it put in still count.
        const arrivingSat = net < feeSat ? net : feeSat
        this.part({ ...first, valueSat: arrivingSat }, { state: 'arriving', txid })
        feeSat -= arrivingSat
      }
      if (feeSat >= 0n) this.gone.push({ kind: 'claimFee', amountMsat: msat(feeSat * 1000n) })
      else gainedMsat -= feeSat * 1000n
    }
    return { parts: this.parts, gone: this.gone, passedSat: this.passedSat, gainedMsat }
  }
}
