import { describe, expect, it } from 'vitest'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { parseBitcoinUri } from './bitcoin-uri.ts'
import { parsePayable } from './payable.ts'

interface Uris {
  examples: { description: string; uri: string; valid: boolean }[]
}

interface Lnurl {
  bech32: { lnurl: string }[]
}

describe.skipIf(!vectorsPresent).each(['bip21.json', 'bip321.json'])('%s', (file) => {
  const v = loadVectors<Uris>(file)

  it.each(v.examples ?? [])('$description: $uri', ({ uri, valid }) => {
    expect(parseBitcoinUri(uri).ok).toBe(valid)
  })
})

describe.skipIf(!vectorsPresent)('examples', () => {
  it('whose addresses are mistyped, as all of them are on purpose, are refused for that and nothing else', () => {
    const { examples } = loadVectors<Uris>('bip321.json')
    const addressed = examples.filter((e) => e.valid && /(:1|bc1)/i.test(e.uri))
    expect(addressed.length).toBe(10)
    for (const { uri } of addressed)
      expect([uri, parsePayable(uri, NETWORKS.bitcoin)]).toEqual([
        uri,
        { ok: false, error: { code: 'invalidAddress' } },
      ])
  })

  it('of an LNURL are recognised', () => {
    const { bech32 } = loadVectors<Lnurl>('lnurl.json')
    expect(parsePayable(`lightning:${bech32[0]?.lnurl}`, NETWORKS.bitcoin)).toMatchObject({
      value: { kind: 'unsupported', what: 'lnurl' },
    })
  })
})
