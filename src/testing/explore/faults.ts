import { fromHex } from '../../engine/base/bytes.ts'
import { err, ok, type Result } from '../../engine/base/result.ts'
import { toMsat } from '../../engine/base/units.ts'
import { addProblem, openerCostMsat } from '../../engine/channel/limits.ts'
import {
  append,
  cautiousView,
  entriesBetween,
  logLength,
  nextLocalView,
  remoteTip,
  truncate,
  viewAt,
} from '../../engine/channel/log.ts'
import { tallyOf } from '../../engine/channel/tally.ts'
import { currentWindow, readyMessage, remoteGrantedThrough } from '../../engine/channel/points.ts'
import type {
  AddUpdate,
  Channel,
  ChannelContext,
  ChannelEffect,
  ChannelInput,
  Fault as PeerFault,
  Proposal,
  Transition,
} from '../../engine/channel/types.ts'
import { otherRole } from '../../engine/commitment/types.ts'
import type { Message, MessageOf } from '../../engine/wire/messages.ts'
import type { Fault } from './fault.ts'
import type { Step } from './step.ts'

/**
 * The known faults of protocols of this family, each put around the real engine. They show that the explorer sees: one that passes
 * unseen is a hole in what is checked. What ships contains none of this.
 */

type Outcome = Result<Transition, PeerFault>

const fail = (code: string, text: string): Outcome => err({ code, action: 'fail_channel', text })

/** The step with its result seen through `change`. */
const after = (outcome: Outcome, change: (transition: Transition) => Transition): Outcome =>
  outcome.ok ? ok(change(outcome.value)) : outcome

const isMessage = <T extends Message['type']>(
  input: ChannelInput,
  type: T,
): input is { readonly type: 'message'; readonly message: MessageOf<T> } =>
  input.type === 'message' && input.message.type === type

/** A channel with a note of the faulty driver's own, kept with the rest. */
interface Noting extends Channel {
  readonly owesSignature?: boolean
}

/** Signs only what the faulty driver thinks is due; the rest waits for something else to happen. */
const stall: Fault = {
  name: 'stall',
  about:
    'the 2016 driver: a signature that arrives while one of ours is out is taken for the answer to it, and not answered',
  step: (inner) => (channel: Noting, input, ctx) => {
    if (isMessage(input, 'commitment_signed')) {
      const owes = channel.owesSignature === true || channel.remotePending.length === 0
      return after(inner(channel, input, ctx), (t) => ({ ...t, channel: noted(t.channel, owes) }))
    }
    if (input.type !== 'flush') return inner(channel, input, ctx)
    const us = channel.role
    const outcome = inner(channel, input, ctx)
    if (!outcome.ok) return outcome
    const tips = [remoteTip(channel), remoteTip(outcome.value.channel)] as const
    if (tips[0].number === tips[1].number) return outcome
    const news = tips[1].indexes[us] > tips[0].indexes[us]
    if (news || channel.owesSignature === true) {
      return ok({ ...outcome.value, channel: noted(outcome.value.channel, false) })
    }
    return withoutCredit(inner, channel, ctx)
  },
}

const noted = (channel: Noting, owesSignature: boolean): Noting => ({ ...channel, owesSignature })

/** A flush that does everything but propose and sign. */
const withoutCredit = (inner: Step, channel: Channel, ctx: ChannelContext): Outcome =>
  after(inner({ ...channel, remotePoints: [] }, { type: 'flush' }, ctx), (t) => ({
    ...t,
    channel: { ...t.channel, remotePoints: channel.remotePoints },
  }))

const acknowledgedBySignature: Fault = {
  name: 'ack-from-signature',
  about:
    'a signature of the peer’s is taken as acknowledging all that we have signed, not only what was revoked for',
  step: (inner) => (channel, input, ctx) => {
    if (!isMessage(input, 'commitment_signed')) return inner(channel, input, ctx)
    const us = channel.role
    const { remoteTail } = channel
    const indexes = { ...remoteTail.indexes, [us]: remoteTip(channel).indexes[us] }
    const pretended = { ...channel, remoteTail: { ...remoteTail, indexes } }
    return after(inner(pretended, input, ctx), (t) => ({ ...t, channel: { ...t.channel, remoteTail } }))
  },
}

