import { describe, expect, it } from 'vitest'
import { entries } from '../../engine/base/table.ts'
import { msat } from '../../engine/base/units.ts'
import type { AddUpdate } from '../../engine/channel/types.ts'
import { decodeMessage } from '../../engine/wire/decode.ts'
import type { Message } from '../../engine/wire/messages.ts'
import { networkProblem, runNetwork } from './network.ts'
import type { SimNode } from './node.ts'
import { type Goal, connected, hasCoins, opened, paid, reach } from './scenario.ts'
import { type CrashPoint, World } from './world.ts'

/** Payments through others. `npm run sim -- --network 5` lives longer. */

/** ada – ben – cal, ben between the two. */
function row(formats: readonly string[] = ['lcp', 'anchors_zero_fee_htlc_tx']): World {
  const world = new World({ nodes: 3, forwards: true, formats })
  reach(world, [
    hasCoins('ada', 1_000_000),
    hasCoins('ben', 1_000_000),
    connected('ada', 'ben'),
    opened('ada', 'ben', 800_000, 300_000_000),
    connected('ben', 'cal'),
    opened('ben', 'cal', 800_000, 300_000_000),
  ])
  world.settle()
  world.notes.delete('goal')
  return world
}

const world = row()
const ours = (w: World): SimNode => w.node('ben')
const firstPayment = (w: World) => entries(w.stateOf(w.node('ada')).payments)[0]

/** ada pays cal, begun and not awaited. */
function begin(w: World, amountMsat = 50_000_000): string {
  const reply = w.command(w.node('cal'), {
    type: 'addInvoice',
    amountMsat: msat(amountMsat),
    description: '',
    expirySeconds: 86_400,
  })
  const hash = reply?.type === 'invoice' ? reply.paymentHash : ''
  const invoice = entries(w.stateOf(w.node('cal')).invoices).find((i) => i.paymentHash === hash)?.bolt11 ?? ''
  w.command(w.node('ada'), { type: 'sendPayment', invoice, timeoutSeconds: 600 })
  return hash
}

/** Kinds of the messages that wait for a node, in order. */
const waitingFor = (w: World, node: SimNode): readonly (Message['type'] | undefined)[] =>
  w.links.flatMap(({ ends }) =>
    ends.filter((end) => end.node === node).flatMap((end) => end.inbox.map(kindOf)),
  )

function kindOf(item: World['links'][number]['ends'][number]['inbox'][number]): Message['type'] | undefined {
  if (item.type !== 'message') return undefined
  const message = decodeMessage(item.bytes)
  return message.ok ? message.value.type : undefined
}

/** Delivers message by message until `seen` says so of one that ben has taken. */
function until(w: World, seen: (kind: Message['type'] | undefined) => boolean): void {
  for (let i = 0; i < 500; i++) {
    const end = w.readable()[0]
    if (end === undefined) break
    const kind = end.inbox[0] === undefined ? undefined : kindOf(end.inbox[0])
    w.deliver(end)
    if (end.node === ours(w) && seen(kind)) return
  }
  throw new Error('never seen')
}

const downstream = (w: World) =>
  Object.values(w.stateOf(ours(w)).channels).find((c) => c.peer === w.node('cal').id)

it('an add that waits is taken back when the channel that brought it goes to the chain: a trimmed HTLC would be paid for twice', () => {
  const w = row(['anchors_zero_fee_htlc_tx'])
  const [ada, cal] = [w.node('ada'), w.node('cal')]
  begin(w, 200_000)
  begin(w, 200_000)
  const atCourt = (): boolean => {
    const channel = Object.values(w.stateOf(ours(w)).channels).find((c) => c.peer === ada.id)
    return channel?.failure !== undefined
  }
  const allButCal = (): void => {
    for (let end = w.readable().find((e) => e.node !== cal); end !== undefined; )
      end = (w.deliver(end), w.readable().find((e) => e.node !== cal))
  }
  const waiting = () => downstream(w)?.outbox.flatMap((p) => (p.type === 'add' ? [p.token] : [])) ?? []
  // The first is signed, and cal says nothing: the second waits.
  allButCal()
  expect(waiting().length).toBe(1)
  const [channel] = Object.values(w.stateOf(ada).channels)
  w.command(ada, { type: 'closeChannel', channelId: channel?.id ?? '', force: true })
  allButCal()
  expect([atCourt(), waiting().length]).toEqual([true, 1])
  w.turn(ours(w), [{ type: 'tick' }])
  expect(waiting()).toEqual([])
  expect(Object.values(w.stateOf(ours(w)).circuits).map((c) => c.state)).toEqual(['offered', 'failing'])
})

