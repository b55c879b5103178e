import { describe, expect, it } from 'vitest'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import type { ChannelTypeBase } from './channel-type.ts'
import { channelTypeBits } from './channel-type.ts'
import type { FeatureName } from './features.ts'
import { FEATURES } from './features.ts'

interface FeatureFile {
  features: {
    name: FeatureName
    compulsory_bit: number
    optional_bit: number
    assumed: boolean
    contexts: string[]
    dependencies: FeatureName[]
  }[]
  channel_types: {
    basic: { name: string; bits: number[] }[]
    variations: { name: string; bits: number[] }[]
  }
}

describe.skipIf(!vectorsPresent)('BOLT 9 features', () => {
  const file = loadVectors<FeatureFile>('bolt09-features.json')
  it.each(file.features ?? [])('$name', (row) => {
    const ours = FEATURES[row.name]
    expect(ours.bit).toBe(row.compulsory_bit)
    expect(row.optional_bit).toBe(row.compulsory_bit + 1)
    expect(ours.assumed ?? false).toBe(row.assumed)
    expect(ours.contexts).toBe(row.contexts.join(''))
    expect(ours.dependencies).toEqual(row.dependencies)
  })
  it('adds only keysend and lcp', () => {
    const published = new Set(file.features.map((f) => f.name))
    expect((Object.keys(FEATURES) as FeatureName[]).filter((n) => !published.has(n))).toEqual([
      'keysend',
      'lcp',
    ])
  })
  it('has the channel types of BOLT 2', () => {
    const names: ChannelTypeBase[] = ['static_remotekey', 'anchors']
    const plain = names.map((base) => channelTypeBits({ base, scidAlias: false, zeroconf: false }))
    expect(plain).toEqual(file.channel_types.basic.map((t) => t.bits.toSorted((a, b) => a - b)))
    const all = channelTypeBits({ base: 'anchors', scidAlias: true, zeroconf: true })
    for (const { bits } of file.channel_types.variations) expect(all).toEqual(expect.arrayContaining(bits))
  })
})