const revokesBeforeDisk: Fault = {
  name: 'revoke-before-disk',
  about: 'a revocation goes out before the signature for its successor is on disk',
  overlooks: /^C: (revokes|revocation)/,
  disk: (before, next) => (next.localTip.number > before.localTip.number ? before : next),
}

const actsBeforeDisk: Fault = {
  name: 'act-before-disk',
  about: 'a revocation is acted on before it is on disk',
  disk: (before, next) =>
    next.remoteTail.number > before.remoteTail.number && next.localTip.number === before.localTip.number
      ? before
      : next,
}

const twoWrites: Fault = {
  name: 'two-writes',
  about: 'a signature is accepted in one write and its revocation recorded in another',
  overlooks: /^(C: what the signer calls revoked|E: the peer has no credit left)/,
  disk(before, next) {
    const from = before.localTip.number
    if (next.localTip.number === from) return next
    return {
      ...next,
      journal: next.journal.filter((entry) => entry.kind !== 'revoke' || entry.number < from),
      signer: { ...next.signer, localRevoked: before.signer.localRevoked },
      grantedThrough: before.grantedThrough,
    }
  },
}

const forgetsSigned: Fault = {
  name: 'forgets-signed',
  about:
    'what was signed and not confirmed is forgotten with the connection, and proposed anew with what has come since',
  overlooks: /^E: the peer’s tip goes back/,
  step: (inner) => (channel, input, ctx) =>
    input.type === 'disconnected' || input.type === 'connected'
      ? inner(withoutSigned(channel), input, ctx)
      : inner(channel, input, ctx),
}

function withoutSigned(channel: Channel): Channel {
  const { remoteTail, remotePending, signer } = channel
  if (remotePending.length === 0) return channel
  const us = channel.role
  const log = channel.logs[us]
  const kept = remoteTail.indexes[us]
  const dropped = entriesBetween(log, kept, logLength(log)).map((entry): Proposal => {
    if (entry.type !== 'add') return entry
    const { id: _, ...proposal } = entry
    return proposal
  })
  return {
    ...channel,
    remotePending: [],
    remotePoints: [...remotePending.map((c) => c.point), ...channel.remotePoints],
    logs: { ...channel.logs, [us]: truncate(log, kept) },
    journal: channel.journal.filter((entry) => entry.kind !== 'sign'),
    outbox: [...channel.outbox, ...dropped],
    signer:
      signer.remoteSigned === undefined
        ? signer
        : { ...signer, remoteSigned: { ...signer.remoteSigned, number: BigInt(remoteTail.number) } },
  }
}

/** What a reconnection sends, in an order of the fault's own: smaller ranks first, equal ones as they were. */
const resent = (name: string, about: string, rank: (type: Message['type']) => number): Fault => ({
  name,
  about,
  step: (inner) => (channel, input, ctx) =>
    isMessage(input, 'channel_reestablish')
      ? after(inner(channel, input, ctx), (t) => ({ ...t, effects: reordered(t.effects, rank) }))
      : inner(channel, input, ctx),
})

function reordered(
  effects: readonly ChannelEffect[],
  rank: (type: Message['type']) => number,
): readonly ChannelEffect[] {
  const rankOf = (effect: ChannelEffect): number => {
    if (effect.type !== 'send') return 9
    const { type } = effect.message
    return type === 'channel_ready' ? -1 : type === 'shutdown' ? 8 : rank(type)
  }
  return effects.toSorted((a, b) => rankOf(a) - rankOf(b))
}

const revocationsFirst = resent(
  'revocations-first',
  'a reconnection sends all revocations before all signatures',
  (type) => (type === 'revoke_and_ack' ? 0 : 1),
)
const signaturesFirst = resent(
  'signatures-first',
  'a reconnection sends all signatures before all revocations',
  (type) => (type === 'revoke_and_ack' ? 1 : 0),
)
const updatesFirst = resent(
  'updates-first',
  'a reconnection sends all updates before all signatures',
  (type) => (type === 'commitment_signed' || type === 'revoke_and_ack' ? 1 : 0),
)

/** `channel_ready` on every connection, by itself: harmless here, since a point that is held and equal is ignored (rule 5). */
const repeatsReady: Fault = {
  name: 'ready-repeated',
  about: 'channel_ready is sent on every connection',
  step: (inner) => (channel, input, ctx) => {
    if (!isMessage(input, 'channel_reestablish') || !channel.readySent) return inner(channel, input, ctx)
    const message = readyMessage(channel, ctx, fromHex(channel.id))
    return after(inner(channel, input, ctx), (t) => ({
      ...t,
      effects: [
        { type: 'send', message },
        ...t.effects.filter((e) => e.type !== 'send' || e.message.type !== 'channel_ready'),
      ],
    }))
  },
}

