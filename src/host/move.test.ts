import { describe, expect, test } from 'vitest'
import { encodeRecord } from '../engine/records/codec.ts'
import { fakeClock } from './fixture.ts'
import { systemEntropy } from './ports.ts'
import { createMemoryDisk } from './store/memory.ts'
import { readBackup, readHeader, recordsDigest, sealContainer } from './vault/container.ts'
import { createWalletHost, type HostPorts, type WalletHost } from './wallet-host.ts'

/** A wallet as a file: handed out by one device, taken by another, on memory disks and without a network. */

type Disk = ReturnType<typeof createMemoryDisk>
const CHEAP = { n: 16, r: 1, p: 1 }
const PASSWORD = 'correct horse'
const never = new AbortController().signal

/** A disk that takes its time, so that what happens meanwhile can be seen. */
function slow(store: HostPorts['store']): HostPorts['store'] {
  const pause = async () => {
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
  }
  return {
    ...store,
    load: (except) => pause().then(() => store.load(except)),
    commit: (writes) => pause().then(() => store.commit(writes)),
  }
}

async function device(disk: Disk = createMemoryDisk(), defaults: Partial<HostPorts['defaults']> = {}) {
  let dials = 0
  const host = await createWalletHost({
    store: slow(await disk.open()),
    esplora: { request: () => new Promise(() => {}) },
    clock: fakeClock(),
    entropy: systemEntropy,
    dialer: () => () => {
      dials += 1
      return Promise.reject(new Error('nobody is dialled'))
    },
    passwordCost: CHEAP,
    defaults: { network: 'regtest', servers: ['http://localhost/api'], gateway: '', ...defaults },
  })
  return { host, disk, dials: () => dials }
}

const phaseOf = async (host: WalletHost): Promise<string> => (await host.handlers.getInfo({}, never)).phase

async function stateOf(host: WalletHost) {
  for await (const state of host.handlers.getState({}, never)) return state
  throw new Error('a state comes at once')
}

const handOut = (host: WalletHost, password = PASSWORD) => host.handlers.exportMove({ password }, never)
const take = (host: WalletHost, file: Uint8Array<ArrayBuffer>, password = PASSWORD) =>
  host.handlers.importMove({ file, password }, never)
const PEER = `02${'11'.repeat(32)}`

/** A device with a wallet that dials a peer. */
async function living(defaults: Partial<HostPorts['defaults']> = {}) {
  const made = await device(createMemoryDisk(), defaults)
  await made.host.handlers.createWallet({}, never)
  await made.host.handlers.newAddress({}, never)
  const nodeId = made.host.running()?.setup.nodeId
  return { ...made, nodeId }
}

/** The records of a disk that belong to the state, as a file has them. */
const digest = async (file: Uint8Array, password = PASSWORD): Promise<string> => {
  const opened = await readBackup(file, password)
  return opened.ok ? recordsDigest(opened.value.records) : opened.error
}

