import { selectUTXO } from '@scure/btc-signer/utxo.js'
import { compareBytes, fromHex, toHex } from '../base/bytes.ts'
import { invariant } from '../base/result.ts'
import { type Sat, sat } from '../base/units.ts'
import { addressFromScript } from '../bitcoin/address.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { dustLimitSat } from '../bitcoin/script.ts'
import { SEQUENCE_RBF, weightOf } from '../bitcoin/tx.ts'
import { type OutPoint, outPointKey, type Tx, type TxInput, type TxOutput } from '../bitcoin/types.ts'
import type { KeyPath } from './keys.ts'
import { type Coin, isMature, ledgerOf, reservedOutpoints } from './ledger.ts'
import type { SpendInput, WalletState } from './types.ts'

/** Which coins pay for a transaction, its exact weight and fee, and whether change is worth an output. */

/** Inputs of a transaction at most: 1,400 P2WPKH inputs weigh 380,800 of the 400,000 that nodes relay. */
export const MAX_INPUTS = 1_400
/** Bitcoin Core relays packages of at most 25 unconfirmed transactions: no coin with 24 below it is built upon. */
export const MAX_DEPTH = 24

/** DER signature with low S and its sighash byte: 72 at most (71 half of the time); BIP 340: 64. */
const PLACEHOLDERS = {
  84: [new Uint8Array(72), new Uint8Array(33)],
  86: [new Uint8Array(64)],
} as const satisfies Record<KeyPath['purpose'], readonly Uint8Array[]>

/** The fee for a weight, rounded up to a satoshi. `feeratePerKw` is in sat per 1000 weight. */
export const feeFor = (weight: number, feeratePerKw: number): bigint =>
  (BigInt(weight) * BigInt(feeratePerKw) + 999n) / 1000n

/** sat/vB, as people and fee estimators say it, to sat per 1000 weight (rounded up). */
export const perKwFromPerVb = (satPerVb: number): number => Math.ceil(satPerVb * 250)

/** An input as it is built: replaceable (BIP 125), its witness still a placeholder of the greatest length. */
const placeholder = ({ outpoint, path }: SpendInput): TxInput => ({
  outpoint,
  scriptSig: new Uint8Array(0),
  sequence: SEQUENCE_RBF,
  witness: PLACEHOLDERS[path.purpose],
})

/** The weight of the signed transaction, with signatures of the greatest length. */
export const signedWeight = (inputs: readonly SpendInput[], outputs: readonly TxOutput[]): number =>
  weightOf({ version: 2, inputs: inputs.map(placeholder), outputs, locktime: 0 })

/** The unsigned transaction: version 2, inputs replaceable. */
export const unsignedTx = (
  inputs: readonly SpendInput[],
  outputs: readonly TxOutput[],
  locktime: number,
): Tx => ({
  version: 2,
  inputs: inputs.map((i) => ({ ...placeholder(i), witness: [] })),
  outputs,
  locktime,
})

/** BIP 69: by transaction id as displayed, then by index. */
export const compareOutPoints = (a: OutPoint, b: OutPoint): number =>
  a.txid === b.txid ? a.vout - b.vout : a.txid < b.txid ? -1 : 1

/** BIP 69: by amount, then by script. */
export const compareOutputs = (a: TxOutput, b: TxOutput): number =>
  a.valueSat === b.valueSat ? compareBytes(a.script, b.script) : a.valueSat < b.valueSat ? -1 : 1

/** Weight that one input adds (its share of the counts left aside): 272 for P2WPKH, 230 for P2TR. */
export const inputWeight = (input: SpendInput): number =>
  164 + 1 + PLACEHOLDERS[input.path.purpose].reduce((n, w) => n + 1 + w.length, 0)

/** Whether a coin brings more than the fee for spending it. */
export const isEconomic = (input: SpendInput, feeratePerKw: number): boolean =>
  input.valueSat * 1000n > BigInt(inputWeight(input)) * BigInt(feeratePerKw)

/**
 * Coins that may be spent now, the most valuable first: not spent, not reserved, mature, and confirmed or (when allowed)
 * unconfirmed change of our own that no replacement in the making will take away. Unconfirmed coins of others are never spent: they can vanish, and our transaction with them.
 */
export function spendableCoins(
  state: WalletState,
  tipHeight: number | null,
  spendUnconfirmedChange: boolean,
): readonly Coin[] {
  const reserved = reservedOutpoints(state)
  const replaced = new Set(Object.values(state.reservations).flatMap((r) => r.spend.replaces ?? []))
  return [...ledgerOf(state).coins]
    .filter(
      ([key, coin]) =>
        coin.spentBy === null &&
        !reserved.has(key) &&
        !replaced.has(coin.outpoint.txid) &&
        isMature(coin, tipHeight) &&
        (coin.height !== null || (spendUnconfirmedChange && coin.trusted && coin.depth <= MAX_DEPTH)),
    )
    .map(([, coin]) => coin)
    .sort((a, b) =>
      a.valueSat === b.valueSat ? compareOutPoints(a.outpoint, b.outpoint) : a.valueSat > b.valueSat ? -1 : 1,
    )
}

