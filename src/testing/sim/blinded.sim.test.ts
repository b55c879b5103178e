import { describe, expect, it } from 'vitest'
import { entropyFrom } from '../../engine/crypto/entropy.ts'
import { fromHex } from '../../engine/base/bytes.ts'
import { entries, entry } from '../../engine/base/table.ts'
import { msat } from '../../engine/base/units.ts'
import type { BlindedPaymentPath } from '../../engine/onion/blinded-path.ts'
import { createBlindedPath } from '../../engine/onion/blinding.ts'
import { encodeRecipientData } from '../../engine/onion/recipient-data.ts'
import { DEFAULT_FORWARD_POLICY } from '../../engine/switch/policy.ts'
import { LONGEST_DELAY_MS } from '../../engine/channel/flush.ts'
import { networkProblem } from './network.ts'
import type { Name } from './node.ts'
import { connected, type Goal, hasCoins, opened, reach } from './scenario.ts'
import { type CrashPoint, World } from './world.ts'

/** Payments by blinded paths: ada pays dan, who tells of nobody but ben. ben is where the path begins, cal is inside. */

const AMOUNT = 50_000_000
/** What ben and cal take by the path: no less than their terms, and nothing by the amount, so that nothing is rounded. */
const FEES = { ben: 7_000, cal: 6_500 }

function row(): World {
  const world = new World({ nodes: 4, forwards: true, formats: ['lcp', 'anchors_zero_fee_htlc_tx'] })
  const pairs = [
    ['ada', 'ben'],
    ['ben', 'cal'],
    ['cal', 'dan'],
  ] as const
  reach(world, [
    ...(['ada', 'ben', 'cal'] as const).map((name) => hasCoins(name, 1_000_000)),
    ...pairs.flatMap(([a, b]) => [connected(a, b), opened(a, b, 800_000, 300_000_000)]),
  ])
  world.settle()
  world.notes.delete('goal')
  return world
}

const world = row()

const scidBetween = (w: World, a: Name, b: Name): bigint => {
  const channel = Object.values(w.stateOf(w.node(a)).channels).find((c) => c.peer === w.node(b).id)
  if (channel?.funding.shortChannelId === undefined) throw new Error('no channel')
  return channel.funding.shortChannelId
}

/** What dan asks to be paid by: the path that he would make if he knew that ben and cal have a channel. */
function asked(w: World): { readonly hash: string; readonly paths: readonly BlindedPaymentPath[] } {
  const reply = w.command(w.node('dan'), {
    type: 'addPaths',
    amountMsat: msat(AMOUNT),
    description: '',
    expirySeconds: 86_400,
  })
  if (reply?.type !== 'paths') throw new Error('no paths')
  const record = entry(w.stateOf(w.node('dan')).invoices, reply.paymentHash)
  const { cltvExpiryDelta } = DEFAULT_FORWARD_POLICY
  const paymentConstraints = { maxCltvExpiry: 1_000_000, htlcMinimumMsat: msat(1) }
  const hop = (from: 'ben' | 'cal', to: Name) => ({
    nodeId: fromHex(w.node(from).id),
    data: encodeRecipientData({
      shortChannelId: scidBetween(w, from, to),
      paymentRelay: { feeBaseMsat: FEES[from], feeProportionalMillionths: 0, cltvExpiryDelta },
      paymentConstraints,
    }),
  })
  const { path } = createBlindedPath(entropyFrom(fromHex(reply.paymentHash)).bytes(32), [
    hop('ben', 'cal'),
    hop('cal', 'dan'),
    {
      nodeId: fromHex(w.node('dan').id),
      data: encodeRecipientData({ pathId: record?.paymentSecret ?? new Uint8Array(0), paymentConstraints }),
    },
  ])
  const payInfo = {
    feeBaseMsat: FEES.ben + FEES.cal,
    feeProportionalMillionths: 0,
    cltvExpiryDelta: 2 * cltvExpiryDelta + 144,
    htlcMinimumMsat: 1n,
    htlcMaximumMsat: 2n ** 64n - 1n,
    features: new Uint8Array(0),
  }
  return { hash: reply.paymentHash, paths: [{ path, payInfo }] }
}

function pay(w: World, { hash, paths }: ReturnType<typeof asked>, from: Name = 'ada'): void {
  w.command(w.node(from), {
    type: 'sendByPaths',
    timeoutSeconds: 600,
    payee: {
      paths,
      paymentHash: fromHex(hash),
      amountMsat: msat(AMOUNT),
      expiresAt: Number.MAX_SAFE_INTEGER,
      parts: true,
      nodeId: w.node('dan').id,
      description: '',
      text: '',
    },
  })
}

/** ada pays dan, and again where it failed. */
function paid(): Goal {
  let wanted: ReturnType<typeof asked> | undefined
  const record = (w: World) => entry(w.node('ada').state?.payments, wanted?.hash ?? '')
  return {
    name: 'ada has paid dan by a blinded path',
    reached: (w) =>
      record(w)?.state === 'succeeded' &&
      record(w)?.attempts.every((a) => a.state !== 'pending') === true &&
      entry(w.node('dan').state?.invoices, wanted?.hash ?? '')?.settledAt !== undefined,
    act: (w) => {
      wanted ??= asked(w)
      const state = record(w)?.state
      if (state === undefined || state === 'failed') pay(w, wanted)
    },
  }
}

