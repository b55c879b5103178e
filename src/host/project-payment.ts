import type { Attempt as AttemptView, Hop } from '../contract/schemas.ts'
import type { Msat } from '../engine/base/units.ts'
import { toHex } from '../engine/base/bytes.ts'
import { defaultMaxFee } from '../engine/payment/attempt-route.ts'
import type { Attempt, PaymentRecord } from '../engine/payment/payment-record.ts'
import { isCancelling } from '../engine/payment/stop.ts'
import type { Graph } from '../engine/router/graph.ts'
import { formatShortChannelId } from '../engine/wire/short-channel-id.ts'
import { aliasOf } from './graph-nodes.ts'

/** Payments and their attempts, as the API shows them. */

const iso = (ms: number): string => new Date(ms).toISOString()

/** Names that nodes of the network gave themselves. */
export type NameOf = (nodeId: string) => string | undefined

/** Of one answer: each name is read once, however many payments went through its node. */
export function namesIn(graph: Graph | undefined): NameOf {
  const names = new Map<string, string | undefined>()
  return (nodeId) => {
    if (graph === undefined) return undefined
    if (names.has(nodeId)) return names.get(nodeId)
    const slot = graph.nodeOf(nodeId)
    const name = slot === -1 ? '' : aliasOf(graph, slot)
    names.set(nodeId, name === '' ? undefined : name)
    return names.get(nodeId)
  }
}

/** Who gets what on the way of an attempt. Straight to a peer, that is the whole of it. */
export function projectHops(attempt: Attempt, nameOf: NameOf): Hop[] {
  const { route, hops, amountMsat, cltvExpiry, holdTimes } = attempt
  return hops.map((nodeId, i) => {
    const hop = route?.hops[i]
    const alias = nameOf(nodeId)
    const held = holdTimes?.[i]
    return {
      nodeId,
      ...(alias === undefined ? {} : { alias }),
      ...(hop === undefined || hop.scid === 0n ? {} : { shortChannelId: formatShortChannelId(hop.scid) }),
      amountMsat: String(hop?.amountMsat ?? amountMsat),
      cltvExpiry: hop?.cltvExpiry ?? cltvExpiry,
      ...(held === undefined ? {} : { heldMs: held * 100 }),
    }
  })
}

/** Why an attempt came back, where some node said so. */
function failureOf({ error, hops }: Attempt): Pick<AttemptView, 'failure'> {
  const { failure: name, failureCode: code, hop } = error?.data ?? {}
  if (typeof name !== 'string') return {}
  const nodeId = typeof hop === 'number' ? hops[hop] : undefined
  return {
    failure: {
      name,
      ...(typeof code === 'number' ? { code } : {}),
      ...(typeof hop === 'number' ? { hop } : {}),
      ...(nodeId === undefined ? {} : { nodeId }),
    },
  }
}

/** `record`: of the attempt. Once it has succeeded, so has every part of it that is on its way: who gives the preimage takes them all. */
export function projectAttempt(attempt: Attempt, record: PaymentRecord, nameOf: NameOf): AttemptView {
  const state = attempt.state === 'pending' && record.state === 'succeeded' ? 'succeeded' : attempt.state
  return {
    attempt: attempt.n,
    ...(attempt.n < record.firstOfRun ? { earlier: true as const } : {}),
    channelId: attempt.channelId,
    amountMsat: String(attempt.amountMsat),
    feeMsat: String(attempt.route?.feeMsat ?? 0n),
    hops: projectHops(attempt, nameOf),
    ...(attempt.route?.blinded === undefined ? {} : { hidden: true as const }),
    state,
    ...failureOf(attempt),
    ...(attempt.error === undefined ? {} : { error: attempt.error }),
    startedAt: iso(attempt.startedAt),
    ...(attempt.endedAt === undefined ? {} : { endedAt: iso(attempt.endedAt) }),
  }
}

/** What its user allows a payment. */
export const projectLimits = ({ maxFeeMsat, amountMsat, deadline }: PaymentRecord) => ({
  maxFeeMsat: String(maxFeeMsat ?? defaultMaxFee(amountMsat)),
  deadline: iso(deadline),
})

export function projectPayment(record: PaymentRecord, nameOf: NameOf) {
  const attempts = record.attempts.map((attempt) => projectAttempt(attempt, record, nameOf))
  const sum = (state: AttemptView['state']): string =>
    String(attempts.reduce((all, a) => (a.state === state ? all + BigInt(a.amountMsat) : all), 0n))
  return {
    paymentHash: record.paymentHash,
    invoice: record.bolt11,
    destination: record.destination,
    description: record.description,
    amountMsat: String(record.amountMsat),
    feeMsat: String(record.feeMsat),
    state: record.state,
    ...(record.preimage === undefined ? {} : { preimage: toHex(record.preimage) }),
    ...(record.error === undefined ? {} : { error: record.error }),
    attempts,
    attemptCount: record.nextAttempt - 1,
    onTheWayMsat: sum('pending'),
    arrivedMsat: sum('succeeded'),
    ...projectLimits(record),
    ...(isCancelling(record) ? { cancelling: true as const } : {}),
    createdAt: iso(record.createdAt),
    ...(record.endedAt === undefined ? {} : { settledAt: iso(record.endedAt) }),
  }
}

/** What is on its way of a payment, in msat. */
export const onTheWay = ({ attempts }: PaymentRecord): Msat | bigint =>
  attempts.reduce((sum, a) => (a.state === 'pending' ? sum + a.amountMsat : sum), 0n)
