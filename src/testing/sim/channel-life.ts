import { toHex } from '../../engine/base/bytes.ts'
import { unwrap } from '../../engine/base/result.ts'
import { msat } from '../../engine/base/units.ts'
import { txidOf } from '../../engine/bitcoin/tx.ts'
import { signatureDue, worthSigning } from '../../engine/channel/commit.ts'
import { addProblem } from '../../engine/channel/limits.ts'
import { lockedInHtlc, viewAt } from '../../engine/channel/log.ts'
import { channelWrites, loadChannels } from '../../engine/channel/records.ts'
import { otherRole } from '../../engine/commitment/types.ts'
import { sha256 } from '../../engine/crypto/hash.ts'
import { decodeMessage } from '../../engine/wire/decode.ts'
import type { Message } from '../../engine/wire/messages.ts'
import { type Random, seeded } from '../random.ts'
import {
  apply,
  conservationProblem,
  cut,
  deliver,
  deliverAll,
  type Name,
  openPair,
  other,
  type Party,
  preimageOf,
  reconnect,
  settledProblem,
} from './channel-pair.ts'

/**
 * The random life of one channel whose sides stream at once and sign when they like: adds, fulfills, fails, fees and windows mixed, turns
 * of their own, messages delivered one by one. One seed decides everything. Throws what breaks.
 */
export interface LifeOptions {
  readonly seed: number
  readonly steps?: number
  /** Losses of the link, after each of which either side may have been restarted from its records. */
  readonly cuts?: number
  /** Whether one side, still streaming, asks to close at the end. */
  readonly close?: boolean
}

export interface Life {
  readonly windows: Readonly<Record<Name, number>>
  readonly adds: number
  readonly fulfilled: number
  readonly failed: number
  readonly fees: number
  readonly commitments: number
  /** Most signatures of one side that were not revoked for. */
  readonly mostOutstanding: number
  /** Turns in which a side signed though it had heard nothing since it signed last. */
  readonly unaskedSignatures: number
  /** Turns that ended without a signature that was due, for want of credit. */
  readonly outOfCredit: number
  /** Groups of messages sent again after a loss, and how often more than one signature was among them. */
  readonly resent: number
  readonly resentTwoSignatures: number
}

const isUpdate = (message: Message): boolean => message.type.startsWith('update_')
const inOperation = (message: Message): boolean =>
  isUpdate(message) || message.type === 'commitment_signed' || message.type === 'revoke_and_ack'
const read = (bytes: Uint8Array): Message => {
  const decoded = decodeMessage(bytes)
  if (!decoded.ok) throw new Error(decoded.error.message)
  return decoded.value
}

/** A side with what a judge of it remembers. */
interface Watched {
  readonly party: Party
  /** What it has said and the other has not taken: updates with the signature that covers them, or a revocation. */
  owed: string[][]
  seen: number
  /** Heard something since it signed last. */
  heard: boolean
  proposed: number
  fulfilled: bigint
}

