import { describe, expect, it } from 'vitest'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import { fromHex, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { sat } from '../base/units.ts'
import { taprootOutputKey, taprootSighashes } from './taproot.ts'
import { decodeTx } from './tx.ts'

interface Bip341 {
  readonly scriptPubKey: readonly {
    readonly given: { readonly internalPubkey: string; readonly scriptTree: unknown }
    readonly intermediary: { readonly tweakedPubkey: string }
  }[]
  readonly keyPathSpending: readonly {
    readonly given: {
      readonly rawUnsignedTx: string
      readonly utxosSpent: readonly { readonly scriptPubKey: string; readonly amountSats: number }[]
    }
    readonly inputSpending: readonly {
      readonly given: { readonly txinIndex: number; readonly hashType: number }
      readonly intermediary: { readonly sigHash: string }
    }[]
  }[]
}

describe.skipIf(!vectorsPresent)('BIP 341 wallet vectors', () => {
  const { scriptPubKey, keyPathSpending } = vectorsPresent
    ? loadVectors<Bip341>('bip341-wallet.json')
    : { scriptPubKey: [], keyPathSpending: [] }

  it('output keys without scripts', () => {
    const plain = scriptPubKey.filter((v) => v.given.scriptTree === null)
    expect(plain.length).toBeGreaterThan(0)
    for (const { given, intermediary } of plain)
      expect(toHex(taprootOutputKey(fromHex(given.internalPubkey)))).toBe(intermediary.tweakedPubkey)
  })

  it('digests of inputs with the default sighash type', () => {
    let checked = 0
    for (const { given, inputSpending } of keyPathSpending) {
      const tx = unwrap(decodeTx(fromHex(given.rawUnsignedTx)))
      const digest = taprootSighashes(
        tx,
        given.utxosSpent.map((o) => ({ valueSat: sat(o.amountSats), script: fromHex(o.scriptPubKey) })),
      )
      for (const { given: at, intermediary } of inputSpending.filter((i) => i.given.hashType === 0)) {
        expect(toHex(digest(at.txinIndex))).toBe(intermediary.sigHash)
        checked++
      }
    }
    expect(checked).toBeGreaterThan(0)
  })
})
