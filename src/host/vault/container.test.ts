import { describe, expect, test } from 'vitest'
import { systemEntropy } from '../ports.ts'
import {
  decodeDump,
  encodeDump,
  readBackup,
  readHeader,
  recordsDigest,
  sealContainer,
  walletFingerprint,
} from './container.ts'
import { SCRYPT_COST } from './keyring.ts'

const CHEAP = { n: 16, r: 1, p: 1 }
const SECRET = new TextEncoder().encode('abandon abandon about')
const ABOUT = {
  kind: 'move',
  network: 'regtest',
  created: 1_700_000_000_000,
  epoch: 3,
  device: '0123456789abcdef'.repeat(2),
  wallet: walletFingerprint('02aa'),
} as const
const RECORDS = new Map([
  ['seed', SECRET],
  ['channel/00', Uint8Array.of(1, 2, 3)],
  ['empty', new Uint8Array(0)],
])
const seal = (records: ReadonlyMap<string, Uint8Array> = RECORDS, password = 'open sesame') =>
  sealContainer(ABOUT, records, password, { entropy: systemEntropy, cost: CHEAP })

test('what was sealed comes back, whatever its order, and says in clear what it is', async () => {
  const file = await seal(new Map([...RECORDS].reverse()))
  expect(Buffer.from(file).includes(Buffer.from(SECRET))).toBe(false)
  expect(readHeader(file)).toMatchObject({ ok: true, value: { ...ABOUT, records: 3 } })
  const opened = await readBackup(file, 'open sesame')
  expect(opened.ok && new Map(opened.value.records)).toEqual(RECORDS)
  expect(opened.ok && recordsDigest(opened.value.records)).toBe(recordsDigest(RECORDS))
})

test('a wallet of several frames, the last of them full or not', async () => {
  for (const size of [1024 * 1024 - 5 - 6 - 1, 3 * 1024 * 1024 + 17]) {
    const records = new Map([['a', new Uint8Array(size).fill(7)]])
    const opened = await readBackup(await seal(records), 'open sesame')
    expect(opened.ok && recordsDigest(opened.value.records)).toBe(recordsDigest(records))
  }
})

test('another password opens nothing; two keyboards type the same one', async () => {
  const file = await seal(RECORDS, 'caf\u00e9')
  expect(await readBackup(file, 'cafe')).toEqual({ ok: false, error: 'wrongPassword' })
  expect((await readBackup(file, 'cafe\u0301')).ok).toBe(true)
})

test('two files of the same wallet have nothing in common but what is said in clear', async () => {
  const [a, b] = [await seal(), await seal()]
  expect(a.length).toBe(b.length)
  expect(Buffer.from(a.slice(-80)).equals(Buffer.from(b.slice(-80)))).toBe(false)
})

test('the real cost of the password is memory-hard', async () => {
  const file = await sealContainer(ABOUT, RECORDS, 'dear', { entropy: systemEntropy })
  expect(128 * SCRYPT_COST.n * SCRYPT_COST.r).toBe(128 * 1024 * 1024)
  expect((await readBackup(file, 'dear')).ok).toBe(true)
})

describe('a file that was meddled with', () => {
  test('cut off anywhere, or longer, it is refused', async () => {
    const file = await seal()
    for (let length = 0; length < file.length; length++)
      expect((await readBackup(file.slice(0, length), 'open sesame')).ok).toBe(false)
    expect(await readBackup(Uint8Array.from([...file, 0]), 'open sesame')).toEqual({
      ok: false,
      error: 'damaged',
    })
  })

  test('a bit changed anywhere, it is refused', async () => {
    const file = await seal()
    for (let at = 0; at < file.length; at++) {
      const changed = file.slice()
      changed[at] = (changed[at] ?? 0) ^ 1
      expect((await readBackup(changed, 'open sesame')).ok, `byte ${at}`).toBe(false)
    }
  })

  test('a copy cannot be renamed into a move', async () => {
    const copy = await sealContainer({ ...ABOUT, kind: 'copy' }, RECORDS, 'open sesame', {
      entropy: systemEntropy,
      cost: CHEAP,
    })
    const at = Buffer.from(copy).indexOf('copy')
    expect(at).toBeGreaterThan(0)
    copy.set(new TextEncoder().encode('move'), at)
    expect(readHeader(copy)).toMatchObject({ ok: true, value: { kind: 'move' } })
    expect(await readBackup(copy, 'open sesame')).toEqual({ ok: false, error: 'wrongPassword' })
  })

  test('frames of one file in another order are refused', async () => {
    const file = await seal(new Map([['a', systemEntropyOf(3 * 1024 * 1024)]]))
    const frame = 1024 * 1024 + 16
    const start = file.length - (3 * frame + 5 + 6 + 1 + 16)
    const changed = file.slice()
    changed.set(file.subarray(start + frame, start + 2 * frame), start)
    changed.set(file.subarray(start, start + frame), start + frame)
    expect(await readBackup(changed, 'open sesame')).toEqual({ ok: false, error: 'damaged' })
  })

  test('what is no file of ours is told as such', () => {
    expect(readHeader(new TextEncoder().encode('switchback backup 1\n...'))).toEqual({
      ok: false,
      error: 'notOurs',
    })
    expect(readHeader(new Uint8Array(0))).toEqual({ ok: false, error: 'notOurs' })
  })
})

function systemEntropyOf(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536))
  return bytes
}

describe('a dump', () => {
  const dump = encodeDump(RECORDS)
  test('has one form for one content', () => {
    expect(decodeDump(dump)).toEqual(RECORDS)
    expect(dump).toEqual(encodeDump(new Map([...RECORDS].reverse())))
  })

  test.each([
    ['nothing', new Uint8Array(0)],
    ['a later version', Uint8Array.from([2, ...dump.slice(1)])],
    ['more records than bytes', Uint8Array.from([1, 0, 0, 1, 0])],
    ['more records than are read', Uint8Array.from([1, 255, 255, 255, 255])],
    ['bytes left over', Uint8Array.from([...dump, 0])],
    ['a name twice', Uint8Array.from([1, 0, 0, 0, 2, 0, 1, 97, 0, 0, 0, 0, 0, 1, 97, 0, 0, 0, 0])],
    ['a name that is no text', Uint8Array.from([1, 0, 0, 0, 1, 0, 1, 0xff, 0, 0, 0, 0])],
    ['a value longer than the rest', Uint8Array.from([1, 0, 0, 0, 1, 0, 1, 97, 255, 255, 255, 255])],
  ])('of %s is refused', (_, bytes) => expect(decodeDump(bytes)).toBeUndefined())
})
