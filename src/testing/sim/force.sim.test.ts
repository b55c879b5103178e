import { describe, expect, test } from 'vitest'
import { entries, entry } from '../../engine/base/table.ts'
import type { Channel } from '../../engine/channel/types.ts'
import { CLAIM_MARGIN_BLOCKS, EXPIRY_GRACE_BLOCKS } from '../../engine/channel/step.ts'
import { balanceOf as channelBalance, viewAt } from '../../engine/channel/log.ts'
import { balanceOf } from '../../engine/wallet/ledger.ts'
import { ownerOf } from './invariants.ts'
import type { Name } from './node.ts'
import { channelOf, connected, hasCoins, opened, paid, reach } from './scenario.ts'
import { World } from './world.ts'

/** Closes by one side: whatever had been said off chain, each gets on chain what is its, and payments end the same for both. */

const FORMATS = ['lcp', 'anchors_zero_fee_htlc_tx', 'static_remotekey']
const PAYMENT = 50_000_000

function beginning(format: string): { world: World; channel: Channel } {
  const world = new World({ formats: [format] })
  reach(world, [
    hasCoins('ada', 600_000, 100_000),
    hasCoins('ben', 100_000),
    connected('ada', 'ben'),
    opened('ada', 'ben', 500_000),
    paid('ada', 'ben', 123_456_789),
    paid('ben', 'ada', 23_000_001),
  ])
  const channel = channelOf(world, 'ada')
  if (channel === undefined) throw new Error('no channel')
  return { world, channel }
}

const wallet = (world: World, name: Name): bigint => {
  const state = world.stateOf(world.node(name))
  return balanceOf(state.wallet, state.chain.headers.tip.height).totalSat
}

/** Long enough for every timeout and delay, and for the machines to call it done. */
function untilResolved(world: World): void {
  world.checkStoreEvery = 10
  for (const node of world.nodes) world.boot(node)
  // Invoices ask for 144 blocks and payers add some.
  const expiry = 200
  const delay = world.nodes[0]?.setup.policy.toSelfDelay ?? 0
  for (const blocks of [1, 1, 1, 6, expiry, 1, 1, 1, 6, delay - expiry, 1, 1, 1, 6, expiry, 1, 1, 6]) {
    world.mine(blocks)
    world.settle()
  }
}

/** What is left of the channel's money on chain and is nobody's: anchors. */
function stranded(world: World): bigint {
  return world.chain
    .unspent()
    .filter(({ output }) => ownerOf(world, output.script) === undefined)
    .reduce((n, { output }) => n + output.valueSat, 0n)
}

/** Each side's due in msat: its balance as payments left it. */
function due(world: World, name: Name, id: string): bigint {
  const node = world.node(name)
  const channel = world.stateOf(node).channels[id]
  if (channel === undefined) throw new Error('no channel')
  const settled = viewAt(channel, {
    opener: channel.logs.opener.start,
    accepter: channel.logs.accepter.start,
  })
  return channelBalance(settled, channel.role)
}

