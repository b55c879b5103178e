import { checkBackup } from '../../host/project-backup.ts'
import { describe, expect, test } from 'vitest'
import { msat, sat } from '../../engine/base/units.ts'
import { encodeRecord } from '../../engine/records/codec.ts'
import { balanceOf } from '../../engine/wallet/ledger.ts'
import { closed, connected, type Goal, hasCoins, opened, paid, reach } from './scenario.ts'
import { encodeMessage } from '../../engine/wire/encode.ts'
import type { Name } from './node.ts'
import { World } from './world.ts'

/** A device is lost with everything on it: the words, and a copy of what never changes in channels, bring the money back. */

const FORMATS = ['lcp', 'anchors_zero_fee_htlc_tx', 'static_remotekey']

const total = (world: World, name: Name): bigint => {
  const state = world.stateOf(world.node(name))
  return balanceOf(state.wallet, state.chain.headers.tip.height).totalSat
}

/** A scenario of its own, whatever came before. */
function go(world: World, goals: readonly Goal[]): void {
  world.notes.set('goal', '0')
  reach(world, goals)
}

/** Ada's 600,000 sat: 500,000 in a channel, of which Ben gets 123,456. */
function beginning(format: string, payments: boolean): World {
  const world = new World({ formats: [format] })
  go(world, [hasCoins('ada', 600_000), connected('ada', 'ben'), opened('ada', 'ben', 500_000)])
  if (payments) go(world, [paid('ada', 'ben', 123_456_000), paid('ben', 'ada', 1_000_000)])
  world.settle()
  return world
}

function exported(world: World): Uint8Array {
  const answer = world.command(world.node('ada'), { type: 'exportBackup' })
  if (answer?.type !== 'backup') throw new Error('no backup')
  return answer.file
}

/** Ada's disk is gone; another device starts from her words. */
function loseDevice(world: World): void {
  const ada = world.node('ada')
  world.crash(ada, () => 0)
  ada.store.clear()
  world.boot(ada)
  world.settle()
}

function untilSwept(world: World): void {
  for (const blocks of [1, 1, 1, 6, 720, 1, 1, 6]) {
    world.mine(blocks)
    world.settle()
  }
}

/** What Ada should have: all less what she paid, less fees of the opening, the close and the sweep. */
function expectMoneyBack(world: World, spent: bigint): void {
  const has = total(world, 'ada')
  const due = 600_000n - spent
  expect(has <= due && due - has < 10_000n, `ada has ${has} of ${due}`).toBe(true)
}

describe.each(FORMATS)('%s', (format) => {
  test.each([true, false])('with the file, after payments: %s', (payments) => {
    const world = beginning(format, payments)
    const file = exported(world)
    loseDevice(world)
    expect(Object.keys(world.stateOf(world.node('ada')).channels)).toEqual([])
    const answer = world.command(world.node('ada'), { type: 'recoverChannels', file })
    expect(answer).toEqual({ type: 'recovered', channels: 1 })
    // The file says where Ben was last reached: nobody has to dial him by hand.
    world.settle()
    untilSwept(world)
    expectMoneyBack(world, payments ? 122_456n : 0n)
    const [close] = Object.values(world.stateOf(world.node('ada')).closes)
    expect(close?.close?.kind).toBe('unknown')
    world.checkStores()
  })

  test('with the copy that the peer keeps', () => {
    const world = beginning(format, true)
    expect(Object.keys(world.stateOf(world.node('ben')).peerStorage)).toEqual([world.node('ada').id])
    loseDevice(world)
    const refused = world.command(world.node('ada'), { type: 'recoverChannels' })
    expect(refused).toBeUndefined()
    go(world, [connected('ada', 'ben')])
    expect(world.node('ada').events).toContainEqual({
      type: 'backupFound',
      nodeId: world.node('ben').id,
      channels: 1,
    })
    const answer = world.command(world.node('ada'), { type: 'recoverChannels' })
    expect(answer).toEqual({ type: 'recovered', channels: 1 })
    world.settle()
    untilSwept(world)
    expectMoneyBack(world, 122_456n)
  })
})

test('a restart in the middle of a recovery goes on with it', () => {
  const world = beginning('lcp', true)
  const file = exported(world)
  loseDevice(world)
  world.command(world.node('ada'), { type: 'recoverChannels', file })
  world.crash(world.node('ada'))
  world.boot(world.node('ada'))
  world.settle()
  untilSwept(world)
  expectMoneyBack(world, 122_456n)
})

