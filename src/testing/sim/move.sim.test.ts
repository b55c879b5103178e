import { describe, expect, test } from 'vitest'
import { unwrap } from '../../engine/base/result.ts'
import { entry } from '../../engine/base/table.ts'
import { msat } from '../../engine/base/units.ts'
import { utf8 } from '../../engine/base/bytes.ts'
import { entropyFrom } from '../../engine/crypto/entropy.ts'
import { overrideHeight, UNPROVEN_WAIT_BLOCKS } from '../../engine/channel/step.ts'
import { sha256 } from '../../engine/crypto/hash.ts'
import { loadLease, retire } from '../../engine/node/lease.ts'
import { takeOver } from '../../engine/node/take-over.ts'
import { balanceOf } from '../../engine/wallet/ledger.ts'
import { connected, type Goal, hasCoins, opened, paid, reach } from './scenario.ts'
import { World } from './world.ts'

/** A live wallet moves from device to device. Of all devices that ever have its state, one goes on; no other signs or broadcasts. */

type Disk = ReadonlyMap<string, Uint8Array>

function go(world: World, goals: readonly Goal[]): void {
  world.notes.set('goal', '0')
  reach(world, goals)
}

/** Ada with a channel to Ben, money on both sides, on her first device. */
function beginning(format: string): World {
  const world = new World({ formats: [format], seed: 7 })
  go(world, [hasCoins('ada', 600_000), connected('ada', 'ben'), opened('ada', 'ben', 500_000)])
  go(world, [paid('ada', 'ben', 123_456_000), paid('ben', 'ada', 1_000_000)])
  world.settle()
  return world
}

/** What lies on Ada's disk at the end of the turn before. */
const diskOf = (world: World): Disk => new Map(world.node('ada').store)

/** Ada hands her wallet out: what is in the file is what lay on the disk before it was noted there. */
function handOut(world: World): Disk {
  const ada = world.node('ada')
  const file = diskOf(world)
  world.crash(ada)
  ada.commit([retire(world.node('ada').load().lease, world.now)])
  return file
}

let devices = 0

/** The file comes to another device: its disk. */
function imported(file: Disk): Disk {
  devices += 1
  const { writes } = unwrap(takeOver(file, entropyFrom(sha256(utf8(`device ${devices}`)))), 'take over')
  const disk = new Map(file)
  for (const { key, value } of writes) if (value !== null) disk.set(key, value)
  return disk
}

/** Ada's words run from this disk now, and from no other; what lay on the last one is returned. */
function runFrom(world: World, disk: Disk, start = true): Disk {
  const ada = world.node('ada')
  if (ada.state !== undefined) world.crash(ada)
  const last = diskOf(world)
  ada.store.clear()
  for (const [key, value] of disk) ada.store.set(key, value)
  ada.events.length = 0
  world.trace.length = 0
  if (start) {
    world.boot(ada)
    world.settle()
  }
  return last
}

/** Time passes for those who are up. */
function rest(world: World): void {
  for (let round = 0; round < 6; round++) {
    for (const node of world.nodes)
      for (const nodeId of node.keep)
        if (node.state !== undefined && world.byId(nodeId).state !== undefined)
          world.connect(node, world.byId(nodeId))
    world.drain()
    world.pass(5_000)
  }
  world.drain()
}

const channelAt = (world: World, name: 'ada' | 'ben') => {
  const [channel] = Object.values(world.stateOf(world.node(name)).channels)
  if (channel === undefined) throw new Error(`${name} has a channel`)
  return channel
}
const channelIn = (world: World) => channelAt(world, 'ada')

const closeOf = (world: World) => Object.values(world.stateOf(world.node('ada')).closes)[0]?.close

/** Blocks, until whatever closes is closed and swept. */
function settleClose(world: World): void {
  world.mine(1)
  world.settle()
  for (const blocks of [1, 1, 6]) {
    world.mine(blocks)
    world.settle()
  }
}

/** What Ada has said since her device began. */
const saidByAda = (world: World): readonly string[] =>
  world.trace.flatMap((line) => /^ada → ben: (\w+)/.exec(line)?.[1] ?? [])

/** Nothing that two devices must not both do. */
function expectSilence(world: World): void {
  const said = saidByAda(world)
  for (const message of said) expect(['init', 'peer_storage_retrieval', 'ping', 'pong']).toContain(message)
  expect(world.chain.mempool).toEqual([])
  const [channel] = Object.values(world.node('ada').load().channels)
  expect(channel?.failure).toBeUndefined()
  expect(world.node('ada').load().closes).toEqual({})
}

