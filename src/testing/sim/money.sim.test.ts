import { describe, expect, test } from 'vitest'
import { projectChannel } from '../../host/project-channel.ts'
import { projectBalances } from '../../host/project.ts'
import { entries } from '../../engine/base/table.ts'
import { msat, sat } from '../../engine/base/units.ts'
import { viewAt } from '../../engine/channel/log.ts'
import { addressFromScript } from '../../engine/bitcoin/address.ts'
import { NETWORKS } from '../../engine/bitcoin/network.ts'
import { p2wpkh } from '../../engine/bitcoin/script.ts'
import { moneyMap, sumOf } from '../../engine/node/money.ts'
import type { NodeState } from '../../engine/node/state.ts'
import { previewSend } from '../../engine/node/wallet.ts'
import { balanceOf } from '../../engine/wallet/ledger.ts'
import { moneyProblem } from './money.ts'
import { channelOf, connected, hasCoins, opened, paid, reach } from './scenario.ts'
import type { SimNode } from './node.ts'
import { World } from './world.ts'

/** Home, Channels and the money map say the same; and the law of money has teeth. */

function beginning(format = 'anchors_zero_fee_htlc_tx'): World {
  const world = new World({ formats: [format], toSelfDelay: 144 })
  reach(world, [
    hasCoins('ada', 600_000, 100_000),
    hasCoins('ben', 100_000),
    connected('ada', 'ben'),
    opened('ada', 'ben', 500_000, 50_000_001),
    paid('ada', 'ben', 100_000_777),
  ])
  return world
}

const ELSEWHERE = addressFromScript(p2wpkh(new Uint8Array(33).fill(2)), NETWORKS.regtest) ?? ''

/** Every figure that screens show, against the map. */
function compare(world: World, node: SimNode): void {
  const state = world.stateOf(node)
  const { setup } = node
  const map = moneyMap(state)
  const balances = projectBalances(state)
  expect(balances.spendableMsat).toBe(String(sumOf(map, 'lightning')))
  const total = (lines: typeof map.lines): bigint => lines.reduce((n, l) => n + l.amountMsat, 0n)
  const now = map.lines.filter((l) => l.group === 'now')
  expect(balances.totalMsat).toBe(String(total(now)))
  const coins = now.filter((l) => l.kind !== 'lightning')
  expect(balances.onchainSpendableSat).toBe(String(total(coins) / 1000n))
  expect(BigInt(balances.spendableMsat) + BigInt(balances.onchainSpendableSat) * 1000n).toBe(total(now))
  const kept = map.lines.filter((l) => l.kind === 'anchorReserve')
  expect(balances.anchorReserveSat).toBe(String(total(kept) / 1000n))
  const arriving = map.lines.filter((l) => l.kind === 'onchainUnconfirmed')
  expect(balances.onchainArrivingSat).toBe(String(total(arriving) / 1000n))
  // Max takes all that Home says is on chain, its fee included, and nothing of what is kept.
  const max = previewSend(state, setup, { address: ELSEWHERE, amountSat: 'max' })
  const spendable = BigInt(balances.onchainSpendableSat)
  if (max.ok) expect(max.value.amountSat + max.value.feeSat).toBe(spendable)
  else expect(spendable).toBeLessThan(2_000n)
  const returning = map.lines.filter((l) => l.group === 'returning')
  expect(balances.closingSat).toBe(String(returning.reduce((n, l) => n + l.amountMsat, 0n) / 1000n))
  for (const channel of Object.values(state.channels)) {
    const shown = projectChannel(state, channel)
    const own = map.lines.filter((l) => l.channelId === channel.id)
    const at = (...kinds: string[]): bigint =>
      own.reduce((n, l) => (kinds.includes(l.kind) ? n + l.amountMsat : n), 0n)
    if (shown.status !== 'open') continue
    expect(shown.spendableMsat).toBe(String(at('lightning')))
    expect(shown.localMsat).toBe(String(at('lightning', 'channelLimit', 'channelReserve', 'commitmentFee')))
    expect(shown.inFlightOutMsat).toBe(String(at('htlcOffered')))
  }
}

describe('figures', () => {
  test.each(['lcp', 'anchors_zero_fee_htlc_tx', 'static_remotekey'])(
    '%s: Home and Channels say what the map says, at rest, with a payment under way, and through a close',
    (format) => {
      const world = beginning(format)
      for (const node of world.nodes) compare(world, node)
      let looked = 0
      world.onDelivered = () => {
        const ada = channelOf(world, 'ada')
        if (ada === undefined) return
        // Once both tails hold it, and until its preimage is known.
        const both = ada.remotePending.length === 0 && ada.logs.opener.entries.length === 0
        const answered = ada.logs.accepter.entries.length > 0
        if (!both || answered || viewAt(ada, ada.localTip.indexes).htlcs.length === 0) return
        looked += 1
        compare(world, world.node('ada'))
      }
      world.notes.delete('goal')
      reach(world, [paid('ada', 'ben', 50_000_001)])
      expect(looked).toBeGreaterThan(0)
      world.onDelivered = () => {}
      const channel = channelOf(world, 'ada')
      if (channel === undefined) throw new Error('no channel')
      world.command(world.node('ben'), { type: 'closeChannel', channelId: channel.id, force: true })
      for (const n of [1, 1, 144, 1, 6]) {
        world.mine(n)
        world.settle()
        for (const node of world.nodes) compare(world, node)
      }
      const costs = moneyMap(world.stateOf(world.node('ada'))).costs
      expect(costs.map((c) => c.kind)).toContain('closeFee')
    },
  )
})