test('a channel that lives is not touched by its own backup', () => {
  const world = beginning('lcp', true)
  const before = world.stateOf(world.node('ada')).channels
  const answer = world.command(world.node('ada'), { type: 'recoverChannels', file: exported(world) })
  expect(answer).toEqual({ type: 'recovered', channels: 0 })
  expect(world.stateOf(world.node('ada')).channels).toEqual(before)
  go(world, [paid('ada', 'ben', 5_000)])
})

test('a file that was changed, cut, or is of other words is refused, and nothing comes of it', () => {
  const world = beginning('lcp', false)
  const file = exported(world)
  const flipped = file.slice()
  flipped[flipped.length - 1] = (flipped[flipped.length - 1] ?? 0) ^ 1
  for (const bad of [flipped, file.slice(0, -1), file.slice(1), new Uint8Array(0)])
    expect(world.command(world.node('ada'), { type: 'recoverChannels', file: bad })).toBeUndefined()
  expect(world.command(world.node('ben'), { type: 'recoverChannels', file })).toBeUndefined()
})

test('what peers are sent has one size, and nothing in it can be read', () => {
  const world = beginning('lcp', true)
  const blob = world.stateOf(world.node('ben')).peerStorage[world.node('ada').id]
  expect(blob?.length).toBe(65_531)
  const text = Buffer.from(blob ?? []).toString('latin1')
  expect(text).not.toContain('lcp')
  expect(text).not.toContain(world.node('ben').id)
})

describe('what peers keep for each other', () => {
  const nodes = (world: World) => [world.node('ada'), world.node('ben')] as const

  /** What is written on Ben's disk of Ada's. */
  const kept = (world: World) => world.node('ben').store.get(`storage/${world.node('ada').id}`)

  test('however often a peer asks, little is written; the newest is what it gets back, and it lasts', () => {
    const world = beginning('lcp', false)
    const [ada, ben] = nodes(world)
    world.pass(60_000)
    world.settle()
    const connection = world.stateOf(ben).peers[ada.id]?.connection ?? ''
    const blob = (n: number) => new Uint8Array(65_531).fill(n)
    const before = world.writes
    const send = (n: number) => {
      const bytes = encodeMessage({ type: 'peer_storage', blob: blob(n) })
      world.turn(ben, [{ type: 'peerMessage', connection, bytes }])
    }
    for (let n = 1; n <= 200; n++) send(n % 256)
    expect(world.writes - before).toBe(1)
    const first = kept(world)
    // Given back before it is written.
    expect(world.stateOf(ben).storing[ada.id]?.waiting).toEqual(blob(200))
    world.pass(20_000)
    expect(kept(world)).not.toEqual(first)
    expect(world.stateOf(ben).peerStorage[ada.id]).toEqual(blob(200))
    // What is there already is not written again.
    const settled = world.writes
    world.pass(60_000)
    for (let n = 0; n < 10; n++) send(200)
    expect(world.stateOf(ben).storing[ada.id]?.waiting).toBeUndefined()
    expect(world.writes).toBe(settled)
  })

  test('a peer that holds the newest copy is known to, and is not sent it again', () => {
    const world = beginning('lcp', true)
    const [ada, ben] = nodes(world)
    expect(world.stateOf(ada).copies[ben.id]).toMatchObject({ returned: false })
    world.crash(ada)
    world.trace.length = 0
    world.boot(ada)
    world.settle()
    expect(world.stateOf(ada).copies[ben.id]).toMatchObject({
      returned: true,
      content: world.stateOf(ada).sharedBackups[ben.id],
    })
    expect(world.trace.filter((line) => line === 'ada → ben: peer_storage')).toEqual([])
  })

  test('an older copy is known as such, and replaced; so it is after an opening and after the end of a close', () => {
    const world = beginning('lcp', false)
    const [ada, ben] = nodes(world)
    const old = world.stateOf(ben).peerStorage[ada.id]
    go(world, [closed('ada')])
    world.settle()
    const during = world.stateOf(ada).copies[ben.id]?.content
    for (const blocks of [1, 110, 1]) {
      world.mine(blocks)
      world.settle()
    }
    // Irrevocably over: nothing is kept for it any more.
    expect(world.stateOf(ada).copies[ben.id]?.content).toBe(during)
    go(world, [hasCoins('ada', 1), connected('ada', 'ben'), opened('ada', 'ben', 200_000)])
    world.settle()
    const after = world.stateOf(ada).copies[ben.id]?.content ?? ''
    expect(after).not.toBe(during)
    expect(after.split(',')).toHaveLength(1)
    const newest = world.stateOf(ben).peerStorage[ada.id]
    expect(newest).not.toEqual(old)

    // The peer comes back with the copy of long ago.
    world.crash(ben)
    ben.commit([{ key: `storage/${ada.id}`, value: encodeRecord(1, old) }])
    world.boot(ben)
    world.drain()
    for (const node of [ada, ben]) for (const id of node.keep) world.connect(node, world.byId(id))
    world.drain()
    expect(world.stateOf(ada).copies[ben.id]).toMatchObject({ returned: true, content: during })
    expect(world.stateOf(ada).foundBackup).toBeUndefined()
    world.pass(5_000)
    world.drain()
    expect(world.stateOf(ada).copies[ben.id]).toMatchObject({ returned: false, content: after })
  })
})

