import { getPublicKey } from '@noble/secp256k1'
import { p2wpkh, RawTx, TEST_NETWORK, Transaction } from '@scure/btc-signer'
import {
  OutPoint,
  Result_CVec_u8ZNoneZ,
  Result_CVec_UtxoZNoneZ,
  Result_TransactionNoneZ,
  TxOut,
  Utxo,
  WalletSource,
} from 'lightningdevkit'
import type { ByteStore } from './store.ts'
import { hex, internal, unhex } from './wasm.ts'

interface Coin {
  readonly txid: string
  readonly vout: number
  readonly amountSat: string
}

/** Weight of a P2WPKH input's witness (110) with its empty signature script (4). */
const SATISFACTION_WEIGHT = 114n
const FILE = ['switchback', '', 'reserve']

/**
 * A few confirmed coins that answer at once: LDK asks for them, synchronously, when an anchor channel must pay fees while
 * it closes.
 */
export interface Reserve {
  readonly script: Uint8Array
  readonly source: WalletSource
  readonly coins: () => readonly Coin[]
  /** Notes coins that a block brought or spent. */
  onBlock(transactions: readonly { readonly txid: string; readonly hex: string }[]): void
}

export function createReserve(key: Uint8Array, store: ByteStore): Reserve {
  const payment = p2wpkh(getPublicKey(key, true), { ...TEST_NETWORK, bech32: 'bcrt' })
  const { script } = payment
  const saved = store.read(FILE)
  const coins = new Map<string, Coin>()
  if (saved)
    for (const coin of JSON.parse(Buffer.from(saved).toString('utf8')) as Coin[])
      coins.set(`${coin.txid}:${coin.vout}`, coin)

  /** Signs our inputs of LDK's PSBT and returns the transaction with the other witnesses left empty. */
  function sign(psbt: Uint8Array): Uint8Array {
    const tx = Transaction.fromPSBT(psbt, {
      allowUnknown: true,
      allowUnknownInputs: true,
      allowUnknownOutputs: true,
    })
    const raw = RawTx.decode(tx.unsignedTx)
    const witnesses: Uint8Array[][] = []
    for (let i = 0; i < tx.inputsLength; i++) {
      const input = tx.getInput(i)
      if (!input.witnessUtxo || hex(input.witnessUtxo.script) !== hex(script)) {
        witnesses.push([])
        continue
      }
      tx.signIdx(key, i)
      tx.finalizeIdx(i)
      witnesses.push([...(tx.getInput(i).finalScriptWitness ?? [])])
    }
    return RawTx.encode({ ...raw, segwitFlag: true, witnesses })
  }

  const source = WalletSource.new_impl({
    list_confirmed_utxos: () =>
      Result_CVec_UtxoZNoneZ.constructor_ok(
        [...coins.values()].map((coin) =>
          Utxo.constructor_new(
            OutPoint.constructor_new(internal(coin.txid), coin.vout),
            TxOut.constructor_new(BigInt(coin.amountSat), script),
            SATISFACTION_WEIGHT,
          ),
        ),
      ),
    get_change_script: () => Result_CVec_u8ZNoneZ.constructor_ok(script),
    sign_psbt: (psbt) => {
      try {
        return Result_TransactionNoneZ.constructor_ok(sign(psbt))
      } catch {
        return Result_TransactionNoneZ.constructor_err()
      }
    },
  })

  return {
    script,
    source,
    coins: () => [...coins.values()],
    onBlock(transactions) {
      const before = coins.size
      let changed = false
      for (const { txid, hex: text } of transactions) {
        const mine = text.includes(hex(script))
        if (!mine && before === 0) continue
        const raw = RawTx.decode(unhex(text))
        for (const input of raw.inputs) if (coins.delete(`${hex(input.txid)}:${input.index}`)) changed = true
        if (!mine) continue
        raw.outputs.forEach((out, vout) => {
          if (hex(out.script) !== hex(script)) return
          coins.set(`${txid}:${vout}`, { txid, vout, amountSat: out.amount.toString() })
          changed = true
        })
      }
      if (changed) store.write(FILE, Buffer.from(JSON.stringify([...coins.values()])))
    },
  }
}
