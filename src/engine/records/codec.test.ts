import { encode } from '@msgpack/msgpack'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { unwrap } from '../base/result.ts'
import { decodeRecord, encodeRecord, MAX_RECORD_DEPTH } from './codec.ts'

const roundTrip = (value: unknown) => unwrap(decodeRecord(encodeRecord(3, value))).value

const key = fc.string({ maxLength: 12 }).filter((k) => k !== '__proto__')
const plain = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true }).map((n) => (n === 0 ? 0 : n)),
    fc.string(),
    fc.string({ unit: 'grapheme' }),
    fc.uint8Array({ maxLength: 300 }),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(key, tie('value'), { maxKeys: 20, noNullPrototype: true }),
  ),
})).value

test('whatever plain data is stored comes back equal, types of numbers included', () => {
  fc.assert(
    fc.property(plain, fc.integer({ min: 0, max: 255 }), (value, version) => {
      const back = unwrap(decodeRecord(encodeRecord(version, value)))
      expect(back.version).toBe(version)
      expect(back.value).toStrictEqual(value)
    }),
    { numRuns: 500 },
  )
})

test.each([0, 127, 128, 255, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 1, Number.MAX_SAFE_INTEGER])(
  'the number %d stays a number and its bigint stays a bigint, with either sign',
  (n) => {
    expect(roundTrip([n, 0 - n, BigInt(n), -BigInt(n)])).toStrictEqual([n, 0 - n, BigInt(n), -BigInt(n)])
  },
)

test('properties that are undefined are absent, not null', () => {
  expect(roundTrip({ a: undefined, b: 1, c: { d: undefined } })).toStrictEqual({ b: 1, c: {} })
})

test('bytes are copies on both ways', () => {
  const bytes = Uint8Array.of(1, 2, 3)
  const record = encodeRecord(1, { bytes })
  bytes[0] = 9
  const { value } = unwrap(decodeRecord(record)) as { value: { bytes: Uint8Array } }
  expect(value.bytes).toStrictEqual(Uint8Array.of(1, 2, 3))
  expect(value.bytes.buffer.byteLength).toBe(3)
  record.fill(0)
  expect(value.bytes).toStrictEqual(Uint8Array.of(1, 2, 3))
})

test('a subarray stores its own bytes only', () => {
  expect(roundTrip(Uint8Array.of(1, 2, 3, 4).subarray(1, 3))).toStrictEqual(Uint8Array.of(2, 3))
})

describe('what would not come back as it went in is refused', () => {
  test.each<[string, unknown]>([
    ['2^64', 2n ** 64n],
    ['below −2^63', { a: [-(2n ** 63n) - 1n] }],
    ['undefined itself', undefined],
    ['undefined in an array', [1, undefined]],
    ['a hole', Array(2)],
    ['a function', { f: () => 1 }],
    ['a Map', new Map()],
    ['a Date', new Date(0)],
    ['a Uint16Array', new Uint16Array(2)],
    ['a symbol', Symbol('x')],
    ['a key that poisons prototypes', JSON.parse('{"__proto__": 1}')],
  ])('%s', (_, value) => {
    expect(() => encodeRecord(1, value)).toThrow(/encodeRecord/)
  })

  test('a cycle', () => {
    const loop: unknown[] = []
    loop.push(loop)
    expect(() => encodeRecord(1, loop)).toThrow(/too deep/)
  })

  test('a version that is no byte', () => {
    for (const version of [-1, 256, 1.5]) expect(() => encodeRecord(version, 1)).toThrow(/version/)
  })
})

describe('decoding never throws', () => {
  test('on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void decodeRecord(bytes)),
      {
        numRuns: 2000,
      },
    )
  })

  test('every cut of a record is an error', () => {
    const record = encodeRecord(1, { a: [1, 2n ** 40n, 'text', new Uint8Array(300)], b: { c: 1.5, d: null } })
    for (let n = 0; n < record.length; n++) expect(decodeRecord(record.subarray(0, n)).ok).toBe(false)
  })

  test('bytes after the value are an error', () => {
    expect(decodeRecord(Uint8Array.of(1, 0xc0, 0xc0))).toStrictEqual({
      ok: false,
      error: 'record has bytes left over',
    })
  })

  test('a promise of four billion elements costs nothing', () => {
    // Each level promises more than there are bytes: allocated in good faith this is gigabytes.
    const bomb = new Uint8Array(50_000)
    for (let i = 1; i + 5 <= bomb.length; i += 5) bomb.set([0xdd, 0x00, 0x00, 0x27, 0x00], i)
    expect(decodeRecord(bomb).ok).toBe(false)
    for (const type of [0xc6, 0xdb, 0xdd, 0xdf])
      expect(decodeRecord(Uint8Array.of(1, type, 0xff, 0xff, 0xff, 0xff, 0))).toMatchObject({ ok: false })
  })

  test('nesting is bounded, at the same depth as encoding', () => {
    const nested = (depth: number) => {
      let value: unknown = 1
      for (let i = 0; i < depth; i++) value = [value]
      return value
    }
    expect(roundTrip(nested(MAX_RECORD_DEPTH))).toStrictEqual(nested(MAX_RECORD_DEPTH))
    expect(() => encodeRecord(1, nested(MAX_RECORD_DEPTH + 1))).toThrow(/too deep/)
    const deep = encode(nested(90))
    expect(decodeRecord(Uint8Array.of(1, ...deep))).toMatchObject({ ok: false })
  })

  test.each<[string, unknown]>([
    ['a date (extension type)', new Date(0)],
    ['a key that is a number', new Map([[1, 2]])],
  ])('%s is an error', (_, value) => {
    const map = value instanceof Map ? Uint8Array.of(0x81, 0x01, 0x02) : encode(value)
    expect(decodeRecord(Uint8Array.of(1, ...map)).ok).toBe(false)
  })
})
