import { describe, expect, it } from 'vitest'
import { concat } from '../base/bytes.ts'
import { hmacAfter, hmacSha256 } from './hash.ts'

const bytes = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => i * 7 + seed)

describe('hmacAfter', () => {
  it('is the HMAC of prefix and rest, for lengths around the block, whatever was asked before', () => {
    for (const keyLength of [3, 32, 64, 65])
      for (const prefixLength of [0, 1, 63, 64, 65, 292]) {
        const key = bytes(keyLength, 1)
        const prefix = bytes(prefixLength, 2)
        const after = hmacAfter(key, prefix)
        for (const restLength of [0, 4, 156, 55, 56, 64, 1, 0]) {
          const rest = bytes(restLength, 3)
          expect(after(rest)).toEqual(hmacSha256(key, concat(prefix, rest)))
        }
      }
  })

  it('does not change what it gave out', () => {
    const after = hmacAfter(bytes(32, 1))
    const first = after(bytes(8, 1))
    const copy = first.slice()
    after(bytes(8, 2))
    expect(first).toEqual(copy)
  })
})