test('a copy with a channel that was never funded, and is forgotten, brings no news', () => {
  const world = new World({ formats: ['lcp'] })
  const [ada, ben] = [world.node('ada'), world.node('ben')]
  go(world, [hasCoins('ben', 600_000), connected('ben', 'ada')])
  world.chain.holdBack = true
  world.command(ben, { type: 'openChannel', nodeId: ada.id, amountSat: sat(500_000), pushMsat: msat(0) })
  world.settle()
  const [id = ''] = Object.keys(world.stateOf(ada).channels)
  const copy = world.stateOf(ada).copies[ben.id]
  expect(copy?.content).toContain(id)
  for (const blocks of [2010, 20]) {
    world.mine(blocks)
    world.settle()
  }
  world.pass(60_000)
  world.settle()
  expect(Object.keys(world.stateOf(ada).channels)).toEqual([])
  world.crash(ada)
  world.boot(ada)
  world.settle()
  expect(world.stateOf(ada).copies[ben.id]).toMatchObject({ returned: true, content: copy?.content })
  expect(world.stateOf(ada).foundBackup).toBeUndefined()
})

test.each(FORMATS)(
  '%s: a close of our own from before the device was lost is swept after its delay',
  (format) => {
    const world = beginning(format, true)
    const file = exported(world)
    const [id = ''] = Object.keys(world.stateOf(world.node('ada')).channels)
    // Nobody hears of it but the chain.
    for (const node of world.nodes) node.keep.clear()
    for (const link of world.links) world.cut(link)
    world.drain()
    world.command(world.node('ada'), { type: 'closeChannel', channelId: id, force: true })
    world.settle()
    world.mine(1)
    world.settle()
    loseDevice(world)
    expect(world.command(world.node('ada'), { type: 'recoverChannels', file })).toMatchObject({ channels: 1 })
    world.settle()
    untilSwept(world)
    expectMoneyBack(world, 122_456n)
    const close = world.stateOf(world.node('ada')).closes[id]?.close
    expect(close).toMatchObject({ kind: 'unknown', owner: 'opener' })
    expect(close?.outputs.some((o) => o.kind === 'toLocal' && o.ours)).toBe(true)
  },
)

test('a backup file is looked at before it is needed: what it holds, what it lacks, and whose it is', () => {
  const world = beginning('anchors_zero_fee_htlc_tx', false)
  const look = (name: 'ada' | 'ben', file: Uint8Array) => {
    const node = world.node(name)
    const found = checkBackup(world.stateOf(node), node.setup, file)
    return found.ok ? found.value : found.error.code
  }
  const file = exported(world)
  expect(look('ada', file)).toMatchObject({ channels: 1, missing: 0, unknown: 0 })
  expect(look('ben', file)).toBe('backupUnreadable')
  expect(
    look(
      'ada',
      file.map((byte, i) => (i === file.length - 1 ? byte ^ 1 : byte)),
    ),
  ).toBe('backupUnreadable')
  const { channels } = world.stateOf(world.node('ada'))
  const empty = checkBackup(
    { ...world.stateOf(world.node('ada')), channels: {} },
    world.node('ada').setup,
    file,
  )
  expect(empty.ok && empty.value).toMatchObject({ channels: 1, missing: 0, unknown: 1 })
  const [id, channel] = Object.entries(channels)[0] ?? []
  if (id === undefined || channel === undefined) throw new Error('no channel')
  const another = { ...channel, id: 'ff'.repeat(32) }
  const more = { ...world.stateOf(world.node('ada')), channels: { [id]: channel, [another.id]: another } }
  const stale = checkBackup(more, world.node('ada').setup, file)
  expect(stale.ok && stale.value).toMatchObject({ channels: 1, missing: 1, unknown: 0 })
})