/** Inputs and outputs that add up: inputs = outputs + change + fee. */
export interface Funded {
  readonly inputs: readonly SpendInput[]
  readonly feeSat: Sat
  readonly weight: number
  /** 0: no change output. */
  readonly changeSat: Sat
}

const total = (items: readonly { readonly valueSat: Sat }[]): bigint =>
  items.reduce((n, i) => n + i.valueSat, 0n)

/**
 * What these inputs give for these outputs at this feerate: change where it is not dust, else all of the rest as fee.
 * Undefined when they do not suffice.
 */
export function fund(
  inputs: readonly SpendInput[],
  outputs: readonly TxOutput[],
  changeScript: Uint8Array,
  feeratePerKw: number,
): Funded | undefined {
  const rest = total(inputs) - total(outputs)
  const change: TxOutput = { valueSat: sat(0), script: changeScript }
  const weightWith = signedWeight(inputs, [...outputs, change])
  const changeSat = rest - feeFor(weightWith, feeratePerKw)
  if (changeSat >= dustLimitSat(changeScript))
    return { inputs, feeSat: sat(rest - changeSat), weight: weightWith, changeSat: sat(changeSat) }
  if (outputs.length === 0) return undefined
  const weight = signedWeight(inputs, outputs)
  if (rest < feeFor(weight, feeratePerKw)) return undefined
  return { inputs, feeSat: sat(rest), weight, changeSat: sat(0) }
}

/**
 * Chooses among `coins` (from `spendableCoins`) what pays for the outputs. The library's selection proposes an exact match
 * and an accumulation from the largest; the cheaper of the two counts, the later cost of spending change included. Where
 * neither suffices everything economic is tried, as the library rounds to virtual bytes and an exact Max has no slack.
 * @param required inputs that must be there (a replacement's)
 */
export function chooseCoins(
  state: WalletState,
  coins: readonly Coin[],
  outputs: readonly TxOutput[],
  changeScript: Uint8Array,
  feeratePerKw: number,
  required: readonly SpendInput[] = [],
): Funded | undefined {
  const economic = coins
    .filter((c) => isEconomic(c, feeratePerKw))
    .slice(0, MAX_INPUTS - required.length)
    .map(toInput)
  const proposals = (['exactBiggest/accumBiggest', 'accumBiggest'] as const).flatMap((strategy) => {
    const chosen = propose(state, economic, outputs, changeScript, feeratePerKw, required, strategy)
    const funded = chosen && fund(chosen, outputs, changeScript, feeratePerKw)
    return funded === undefined ? [] : [funded]
  })
  const cost = (f: Funded): bigint => f.feeSat + (f.changeSat === 0n ? 0n : feeFor(272, feeratePerKw))
  const [a, b] = proposals
  if (a !== undefined) return b === undefined || cost(a) <= cost(b) ? a : b
  return fund([...required, ...economic], outputs, changeScript, feeratePerKw)
}

export const toInput = ({ outpoint, valueSat, script, path }: SpendInput): SpendInput => ({
  outpoint,
  valueSat,
  script,
  path,
})

/**
 * The library's choice. It knows whole satoshi a virtual byte only; with every amount times 250 its unit becomes exactly
 * our sat per 1000 weight (21 million bitcoin times 250 still fits its 64 bits).
 */
function propose(
  state: WalletState,
  economic: readonly SpendInput[],
  outputs: readonly TxOutput[],
  changeScript: Uint8Array,
  feeratePerKw: number,
  required: readonly SpendInput[],
  strategy: 'exactBiggest/accumBiggest' | 'accumBiggest',
): readonly SpendInput[] | undefined {
  const network = NETWORKS[state.network]
  const changeAddress = addressFromScript(changeScript, network)
  invariant(changeAddress !== undefined, 'an address for our own change')
  const scale = (value: Sat): bigint => value * 250n
  const candidate = ({ outpoint, valueSat, script, path }: SpendInput) => ({
    txid: fromHex(outpoint.txid),
    index: outpoint.vout,
    witnessUtxo: { script, amount: scale(valueSat) },
    // For the size estimate only: any valid x-only key stands for the internal one.
    ...(path.purpose === 86 ? { tapInternalKey: script.slice(2) } : {}),
  })
  const result = selectUTXO(
    economic.map(candidate),
    outputs.map(({ script, valueSat }) => ({ script, amount: scale(valueSat) })),
    strategy,
    {
      feePerByte: BigInt(feeratePerKw),
      changeAddress,
      network: { ...network, wif: 0 },
      requiredInputs: required.map(candidate),
      dust: scale(dustLimitSat(changeScript)),
      dustRelayFeeRate: 1n,
      bip69: false,
      createTx: false,
      allowUnknownOutputs: true,
      disableScriptCheck: true,
    },
  )
  if (result === undefined) return undefined
  const byKey = new Map([...economic, ...required].map((i) => [outPointKey(i.outpoint), i]))
  return result.inputs.flatMap((chosen) => {
    const txid = chosen.txid
    const input = txid && byKey.get(outPointKey({ txid: toHex(txid), vout: chosen.index ?? -1 }))
    return input ? [input] : []
  })
}