export function live({ seed, steps = 400, cuts = 0, close = false }: LifeOptions): Life {
  const random = seeded(seed)
  const windows = { alice: 1 + random.int(6), bob: 1 + random.int(6) }
  const { alice, bob } = openPair('test_window_6', {
    policy: {
      alice: {
        window: windows.alice,
        maxAcceptedHtlcs: 4 + random.int(20),
        maxTrimmedHtlcs: random.pick([0, 10]),
      },
      bob: {
        window: windows.bob,
        maxAcceptedHtlcs: 4 + random.int(20),
        maxTrimmedHtlcs: random.pick([0, 10]),
      },
    },
  })
  const sides: Record<Name, Watched> = {
    alice: { party: alice, owed: [], seen: 0, heard: true, proposed: 0, fulfilled: 0n },
    bob: { party: bob, owed: [], seen: 0, heard: true, proposed: 0, fulfilled: 0n },
  }
  const counts = { fulfilled: 0, failed: 0, fees: 0, mostOutstanding: 0, unasked: 0, outOfCredit: 0 }
  const resends = { groups: 0, twoSignatures: 0 }
  let number = 0
  const preimages = new Map<string, number>()

  /** Puts what was said since the last look into groups that the peer takes whole or not at all. */
  const note = (side: Watched): void => {
    for (const bytes of side.party.outgoing.slice(side.seen)) {
      const message = read(bytes)
      if (!inOperation(message)) continue
      const last = side.owed.at(-1)
      const open = last !== undefined && isUpdate(read(fromHexOf(last.at(-1))))
      if (open && message.type !== 'revoke_and_ack') last.push(toHex(bytes))
      else side.owed.push([toHex(bytes)])
    }
    side.seen = side.party.outgoing.length
  }

  const flush = (name: Name): void => {
    const side = sides[name]
    const { party } = side
    const before = party.channel.remotePending.length
    apply(party, { type: 'flush' })
    note(side)
    const signed = party.channel.remotePending.length > before
    if (signed && !side.heard) counts.unasked += 1
    if (signed) side.heard = false
    counts.mostOutstanding = Math.max(counts.mostOutstanding, party.channel.remotePending.length)
    // Nobody waits for the other side except for credit, or with much to sign again and little to say (rule 4).
    if (party.channel.link !== 'online') return
    if (party.channel.remotePoints.length === 0) counts.outOfCredit += 1
    else if (worthSigning(party.channel)) {
      if (signatureDue(party.channel)) throw new Error(`${name}: a signature is due and not made`)
      for (const proposal of party.channel.outbox) {
        if (proposal.type !== 'add') throw new Error(`${name}: a ${proposal.type} waits without a reason`)
        if (addProblem(party.channel, proposal.amountMsat) === undefined)
          throw new Error(`${name}: an add waits without a reason`)
      }
    }
  }

  const hear = (name: Name): void => {
    const from = sides[other(name)]
    const to = sides[name]
    const next = from.party.outgoing[0]
    if (next === undefined) return
    const key = toHex(next)
    deliver(from.party, to.party)
    from.seen -= 1
    to.heard = true
    note(to)
    if (from.owed[0]?.at(-1) === key) from.owed.shift()
    const fault = to.party.faults[0]
    if (fault !== undefined) throw new Error(`${name}: ${fault.code}: ${fault.text}`)
  }

  const propose = (name: Name): void => {
    const side = sides[name]
    number += 1
    side.proposed += 1
    const paymentHash = sha256(preimageOf(number))
    preimages.set(toHex(paymentHash), number)
    apply(side.party, {
      type: 'propose',
      proposal: {
        type: 'add',
        amountMsat: msat(random.pick([1, 999, 1_000, 353_999, 354_000, 5_000_000, 20_000_001])),
        paymentHash,
        cltvExpiry: 500,
        onion: new Uint8Array(1366).fill(number & 0xff),
        token: `t${number}`,
      },
    })
  }

  const remove = (name: Name, htlcs = received(sides[name].party)): void => {
    const side = sides[name]
    if (htlcs.length === 0) return
    const htlc = random.pick(htlcs)
    const n = preimages.get(toHex(htlc.paymentHash))
    if (n === undefined) throw new Error('an HTLC that nobody offered')
    const kind = random.pick(['fulfill', 'fulfill', 'fail', 'malformed'] as const)
    const proposal = {
      fulfill: { type: 'fulfill', id: htlc.id, preimage: preimageOf(n) },
      fail: { type: 'fail', id: htlc.id, reason: new Uint8Array(292).fill(n & 0xff) },
      malformed: { type: 'malformed', id: htlc.id, sha256OfOnion: htlc.paymentHash, failureCode: 0xc005 },
    } as const
    if (kind === 'fulfill') {
      side.fulfilled += htlc.amountMsat
      counts.fulfilled += 1
    } else counts.failed += 1
    apply(side.party, { type: 'propose', proposal: proposal[kind] })
  }

  const lose = (): void => {
    const expected = { alice: sides.alice.owed.flat(), bob: sides.bob.owed.flat() }
    for (const name of ['alice', 'bob'] as const) {
      resends.groups += sides[name].owed.length
      const signatures = expected[name].filter((hex) => read(fromHexOf(hex)).type === 'commitment_signed')
      if (signatures.length > 1) resends.twoSignatures += 1
    }
    cut(alice, bob)
    for (const party of [alice, bob]) if (random.bool(0.5)) restart(party)
    reconnect(alice, bob)
    // Each first: the other's channel_reestablish alone.
    const first = random.pick(['alice', 'bob'] as const)
    for (const name of [first, other(first)]) {
      const { party } = sides[name]
      deliver(sides[other(name)].party, party)
      const said = party.outgoing
        .map(read)
        .flatMap((m, i) => (inOperation(m) ? [toHex(party.outgoing[i] ?? new Uint8Array())] : []))
      if (said.join() !== expected[name].join())
        throw new Error(
          `${name} resends ${said.length} messages, not its ${expected[name].length} in their order`,
        )
    }
    for (const name of ['alice', 'bob'] as const) sides[name].seen = sides[name].party.outgoing.length
  }

  const weights: readonly (readonly [number, () => void])[] = [
    [10, () => propose(either(random))],
    [8, () => remove(either(random))],
    [
      1,
      () => {
        apply(alice, { type: 'propose', proposal: { type: 'fee', feeratePerKw: 253 + random.int(4_000) } })
        counts.fees += 1
      },
    ],
    [1, () => apply(sides[either(random)].party, { type: 'window', window: 1 + random.int(8) })],
    [8, () => flush(either(random))],
    [30, () => hear(either(random))],
  ]
  const total = weights.reduce((n, [w]) => n + w, 0)
  const cutAt = new Set(Array.from({ length: cuts }, () => random.int(steps)))
  for (let i = 0; i < steps; i++) {
    let at = random.int(total)
    weights.find(([w]) => (at -= w) < 0)?.[1]()
    if (cutAt.has(i)) lose()
    if (i % 8 === 0) check(alice, bob)
  }

  if (close) {
    apply(sides[either(random)].party, { type: 'close', feeratePerKw: 1_000 })
    for (let i = 0; i < 40; i++) {
      const name = either(random)
      if (random.bool(0.5)) flush(name)
      else hear(name)
    }
  }
  deliverAll(alice, bob)
  // All that is live is removed, so that what waits gets its turn, until nothing is left.
  for (let i = 0; i < 100; i++) {
    const before = received(alice).length + received(bob).length
    if (before === 0 && alice.channel.outbox.length + bob.channel.outbox.length === 0) break
    for (const name of ['alice', 'bob'] as const) {
      for (const htlc of received(sides[name].party)) remove(name, [htlc])
    }
    deliverAll(alice, bob)
  }
  check(alice, bob)
  const problem = settledProblem(alice, bob)
  if (problem !== undefined) throw new Error(problem)
  for (const name of ['alice', 'bob'] as const) ended(sides[name], sides[other(name)], close)
  if (close) {
    const [ours, theirs] = [alice, bob].map((party) => party.broadcast.map(txidOf).join())
    if (ours === '' || ours !== theirs) throw new Error(`closed with ${ours} and ${theirs}`)
  }
  return {
    windows,
    adds: number,
    fulfilled: counts.fulfilled,
    failed: counts.failed,
    fees: counts.fees,
    commitments: alice.channel.localTip.number + bob.channel.localTip.number,
    mostOutstanding: counts.mostOutstanding,
    unaskedSignatures: counts.unasked,
    outOfCredit: counts.outOfCredit,
    resent: resends.groups,
    resentTwoSignatures: resends.twoSignatures,
  }
}

