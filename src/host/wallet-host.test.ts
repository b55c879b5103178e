import { expect, test } from 'vitest'
import type { Input, Output } from '../contract/procedures.ts'
import { encodeRecord } from '../engine/records/codec.ts'
import { fakeClock } from './fixture.ts'
import { createMemoryDisk } from './store/memory.ts'
import { createWalletHost, type HostPorts, type WalletHost } from './wallet-host.ts'

/** A host on a memory disk, with no network at all: servers never answer, nobody is dialled. */
async function host(
  disk = createMemoryDisk(),
  defaults: Partial<HostPorts['defaults']> = {},
): Promise<WalletHost> {
  let draws = 0
  return createWalletHost({
    store: await disk.open(),
    esplora: { request: () => new Promise(() => {}) },
    clock: fakeClock(),
    entropy: () => new Uint8Array(32).fill(++draws),
    dialer: () => () => Promise.reject(new Error('nobody is dialled')),
    passwordCost: { n: 16, r: 1, p: 1 },
    defaults: { network: 'regtest', servers: ['http://localhost/api'], gateway: '', ...defaults },
  })
}

const never = new AbortController().signal
const create = (h: WalletHost, input: Input<'createWallet'> = {}): Promise<Output<'createWallet'>> =>
  h.handlers.createWallet(input, never)

const stateOf = async (h: WalletHost) => {
  for await (const state of h.handlers.getState({}, never)) return state
  throw new Error('no state')
}

test('a wallet is found again by the next start, with the same node id and words', async () => {
  const disk = createMemoryDisk()
  const first = await host(disk)
  const { words } = await create(first)
  const { nodeId } = await first.handlers.getInfo({}, never)
  await first.stop()
  const second = await host(disk)
  expect((await second.handlers.getInfo({}, never)).nodeId).toBe(nodeId)
  expect((await second.handlers.showWords({}, never)).words).toEqual(words)
})

test('two creations at once: one gets a wallet, the other is told that there is one', async () => {
  const h = await host()
  const outcomes = await Promise.allSettled([create(h), create(h)])
  expect(outcomes.map((o) => o.status).sort()).toEqual(['fulfilled', 'rejected'])
  const made = outcomes.find((o) => o.status === 'fulfilled')
  expect((await h.handlers.showWords({}, never)).words).toEqual(made?.value.words)
  await expect(create(h)).rejects.toMatchObject({ code: 'walletExists' })
})

test('a stored seed of another version is never written over', async () => {
  const disk = createMemoryDisk()
  const stored = encodeRecord(9, { from: 'a later version' })
  const store = await disk.open()
  await store.commit([{ key: 'seed', value: stored }])
  await store.close()
  const h = await host(disk)
  expect((await h.handlers.getInfo({}, never)).phase).toBe('frozen')
  await expect(create(h)).rejects.toMatchObject({ code: 'storageFailed' })
  expect(disk.records.get('seed')).toEqual(stored)
})

test('mainnet wants to be confirmed in so many words, or nothing is stored', async () => {
  const disk = createMemoryDisk()
  await expect(create(await host(disk), { network: 'bitcoin' })).rejects.toMatchObject({
    code: 'mainnetUnconfirmed',
  })
  expect(disk.records.size).toBe(0)
})

test('a wallet on mainnet asks nobody whom the user has not chosen', async () => {
  const h = await host()
  await create(h, { network: 'bitcoin', confirm: 'real money' })
  const state = await stateOf(h)
  expect(state).toMatchObject({ phase: 'running', network: 'bitcoin' })
  // What this place offers is for its own network.
  expect(state.settings.servers).toEqual([])
  expect(state.settings.gateway).toBe('')
  expect(state.notices.map((n) => n.code)).toContain('noServers')
  expect((await h.handlers.newAddress({}, never)).address).toMatch(/^bc1q/)
  await h.handlers.updateSettings({ servers: ['https://a.example/api/'] }, never)
  expect((await stateOf(h)).notices.map((n) => n.code)).toContain('oneServer')
  await h.handlers.updateSettings({ servers: ['https://a.example/api', 'https://b.example/api'] }, never)
  const codes = (await stateOf(h)).notices.map((n) => n.code)
  expect(codes).not.toContain('oneServer')
  expect(codes).not.toContain('noServers')
})

test('a server’s and a gateway’s address is checked before there is a wallet', async () => {
  const disk = createMemoryDisk()
  const h = await host(disk)
  await expect(create(h, { servers: ['file:///etc'] })).rejects.toMatchObject({ code: 'invalidInput' })
  await expect(create(h, { gateway: 'https://x' })).rejects.toMatchObject({ code: 'invalidInput' })
  expect(disk.records.size).toBe(0)
})

