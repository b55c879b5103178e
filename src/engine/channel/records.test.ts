import { expect, test } from 'vitest'
import { ramble } from '../../testing/sim/ramble.ts'
import { canonical } from '../../testing/explore/canonical.ts'
import { unwrap } from '../base/result.ts'
import { encodeRecord } from '../records/codec.ts'
import { channelWrites, loadChannels, UPDATE_VERSION } from './records.ts'
import type { Channel } from './types.ts'

type Disk = Map<string, Uint8Array>

function write(disk: Disk, prev: Channel | undefined, next: Channel | undefined): void {
  const keys = new Set<string>()
  for (const { key, value } of channelWrites(prev, next)) {
    // A key written twice in one batch would make the result depend on the store's order.
    expect(keys.has(key)).toBe(false)
    keys.add(key)
    if (value === null) disk.delete(key)
    else disk.set(key, value)
  }
}

const load = (disk: Disk): Channel | undefined => Object.values(unwrap(loadChannels(disk)))[0]
/** Much faster than comparing onions byte by byte in the test runner. */
const expectSame = (a: unknown, b: unknown): void => expect(canonical(a) === canonical(b)).toBe(true)
const stored = (channel: Channel): Channel => ({ ...channel, link: 'offline' })

for (const format of ['anchors_zero_fee_htlc_tx', 'test_window_3']) {
  test(`${format}: what a disk holds after each write, every step or now and then, is the channel; and nothing besides`, () => {
    const disks = new Map<string, { disk: Disk; last: Channel | undefined; every: number }[]>()
    let step = 0
    const { alice } = ramble(format, 240, (...parties) => {
      step += 1
      for (const { name, channel } of parties) {
        const mine =
          disks.get(name) ?? [1, 5, 17].map((every) => ({ disk: new Map(), last: undefined, every }))
        disks.set(name, mine)
        for (const one of mine) {
          if (step % one.every !== 0) continue
          write(one.disk, one.last, channel)
          one.last = channel
          expectSame(load(one.disk), stored(channel))
        }
      }
    })
    for (const one of disks.get(alice.name) ?? []) {
      write(one.disk, one.last, undefined)
      expect(one.disk.size).toBe(0)
    }
  })
}

test('an add is written once, with its onion, whatever becomes of it until its HTLC is gone', () => {
  const written = new Map<string, number>()
  let last: Channel | undefined
  ramble('test_window_3', 240, ({ channel }) => {
    for (const { key, value } of channelWrites(last, channel)) {
      if (value !== null && value.length > 1366) written.set(key, (written.get(key) ?? 0) + 1)
    }
    last = channel
  })
  const adds = [...written].filter(([key]) => key.startsWith('log/'))
  expect(adds.length).toBeGreaterThan(20)
  expect(adds.filter(([, times]) => times > 1)).toEqual([])
})

/** What version 1 wrote of a channel. */
function versionOne(channel: Channel): Disk {
  const { link: _, logs, ...rest } = channel
  const disk: Disk = new Map()
  const logOf = (role: 'opener' | 'accepter') => {
    const { start, entries, nextHtlcId } = logs[role]
    entries.forEach((entry, i) =>
      disk.set(
        `log/${channel.id}/${role === 'opener' ? 'o' : 'a'}/${start + i}`,
        encodeRecord(UPDATE_VERSION, entry),
      ),
    )
    return { start, count: entries.length, nextHtlcId }
  }
  const htlcs = rest.base.htlcs.map(({ index: _i, ...htlc }) => htlc)
  const core = {
    ...rest,
    base: { ...rest.base, htlcs },
    logs: { opener: logOf('opener'), accepter: logOf('accepter') },
  }
  disk.set(`channel/${channel.id}`, encodeRecord(1, core))
  return disk
}

test('a channel that version 1 stored is read as it was, written in the new form, and goes on', () => {
  const seen: Channel[] = []
  ramble('anchors_zero_fee_htlc_tx', 120, ({ channel }) => seen.push(channel))
  const busy = seen.findIndex((c) => c.base.htlcs.length > 2 && c.logs.opener.entries.length > 0)
  const before = seen[busy]
  if (before === undefined) throw new Error('no busy channel')
  const disk = versionOne(before)
  const loaded = load(disk)
  if (loaded === undefined) throw new Error('not loaded')
  const htlcs = before.base.htlcs.map(({ index: _, ...htlc }) => htlc)
  expectSame(loaded, stored({ ...before, base: { ...before.base, htlcs } }))
  const next: Channel = { ...loaded, createdAt: 7 }
  write(disk, undefined, next)
  expectSame(load(disk), next)
  write(disk, next, undefined)
  expect(disk.size).toBe(0)
})

test('a record that is missing, or an HTLC too few, is an error and not a guess', () => {
  let busiest: Channel | undefined
  ramble('test_window_3', 120, ({ channel }) => {
    if (channel.base.htlcs.length > (busiest?.base.htlcs.length ?? 0)) busiest = channel
  })
  const disk: Disk = new Map()
  write(disk, undefined, busiest)
  let errors = 0
  for (const key of disk.keys()) {
    if (key.startsWith('channel/')) continue
    const without = new Map(disk)
    without.delete(key)
    expect(loadChannels(without).ok).toBe(false)
    errors += 1
  }
  expect(errors).toBeGreaterThan(2)
})