const readyIsCredit: Fault = {
  name: 'ready-as-credit',
  about: 'channel_ready is sent on every connection, and its points are taken for new ones',
  overlooks: /^E: (a false point|points|[0-9]+ points held)/,
  step: (inner, players) => (channel, input, ctx) => {
    const repeating = repeatsReady.step?.(inner, players) ?? inner
    if (!isMessage(input, 'channel_ready') || !channel.readyReceived || channel.link !== 'online') {
      return repeating(channel, input, ctx)
    }
    const { lcpPoints, secondPerCommitmentPoint } = input.message
    const points = lcpPoints?.points.map((p) => p.point) ?? [secondPerCommitmentPoint]
    return ok({ channel: { ...channel, remotePoints: [...channel.remotePoints, ...points] }, effects: [] })
  },
}

const zeroGrants: Fault = {
  name: 'zero-grants',
  about: 'revocations grant nothing, and are accepted so: the window closes for ever',
  overlooks: /^E: ([0-9]+ points outstanding after|the peer has no credit left)/,
  step: (inner, players) => (channel, input, ctx) => {
    if (isMessage(input, 'commitment_signed'))
      return after(inner(channel, input, ctx), (t) => grantless(channel, t))
    if (!isMessage(input, 'revoke_and_ack') || input.message.lcpPoints === undefined) {
      return inner(channel, input, ctx)
    }
    // The check that the window stays open is got past with the points that should have come, taken away again.
    const { firstNumber } = input.message.lcpPoints
    const peer = players[channel.role === 'opener' ? 'bob' : 'alice'].ctx.signer
    const points = [0n, 1n].map((i) => ({
      point: peer.commitmentPoint(firstNumber + i),
      proof: new Uint8Array(64),
    }))
    const next = { nextPerCommitmentPoint: peer.commitmentPoint(firstNumber + 1n) }
    const message = { ...input.message, ...next, lcpPoints: { firstNumber, points } }
    return after(inner(channel, { type: 'message', message }, ctx), (t) => ({
      ...t,
      channel: { ...t.channel, remotePoints: t.channel.remotePoints.slice(0, channel.remotePoints.length) },
    }))
  },
}

function grantless(before: Channel, transition: Transition): Transition {
  const { channel, effects } = transition
  const number = channel.localTip.number - 1
  return {
    channel: {
      ...channel,
      grantedThrough: before.grantedThrough,
      journal: channel.journal.map((entry) =>
        entry.kind === 'revoke' && entry.number === number ? { ...entry, granted: 0 } : entry,
      ),
    },
    effects: effects.map((effect) => {
      if (effect.type !== 'send' || effect.message.type !== 'revoke_and_ack') return effect
      const { lcpPoints } = effect.message
      if (lcpPoints === undefined) return effect
      return { ...effect, message: { ...effect.message, lcpPoints: { ...lcpPoints, points: [] } } }
    }),
  }
}

/** A flush in which adds that `held` names stay outside the log. */
function holding(
  inner: Step,
  channel: Channel,
  ctx: ChannelContext,
  held: (add: Proposal) => boolean,
): Outcome {
  const waiting = channel.outbox.filter((p) => p.type === 'add' && held(p))
  if (waiting.length === 0) return inner(channel, { type: 'flush' }, ctx)
  const rest = { ...channel, outbox: channel.outbox.filter((p) => !waiting.includes(p)) }
  return after(inner(rest, { type: 'flush' }, ctx), (t) => ({
    ...t,
    channel: { ...t.channel, outbox: [...t.channel.outbox, ...waiting] },
  }))
}

const sharedLimitWaits: Fault = {
  name: 'shared-limit',
  about: 'one count of HTLCs for both directions: each side waits for the other to make room',
  step: (inner) => (channel, input, ctx) => {
    if (input.type !== 'flush' || channel.link !== 'online') return inner(channel, input, ctx)
    const full = cautiousView(channel).htlcs.length >= channel.remote.maxAcceptedHtlcs
    return holding(inner, channel, ctx, () => full)
  },
}

