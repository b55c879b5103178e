import { describe, expect, test } from 'vitest'
import { encodeRecord } from '../../engine/records/codec.ts'
import { STORE_CONTRACT } from '../../testing/store-contract.ts'
import { systemEntropy } from '../ports.ts'
import { createMemoryDisk } from '../store/memory.ts'
import { decodeKeyring, SCRYPT_COST } from './keyring.ts'
import { KEYRING_KEY, openVault, type Vault } from './vault.ts'

/** A password that costs nothing: what is tested here is what becomes of the records. */
const CHEAP = { n: 16, r: 1, p: 1 }
const options = { entropy: systemEntropy, cost: CHEAP }
const password = (text: string) => ({ kind: 'password', password: text }) as const
const passkey = (fill: number) => ({
  kind: 'passkey' as const,
  credentialId: Uint8Array.of(9, 9),
  salt: new Uint8Array(32).fill(7),
  secret: new Uint8Array(32).fill(fill),
})

const SECRET = new TextEncoder().encode('abandon abandon about')
const RECORDS = [
  { key: 'seed', value: SECRET },
  { key: 'channel/00', value: Uint8Array.of(1, 2, 3) },
]

async function filled() {
  const disk = createMemoryDisk()
  const vault = await openVault(await disk.open(), options)
  await vault.store.commit(RECORDS)
  return { disk, vault }
}

const reopen = async (disk: ReturnType<typeof createMemoryDisk>): Promise<Vault> =>
  openVault(await disk.open(), options)

const expectAll = async (vault: Vault) =>
  expect(new Map(await vault.store.load())).toEqual(new Map(RECORDS.map(({ key, value }) => [key, value])))

function contains(haystack: Uint8Array, needle: Uint8Array): boolean {
  return Buffer.from(haystack).includes(Buffer.from(needle))
}

describe('a store behind a password keeps what every store must', () => {
  test.each(STORE_CONTRACT)('$name', async ({ run }) => {
    const disk = createMemoryDisk()
    const vault = await openVault(await disk.open(), options)
    await vault.addLock(password('open sesame'))
    await run({
      async open() {
        const again = await reopen(disk)
        await again.unlock(password('open sesame'))
        return again.store
      },
      crash: () => {
        disk.crash()
        return Promise.resolve()
      },
    })
  })
})