test('money that is counted twice, or not at all, is found: in a wallet, in a channel, in a payment', () => {
  const world = beginning()
  const ada = world.node('ada')
  const state = world.stateOf(ada)
  const push = (id: string): bigint => world.pushes.get(id) ?? 0n
  expect(moneyProblem(state, push)).toBeUndefined()
  const channel = channelOf(world, 'ada')
  if (channel === undefined) throw new Error('no channel')
  const off = (openerMsat: bigint): NodeState => ({
    ...state,
    channels: {
      [channel.id]: { ...channel, base: { ...channel.base, openerMsat: msat(openerMsat) } },
    },
  })
  expect(moneyProblem(off(channel.base.openerMsat + 1n), push)).toContain('(1)')
  expect(moneyProblem(off(channel.base.openerMsat - 1n), push)).toContain('(-1)')
  expect(moneyProblem(state, () => 0n)).toContain('(-50000001)')
})

test.each([
  ['listed by servers meanwhile', false],
  ['never listed by any server', true],
])('a close that both signed, %s, and then another one comes true: the first pays nobody', (_, unlisted) => {
  const world = beginning()
  world.chain.listsOnlyBlocks = unlisted
  const [ada, ben] = [world.node('ada'), world.node('ben')]
  const channel = channelOf(world, 'ada')
  if (channel === undefined) throw new Error('no channel')
  const before = new Map(ben.store)
  world.command(ada, { type: 'closeChannel', channelId: channel.id, force: false })
  world.chain.holdBack = true
  for (let i = 0; i < 3; i++) {
    world.drain()
    world.pass(3_700_000)
  }
  world.drain()
  const mutual = world.stateOf(ada).closes[channel.id]?.close
  expect(mutual?.kind).toBe('mutual')
  // The peer's device is set back, knows of no close, and forces one; the mutual one is forgotten by mempools.
  world.crash(ben)
  world.crash(ada)
  ben.store.clear()
  for (const [key, value] of before) ben.store.set(key, value)
  world.chain.evict(mutual?.txid ?? '')
  world.boot(ben)
  world.command(ben, { type: 'closeChannel', channelId: channel.id, force: true })
  world.drain()
  world.chain.holdBack = false
  world.mine()
  expect(world.chain.spenderOf(channel.funding.outpoint)?.locktime).toBeGreaterThan(0)
  world.settle()
  world.mine(150)
  world.settle()
  const state = world.stateOf(ada)
  expect(state.closes[channel.id]?.close?.kind).toBe('remote')
  expect(balanceOf(state.wallet, world.chain.tip.height).untrustedSat).toBe(sat(0))
  expect(Object.keys(state.wallet.txs)).not.toContain(mutual?.txid)
  world.checkMoney(ada)
})

test('both force a close, and the peer’s commitment comes first: that is what is said, not that we closed it', () => {
  const world = beginning()
  const channel = channelOf(world, 'ada')
  if (channel === undefined) throw new Error('no channel')
  for (const node of world.nodes) node.keep.clear()
  for (const link of world.links) world.cut(link)
  for (const name of ['ben', 'ada'] as const) {
    world.command(world.node(name), { type: 'closeChannel', channelId: channel.id, force: true })
    world.drain()
  }
  world.mine()
  world.settle()
  const shown = (name: 'ada' | 'ben') => {
    const state = world.stateOf(world.node(name))
    const own = state.channels[channel.id]
    return own && projectChannel(state, own)
  }
  expect(shown('ada')).toMatchObject({ closedBy: 'remote', reasonCode: 'closed:remote' })
  expect(shown('ben')).toMatchObject({ closedBy: 'local', reasonCode: 'forceClose' })
})

test('a dust payment whose proof came just before the connection broke, and then a close by force: paid, on every page', () => {
  const base = beginning()
  let found: World | undefined
  base.onDelivered = () => {
    const { payments } = base.stateOf(base.node('ada'))
    const proved = entries(payments).some((p) => p.amountMsat === 999n && p.preimage !== undefined)
    // The fulfilment is in the log and no commitment has it.
    if (proved && (channelOf(base, 'ada')?.base.htlcs.length ?? 0) > 0) found ??= base.fork()
  }
  base.notes.delete('goal')
  reach(base, [paid('ada', 'ben', 999)])
  if (found === undefined) throw new Error('the proof never came first')
  const world: World = found
  const [ada, ben] = [world.node('ada'), world.node('ben')]
  const channel = channelOf(world, 'ada')
  if (channel === undefined) throw new Error('no channel')
  for (const node of world.nodes) node.keep.clear()
  // The log is cut back to what commitments hold (rule 9).
  world.crash(ben, () => 0)
  world.drain()
  expect(world.stateOf(ada).channels[channel.id]?.logs.accepter.entries).toEqual([])
  world.command(ada, { type: 'closeChannel', channelId: channel.id, force: true })
  world.drain()
  for (let i = 0; i < 10; i++) {
    world.mine()
    world.pass(20_000)
    world.drain()
    world.checkMoney(ada)
  }
  const payment = entries(world.stateOf(ada).payments).find((p) => p.amountMsat === 999n)
  expect(payment?.state).toBe('succeeded')
  expect(payment?.attempts.map((a) => a.state)).toEqual(['succeeded'])
})
