import { describe, expect, it } from 'vitest'
import {
  ANCHORS,
  FORMATS,
  formatNamed,
  formatOfChannelType,
  LCP,
  STATIC_REMOTEKEY,
  testFormat,
} from './formats.ts'

describe('commitment formats', () => {
  it('are found by the exact channel type, in any order of bits', () => {
    for (const f of FORMATS) expect(formatOfChannelType([...f.channelTypeBits].reverse())).toBe(f)
    expect(formatOfChannelType([12])).toBe(STATIC_REMOTEKEY)
    expect(formatOfChannelType([12, 22])).toBe(ANCHORS)
    expect(formatOfChannelType([12, 22, 266])).toBe(LCP)
  })
  it('are not found by more, fewer or other bits', () => {
    for (const bits of [[], [22], [12, 20], [12, 22, 46], [12, 12], [12, 266]])
      expect(formatOfChannelType(bits)).toBeUndefined()
  })
  it('are found by the name a record holds', () => {
    for (const f of [...FORMATS, testFormat(3)]) expect(formatNamed(f.name)).toEqual(f)
    expect(() => formatNamed('zero_fee')).toThrow()
  })
})