const sharedLimitFails: Fault = {
  name: 'shared-limit-checked',
  about: 'one count of HTLCs for both directions, checked on receipt: crossing adds break it',
  step: (inner, players) => (channel, input, ctx) => {
    const waiting = sharedLimitWaits.step?.(inner, players) ?? inner
    const outcome = waiting(channel, input, ctx)
    if (!isMessage(input, 'update_add_htlc') || !outcome.ok) return outcome
    const { channel: next } = outcome.value
    const everything = { opener: logLength(next.logs.opener), accepter: logLength(next.logs.accepter) }
    const count = viewAt(next, everything).htlcs.length
    return count > next.local.maxAcceptedHtlcs
      ? fail('tooManyHtlcs', 'more HTLCs than both may have')
      : outcome
  },
}

/** Enters adds that `allowed` lets through into our log before the real flush sees them. */
function entering(
  inner: Step,
  channel: Channel,
  ctx: ChannelContext,
  allowed: (channel: Channel, add: Proposal) => boolean,
): Outcome {
  if (channel.link !== 'online' || channel.remotePoints.length === 0)
    return inner(channel, { type: 'flush' }, ctx)
  const us = channel.role
  let current = channel
  for (const proposal of channel.outbox) {
    if (proposal.type !== 'add' || !allowed(current, proposal)) continue
    const entry: AddUpdate = { ...proposal, id: current.logs[us].nextHtlcId }
    current = {
      ...current,
      logs: { ...current.logs, [us]: append(current.logs[us], entry) },
      outbox: current.outbox.filter((p) => p !== proposal),
    }
  }
  return inner(current, { type: 'flush' }, ctx)
}

/** Whether the opener could pay for the add now, at the feerate as it is. */
function barelyPayable(channel: Channel, proposal: Proposal): boolean {
  if (proposal.type !== 'add' || channel.role !== 'opener') return false
  const view = cautiousView(channel)
  const htlcs = [...view.htlcs, { offerer: channel.role, amountMsat: proposal.amountMsat }]
  const cost = openerCostMsat(channel, htlcs, view.feeratePerKw)
  return view.openerMsat - proposal.amountMsat - toMsat(channel.remote.channelReserveSat) >= cost
}

const overdrawnFee: Fault = {
  name: 'fee-overdrawn',
  about: 'the opener proposes what it can just pay for; a view in which it cannot pay the fee is refused',
  step: (inner) => (channel, input, ctx) => {
    if (input.type === 'flush') return entering(inner, channel, ctx, barelyPayable)
    if (isMessage(input, 'commitment_signed')) {
      const view = nextLocalView(channel)
      if (view.openerMsat < openerCostMsat(channel, view.htlcs, view.feeratePerKw)) {
        return fail('feeUnpayable', 'the opener cannot pay the fee of this commitment')
      }
    }
    return inner(channel, input, ctx)
  },
}

const failIsSpendable: Fault = {
  name: 'fail-spendable',
  about: 'what a received fail gives back is spent before the fail is locked in',
  step: (inner) => (channel, input, ctx) => {
    if (input.type !== 'flush') return inner(channel, input, ctx)
    return entering(inner, channel, ctx, (now, add) => {
      const everything = { opener: logLength(now.logs.opener), accepter: logLength(now.logs.accepter) }
      const view = viewAt(now, everything)
      return add.type === 'add' && addProblem(now, add.amountMsat, tallyOf(now, view)) === undefined
    })
  },
}

const wideWindow: Fault = {
  name: 'window-wide',
  about: 'one point more is granted than was negotiated',
  overlooks: /^E: [0-9]+ points outstanding after/,
  step: (inner) => (channel, input, ctx) => {
    const wide = { ...channel, window: channel.local.window + 1 }
    return after(inner(wide, input, ctx), (t) => {
      const { window: _, ...narrow } = t.channel
      return { ...t, channel: narrow }
    })
  },
}

const takesCreditBack: Fault = {
  name: 'credit-taken-back',
  about: 'a window that is narrowed counts at once: a signature for a point granted before is refused',
  step: (inner) => (channel, input, ctx) =>
    isMessage(input, 'commitment_signed') &&
    channel.grantedThrough - channel.localTip.number > currentWindow(channel)
      ? fail('noCredit', 'a signature beyond the window in force')
      : inner(channel, input, ctx),
}