const removalsIn = (w: World) => downstream(w)?.logs.accepter.entries.filter((e) => e.type !== 'add') ?? []

describe.each(['lcp', 'anchors_zero_fee_htlc_tx'])('ends on their way back, %s', (format) => {
  const base = row([format])

  it('a preimage goes upstream and is signed with the message that brings it, and needs the next node no more', () => {
    const w = base.fork(21)
    begin(w)
    until(w, (kind) => kind === 'update_fulfill_htlc')
    expect(waitingFor(w, w.node('ada'))).toEqual(['update_fulfill_htlc', 'commitment_signed'])
    // Downstream nothing is signed yet: the HTLC lives in both commitments.
    expect(downstream(w)?.base.htlcs).toHaveLength(1)
    expect(removalsIn(w)).toHaveLength(1)
    // It was on disk before it went out: with what was sent lost and cal gone for good, ada is paid for.
    w.crash(w.node('cal'))
    w.crash(ours(w))
    w.boot(ours(w))
    w.connect(w.node('ada'), ours(w))
    w.drain()
    w.pass(5_000)
    w.drain()
    expect(firstPayment(w)?.state).toBe('succeeded')
    expect(w.stateOf(ours(w)).forwards.count).toBe(1)
  })

  it('a failure goes upstream with the message that makes it irrevocable downstream, and not before', () => {
    const w = base.fork(22)
    const paymentHash = begin(w)
    w.command(w.node('cal'), { type: 'decideInvoice', paymentHash, take: false })
    until(w, (kind) => kind === 'update_fail_htlc')
    const told: (Message['type'] | undefined)[] = []
    until(w, (kind) => {
      const toAda = waitingFor(w, w.node('ada'))
      if (!toAda.includes('update_fail_htlc')) {
        expect(toAda).toEqual([])
        expect(removalsIn(w)).toHaveLength(1)
      }
      told.push(kind)
      return toAda.includes('update_fail_htlc')
    })
    // cal's signature without the HTLC, and then its word that the commitment with it is revoked.
    expect(told).toEqual(['commitment_signed', 'revoke_and_ack'])
    expect(downstream(w)?.base.htlcs).toEqual([])
    expect(removalsIn(w)).toEqual([])
    w.settle()
    expect(firstPayment(w)?.state).toBe('failed')
  })
})

