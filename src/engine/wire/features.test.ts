import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../base/bytes.ts'
import type { ChannelType } from './channel-type.ts'
import { channelTypeBits, decodeChannelType, encodeChannelType } from './channel-type.ts'
import {
  checkFeatures,
  combinedFeatures,
  encodeFeatures,
  featureBits,
  featureName,
  hasBit,
  initFeatures,
  negotiated,
  offers,
  sameFeatures,
  supports,
  unknownRequiredBits,
} from './features.ts'

describe('feature vectors', () => {
  it('are big-endian, bit 0 last, in as few bytes as hold them', () => {
    expect(toHex(encodeFeatures([]))).toBe('')
    expect(toHex(encodeFeatures([0]))).toBe('01')
    expect(toHex(encodeFeatures([15, 8]))).toBe('8100')
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(600)), (bits) => {
        const vector = encodeFeatures(bits)
        expect(featureBits(vector)).toEqual(bits.toSorted((a, b) => a - b))
        expect(vector[0]).not.toBe(0)
        for (let bit = 0; bit < 620; bit++) expect(hasBit(vector, bit)).toBe(bits.includes(bit))
      }),
    )
  })

  it('are the same whatever their leading zeros', () => {
    expect(sameFeatures(fromHex('0000401000'), fromHex('401000'))).toBe(true)
    expect(sameFeatures(fromHex('0100401000'), fromHex('401000'))).toBe(false)
    expect(sameFeatures(fromHex('401000'), fromHex('401001'))).toBe(false)
    expect(sameFeatures(fromHex(''), fromHex('00'))).toBe(true)
  })

  it('of init are both fields together, the shorter one at the right', () => {
    const a = { globalfeatures: fromHex('0200'), features: fromHex('800001') }
    expect(toHex(combinedFeatures(a))).toBe('800201')
    expect(toHex(combinedFeatures({ globalfeatures: a.features, features: a.globalfeatures }))).toBe('800201')
  })

  it('a peer may send 65 kB of ones: refused in linear time with a short list', () => {
    const ones = new Uint8Array(65_000).fill(0xff)
    expect(unknownRequiredBits(ones).length).toBe(16)
    expect(checkFeatures(ones)).toMatchObject({ ok: false, error: { code: 'unknown_required' } })
  })
})

describe('checkFeatures', () => {
  it('refuses required bits that we do not understand and lets optional ones pass (BOLT 1 §The init Message)', () => {
    expect(checkFeatures(encodeFeatures([28]))).toEqual({
      ok: false,
      error: { code: 'unknown_required', bits: [28] },
    })
    expect(checkFeatures(encodeFeatures([29, 35, 63, 1001]))).toEqual({ ok: true, value: true })
  })

  it('refuses a feature without what it depends on; assumed features need not be set', () => {
    expect(checkFeatures(encodeFeatures([51]))).toMatchObject({
      error: { code: 'missing_dependency', feature: 'option_zeroconf', dependency: 'option_scid_alias' },
    })
    expect(checkFeatures(encodeFeatures([51, 47])).ok).toBe(true)
    expect(checkFeatures(encodeFeatures([61])).ok).toBe(false)
    expect(checkFeatures(encodeFeatures([17])).ok).toBe(true)
  })

  it('accepts the bits that current nodes send', () => {
    // LDK 0.1, and LND's usual set with its odd experiments.
    expect(checkFeatures(encodeFeatures([0, 5, 7, 8, 12, 14, 17, 19, 23, 25, 27, 39, 45, 47, 51])).ok).toBe(
      true,
    )
    expect(
      checkFeatures(encodeFeatures([0, 5, 7, 8, 11, 12, 14, 17, 19, 23, 27, 31, 45, 47, 51, 2023])).ok,
    ).toBe(true)
  })
})

describe('our init', () => {
  it('offers just what the options say', () => {
    expect(featureBits(initFeatures())).toEqual([
      0, 5, 7, 8, 12, 14, 17, 23, 25, 27, 37, 39, 43, 44, 47, 55, 267,
    ])
    expect(featureBits(initFeatures({ gossipQueries: false, lcp: false }))).toEqual([
      0, 5, 8, 12, 14, 17, 23, 25, 27, 37, 39, 43, 44, 47, 55,
    ])
    expect(featureBits(initFeatures({ zeroconf: true, largeChannels: true }))).toEqual(
      expect.arrayContaining([19, 51]),
    )
  })

  it('keeps the rules it applies to others, with no feature both required and optional', () => {
    for (const zeroconf of [true, false]) {
      const ours = initFeatures({ zeroconf, largeChannels: true })
      expect(checkFeatures(ours)).toEqual({ ok: true, value: true })
      const bits = featureBits(ours)
      for (const bit of bits) expect(bits.includes(bit ^ 1)).toBe(false)
      for (const bit of bits) expect(featureName(bit)).toBeDefined()
    }
  })

  it('never requires lcp: others must be able to connect', () => {
    expect(hasBit(initFeatures(), 266)).toBe(false)
  })

  it('negotiates what both offer, and what everybody is assumed to have', () => {
    const ours = initFeatures()
    expect(negotiated(ours, encodeFeatures([267]), 'lcp')).toBe(true)
    expect(negotiated(ours, encodeFeatures([22]), 'option_anchors')).toBe(true)
    expect(negotiated(ours, encodeFeatures([23]), 'lcp')).toBe(false)
    expect(negotiated(ours, encodeFeatures([]), 'option_channel_type')).toBe(true)
    expect(offers(encodeFeatures([]), 'option_channel_type')).toBe(false)
    expect(supports(encodeFeatures([]), 'option_simple_close')).toBe(false)
  })
})

describe('channel types', () => {
  const all: ChannelType[] = (['static_remotekey', 'anchors', 'lcp'] as const).flatMap((base) =>
    [false, true].flatMap((scidAlias) => [false, true].map((zeroconf) => ({ base, scidAlias, zeroconf }))),
  )

  it.each(all)('$base, scid alias $scidAlias, 0-conf $zeroconf', (type) => {
    expect(decodeChannelType(encodeChannelType(type))).toEqual(type)
    expect(featureBits(encodeChannelType(type))).toEqual(channelTypeBits(type))
  })

  it('has the bytes that other nodes send for anchors', () => {
    expect(toHex(encodeChannelType({ base: 'anchors', scidAlias: false, zeroconf: false }))).toBe('401000')
  })

  it('knows no other: odd bits, unknown bits, nothing', () => {
    for (const bits of [[], [13], [12, 23], [12, 20], [12, 22, 44], [12, 22, 267], [22], [266], [12, 266]])
      expect(decodeChannelType(encodeFeatures(bits)), bits.join()).toBeUndefined()
    expect(decodeChannelType(new Uint8Array(65_000).fill(0xff))).toBeUndefined()
  })
})