describe.each(FORMATS)('%s', (format) => {
  test.each(['ada', 'ben'] as const)(
    '%s closes a quiet channel: both balances arrive, less fees',
    (closer) => {
      const { world, channel } = beginning(format)
      const before = { ada: wallet(world, 'ada'), ben: wallet(world, 'ben') }
      const dues = { ada: due(world, 'ada', channel.id) / 1000n, ben: due(world, 'ben', channel.id) / 1000n }
      world.command(world.node(closer), { type: 'closeChannel', channelId: channel.id, force: true })
      untilResolved(world)
      for (const name of ['ada', 'ben'] as const) {
        const got = wallet(world, name) - before[name]
        expect(got <= dues[name], `${name} got ${got} of ${dues[name]}`).toBe(true)
        // The opener pays the commitment's fee and the anchors; each pays for its own sweep.
        expect(
          dues[name] - got < (name === 'ada' ? 8_000n : 2_000n),
          `${name} got ${got} of ${dues[name]}`,
        ).toBe(true)
        expect(Object.keys(world.stateOf(world.node(name)).closes)).toEqual([channel.id])
        const event = world.node(name).events.some((e) => e.type === 'channelClosed')
        expect(event, `${name} heard that it is over`).toBe(true)
      }
      expect(stranded(world)).toBeLessThanOrEqual(660n)
      world.checkStores()
    },
  )

  test.each(['ada', 'ben'] as const)('%s closes after every message of a payment', (closer) => {
    const { world: base, channel } = beginning(format)
    const worlds: { world: World; after: string }[] = []
    base.onDelivered = (_, link) => {
      const world = base.fork()
      const after = world.trace.findLast((line) => line.includes(' → ')) ?? ''
      world.cut(world.links[base.links.indexOf(link)] as never)
      worlds.push({ world, after: `${worlds.length}: ${after}` })
    }
    base.notes.set('goal', '0')
    reach(base, [paid('ada', 'ben', PAYMENT)])
    expect(worlds.length).toBeGreaterThan(8)
    for (const { world, after } of worlds) {
      const given = wallet(world, 'ada') + wallet(world, 'ben')
      world.drain()
      world.command(world.node(closer), { type: 'closeChannel', channelId: channel.id, force: true })
      untilResolved(world)
      const payment = entries(world.stateOf(world.node('ada')).payments).find(
        (p) => p.amountMsat === BigInt(PAYMENT),
      )
      const invoice = entry(world.stateOf(world.node('ben')).invoices, payment?.paymentHash ?? '')
      expect(payment?.state, after).not.toBe('pending')
      expect(
        payment?.attempts.some((a) => a.state === 'pending'),
        after,
      ).toBe(false)
      expect(payment?.state === 'succeeded', `${after}: ${payment?.state} and ${invoice?.state}`).toBe(
        invoice?.state === 'paid',
      )
      expect(invoice?.settledAt !== undefined, `${after}: the payee hears that it is paid`).toBe(
        invoice?.state === 'paid',
      )
      // 100,456 sat were ben's before, and its own 100,000.
      const owed = 100_456n + 100_000n + (invoice?.state === 'paid' ? 50_000n : 0n)
      const ben = wallet(world, 'ben')
      expect(ben <= owed && owed - ben < 5_000n, `${after}: ben has ${ben} of ${owed}`).toBe(true)
      const total = wallet(world, 'ada') + ben
      expect(given + 500_000n - total < 15_000n, `${after}: ${given + 500_000n - total} sat are gone`).toBe(
        true,
      )
      world.checkStores()
    }
  })
})

test('a crash at every write of a close by one side is survived', () => {
  const { world: base, channel } = beginning('lcp')
  const before = { ada: wallet(base, 'ada'), ben: wallet(base, 'ben') }
  const worlds: { world: World; what: string }[] = []
  base.crashAt = (node, writes) => {
    for (const when of ['before', 'after'] as const) {
      const world = base.fork()
      const victim = world.node(node.name)
      if (when === 'after') victim.commit(writes)
      world.crash(victim)
      worlds.push({ world, what: `${node.name} dies ${when} write ${base.writes}` })
    }
    return undefined
  }
  base.command(base.node('ada'), { type: 'closeChannel', channelId: channel.id, force: true })
  for (let i = 0; i < 2; i++) {
    base.settle()
    base.mine()
  }
  base.settle()
  expect(worlds.length).toBeGreaterThan(10)
  for (const { world, what } of worlds) {
    for (const node of world.nodes) world.boot(node)
    const again = world.stateOf(world.node('ada')).channels[channel.id]
    if (again?.failure === undefined) {
      world.command(world.node('ada'), { type: 'closeChannel', channelId: channel.id, force: true })
    }
    untilResolved(world)
    const [ada, ben] = [wallet(world, 'ada') - before.ada, wallet(world, 'ben') - before.ben]
    expect(ada > 399_543n - 8_000n && ada <= 399_543n, `${what}: ada got ${ada}`).toBe(true)
    expect(ben > 100_456n - 2_000n && ben <= 100_456n, `${what}: ben got ${ben}`).toBe(true)
    world.checkStores()
  }
})

test('records for the court are kept until the close is a hundred blocks deep, and deleted then', () => {
  const { world, channel } = beginning('lcp')
  const court = (name: Name): number =>
    [...world.node(name).store.keys()].filter((key) => key.startsWith('court/')).length
  const kept = court('ben')
  expect(kept).toBeGreaterThan(3)
  // Told of it ada would send its own commitment.
  for (const node of world.nodes) node.keep.clear()
  for (const link of world.links) world.cut(link)
  world.drain()
  world.command(world.node('ben'), { type: 'closeChannel', channelId: channel.id, force: true })
  world.settle()
  world.mine()
  // The close is in the first of these; ben's own output is swept only after its delay.
  for (const blocks of [1, 1, 1, 80, 1, 1]) {
    world.mine(blocks)
    world.settle()
  }
  expect(world.node('ada').events.some((e) => e.type === 'channelClosed')).toBe(true)
  expect([court('ada'), court('ben')]).toEqual([kept, kept])
  world.mine(30)
  world.settle()
  world.pass(5_000)
  expect([court('ada'), court('ben')]).toEqual([0, kept])
  const delay = world.node('ada').setup.policy.toSelfDelay
  for (const blocks of [delay, 1, 1, 1, 100, 1, 1]) {
    world.mine(blocks)
    world.settle()
  }
  world.pass(5_000)
  expect(court('ben')).toBe(0)
  world.checkStores()
})