describe('a row of three', () => {
  it('the first pays the last through the second, who keeps its fee to the msat', () => {
    const w = world.fork(1)
    reach(w, [paid('ada', 'cal', 50_000_000)])
    const ben = w.stateOf(ours(w))
    const feeMsat = 1_000n + 5_000n
    expect(ben.forwards).toEqual({ count: 1, amountMsat: 50_000_000n, feeMsat, lostMsat: 0n })
    expect(ben.circuits).toEqual({})
    expect(firstPayment(w)).toMatchObject({ state: 'succeeded', feeMsat })
    expect(firstPayment(w)?.attempts[0]?.hops).toEqual([ours(w).id, w.node('cal').id])
  })

  it('the forwarder dies before or after any of its writes: nobody loses, and the payment ends the same for all', () => {
    const goal = paid('ada', 'cal', 50_000_000)
    const writes = count(world.fork(2), goal)
    expect(writes).toBeGreaterThan(4)
    for (let n = 0; n < writes; n++) {
      for (const point of ['before', 'after'] as const) {
        const w = world.fork(2)
        crashBen(w, n, point)
        reach(w, [goal])
        w.settle()
        for (const node of w.nodes) w.checkMoney(node)
        expect(networkProblem(w, false), `${point} write ${n}`).toBeUndefined()
      }
    }
  })

  it('a node whose user forwards nothing is no next hop, and says no more than that', () => {
    const w = world.fork(3)
    w.command(ours(w), { type: 'setPreference', name: 'forwarding', value: 'off' })
    begin(w)
    w.drain()
    expect(firstPayment(w)).toMatchObject({
      state: 'failed',
      error: { data: { failure: 'unknown_next_peer', hop: 0, node: ours(w).id } },
    })
  })

  it('an intercepted HTLC waits over a restart, and goes on or back as its user says', () => {
    for (const forward of [true, false]) {
      const w = world.fork(4)
      w.command(ours(w), { type: 'setPreference', name: 'interceptForwards', value: 'on' })
      begin(w)
      w.drain()
      w.crash(ours(w))
      w.settle()
      const [held] = Object.values(w.stateOf(ours(w)).circuits)
      expect(held?.state).toBe('held')
      w.command(ours(w), { type: 'decideForward', key: held?.key ?? '', forward })
      w.settle()
      expect(firstPayment(w)?.state).toBe(forward ? 'succeeded' : 'failed')
    }
  })

  it('an intercepted HTLC whose channel went to the chain meanwhile is not passed on, whatever its user says', () => {
    const w = world.fork(6)
    w.command(ours(w), { type: 'setPreference', name: 'interceptForwards', value: 'on' })
    begin(w)
    w.drain()
    const [held] = Object.values(w.stateOf(ours(w)).circuits)
    const [channel] = Object.values(w.stateOf(w.node('ada')).channels)
    w.command(w.node('ada'), { type: 'closeChannel', channelId: channel?.id ?? '', force: true })
    w.drain()
    w.command(ours(w), { type: 'decideForward', key: held?.key ?? '', forward: true })
    expect(Object.values(w.stateOf(ours(w)).circuits).map((c) => c.state)).toEqual(['failing'])
    expect(downstream(w)?.logs.opener.entries).toEqual([])
  })

  it('the same onion a second time goes nowhere, also after a restart', () => {
    const w = world.fork(5)
    let sent: AddUpdate | undefined
    w.onDelivered = () => {
      for (const channel of Object.values(ours(w).state?.channels ?? {})) {
        const add = channel.logs.opener.entries.find((e) => e.type === 'add' && channel.role === 'accepter')
        if (add?.type === 'add') sent ??= add
      }
    }
    reach(w, [paid('ada', 'cal', 50_000_000)])
    if (sent === undefined) throw new Error('no add seen')
    w.crash(ours(w))
    w.settle()
    const ada = w.node('ada')
    const state = w.stateOf(ada)
    const channel = Object.values(state.channels)[0]
    if (channel === undefined) throw new Error('no channel')
    const { id: _, ...again } = sent
    const outbox = [{ ...again, token: 'replayed' }]
    ada.state = { ...state, channels: { ...state.channels, [channel.id]: { ...channel, outbox } } }
    // Nobody but this test sends an HTLC that no payment knows of.
    w.checkStoreEvery = 1_000_000
    w.checkMoneyEvery = 1_000_000
    w.mine()
    w.settle()
    expect(w.stateOf(ours(w)).forwards.count).toBe(1)
    expect(w.stateOf(ours(w)).circuits).toEqual({})
    // It went as far as ben, who answered: nothing hangs in ada's channel.
    const after = Object.values(w.stateOf(ada).channels)[0]
    expect(after?.logs.opener.nextHtlcId).toBe(2n)
    expect(after?.base.htlcs).toEqual([])
  })

  it('a channel that is closed by force in the middle: the preimage that shows on chain is paid for upstream', () => {
    const w = world.fork(6)
    const hash = begin(w)
    // cal has answered with the preimage, and ben has not heard it.
    for (let i = 0; i < 200; i++) {
      const end = w.readable()[0]
      const invoice = entries(w.stateOf(w.node('cal')).invoices).find((x) => x.paymentHash === hash)
      if (invoice?.state === 'paid' || end === undefined) break
      w.deliver(end)
    }
    const link = w.linkBetween(ours(w), w.node('cal'))
    if (link === undefined) throw new Error('no link')
    w.cut(link)
    const channel = Object.values(w.stateOf(w.node('cal')).channels)[0]
    w.command(w.node('cal'), { type: 'closeChannel', channelId: channel?.id ?? '', force: true })
    for (let i = 0; i < 12; i++) {
      w.mine()
      w.settle()
    }
    expect(firstPayment(w)?.state).toBe('succeeded')
    expect(w.stateOf(ours(w)).forwards).toMatchObject({ count: 1, feeMsat: 6_000n, lostMsat: 0n })
    for (const node of w.nodes) w.checkMoney(node)
  })
})

function count(w: World, goal: Goal): number {
  let writes = 0
  w.crashAt = (node) => {
    if (node.name === 'ben') writes += 1
    return undefined
  }
  reach(w, [goal])
  return writes
}

function crashBen(w: World, at: number, point: CrashPoint): void {
  let writes = 0
  w.crashAt = (node) => (node.name === 'ben' && writes++ === at ? point : undefined)
}

describe('more nodes, in a ring', () => {
  it.each([
    { seed: 3, nodes: 5, steps: 180, force: false },
    { seed: 1, nodes: 4, steps: 300, force: true },
    // Cancelled, probed, by offers; parts that close together; three chain servers.
    { seed: 301, nodes: 4, steps: 180, force: true, paths: true, whims: true },
  ])('pay each other through each other, crash and close: %o', (options) => {
    const outcome = runNetwork(options)
    expect(outcome.problem).toBeUndefined()
    expect(outcome.counts['forwards']).toBeGreaterThan(0)
  })
})
