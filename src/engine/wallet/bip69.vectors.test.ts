import { describe, expect, it } from 'vitest'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import { fromHex } from '../base/bytes.ts'
import { sat } from '../base/units.ts'
import { compareOutPoints, compareOutputs } from './select.ts'

interface Bip69 {
  readonly examples: readonly {
    txid: string
    sorted_inputs: readonly { txid: string; vout: number }[]
    sorted_outputs: readonly { value_sat: number; script_pubkey: string }[]
  }[]
}

describe.skipIf(!vectorsPresent)('BIP 69 examples', () => {
  const { examples } = loadVectors<Bip69>('bip69.json')
  it.each(examples ?? [])('$txid', ({ sorted_inputs, sorted_outputs }) => {
    expect([...sorted_inputs].reverse().sort(compareOutPoints)).toEqual(sorted_inputs)
    const outputs = sorted_outputs.map((o) => ({
      valueSat: sat(o.value_sat),
      script: fromHex(o.script_pubkey),
    }))
    expect([...outputs].reverse().sort(compareOutputs)).toEqual(outputs)
  })
})