/** The node does nothing any more, and says so to whoever asks. */
function expectHalted(world: World): void {
  const ada = world.node('ada')
  expect(world.command(ada, { type: 'newAddress' })).toBeUndefined()
  expect(world.refusal?.code).toBe('walletMoved')
  world.mine(200)
  rest(world)
  expectSilence(world)
}

describe.each(['lcp', 'anchors_zero_fee_htlc_tx', 'static_remotekey'])('%s', (format) => {
  test('the channel goes on at the new device, and the old one stands still for good', () => {
    const world = beginning(format)
    const before = channelIn(world)
    const file = handOut(world)
    const old = runFrom(world, imported(file))
    const after = channelIn(world)
    expect(after.link).toBe('online')
    expect(after).not.toHaveProperty('unproven')
    expect({ ...after, link: before.link }).toMatchObject({
      id: before.id,
      base: before.base,
      localTip: before.localTip,
    })
    expect(world.stateOf(world.node('ada')).lease.epoch).toBe(1)
    // Who goes on is said before the channel says anything.
    const said = saidByAda(world)
    expect(said.indexOf('peer_storage')).toBeGreaterThan(0)
    expect(said.indexOf('peer_storage')).toBeLessThan(said.indexOf('channel_reestablish'))
    go(world, [paid('ada', 'ben', 10_000_000), paid('ben', 'ada', 5_000_000)])

    runFrom(world, old, false)
    expect(unwrap(loadLease(old), 'lease').retired).toBeDefined()
    world.boot(world.node('ada'))
    expectHalted(world)
  })
})

test.each([true, false])(
  'the same file on two devices: the second one finds out and stops (paid in between: %s)',
  (payments) => {
    const world = beginning('lcp')
    const file = handOut(world)
    runFrom(world, imported(file))
    if (payments) go(world, [paid('ada', 'ben', 10_000_000)])
    const first = runFrom(world, imported(file), false)
    world.boot(world.node('ada'))
    rest(world)
    expect(world.node('ada').events).toContainEqual({
      type: 'walletElsewhere',
      epoch: 1,
      nodeId: world.node('ben').id,
    })
    expectHalted(world)
    expect(unwrap(loadLease(diskOf(world)), 'lease').elsewhere?.epoch).toBe(1)
    // Also after a start.
    world.crash(world.node('ada'))
    world.boot(world.node('ada'))
    expectHalted(world)
    // The first one never notices.
    runFrom(world, first)
    go(world, [paid('ada', 'ben', 2_000_000), paid('ben', 'ada', 3_000_000)])
  },
)

describe('a peer that keeps no copy', () => {
  /** Ada's wallet went on at one device, its peer keeps no copy of that, and now the same file is opened at another. */
  const twice = (): { readonly world: World; readonly first: Disk } => {
    const world = beginning('lcp')
    const file = handOut(world)
    runFrom(world, imported(file))
    go(world, [paid('ada', 'ben', 10_000_000)])
    const ben = world.node('ben')
    world.crash(ben)
    for (const key of ben.store.keys()) if (key.startsWith('storage/')) ben.store.delete(key)
    const first = runFrom(world, imported(file), false)
    world.boot(world.node('ada'))
    rest(world)
    world.boot(ben)
    rest(world)
    return { world, first }
  }

  test('proves by channel_reestablish that another device goes on: this one stops before it has said anything, and the channel lives', () => {
    const { world, first } = twice()
    expect(world.node('ada').events).toContainEqual({
      type: 'walletElsewhere',
      epoch: 1,
      nodeId: world.node('ben').id,
    })
    expectHalted(world)
    // An old channel_reestablish would have made the peer close what the first device goes on with.
    expect(channelAt(world, 'ben').failure).toBeUndefined()
    runFrom(world, first)
    go(world, [paid('ada', 'ben', 2_000_000), paid('ben', 'ada', 3_000_000)])
  })

  test('the first device is lost, and the user brings the wallet here all the same: the peer closes, and pays', () => {
    const { world } = twice()
    runFrom(world, imported(diskOf(world)))
    expect(channelIn(world).failure).toMatchObject({ code: 'weAreBehind', remedy: 'awaitRemote' })
    expect(saidByAda(world)).not.toContain('commitment_signed')
    expect(saidByAda(world)).not.toContain('revoke_and_ack')
    settleClose(world)
    expect(closeOf(world)?.kind).toBe('unknown')
    const { wallet, chain } = world.stateOf(world.node('ada'))
    expect(balanceOf(wallet, chain.headers.tip.height).totalSat).toBeGreaterThan(
      600_000n - 123_456n - 20_000n,
    )
  })
})