describe('locking', () => {
  test('nothing readable stays on disk, and the password brings everything back', async () => {
    const { disk, vault } = await filled()
    expect(contains(disk.records.get('seed') ?? SECRET, SECRET)).toBe(true)
    await vault.addLock(password('open sesame'))
    expect([...disk.records.keys()].sort()).toEqual(['channel/00', 'seed', KEYRING_KEY].sort())
    for (const value of disk.records.values()) expect(contains(value, SECRET)).toBe(false)
    await expectAll(vault)

    const again = await reopen(disk)
    expect(again.status()).toEqual({ locked: true, password: true })
    await expect(again.store.load()).rejects.toMatchObject({ code: 'locked' })
    await expect(again.store.commit(RECORDS)).rejects.toMatchObject({ code: 'locked' })
    await again.unlock(password('open sesame'))
    await expectAll(again)
  })

  test('a wrong password opens nothing and writes nothing', async () => {
    const { disk, vault } = await filled()
    await vault.addLock(password('open sesame'))
    const before = new Map(disk.records)
    const again = await reopen(disk)
    await expect(again.unlock(password('Open sesame'))).rejects.toMatchObject({ code: 'wrongPassword' })
    await expect(again.unlock(passkey(1))).rejects.toMatchObject({ code: 'wrongPassword' })
    expect(again.status().locked).toBe(true)
    expect(new Map(disk.records)).toEqual(before)
  })

  test('two keyboards that compose letters differently type the same password', async () => {
    const { disk, vault } = await filled()
    await vault.addLock(password('caf\u00e9'))
    const again = await reopen(disk)
    await again.unlock(password('cafe\u0301'))
    await expectAll(again)
  })

  test.each([1, 2])('a disk that fails when the first lock is made leaves the wallet open (%i)', async () => {
    const { disk, vault } = await filled()
    disk.failCommit(1)
    await expect(vault.addLock(password('open sesame'))).rejects.toMatchObject({ code: 'storageFailed' })
    await expectAll(vault)
    expect((await reopen(disk)).status()).toEqual({ locked: false, password: false })
  })

  test('a new password: the old one opens until the write, and not after it', async () => {
    const { disk, vault } = await filled()
    await vault.addLock(password('old'))
    const sealedSeed = disk.records.get('seed')
    disk.failCommit(1)
    await expect(vault.addLock(password('new'), password('old'))).rejects.toMatchObject({
      code: 'storageFailed',
    })
    await (await reopen(disk)).unlock(password('old'))

    const mine = await reopen(disk)
    await mine.unlock(password('old'))
    await expect(mine.addLock(password('new'))).rejects.toMatchObject({ code: 'wrongPassword' })
    await expect(mine.addLock(password('new'), password('wrong'))).rejects.toMatchObject({
      code: 'wrongPassword',
    })
    await mine.addLock(password('new'), password('old'))
    expect(disk.records.get('seed')).toEqual(sealedSeed)

    const again = await reopen(disk)
    await expect(again.unlock(password('old'))).rejects.toMatchObject({ code: 'wrongPassword' })
    await again.unlock(password('new'))
    await expectAll(again)
  })

  test('password and passkey each open it; with the last one gone records are plain again', async () => {
    const { disk, vault } = await filled()
    await vault.addLock(passkey(1))
    await vault.addLock(password('second'), passkey(1))
    const byPasskey = await reopen(disk)
    expect(byPasskey.status()).toMatchObject({
      locked: true,
      password: true,
      passkey: { salt: passkey(1).salt },
    })
    await expect(byPasskey.unlock(passkey(2))).rejects.toMatchObject({ code: 'wrongPassword' })
    await byPasskey.unlock(passkey(1))
    await expectAll(byPasskey)
    await byPasskey.removeLock('passkey', password('second'))
    const byPassword = await reopen(disk)
    await expect(byPassword.unlock(passkey(1))).rejects.toMatchObject({ code: 'wrongPassword' })
    await byPassword.unlock(password('second'))
    await expect(byPassword.removeLock('password', password('no'))).rejects.toMatchObject({
      code: 'wrongPassword',
    })
    await byPassword.removeLock('password', password('second'))
    expect(new Map(disk.records)).toEqual(new Map(RECORDS.map(({ key, value }) => [key, value])))
  })

  test('a wallet whose password is forgotten can be erased, and begun anew', async () => {
    const { disk, vault } = await filled()
    await vault.addLock(password('forgotten'))
    const again = await reopen(disk)
    await again.erase()
    expect(disk.records.size).toBe(0)
    expect(again.status()).toEqual({ locked: false, password: false })
    await again.store.commit(RECORDS)
    await expectAll(again)
  })

  test('locked again, the key is forgotten', async () => {
    const { vault } = await filled()
    await vault.addLock(password('open sesame'))
    vault.lock()
    await expect(vault.store.load()).rejects.toMatchObject({ code: 'locked' })
    await vault.unlock(password('open sesame'))
    await expectAll(vault)
  })
})

describe('a disk that was meddled with', () => {
  test('a record in another one’s place is noticed', async () => {
    const { disk, vault } = await filled()
    await vault.addLock(password('open sesame'))
    const store = await disk.open()
    await store.commit([{ key: 'channel/00', value: disk.records.get('seed') ?? null }])
    const again = await reopen(disk)
    await again.unlock(password('open sesame'))
    await expect(again.store.load()).rejects.toMatchObject({ code: 'storageFailed' })
  })

  test.each([
    ['nothing', new Uint8Array(0)],
    ['no record', Uint8Array.of(1, 0xc1)],
    ['a later version', encodeRecord(2, { slots: [] })],
    ['no slots', encodeRecord(1, { slots: [] })],
    [
      'a cost that would end the tab',
      encodeRecord(1, {
        slots: [
          {
            kind: 'password',
            ...SCRYPT_COST,
            n: 2 ** 22,
            salt: new Uint8Array(16),
            nonce: new Uint8Array(24),
            box: new Uint8Array(48),
          },
        ],
      }),
    ],
  ])('a keyring of %s is refused', (_, bytes) => {
    expect(decodeKeyring(bytes).ok).toBe(false)
  })
})

test('the real cost of a password is memory-hard', async () => {
  const { disk, vault } = await filled()
  expect(128 * SCRYPT_COST.n * SCRYPT_COST.r).toBe(128 * 1024 * 1024)
  const costly = await openVault(await disk.open(), { entropy: systemEntropy })
  await costly.addLock(password('dear'))
  const keyring = decodeKeyring(disk.records.get(KEYRING_KEY) ?? new Uint8Array(0))
  expect(keyring.ok && keyring.value.slots[0]).toMatchObject(SCRYPT_COST)
  expect(vault.status().locked).toBe(false)
})
