import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, fromHex } from '../base/bytes.ts'
import { publicKey } from '../crypto/curve.ts'
import { Reader, Writer } from '../wire/codec.ts'
import { decoding } from '../wire/errors.ts'
import {
  type BlindedPath,
  decodeBlindedPath,
  encodeBlindedPath,
  MAX_BLINDED_PATHS,
  readBlindedPath,
  readList,
  readPayInfo,
  writeBlindedPath,
  writePayInfo,
} from './blinded-path.ts'

const point = (n: number) => publicKey(new Uint8Array(32).fill(n))
const path: BlindedPath = {
  introduction: { nodeId: point(1) },
  firstPathKey: point(2),
  hops: [
    { blindedNodeId: point(3), encryptedRecipientData: fromHex('aabb') },
    { blindedNodeId: point(4), encryptedRecipientData: new Uint8Array(0) },
  ],
}

describe('blinded_path (BOLT 4)', () => {
  it('is read as it was written, from a node and from a channel', () => {
    expect(decodeBlindedPath(encodeBlindedPath(path))).toEqual({ ok: true, value: path })
    const short: BlindedPath = {
      ...path,
      introduction: { shortChannelId: 0x0102030405060708n, direction: 1 },
    }
    const bytes = encodeBlindedPath(short)
    expect(bytes.subarray(0, 9)).toEqual(fromHex('010102030405060708'))
    expect(decodeBlindedPath(bytes)).toEqual({ ok: true, value: short })
  })

  it('is refused without hops, cut short, with bytes behind it, with points that are none', () => {
    const bytes = encodeBlindedPath(path)
    const none = encodeBlindedPath({ ...path, hops: [] })
    expect(decodeBlindedPath(none)).toMatchObject({ ok: false, error: { code: 'bad_value' } })
    for (let n = 0; n < bytes.length; n++) expect(decodeBlindedPath(bytes.subarray(0, n)).ok).toBe(false)
    expect(decodeBlindedPath(concat(bytes, Uint8Array.of(0)))).toMatchObject({ error: { code: 'trailing' } })
    // A tail of 32 × ff is above the field's prime: no point. Introduction, path key, blinded id.
    for (const at of [0, 33, 67]) {
      const bad = bytes.slice()
      bad.fill(0xff, at + 1, at + 33)
      expect(decodeBlindedPath(bad), `${at}`).toMatchObject({ error: { code: 'bad_value' } })
    }
    // 04 names neither a channel's end nor a compressed point.
    expect(decodeBlindedPath(concat(Uint8Array.of(4), bytes.subarray(1))).ok).toBe(false)
  })

  it('never throws, whatever the bytes', () => {
    const bytes = encodeBlindedPath(path)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: bytes.length }), (noise, at) => {
        const torn = concat(bytes.subarray(0, at), noise)
        const read = decodeBlindedPath(torn)
        // What is read at all is read as it stands.
        if (read.ok) expect(encodeBlindedPath(read.value)).toEqual(torn)
      }),
    )
  })

  it('lists are bounded', () => {
    const list = (n: number) => {
      const w = new Writer()
      for (let i = 0; i < n; i++) writeBlindedPath(w, path)
      return decoding(() => readList(new Reader(w.finish()), readBlindedPath))
    }
    const full = list(MAX_BLINDED_PATHS)
    expect(full.ok && full.value.length).toBe(MAX_BLINDED_PATHS)
    expect(list(MAX_BLINDED_PATHS + 1)).toMatchObject({ error: { code: 'too_many' } })
  })
})

it('blinded_payinfo (BOLT 12) is read as it was written, limits of 2^64 − 1 included', () => {
  const info = {
    feeBaseMsat: 4294967295,
    feeProportionalMillionths: 7,
    cltvExpiryDelta: 65535,
    htlcMinimumMsat: 1n,
    htlcMaximumMsat: 2n ** 64n - 1n,
    features: fromHex('020000'),
  }
  const bytes = writePayInfo(new Writer(), info).finish()
  expect(bytes.length).toBe(4 + 4 + 2 + 8 + 8 + 2 + 3)
  expect(decoding(() => readPayInfo(new Reader(bytes)))).toEqual({ ok: true, value: info })
})