describe('handing out', () => {
  test('the graph of the network stays behind, in a copy too: any peer gives it again', async () => {
    const { disk } = await living()
    const store = await disk.open()
    const graph = ['graph/n/0000', 'graph/c/0000', 'graph/p/0000', 'graph/sync', 'graph/own/1']
    await store.commit([
      ...graph.map((key) => ({ key, value: encodeRecord(1, new Uint8Array(36_000)) })),
      { key: 'routing/history', value: encodeRecord(1, { pairs: [] }) },
    ])
    const { host } = await device(disk)
    const { file: copy } = await host.handlers.exportExitFile({ password: PASSWORD }, never)
    const { file } = await handOut(host)
    for (const made of [copy, file]) {
      const opened = await readBackup(made, PASSWORD)
      const keys = opened.ok ? [...opened.value.records.keys()] : []
      expect(keys.filter((key) => key.startsWith('graph/'))).toEqual([])
    }
    const moved = await readBackup(file, PASSWORD)
    expect(moved.ok && moved.value.records.has('routing/history')).toBe(true)
  })

  test('the device stops before the file is there, and stays stopped over a start', async () => {
    const { host, disk, nodeId } = await living()
    const { file, epoch, name } = await handOut(host)
    expect(epoch).toBe(0)
    expect(name).toMatch(/^switchback-regtest-move-.+\.wallet$/)
    expect(await phaseOf(host)).toBe('moved')
    expect((await stateOf(host)).moved).toMatchObject({ how: 'handedOut', epoch: 0 })
    await expect(host.handlers.newAddress({}, never)).rejects.toMatchObject({ code: 'walletMoved' })
    await expect(host.handlers.updateSettings({ gateway: 'ws://x' }, never)).rejects.toMatchObject({
      code: 'walletMoved',
    })
    await host.stop()
    const again = await device(disk)
    expect(await phaseOf(again.host)).toBe('moved')
    expect(again.host.running()).toBeUndefined()
    expect(again.dials()).toBe(0)
    const opened = await readBackup(file, PASSWORD)
    expect(opened.ok && opened.value.header.kind).toBe('move')
    expect(nodeId).toBeDefined()
  })

  test('while it is sealed the wallet is shown as it was, and then as moved: never as none', async () => {
    const { host } = await living()
    const phases: string[] = []
    let done = false
    const watched = (async () => {
      while (!done) {
        const phase = await phaseOf(host)
        if (phases.at(-1) !== phase) phases.push(phase)
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    await handOut(host)
    done = true
    await watched
    expect(await phaseOf(host)).toBe('moved')
    expect(phases.filter((phase) => phase !== 'moved')).toEqual(['running'])
  })

  test('asked again it gives the same state, whatever password seals it', async () => {
    const { host, disk } = await living()
    const first = await handOut(host)
    const second = await handOut(host, 'another one')
    await host.stop()
    const later = await device(disk)
    const third = await handOut(later.host)
    expect(await digest(first.file)).toMatch(/^[0-9a-f]{64}$/)
    expect(await digest(second.file, 'another one')).toBe(await digest(first.file))
    expect(await digest(third.file)).toBe(await digest(first.file))
    expect([second.epoch, third.epoch]).toEqual([0, 0])
  })

  test('a disk that fails hands nothing out, and the wallet goes on', async () => {
    const { host, disk } = await living()
    disk.failCommit(1)
    await expect(handOut(host)).rejects.toMatchObject({ code: 'storageFailed' })
    expect(await phaseOf(host)).toBe('running')
    await host.handlers.newAddress({}, never)
  })

  test('a crash right after the write leaves a device that has moved and gives the file again', async () => {
    const { host, disk } = await living()
    const { file } = await handOut(host)
    disk.crash()
    const again = await device(disk)
    expect(await phaseOf(again.host)).toBe('moved')
    expect(await digest((await handOut(again.host)).file)).toBe(await digest(file))
  })

  test('behind a password of its own: the file’s has nothing to do with it', async () => {
    const { host, disk } = await living()
    await host.handlers.addLock({ lock: { password: 'of the lock' } }, never)
    const { file } = await handOut(host)
    await host.stop()
    const again = await device(disk)
    expect(await phaseOf(again.host)).toBe('locked')
    await again.host.handlers.unlock({ password: 'of the lock' }, never)
    expect(await phaseOf(again.host)).toBe('moved')
    const other = await device()
    await expect(take(other.host, file, 'of the lock')).rejects.toMatchObject({ code: 'wrongPassword' })
    await take(other.host, file)
    expect((await stateOf(other.host)).lock).toEqual({ password: false })
  })
})

describe('taking', () => {
  test('the wallet goes on: same node, next epoch, another device; the state is what was handed out', async () => {
    const { host, nodeId } = await living()
    const { file } = await handOut(host)
    const other = await device()
    await take(other.host, file)
    expect(await phaseOf(other.host)).toBe('running')
    expect(other.host.running()?.setup.nodeId).toBe(nodeId)
    const opened = await readBackup(file, PASSWORD)
    if (!opened.ok) throw new Error(opened.error)
    const { records, header } = opened.value
    for (const [key, value] of records)
      if (key !== 'lease' && !key.startsWith('chain/'))
        expect(other.disk.records.get(key), key).toEqual(value)
    const lease = other.host.running()?.loop.status().state.lease
    expect(lease?.epoch).toBe(1)
    expect(lease?.device).not.toBe(header.device)
    expect((await handOut(other.host)).epoch).toBe(1)
  })

  test('a wrong password, a cut or changed file: nothing is written, and the next try may succeed', async () => {
    const { file } = await handOut((await living()).host)
    const other = await device()
    await expect(take(other.host, file, 'incorrect horse')).rejects.toMatchObject({ code: 'wrongPassword' })
    await expect(take(other.host, file.slice(0, -1))).rejects.toMatchObject({ code: 'backupUnreadable' })
    const changed = file.slice()
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
    await expect(take(other.host, changed)).rejects.toMatchObject({ code: 'backupUnreadable' })
    await expect(take(other.host, new Uint8Array(0))).rejects.toMatchObject({ code: 'backupUnreadable' })
    expect(other.disk.records.size).toBe(0)
    expect(await phaseOf(other.host)).toBe('noWallet')
    await take(other.host, file)
    expect(await phaseOf(other.host)).toBe('running')
  })

  test('a disk that fails takes nothing; the file is not used up by that', async () => {
    const { file } = await handOut((await living()).host)
    const other = await device()
    other.disk.failCommit(1)
    await expect(take(other.host, file)).rejects.toMatchObject({ code: 'storageFailed' })
    expect(other.disk.records.size).toBe(0)
    await take(other.host, file)
  })

  test('where there is a wallet, none is taken', async () => {
    const { file } = await handOut((await living()).host)
    const { host } = await living()
    await expect(take(host, file)).rejects.toMatchObject({ code: 'walletExists' })
  })

  test('a device takes a file once, also after erasing what it took', async () => {
    const { file } = await handOut((await living()).host)
    const other = await device()
    await take(other.host, file)
    await other.host.handlers.addLock({ lock: { password: 'of the lock' } }, never)
    await other.host.handlers.eraseWallet({ confirm: 'erase' }, never)
    expect([...other.disk.records.keys()]).toEqual(['epochs'])
    await expect(take(other.host, file)).rejects.toMatchObject({ code: 'fileUsed' })
    expect(await phaseOf(other.host)).toBe('noWallet')
    // Another wallet may come.
    await take(other.host, (await handOut((await living()).host)).file)
  })

  test('a file that names another network than its seed does is refused', async () => {
    const opened = await readBackup((await handOut((await living()).host)).file, PASSWORD)
    if (!opened.ok) throw new Error(opened.error)
    const { header, records } = opened.value
    const file = await sealContainer({ ...header, network: 'bitcoin' }, records, PASSWORD, {
      entropy: systemEntropy,
      cost: CHEAP,
    })
    const other = await device()
    await expect(take(other.host, file)).rejects.toMatchObject({ code: 'backupUnreadable' })
    expect(other.disk.records.size).toBe(0)
  })

  test.each([
    ['no seed', (records: Map<string, Uint8Array>) => records.delete('seed')],
    [
      'a seed of a later version',
      (records: Map<string, Uint8Array>) => records.set('seed', encodeRecord(9, {})),
    ],
    ['a lease of another epoch', (records: Map<string, Uint8Array>) => records.delete('lease')],
    [
      'a channel that cannot be read',
      (records: Map<string, Uint8Array>) => records.set('channel/00', Uint8Array.of(2, 0xc1)),
    ],
  ])('a file with %s is refused before anything is written', async (_, spoil) => {
    const opened = await readBackup((await handOut((await living()).host)).file, PASSWORD)
    if (!opened.ok) throw new Error(opened.error)
    const records = new Map(opened.value.records)
    spoil(records)
    const file = await sealContainer(opened.value.header, records, PASSWORD, {
      entropy: systemEntropy,
      cost: CHEAP,
    })
    const other = await device()
    await expect(take(other.host, file)).rejects.toMatchObject({ code: 'backupUnreadable' })
    expect(other.disk.records.size).toBe(0)
  })

  test('a file of another wallet under this one’s name is refused', async () => {
    const [a, b] = [await handOut((await living()).host), await handOut((await living()).host)]
    const [one, other] = [await readBackup(a.file, PASSWORD), readHeader(b.file)]
    if (!one.ok || !other.ok) throw new Error('both are files')
    const file = await sealContainer(
      { ...one.value.header, wallet: other.value.wallet },
      one.value.records,
      PASSWORD,
      { entropy: systemEntropy, cost: CHEAP },
    )
    await expect(take((await device()).host, file)).rejects.toMatchObject({ code: 'backupUnreadable' })
  })
})

describe('a copy for claiming on chain', () => {
  test('is made while the wallet runs on, and no device ever goes on from it', async () => {
    const { host } = await living()
    const { file } = await host.handlers.exportExitFile({ password: PASSWORD }, never)
    expect(await phaseOf(host)).toBe('running')
    const opened = await readBackup(file, PASSWORD)
    expect(opened.ok && opened.value.header.kind).toBe('copy')
    expect(opened.ok && opened.value.records.has('seed')).toBe(true)
    const other = await device()
    await expect(take(other.host, file)).rejects.toMatchObject({ code: 'fileIsCopy' })
    expect(other.disk.records.size).toBe(0)
    await handOut(host)
    await expect(host.handlers.exportExitFile({ password: PASSWORD }, never)).rejects.toMatchObject({
      code: 'notReady',
    })
  })
})

describe('the old device', () => {
  const back = (host: WalletHost) => host.handlers.takeBackWallet({ confirm: 'bring back' }, never)

  test('takes the wallet back in a new epoch; its next file is of that one, and the old file is used here', async () => {
    const { host, disk, nodeId } = await living()
    await expect(back(host)).rejects.toMatchObject({ code: 'notAvailable' })
    const { file } = await handOut(host)
    await back(host)
    expect(await phaseOf(host)).toBe('running')
    expect(host.running()?.setup.nodeId).toBe(nodeId)
    const again = await handOut(host)
    expect(again.epoch).toBe(1)
    await host.handlers.eraseWallet({ confirm: 'erase' }, never)
    await host.stop()
    const empty = await device(disk)
    await expect(take(empty.host, file)).rejects.toMatchObject({ code: 'fileUsed' })
    await take(empty.host, again.file)
    expect(empty.host.running()?.loop.status().state.lease.epoch).toBe(2)
  })

  test('can be erased on any network, and is not before it has moved', async () => {
    const { host, disk } = await living({ network: 'signet' })
    await expect(host.handlers.eraseWallet({ confirm: 'erase' }, never)).rejects.toMatchObject({
      code: 'notAvailable',
    })
    await handOut(host)
    await host.handlers.eraseWallet({ confirm: 'erase' }, never)
    expect(disk.records.size).toBe(0)
    expect(await phaseOf(host)).toBe('noWallet')
  })

  test('found to be old: stops, says so, hands nothing out, and can be erased', async () => {
    const { host, disk } = await living()
    const store = await disk.open()
    const device = 'ab'.repeat(16)
    await host.stop()
    await store.commit([
      {
        key: 'lease',
        value: encodeRecord(1, { epoch: 0, device, elsewhere: { at: 5, epoch: 3, device, peer: PEER } }),
      },
    ])
    const again = await createWalletHostOn(disk)
    expect((await stateOf(again)).moved).toMatchObject({ how: 'elsewhere', epoch: 3 })
    await expect(handOut(again)).rejects.toMatchObject({ code: 'walletMoved' })
    await back(again)
    expect(again.running()?.loop.status().state.lease.epoch).toBe(4)
  })
})

const createWalletHostOn = async (disk: Disk): Promise<WalletHost> => (await device(disk)).host