describe('while the peer has not been met', () => {
  const alone = (): World => {
    const world = beginning('lcp')
    const file = handOut(world)
    world.crash(world.node('ben'))
    runFrom(world, imported(file), false)
    world.boot(world.node('ada'))
    return world
  }

  test('the user closes by force: nothing is broadcast, the peer is asked to when it is there', () => {
    const world = alone()
    world.command(world.node('ada'), { type: 'closeChannel', channelId: channelIn(world).id, force: true })
    world.mine(3)
    rest(world)
    expect(world.chain.mempool).toEqual([])
    expect(channelIn(world).failure).toMatchObject({ code: 'unproven', remedy: 'awaitRemote' })
    world.settle()
    expect(world.chain.mempool).toHaveLength(1)
    for (const blocks of [1, 1, 6]) {
      world.mine(blocks)
      world.settle()
    }
    const [close] = Object.values(world.stateOf(world.node('ada')).closes)
    expect(close?.close?.kind).toBe('remote')
  })

  test('a payment under way expires, and nothing is broadcast before the peer is there', () => {
    const world = beginning('lcp')
    const [ada, ben] = [world.node('ada'), world.node('ben')]
    const invoice = world.command(ben, {
      type: 'addInvoice',
      description: '',
      expirySeconds: 3600,
      amountMsat: msat(7_000_000),
    })
    if (invoice?.type !== 'invoice') throw new Error('an invoice')
    const bolt11 = entry(world.stateOf(ben).invoices, invoice.paymentHash)?.bolt11 ?? ''
    // Signed for, and on its way: it is in the state that moves.
    world.command(ada, { type: 'sendPayment', invoice: bolt11, timeoutSeconds: 60 })
    const file = handOut(world)
    world.crash(ben)
    runFrom(world, imported(file), false)
    world.boot(ada)
    expect(channelIn(world).remotePending).toHaveLength(1)
    world.mine(1000)
    rest(world)
    expectSilence(world)
    expect(channelIn(world).unproven).toBe(true)
    world.settle()
    // Now that the peer has shown that this is the newest state, what has expired is enforced.
    expect(channelIn(world).unproven).toBeUndefined()
    expect(channelIn(world).failure?.code ?? 'paid').toMatch(/^(htlcTimedOut|paid)$/)
  })

  const ask = (world: World, unproven = false) =>
    world.command(world.node('ada'), {
      type: 'closeChannel',
      channelId: channelIn(world).id,
      force: true,
      ...(unproven ? { unproven } : {}),
    })
  /** What Ada may lose is what she had; some of it goes to fees. */
  const HELD = 600_000n - 123_456n + 1_000n

  test('a peer that is gone for good: asked, waited for a week, and closed from here by a second decision', () => {
    const world = alone()
    // Not before the peer has been asked.
    expect(ask(world, true)).toBeUndefined()
    expect(world.refusal?.code).toBe('closeFailed')
    ask(world)
    rest(world)
    const asked = world.chain.tip.height
    world.mine(UNPROVEN_WAIT_BLOCKS - 1)
    rest(world)
    expect(ask(world)).toBeUndefined()
    expect(ask(world, true)).toBeUndefined()
    expect(world.refusal?.message).toContain(`block ${asked + UNPROVEN_WAIT_BLOCKS}`)
    expect(world.chain.mempool).toEqual([])
    world.mine(1)
    rest(world)
    expect(ask(world, true)).toEqual({ type: 'done' })
    rest(world)
    expect(world.chain.mempool).toHaveLength(1)
    for (const blocks of [1, channelIn(world).remote.toSelfDelay, 1, 6]) {
      world.mine(blocks)
      rest(world)
    }
    expect(closeOf(world)?.kind).toBe('local')
    const { wallet, chain } = world.stateOf(world.node('ada'))
    expect(balanceOf(wallet, chain.headers.tip.height).totalSat).toBeGreaterThan(HELD - 5_000n)
  })

  test('the wait counts from a height that servers agree on, not from the one that came with the file', () => {
    const world = alone()
    world.crash(world.node('ada'))
    world.mine(2 * UNPROVEN_WAIT_BLOCKS)
    world.boot(world.node('ada'))
    ask(world)
    expect(channelIn(world).failure?.code).toBe('unproven')
    rest(world)
    expect(overrideHeight(channelIn(world))).toBe(world.chain.tip.height + UNPROVEN_WAIT_BLOCKS)
    expect(ask(world, true)).toBeUndefined()
    // Also after a start.
    world.crash(world.node('ada'))
    world.boot(world.node('ada'))
    rest(world)
    expect(overrideHeight(channelIn(world))).toBe(world.chain.tip.height + UNPROVEN_WAIT_BLOCKS)
  })

  /** Another device has gone on with the wallet; this one asked the peer, who was away, to close it. */
  const behind = (): World => {
    const world = beginning('lcp')
    const file = handOut(world)
    runFrom(world, imported(file))
    go(world, [paid('ada', 'ben', 10_000_000)])
    world.crash(world.node('ben'))
    runFrom(world, imported(file), false)
    world.boot(world.node('ada'))
    ask(world)
    rest(world)
    return world
  }

  test('the peer comes back within the week and knows a newer state: closed by it, and never from here', () => {
    const world = behind()
    world.mine(100)
    rest(world)
    const ben = world.node('ben')
    for (const key of ben.store.keys()) if (key.startsWith('storage/')) ben.store.delete(key)
    world.boot(ben)
    rest(world)
    expect(channelIn(world).failure).toMatchObject({ code: 'weAreBehind', remedy: 'awaitRemote' })
    expect(ask(world, true)).toBeUndefined()
    settleClose(world)
    expect(closeOf(world)?.kind).toBe('unknown')
    const { wallet, chain } = world.stateOf(world.node('ada'))
    expect(balanceOf(wallet, chain.headers.tip.height).totalSat).toBeGreaterThan(HELD - 10_000n - 5_000n)
  })

  test('what may be lost: another device had gone on, and the peer that seemed gone comes and punishes', () => {
    const world = behind()
    world.mine(UNPROVEN_WAIT_BLOCKS)
    rest(world)
    expect(ask(world, true)).toEqual({ type: 'done' })
    world.mine(1)
    rest(world)
    world.boot(world.node('ben'))
    for (const blocks of [1, 150, 1, 6]) {
      world.mine(blocks)
      rest(world)
    }
    expect(Object.values(world.stateOf(world.node('ben')).closes)[0]?.close?.kind).toBe('revoked')
    const { wallet, chain } = world.stateOf(world.node('ada'))
    expect(balanceOf(wallet, chain.headers.tip.height).totalSat).toBeLessThan(110_000n)
  })

  test('blocks go by, and nothing is broadcast', () => {
    const world = alone()
    world.mine(300)
    rest(world)
    expectSilence(world)
    expect(channelIn(world).unproven).toBe(true)
    world.settle()
    go(world, [paid('ada', 'ben', 2_000_000)])
  })
})