test('recovery words are judged before anything is stored', async () => {
  const disk = createMemoryDisk()
  const h = await host(disk)
  const restore = (words: string) => h.handlers.restoreWallet({ words }, never)
  const abandon = (n: number) => Array<string>(n).fill('abandon').join(' ')
  await expect(restore(`${abandon(11)} abuot`)).rejects.toMatchObject({ code: 'wordsUnknown' })
  await expect(restore(abandon(12))).rejects.toMatchObject({ code: 'wordsChecksum' })
  await expect(restore(abandon(5))).rejects.toMatchObject({ code: 'wordsCount' })
  expect(disk.records.size).toBe(0)
  await restore(`${abandon(11)} about`)
  expect((await h.handlers.getInfo({}, never)).phase).toBe('running')
})

test('a practice wallet can be erased: nothing of it stays, and another can be made', async () => {
  const disk = createMemoryDisk()
  const h = await host(disk)
  const before = await create(h)
  await h.handlers.eraseWallet({ confirm: 'erase' }, never)
  expect(disk.records.size).toBe(0)
  expect((await h.handlers.getInfo({}, never)).phase).toBe('noWallet')
  expect((await create(h)).words).not.toEqual(before.words)
})

test('a wallet of another network than practice is never erased', async () => {
  const h = await host(createMemoryDisk(), { network: 'signet' })
  await create(h)
  await expect(h.handlers.eraseWallet({ confirm: 'erase' }, never)).rejects.toMatchObject({
    code: 'notAvailable',
  })
  expect((await h.handlers.getInfo({}, never)).phase).toBe('running')
})

test('behind a password: nothing of the wallet is known until it is given, and then everything is', async () => {
  const disk = createMemoryDisk()
  const first = await host(disk)
  const { words } = await create(first)
  const { nodeId } = await first.handlers.getInfo({}, never)
  await first.handlers.addLock({ lock: { password: 'open sesame' } }, never)
  expect(await first.handlers.getInfo({}, never)).toMatchObject({ phase: 'running', nodeId })
  await first.stop()

  const second = await host(disk)
  expect(await second.handlers.getInfo({}, never)).not.toHaveProperty('nodeId')
  expect((await second.handlers.getInfo({}, never)).phase).toBe('locked')
  await expect(second.handlers.newAddress({}, never)).rejects.toMatchObject({ code: 'locked' })
  await expect(create(second)).rejects.toMatchObject({ code: 'walletExists' })
  const before = new Map(disk.records)
  await expect(second.handlers.unlock({ password: 'wrong' }, never)).rejects.toMatchObject({
    code: 'wrongPassword',
  })
  expect(new Map(disk.records)).toEqual(before)
  await second.handlers.unlock({ password: 'open sesame' }, never)
  expect(await second.handlers.getInfo({}, never)).toMatchObject({ phase: 'running', nodeId })
  expect((await second.handlers.showWords({}, never)).words).toEqual(words)

  await second.handlers.lock({}, never)
  expect((await second.handlers.getInfo({}, never)).phase).toBe('locked')
  await expect(second.handlers.showWords({}, never)).rejects.toMatchObject({ code: 'locked' })
  await second.handlers.unlock({ password: 'open sesame' }, never)
  await second.handlers.removeLock({ kind: 'password', proof: { password: 'open sesame' } }, never)
  await second.stop()
  expect((await (await host(disk)).handlers.getInfo({}, never)).nodeId).toBe(nodeId)
})

test('a disk that fails while the first lock is made: the wallet goes on as it was, without a lock', async () => {
  const disk = createMemoryDisk()
  const h = await host(disk)
  await create(h)
  const { nodeId } = await h.handlers.getInfo({}, never)
  // The node may still have a turn to write before it stands still.
  await h.handlers.newAddress({}, never)
  disk.failCommit(1)
  await expect(h.handlers.addLock({ lock: { password: 'open sesame' } }, never)).rejects.toMatchObject({
    code: 'storageFailed',
  })
  expect(await h.handlers.getInfo({}, never)).toMatchObject({ phase: 'running', nodeId })
  await h.handlers.newAddress({}, never)
  await h.stop()
  expect((await (await host(disk)).handlers.getInfo({}, never)).phase).toBe('running')
})

test('a sealed wallet that cannot be read once it is unlocked is never written over', async () => {
  const disk = createMemoryDisk()
  const first = await host(disk)
  await create(first)
  await first.handlers.addLock({ lock: { password: 'open sesame' } }, never)
  await first.stop()
  const meddler = await disk.open()
  const seed = disk.records.get('seed') ?? new Uint8Array(0)
  const [other = ''] = [...disk.records.keys()].filter((key) => key !== 'seed' && key !== 'vault')
  await meddler.commit([{ key: other, value: seed }])
  await meddler.close()

  const h = await host(disk)
  await expect(h.handlers.unlock({ password: 'open sesame' }, never)).rejects.toMatchObject({
    code: 'storageFailed',
  })
  expect((await h.handlers.getInfo({}, never)).phase).toBe('frozen')
  const before = new Map(disk.records)
  await expect(create(h)).rejects.toMatchObject({ code: 'storageFailed' })
  expect(new Map(disk.records)).toEqual(before)
})
