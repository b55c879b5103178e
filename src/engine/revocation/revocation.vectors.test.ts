import { describe, expect, it } from 'vitest'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import { fromHex, toHex } from '../base/bytes.ts'
import { publicKey } from '../crypto/curve.ts'
import { derivePrivateKey, derivePublicKey, perCommitmentPoint, revocationPublicKey } from './keys.ts'
import { revocationPrivateKey } from './penalty-key.ts'
import { type ShachainStore, shachainInsert, shachainLookup, shachainSecret } from './shachain.ts'

interface Shachain {
  readonly generation: readonly {
    readonly name: string
    readonly seed: string
    readonly index: string
    readonly output: string
  }[]
  readonly storage: readonly {
    readonly name: string
    readonly steps: readonly { readonly index: string; readonly secret: string; readonly result: string }[]
  }[]
}

interface Derivation {
  readonly base_secret: string
  readonly per_commitment_secret: string
  readonly base_point: string
  readonly per_commitment_point: string
  readonly cases: readonly { readonly name: string; readonly output_field: string; readonly output: string }[]
}

describe.skipIf(!vectorsPresent)('BOLT 3 appendix D', () => {
  const v = loadVectors<Partial<Shachain>>('bolt03-shachain.json')
  it.each(v.generation ?? [])('$name', ({ seed, index, output }) => {
    expect(toHex(shachainSecret(fromHex(seed), BigInt(index)))).toBe(output)
  })
  it.each(v.storage ?? [])('$name', ({ steps }) => {
    let store: ShachainStore = []
    for (const [i, step] of steps.entries()) {
      const got = shachainInsert(store, BigInt(step.index), fromHex(step.secret))
      expect(got.ok).toBe(step.result === 'OK')
      if (!got.ok) continue
      store = got.value
      for (const earlier of steps.slice(0, i + 1))
        expect(toHex(shachainLookup(store, BigInt(earlier.index)) ?? new Uint8Array())).toBe(earlier.secret)
    }
  })
})

describe.skipIf(!vectorsPresent)('BOLT 3 appendix E', () => {
  const v = loadVectors<Partial<Derivation>>('bolt03-key-derivation.json')
  it.each(v.cases ?? [])('$name', ({ output_field, output }) => {
    const baseSecret = fromHex(v.base_secret ?? '')
    const secret = fromHex(v.per_commitment_secret ?? '')
    const base = publicKey(baseSecret)
    const point = perCommitmentPoint(secret)
    expect([toHex(base), toHex(point)]).toEqual([v.base_point, v.per_commitment_point])
    const made: Record<string, Uint8Array | undefined> = {
      localpubkey: derivePublicKey(base, point),
      localprivkey: derivePrivateKey(baseSecret, point),
      revocationpubkey: revocationPublicKey('blinded', base, point),
      revocationprivkey: revocationPrivateKey('blinded', baseSecret, secret),
    }
    expect(toHex(made[output_field] ?? new Uint8Array())).toBe(output)
  })
})
