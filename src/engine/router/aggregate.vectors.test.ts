import { describe, expect, test } from 'vitest'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import { fromHex, toHex } from '../base/bytes.ts'
import { aggregateKeys } from './aggregate.ts'

interface Vectors {
  readonly key_agg: {
    readonly pubkeys: readonly string[]
    readonly valid_test_cases: readonly {
      readonly key_indices: readonly number[]
      readonly expected: string
    }[]
    readonly error_test_cases: readonly {
      readonly key_indices: readonly number[]
      readonly tweak_indices: readonly number[]
    }[]
  }
}

describe.skipIf(!vectorsPresent)('BIP 327 key aggregation', () => {
  const { key_agg: section } = loadVectors<Vectors>('bip327-musig2.json')
  const keys = (indices: readonly number[]) => indices.map((i) => fromHex(section.pubkeys[i] as string))

  test('valid lists, in any order and with repeated keys', () => {
    expect(section.valid_test_cases.length).toBeGreaterThan(3)
    for (const { key_indices, expected } of section.valid_test_cases) {
      const aggregate = aggregateKeys(keys(key_indices))
      expect(aggregate === undefined ? undefined : toHex(aggregate.subarray(1))).toBe(expected)
    }
  })

  test('keys that are no points are refused', () => {
    const cases = section.error_test_cases.filter((c) => c.tweak_indices.length === 0)
    expect(cases.length).toBeGreaterThan(1)
    for (const { key_indices } of cases) expect(aggregateKeys(keys(key_indices))).toBeUndefined()
  })
})
