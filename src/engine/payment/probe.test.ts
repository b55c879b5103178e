import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../base/bytes.ts'
import { err, ok, unwrap } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { publicKey } from '../crypto/curve.ts'
import { encodeFailure, type FailureMessage } from '../onion/failure.ts'
import { failurePacket, wrapFailurePacket } from '../onion/failure-packet.ts'
import type { Route } from '../router/types.ts'
import type { RouteWanted } from './attempt-route.ts'
import {
  BOB,
  BOB_SECRET,
  bobsInvoice,
  channel,
  HEIGHT,
  NOW,
  offersOf,
  received,
  startContext,
} from './fixture.ts'
import { receiveHtlc } from './incoming.ts'
import { onRefused, onRemoved } from './outgoing.ts'
import type { Attempt, PaymentRecord } from './payment-record.ts'
import { type ProbeTarget, startProbe } from './probe.ts'
import { onTimeout } from './stop.ts'
import { failure, type HtlcRemoval } from './types.ts'

const INVOICE = bobsInvoice({ amountMsat: msat(70_000n) })
const CAROL = toHex(publicKey(new Uint8Array(32).fill(0xc0)))
const begin = (
  to: ProbeTarget = { invoice: INVOICE.bolt11 },
  change: Parameters<typeof startContext>[0] = {},
) => startProbe(to, startContext(change))

/** By way of Carol: of `fees` msat, and through the channel of this digit. */
const way = (digit: string, amount: bigint, fees: bigint): Route => ({
  channelId: digit.repeat(64),
  hops: [CAROL, BOB].map((nodeId, i) => ({
    from: i === 0 ? '' : CAROL,
    nodeId,
    scid: BigInt(digit) * 10n + BigInt(i),
    amountMsat: msat(i === 0 ? amount + fees : amount),
    cltvExpiry: HEIGHT + 200,
    feeMsat: msat(i === 0 ? fees : 0n),
    known: 'graph',
    probability: 1,
    lockMsat: 0,
    riskMsat: 0,
  })),
  amountMsat: msat(amount),
  feeMsat: msat(fees),
  probability: 1,
  costMsat: 0,
})
const peers = [channel('1', 1_000_000n, { peer: CAROL }), channel('2', 1_000_000n, { peer: CAROL })]

const by = (attempt: Attempt, hop: number, message: FailureMessage): HtlcRemoval => {
  const packet = failurePacket(attempt.sharedSecrets[hop] as Uint8Array, encodeFailure(message))
  const reason = attempt.sharedSecrets
    .slice(0, hop)
    .reduceRight((all, s) => wrapFailurePacket(s, all), packet)
  return { type: 'fail', id: 0n, reason }
}
const UNKNOWN: FailureMessage = {
  name: 'incorrect_or_unknown_payment_details',
  htlcMsat: msat(1),
  height: HEIGHT,
}
const attemptOf = (record: PaymentRecord, n: number) => record.attempts.find((a) => a.n === n) as Attempt
const end = (record: PaymentRecord, n: number, hop: number, message: FailureMessage, ctx = startContext()) =>
  onRemoved(record, attemptOf(record, n).token, by(attemptOf(record, n), hop, message), ctx)

describe('a probe', () => {
  it('is refused by its recipient like an unknown invoice, though that has the very invoice, and so arrives', () => {
    const { record, effects } = unwrap(begin())
    expect(record.paymentHash).not.toBe(INVOICE.paymentHash)
    const [add] = offersOf({ record, effects })
    if (add === undefined) throw new Error('no offer')
    const outcome = receiveHtlc(
      (hash) => (hash === INVOICE.paymentHash ? INVOICE : undefined),
      received(add),
      {
        now: NOW,
        height: HEIGHT,
        nodeSecret: BOB_SECRET,
        spontaneous: 0,
      },
    )
    expect(outcome.refusal).toBe('unknownInvoice')
    const [answer] = outcome.removals
    if (answer === undefined) throw new Error('no answer')
    const over = onRemoved(record, add.token, answer.removal, startContext())
    expect(over.record).toMatchObject({ state: 'succeeded', feeMsat: 0n, attempts: [{ state: 'succeeded' }] })
  })

  it('in parts arrives when all of one round have, with the fees of that round alone', () => {
    const asked: RouteWanted[] = []
    const findRoutes = (wanted: RouteWanted) => {
      asked.push(wanted)
      return asked.length === 1
        ? ok([way('1', 40_000n, 7n), way('2', 30_000n, 9n)])
        : ok([way('2', 70_000n, 30n)])
    }
    const ctx = startContext({ channels: peers, findRoutes })
    const { record } = unwrap(begin(undefined, { channels: peers, findRoutes }))
    const first = end(record, 1, 1, UNKNOWN, ctx).record
    expect(first.state, 'the other part is out').toBe('pending')
    const noRoom: FailureMessage = { name: 'temporary_channel_failure', channelUpdate: new Uint8Array(0) }
    const second = end(first, 2, 0, noRoom, ctx).record
    expect(asked[1]?.amountMsat, 'a round is the whole amount').toBe(70_000n)
    expect(asked[1]?.excluded.channels?.size).toBe(1)
    expect(asked[1]?.without, 'our own channels are not to blame').toEqual([])
    const last = end(second, 3, 1, UNKNOWN, ctx).record
    expect(last).toMatchObject({ state: 'succeeded', feeMsat: 30n })
    expect(last.attempts.map((a) => a.lesson?.type)).toEqual([undefined, 'hopFailed', undefined])
  })

  it('does not arrive where every way comes back, the last word being why', () => {
    const none = () => err(failure('noRoute', 'None.'))
    let calls = 0
    const findRoutes = () => (calls++ === 0 ? ok([way('1', 70_000n, 7n)]) : none())
    const ctx = startContext({ channels: peers, findRoutes })
    const { record } = unwrap(begin(undefined, { channels: peers, findRoutes }))
    const over = end(record, 1, 0, { name: 'unknown_next_peer' }, ctx)
    expect(over.record).toMatchObject({ state: 'failed', error: { data: { failure: 'unknown_next_peer' } } })
  })

  it('that its channel never offered is over, and one whose time is up is waited for by nobody', () => {
    const { record } = unwrap(begin())
    const { token } = attemptOf(record, 1)
    expect(onRefused(record, token, 'closing', startContext()).record.state).toBe('failed')
    expect(onTimeout(record, () => 'waiting', record.deadline).record.state).toBe('failed')
    const late = onTimeout(record, () => 'offered', record.deadline).record
    expect(late).toMatchObject({ state: 'pending', overdue: true })
    const ctx = startContext({ now: record.deadline + 1 })
    expect(end(late, 1, 0, { name: 'temporary_node_failure' }, ctx).record.state).toBe('failed')
  })

  it('is not sent to oneself, for nothing, or before the chain is known', () => {
    const to = { destination: BOB, amountMsat: msat(1_000n) }
    expect(begin(to, { ourNodeId: BOB })).toMatchObject({ ok: false, error: { code: 'payingSelf' } })
    expect(begin({ ...to, amountMsat: msat(0n) })).toMatchObject({ ok: false })
    expect(begin(to, { height: 0 })).toMatchObject({ ok: false, error: { code: 'notReady' } })
    expect(fromHex(unwrap(begin(to)).record.paymentHash)).toHaveLength(32)
  })
})
