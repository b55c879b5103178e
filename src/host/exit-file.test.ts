import { expect, test } from 'vitest'
import { unwrap } from '../engine/base/result.ts'
import { openExit, recordsForExit } from '../engine/exit/open.ts'
import { encodeRecord } from '../engine/records/codec.ts'
import { fakeClock } from './fixture.ts'
import { systemEntropy } from './ports.ts'
import { createMemoryDisk } from './store/memory.ts'
import { readBackup } from './vault/container.ts'
import { createWalletHost } from './wallet-host.ts'

/** The sealed copy of an exit file, made by a wallet that runs on. Closes and claims: `engine/exit`, and the interop test. */

const PASSWORD = 'correct horse'
const never = new AbortController().signal

async function device() {
  const disk = createMemoryDisk()
  const host = await createWalletHost({
    store: await disk.open(),
    esplora: { request: () => new Promise(() => {}) },
    clock: fakeClock(1_790_000_000_000),
    entropy: systemEntropy,
    dialer: () => () => Promise.reject(new Error('nobody is dialled')),
    passwordCost: { n: 16, r: 1, p: 1 },
    defaults: { network: 'regtest', servers: ['http://localhost/api'], gateway: '' },
  })
  return { host, disk }
}

async function wallet() {
  const made = await device()
  await made.host.handlers.createWallet({}, never)
  return made
}

test('holds the words and the coins of this wallet, and neither payments nor invoices', async () => {
  const { host } = await wallet()
  const { address } = await host.handlers.newAddress({}, never)
  await host.handlers.addInvoice({ amountMsat: '1000' }, never)
  const { words } = await host.handlers.showWords({}, never)
  const { name, file } = await host.handlers.exportExitFile({ password: PASSWORD }, never)
  expect(name).toBe('switchback-regtest-exit-2026-09-21.html')
  const { header, records } = unwrap(await readBackup(file, PASSWORD))
  expect(header).toMatchObject({ kind: 'copy', network: 'regtest', created: 1_790_000_000_000 })
  expect(
    [...records.keys()].filter((key) => /^(invoice|payment|headers|preference|storage)/.test(key)),
  ).toEqual([])
  const exit = unwrap(openExit(records))
  expect(exit.words).toEqual(words)
  expect(exit.about).toEqual({ madeAt: 1_790_000_000_000, height: 0 })
  expect(exit.keys.address({ purpose: 84, change: 0, index: 0 })).toBe(address)
  expect(exit.problems).toEqual([])
})

test('is noted as saved, and no device goes on from it', async () => {
  const { host } = await wallet()
  const exitOf = async () => {
    for await (const { backup } of host.handlers.getState({}, never)) return backup.exit
    throw new Error('a state comes at once')
  }
  expect(await exitOf()).toBeUndefined()
  const { file } = await host.handlers.exportExitFile({ password: PASSWORD }, never)
  expect(await exitOf()).toEqual({ savedAt: '2026-09-21T14:13:20.000Z', holds: 'all' })
  const other = await device()
  const imported = other.host.handlers.importMove({ file, password: PASSWORD }, never)
  await expect(imported).rejects.toMatchObject({ code: 'fileIsCopy' })
  expect(other.disk.records.size).toBe(0)
})

test('a record that cannot be read takes nothing else along, and is named', async () => {
  const { host, disk } = await wallet()
  await host.handlers.newAddress({}, never)
  await host.stop()
  const records = new Map(disk.records)
  records.set(`channel/${'ab'.repeat(32)}`, encodeRecord(99, {}))
  records.set(`close/${'cd'.repeat(32)}`, Uint8Array.of(1, 2, 3))
  const exit = unwrap(openExit(recordsForExit(records, { madeAt: 1, height: 7 }, 0)))
  expect(exit.problems).toHaveLength(2)
  expect(exit.wallet.branches.length).toBeGreaterThan(0)
  expect(exit.about.height).toBe(7)
  records.delete('seed')
  expect(openExit(records)).toEqual({ ok: false, error: 'noSeed' })
})

test('of the records for the court the newest go along, as many as there is room for', () => {
  const court = (n: number) => [`court/${'ab'.repeat(32)}/${n}`, new Uint8Array(100)] as const
  const all = new Map([court(9), court(10), court(200), court(3)])
  const about = { madeAt: 1, height: 1 }
  const kept = (room: number) =>
    [...recordsForExit(all, about, room).keys()].flatMap((key) => /^court\/.+\/(\d+)$/.exec(key)?.[1] ?? [])
  expect(kept(400)).toEqual(['200', '10'])
  expect(kept(10_000)).toEqual(['200', '10', '9', '3'])
})