/** Until ben is woken, which he wished for. */
function wakeOf(w: World): void {
  expect(paymentOf(w)?.state).toBe('pending')
  w.pass((w.node('ben').wakeAt ?? 0) - w.now)
  w.drain()
}

const paymentOf = (w: World, name: Name = 'ada') => entries(w.stateOf(w.node(name)).payments)[0]

describe('a row of four, the path through two of them', () => {
  it('is paid; each keeps its fee to the msat, and the payer’s record names nobody behind the introduction', () => {
    const w = world.fork(1)
    reach(w, [paid()])
    expect(paymentOf(w)).toMatchObject({ state: 'succeeded', attempts: [{ hops: [w.node('ben').id] }] })
    for (const name of ['ben', 'cal'] as const)
      expect(w.stateOf(w.node(name)).forwards.feeMsat).toBe(BigInt(FEES[name]))
    expect(paymentOf(w)?.feeMsat).toBe(BigInt(FEES.ben + FEES.cal))
    expect(networkProblem(w, false)).toBeUndefined()
  })

  it.each<Name>(['ben', 'cal'])(
    '%s dies at every second of its writes: nobody loses, and the payment ends the same for all',
    (name) => {
      const writesOf = (w: World, at: number): number => {
        // Before one, after the next: a plain forward is tried with both at each (network.sim.test.ts).
        const point: CrashPoint = at % 4 < 2 ? 'before' : 'after'
        let writes = 0
        w.crashAt = (node) => (node.name === name && writes++ === at ? point : undefined)
        reach(w, [paid()])
        return writes
      }
      const writes = writesOf(world.fork(2), -1)
      expect(writes).toBeGreaterThan(4)
      for (let n = name === 'ben' ? 0 : 1; n < writes; n += 2) {
        const w = world.fork(2)
        writesOf(w, n)
        w.settle()
        for (const node of w.nodes) w.checkMoney(node)
        expect(networkProblem(w, false), `write ${n}`).toBeUndefined()
      }
    },
  )

  it('refused at its end, at its middle or at its beginning: the payer hears the same word from the same node', () => {
    const faults: readonly ((w: World, hash: string) => void)[] = [
      (w, hash) => w.command(w.node('dan'), { type: 'decideInvoice', paymentHash: hash, take: false }),
      (w) => w.command(w.node('cal'), { type: 'setPreference', name: 'forwarding', value: 'off' }),
      (w) => w.command(w.node('ben'), { type: 'setPreference', name: 'forwarding', value: 'off' }),
    ]
    for (const fault of faults) {
      const w = world.fork(3)
      const wanted = asked(w)
      fault(w, wanted.hash)
      pay(w, wanted)
      w.drain()
      wakeOf(w)
      expect(paymentOf(w)).toMatchObject({
        state: 'failed',
        error: { data: { failure: 'invalid_onion_blinding', hop: 0, node: w.node('ben').id } },
      })
      expect(networkProblem(w, false)).toBeUndefined()
    }
  })

  it('is failed by its beginning after a random time, which a restart does not shorten by an answer lost or made twice', () => {
    const delays = new Set<number>()
    for (const seed of [31, 32, 33, 34]) {
      const w = world.fork(seed)
      w.command(w.node('cal'), { type: 'setPreference', name: 'forwarding', value: 'off' })
      pay(w, asked(w))
      w.drain()
      const due = w.node('ben').wakeAt ?? 0
      delays.add(due - w.now)
      w.pass(due - w.now - 1)
      w.drain()
      expect(paymentOf(w)?.state).toBe('pending')
      if (seed === 31) {
        w.crash(w.node('ben'))
        w.settle()
      } else {
        w.pass(1)
        w.drain()
      }
      expect(paymentOf(w)?.state).toBe('failed')
      expect(networkProblem(w, false)).toBeUndefined()
    }
    expect(Math.min(...delays)).toBeGreaterThan(0)
    expect(Math.max(...delays)).toBeLessThanOrEqual(LONGEST_DELAY_MS)
    expect(delays.size).toBe(4)
  })

  it('held by the one inside, over a restart, and then let go: the path key was kept', () => {
    const w = world.fork(4)
    w.command(w.node('cal'), { type: 'setPreference', name: 'interceptForwards', value: 'on' })
    pay(w, asked(w))
    w.drain()
    w.crash(w.node('cal'))
    w.settle()
    const [held] = Object.values(w.stateOf(w.node('cal')).circuits)
    expect(held?.state).toBe('held')
    w.command(w.node('cal'), { type: 'decideForward', key: held?.key ?? '', forward: true })
    w.settle()
    expect(paymentOf(w)?.state).toBe('succeeded')
  })

  it('the paths that dan makes himself begin with his peer, and with himself for one who is his peer', () => {
    for (const payer of ['ben', 'cal'] as const) {
      const w = world.fork(5)
      const reply = w.command(w.node('dan'), {
        type: 'addPaths',
        amountMsat: msat(AMOUNT),
        description: '',
        expirySeconds: 600,
      })
      if (reply?.type !== 'paths') throw new Error('no paths')
      expect(reply.paths[0]?.path.introduction).toEqual({ nodeId: fromHex(w.node('cal').id) })
      pay(w, { hash: reply.paymentHash, paths: reply.paths }, payer)
      w.drain()
      expect(paymentOf(w, payer)).toMatchObject({
        state: 'succeeded',
        feeMsat: payer === 'ben' ? 6_000n : 0n,
      })
    }
  })
})