const regrants: Fault = {
  name: 'grants-anew',
  about: 'a revocation that is sent again grants what is due by now, not what it granted at first',
  step: (inner) => (channel, input, ctx) => {
    if (!isMessage(input, 'channel_reestablish')) return inner(channel, input, ctx)
    const window = currentWindow(channel)
    const journal = channel.journal.map((entry) => {
      if (entry.kind !== 'revoke') return entry
      const due = entry.number + 1 + window - (entry.firstGranted - 1)
      return { ...entry, granted: Math.max(0, Math.min(2, due)) }
    })
    return after(inner({ ...channel, journal }, input, ctx), (t) => ({
      ...t,
      channel: { ...t.channel, journal: channel.journal },
    }))
  },
}

const narrowWindow: Fault = {
  name: 'window-narrow',
  about: 'a signature for the last point granted is refused',
  step: (inner) => (channel, input, ctx) =>
    isMessage(input, 'commitment_signed') && channel.localTip.number + 1 >= channel.grantedThrough
      ? fail('noCredit', 'a signature without a granted point')
      : inner(channel, input, ctx),
}

const signsWithoutCredit: Fault = {
  name: 'no-credit',
  about: 'a signature is made on a point that was not granted yet',
  step: (inner, players) => (channel, input, ctx) => {
    if (input.type !== 'flush' || channel.remotePoints.length > 0 || channel.link !== 'online') {
      return inner(channel, input, ctx)
    }
    if (!channel.readySent || !channel.readyReceived) return inner(channel, input, ctx)
    const peer = players[channel.role === 'opener' ? 'bob' : 'alice'].ctx.signer
    const point = peer.commitmentPoint(BigInt(remoteGrantedThrough(channel) + 1))
    return inner({ ...channel, remotePoints: [point] }, input, ctx)
  },
}

const shownEarly: Fault = {
  name: 'shown-early',
  about: 'a received HTLC is shown when it is in one tail only',
  step: (inner) => (channel, input, ctx) => {
    if (!isMessage(input, 'commitment_signed')) return inner(channel, input, ctx)
    const them = otherRole(channel.role)
    return after(inner(channel, input, ctx), (t) => {
      const from = channel.localTip.indexes[them]
      const shown = entriesBetween(channel.logs[them], from, t.channel.localTip.indexes[them])
      const events = shown.flatMap((add): ChannelEffect[] =>
        add.type === 'add' ? [{ type: 'event', event: { type: 'htlcReceived', add } }] : [],
      )
      return { ...t, effects: [...t.effects, ...events] }
    })
  },
}

const errorAlone: Fault = {
  name: 'error-alone',
  about:
    'a failed channel repeats its error without channel_reestablish: a peer with an old state takes it at its word',
  step: (inner) => (channel, input, ctx) =>
    input.type === 'connected' && channel.failure !== undefined
      ? after(inner(channel, input, ctx), (t) => ({
          ...t,
          effects: t.effects.filter((e) => e.type !== 'send' || e.message.type !== 'channel_reestablish'),
        }))
      : inner(channel, input, ctx),
}

const broadcastsBehind: Fault = {
  name: 'behind-broadcasts',
  about: 'a side that learns that it has lost state gives its commitment to the chain',
  step: (inner) => (channel, input, ctx) => {
    const outcome = inner(channel, input, ctx)
    const behind = outcome.ok && outcome.value.channel.failure?.code === 'weAreBehind'
    return behind && channel.failure === undefined ? fail('behind', 'we have lost state') : outcome
  },
}

export const FAULTS: readonly Fault[] = [
  stall,
  acknowledgedBySignature,
  revokesBeforeDisk,
  actsBeforeDisk,
  twoWrites,
  forgetsSigned,
  revocationsFirst,
  signaturesFirst,
  updatesFirst,
  repeatsReady,
  readyIsCredit,
  zeroGrants,
  sharedLimitWaits,
  sharedLimitFails,
  overdrawnFee,
  failIsSpendable,
  wideWindow,
  takesCreditBack,
  regrants,
  narrowWindow,
  signsWithoutCredit,
  shownEarly,
  errorAlone,
  broadcastsBehind,
]

export function faultNamed(name: string): Fault {
  const fault = FAULTS.find((f) => f.name === name)
  if (fault === undefined)
    throw new Error(`no fault ${name}; there are ${FAULTS.map((f) => f.name).join(', ')}`)
  return fault
}
