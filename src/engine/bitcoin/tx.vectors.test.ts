import { describe, expect, it } from 'vitest'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import { fromHex, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { sat } from '../base/units.ts'
import { publicKey, signatureToDer, signEcdsa } from '../crypto/curve.ts'
import { OP, p2wsh, script } from './script.ts'
import { decodeTx, encodeTx, sighashMidstate, sighashSegwitV0, txidOf } from './tx.ts'

interface Bip143 {
  readonly cases: readonly {
    readonly name: string
    readonly unsigned_tx?: string
    readonly signed_tx: string
    readonly prevouts: readonly { readonly value_sat: number }[]
    readonly signatures: readonly {
      readonly preimage: string
      readonly sighash: string
      readonly privkey?: string
      readonly pubkey?: string
      readonly signature_with_hashtype?: string
    }[]
  }[]
}

interface FundingTx {
  readonly block1_coinbase_tx: string
  readonly funding_tx: string
  readonly funding_txid: string
  readonly funding_output_index: number
  readonly funding_satoshis: number
  readonly funding_witness_script: string
  readonly local_funding_pubkey: string
  readonly remote_funding_pubkey: string
  readonly input_txid: string
}

/** The parts of a BIP 143 preimage that are not hashes, so that each vector names its own input, script and amount. */
function parsePreimage(preimage: Uint8Array) {
  const view = new DataView(preimage.buffer)
  const outpoint = toHex(preimage.slice(68, 104))
  const size = preimage[104] as number
  const at = size < 0xfd ? 105 : 107
  const length = size < 0xfd ? size : view.getUint16(105, true)
  return {
    outpoint,
    scriptCode: preimage.slice(at, at + length),
    valueSat: view.getBigUint64(at + length, true),
    type: view.getUint32(preimage.length - 4, true),
  }
}

describe.skipIf(!vectorsPresent)('BIP 143 examples', () => {
  const { cases = [] } = loadVectors<Partial<Bip143>>('bip143.json')
  it.each(cases)('$name', (c) => {
    const signed = unwrap(decodeTx(fromHex(c.signed_tx)))
    expect(toHex(encodeTx(signed))).toBe(c.signed_tx)
    const unsigned =
      c.unsigned_tx === undefined
        ? { ...signed, inputs: signed.inputs.map((i) => ({ ...i, witness: [] })) }
        : unwrap(decodeTx(fromHex(c.unsigned_tx)))
    if (c.unsigned_tx !== undefined) expect(toHex(encodeTx(unsigned))).toBe(c.unsigned_tx)
    const midstate = sighashMidstate(unsigned)
    for (const s of c.signatures) {
      const p = parsePreimage(fromHex(s.preimage))
      const index = unsigned.inputs.findIndex((_, i) => {
        const raw = encodeTx({ ...unsigned, inputs: [unsigned.inputs[i] as never] }, { witness: false })
        return toHex(raw.slice(5, 41)) === p.outpoint
      })
      const digest = sighashSegwitV0(unsigned, index, p.scriptCode, sat(p.valueSat), p.type)
      expect(toHex(digest)).toBe(s.sighash)
      const cached = sighashSegwitV0(unsigned, index, p.scriptCode, sat(p.valueSat), p.type, midstate)
      expect(toHex(cached)).toBe(s.sighash)
      if (s.privkey === undefined || s.signature_with_hashtype === undefined) continue
      expect(toHex(publicKey(fromHex(s.privkey)))).toBe(s.pubkey)
      const der = toHex(signatureToDer(signEcdsa(digest, fromHex(s.privkey))))
      expect(der + p.type.toString(16).padStart(2, '0')).toBe(s.signature_with_hashtype)
    }
  })
})

describe.skipIf(!vectorsPresent)('BOLT 3 appendix B', () => {
  const v = loadVectors<FundingTx>('bolt03-funding-tx.json')
  it('reads, names and writes the funding transaction', () => {
    const tx = unwrap(decodeTx(fromHex(v.funding_tx)))
    expect(txidOf(tx)).toBe(v.funding_txid)
    expect(toHex(encodeTx(tx))).toBe(v.funding_tx)
    const out = tx.outputs[v.funding_output_index]
    expect(out?.valueSat).toBe(BigInt(v.funding_satoshis))
    expect(toHex(out?.script ?? new Uint8Array())).toBe(toHex(p2wsh(fromHex(v.funding_witness_script))))
  })
  it('reads the coinbase that it spends', () => {
    expect(txidOf(unwrap(decodeTx(fromHex(v.block1_coinbase_tx))))).toBe(v.input_txid)
  })
  it('builds the 2-of-2 script', () => {
    const keys = [v.local_funding_pubkey, v.remote_funding_pubkey].sort().map(fromHex)
    const built = script(OP.TWO, keys[0] as Uint8Array, keys[1] as Uint8Array, OP.TWO, OP.CHECKMULTISIG)
    expect(toHex(built)).toBe(v.funding_witness_script)
  })
})
