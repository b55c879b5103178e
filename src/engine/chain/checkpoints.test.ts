import { describe, expect, test } from 'vitest'
import { reversed, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { POW_RULES } from '../bitcoin/difficulty.ts'
import { decodeHeader, hashHeaderBytes, meetsTarget, workOfBits } from '../bitcoin/header.ts'
import { NETWORKS, type NetworkName } from '../bitcoin/network.ts'
import { CHECKPOINTS } from './checkpoints.ts'

describe('checkpoints', () => {
  test.each(Object.keys(CHECKPOINTS) as NetworkName[])('%s: has the proof of work that it states', (name) => {
    const { header, height } = CHECKPOINTS[name]
    const { bits } = unwrap(decodeHeader(header))
    expect(meetsTarget(hashHeaderBytes(header), bits, POW_RULES[name].powLimit)).toBe(true)
    expect(height % 2016).toBe(0)
  })

  test('those at height 0 are the genesis blocks of their networks', () => {
    const atZero = (Object.keys(CHECKPOINTS) as NetworkName[]).filter((n) => CHECKPOINTS[n].height === 0)
    expect(atZero).toEqual(['testnet4', 'regtest'])
    for (const name of atZero) {
      const { header, work } = CHECKPOINTS[name]
      expect(hashHeaderBytes(header)).toBe(toHex(reversed(NETWORKS[name].chainHash)))
      expect(work).toBe(workOfBits(unwrap(decodeHeader(header)).bits))
    }
  })
})