describe('the old device takes the wallet back', () => {
  test('where nobody has gone on with it, it goes on, and the file is worth nothing any more', () => {
    const world = beginning('lcp')
    const file = handOut(world)
    runFrom(world, imported(diskOf(world)))
    go(world, [paid('ada', 'ben', 10_000_000)])
    const back = runFrom(world, imported(file), false)
    world.boot(world.node('ada'))
    rest(world)
    expectHalted(world)
    runFrom(world, back)
    go(world, [paid('ada', 'ben', 1_000_000)])
  })

  test('where another device has gone on with it, it stops', () => {
    const world = beginning('lcp')
    const file = handOut(world)
    const old = diskOf(world)
    runFrom(world, imported(file))
    const other = runFrom(world, imported(old), false)
    world.boot(world.node('ada'))
    rest(world)
    expectHalted(world)
    runFrom(world, other)
    go(world, [paid('ada', 'ben', 1_000_000)])
  })
})

test('a disk from before the move, put back: stops as soon as a peer gives back its copy', () => {
  const world = beginning('lcp')
  const image = diskOf(world)
  const file = handOut(world)
  runFrom(world, imported(file))
  go(world, [paid('ada', 'ben', 10_000_000)])
  runFrom(world, image, false)
  world.boot(world.node('ada'))
  rest(world)
  expect(world.node('ada').load().lease.elsewhere?.epoch).toBe(1)
  expect(saidByAda(world)).not.toContain('commitment_signed')
  expect(saidByAda(world)).not.toContain('revoke_and_ack')
  const ada = world.node('ada')
  expect(ada.load().closes).toEqual({})
})

test('a wallet restored from words beside one that runs stops neither', () => {
  const world = beginning('lcp')
  const running = diskOf(world)
  world.crash(world.node('ada'))
  runFrom(world, new Map())
  go(world, [connected('ada', 'ben')])
  world.settle()
  expect(world.stateOf(world.node('ada')).lease.elsewhere).toBeUndefined()
  expect(world.stateOf(world.node('ada')).foundBackup?.backup.channels).toHaveLength(1)
  runFrom(world, running)
  expect(world.stateOf(world.node('ada')).lease.elsewhere).toBeUndefined()
})