describe('deadlines, with nobody there to ask', () => {
  /** Worlds after each message of a payment of ada's, the line cut for good. */
  function cutOff(): World[] {
    const { world: base } = beginning('lcp')
    const worlds: World[] = []
    base.onDelivered = (_, link) => {
      const world = base.fork()
      world.cut(world.links[base.links.indexOf(link)] as never)
      for (const node of world.nodes) node.keep.clear()
      world.drain()
      worlds.push(world)
    }
    base.notes.set('goal', '0')
    reach(base, [paid('ada', 'ben', PAYMENT)])
    return worlds
  }

  const failed = (world: World, name: Name): string | undefined =>
    Object.values(world.stateOf(world.node(name)).channels)[0]?.failure?.code
  const expiryOf = (world: World): number => {
    const channel = Object.values(world.stateOf(world.node('ada')).channels)[0]
    const htlc = channel && viewAt(channel, channel.localTip.indexes).htlcs[0]
    return htlc?.cltvExpiry ?? 0
  }
  const to = (world: World, height: number): void => {
    world.mine(height - world.chain.tip.height)
    world.settle()
  }

  test('a received HTLC whose preimage is out goes to the chain eighteen blocks before it expires, and is claimed', () => {
    const world = cutOff().find((w) => {
      const ben = Object.values(w.stateOf(w.node('ben')).channels)[0]
      const said = [...(ben?.logs.accepter.entries ?? []), ...(ben?.outbox ?? [])].some(
        (e) => e.type === 'fulfill' && e.id === 1n,
      )
      const ada = entries(w.stateOf(w.node('ada')).payments).find((p) => p.amountMsat === BigInt(PAYMENT))
      return said && ada?.state === 'pending' && expiryOf(w) > 0
    })
    if (world === undefined) throw new Error('a moment at which only ben knows')
    const expiry = expiryOf(world)
    to(world, expiry - CLAIM_MARGIN_BLOCKS - 1)
    expect([failed(world, 'ada'), failed(world, 'ben')]).toEqual([undefined, undefined])
    to(world, expiry - CLAIM_MARGIN_BLOCKS)
    expect(failed(world, 'ben')).toBe('htlcAtRisk')
    // Before it expires ben has it, and ada the preimage.
    for (let i = 0; i < 6; i++) to(world, world.chain.tip.height + 1)
    expect(world.chain.tip.height).toBeLessThan(expiry - 10)
    const payment = entries(world.stateOf(world.node('ada')).payments).find(
      (p) => p.amountMsat === BigInt(PAYMENT),
    )
    expect(payment?.state).toBe('succeeded')
    to(world, world.chain.tip.height + 6)
    const invoice = entry(world.stateOf(world.node('ben')).invoices, payment?.paymentHash ?? '')
    expect(invoice?.settledAt).toBeDefined()
  })

  test('an offered HTLC that nobody answers goes to the chain two blocks after it expired; it fails only when that is irrevocable', () => {
    const world = cutOff().find((w) => {
      const ben = Object.values(w.stateOf(w.node('ben')).channels)[0]
      const said = [...(ben?.logs.accepter.entries ?? []), ...(ben?.outbox ?? [])].some(
        (e) => e.type === 'fulfill' && e.id === 1n,
      )
      return !said && expiryOf(w) > 0
    })
    if (world === undefined) throw new Error('a moment at which the HTLC is offered')
    const expiry = expiryOf(world)
    const payment = () =>
      entries(world.stateOf(world.node('ada')).payments).find((p) => p.amountMsat === BigInt(PAYMENT))
    to(world, expiry + EXPIRY_GRACE_BLOCKS - 1)
    expect(failed(world, 'ada')).toBeUndefined()
    to(world, expiry + EXPIRY_GRACE_BLOCKS)
    expect(failed(world, 'ada')).toBe('htlcTimedOut')
    // The commitment in one block, the HTLC's timeout in the next: five deep it is still pending.
    for (let i = 0; i < 6; i++) to(world, world.chain.tip.height + 1)
    expect(payment()?.attempts[0]?.state).toBe('pending')
    to(world, world.chain.tip.height + 6)
    expect(payment()?.attempts[0]?.state).toBe('failed')
  })
})
