import { Transaction } from '@scure/btc-signer'
import { taprootTweakPrivKey, taprootTweakPubkey } from '@scure/btc-signer/utils.js'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { toHex } from '../base/bytes.ts'
import { sat } from '../base/units.ts'
import { publicKey } from '../crypto/curve.ts'
import { taprootOutputKey, taprootOutputSecret, taprootSighashes } from './taproot.ts'
import { encodeTx } from './tx.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const value = fc.bigInt(0n, 2_100_000_000_000_000n).map(sat)
const output = fc.record({ valueSat: value, script: fc.uint8Array({ minLength: 1, maxLength: 400 }) })
const input = fc.record({
  outpoint: fc.record({ txid: bytes(32).map(toHex), vout: fc.nat(0xffff) }),
  scriptSig: fc.constant(new Uint8Array(0)),
  sequence: fc.integer({ min: 0, max: 0xffffffff }),
  witness: fc.constant([]),
})
const spend = fc
  .record({
    version: fc.constantFrom(1, 2, 3, -1, 0x7fffffff),
    inputs: fc.uniqueArray(input, { minLength: 1, maxLength: 6, selector: (i) => i.outpoint.txid }),
    outputs: fc.array(output, { minLength: 1, maxLength: 6 }),
    locktime: fc.integer({ min: 0, max: 0xffffffff }),
  })
  .chain((tx) =>
    fc.record({
      tx: fc.constant(tx),
      spent: fc.array(output, { minLength: tx.inputs.length, maxLength: tx.inputs.length }),
    }),
  )

it('makes the digests that the library makes, of every input', () => {
  fc.assert(
    fc.property(spend, ({ tx, spent }) => {
      const library = Transaction.fromRaw(encodeTx(tx), {
        allowUnknownOutputs: true,
        allowUnknownInputs: true,
        allowUnknownVersion: true,
        disableScriptCheck: true,
      })
      const digest = taprootSighashes(tx, spent)
      const [scripts, amounts] = [spent.map((o) => o.script), spent.map((o): bigint => o.valueSat)]
      for (const i of tx.inputs.keys())
        expect(digest(i)).toEqual(library.preimageWitnessV1(i, scripts, 0, amounts))
    }),
    { numRuns: 40 },
  )
})

it('tweaks keys as the library does, and the secret belongs to the key', () => {
  fc.assert(
    fc.property(bytes(32), (random) => {
      const secret = Uint8Array.of(0, ...random.subarray(1, 31), 1)
      const internal = publicKey(secret).slice(1)
      const tweaked = taprootOutputSecret(secret)
      expect(tweaked).toEqual(taprootTweakPrivKey(secret))
      expect(taprootOutputKey(internal)).toEqual(taprootTweakPubkey(internal, new Uint8Array(0))[0])
      expect(publicKey(tweaked).slice(1)).toEqual(taprootOutputKey(internal))
    }),
    { numRuns: 15 },
  )
})

it('refuses what cannot be signed', () => {
  const tx = { version: 2, inputs: [], outputs: [], locktime: 0 }
  expect(() => taprootSighashes(tx, [{ valueSat: sat(1), script: Uint8Array.of(1) }])).toThrow(/every input/)
  expect(() => taprootSighashes(tx, [])(0)).toThrow(/exists/)
  expect(() => taprootOutputKey(new Uint8Array(33))).toThrow(/x-only/)
})