const either = (random: Random): Name => random.pick(['alice', 'bob'] as const)
const fromHexOf = (hex: string | undefined): Uint8Array => Uint8Array.from(Buffer.from(hex ?? '', 'hex'))

/** What a side received, has in both tails, and has not begun to remove. */
function received({ channel }: Party) {
  const them = otherRole(channel.role)
  const leaving = [...channel.logs[channel.role].entries, ...channel.outbox].flatMap((e) =>
    e.type === 'add' || e.type === 'fee' ? [] : [e.id],
  )
  return viewAt(channel, channel.localTip.indexes).htlcs.filter(
    (h) => h.offerer === them && !leaving.includes(h.id) && lockedInHtlc(channel, them, h.id) !== undefined,
  )
}

/** The process ends and starts again with what it has written. */
function restart(party: Party): void {
  const records = new Map(
    channelWrites(undefined, party.channel).flatMap(({ key, value }) =>
      value === null ? [] : [[key, value] as const],
    ),
  )
  const loaded = unwrap(loadChannels(records))[party.channel.id]
  if (loaded === undefined) throw new Error(`${party.name} is not on disk`)
  party.channel = loaded
}

function check(alice: Party, bob: Party): void {
  const problem = conservationProblem(alice) ?? conservationProblem(bob)
  if (problem !== undefined) throw new Error(problem)
}

/** Everything a side proposed was told once to each, and its balance is what was settled. */
function ended(us: Watched, them: Watched, closed: boolean): void {
  const name = us.party.name
  const told = them.party.events.flatMap((e) => (e.type === 'htlcReceived' ? [toHex(e.add.paymentHash)] : []))
  const removed = us.party.events.flatMap((e) => (e.type === 'htlcRemoved' ? [toHex(e.paymentHash)] : []))
  const refused = us.party.events.flatMap((e) => (e.type === 'addRefused' ? [e.reason] : []))
  if (refused.some((reason) => !closed || reason !== 'closing'))
    throw new Error(`${name}: ${refused.length} adds were refused: ${refused[0]}`)
  const entered = us.proposed - refused.length
  for (const list of [told, removed]) {
    if (list.length !== entered || new Set(list).size !== entered)
      throw new Error(`${name} proposed ${entered} adds; ${list.length} were told`)
  }
  const view = viewAt(us.party.channel, us.party.channel.localTip.indexes)
  const [balance, began] =
    us.party.channel.role === 'opener' ? [view.openerMsat, 600_000_000n] : [view.accepterMsat, 400_000_000n]
  if (balance !== began + us.fulfilled - them.fulfilled)
    throw new Error(`${name} has ${balance}, not what was settled`)
}
