import { compareBytes } from '../base/bytes.ts'
import { type Sat, sat } from '../base/units.ts'
import { dustLimitSat } from '../bitcoin/script.ts'
import { compactSizeLength, SEQUENCE_RBF, weightOf } from '../bitcoin/tx.ts'
import type { OutPoint, Tx, TxInput, TxOutput } from '../bitcoin/types.ts'
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
 * Chooses among `coins` (from `spendableCoins`) what pays for the outputs. Two proposals: coins whose sum comes so close that no change
 * is worth an output, and an accumulation from the largest; the cheaper of the two counts, the later cost of spending change included.
 * Where neither suffices everything economic is tried.
 * @param required inputs that must be there (a replacement's)
 */
export function chooseCoins(
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
  // What a sum may be above what is asked for when no change comes of it.
  const slack = dustLimitSat(changeScript)
  const proposals = [slack, undefined].flatMap((most) => {
    const chosen = accumulate(economic, outputs, feeratePerKw, required, most)
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
 * Coins from the most valuable on (after the fee for spending each), until they pay for outputs and fee without change; undefined when
 * all of them do not. With `slack`, coins that would bring the sum further above that are passed over.
 */
function accumulate(
  economic: readonly SpendInput[],
  outputs: readonly TxOutput[],
  feeratePerKw: number,
  required: readonly SpendInput[],
  slack: bigint | undefined,
): readonly SpendInput[] | undefined {
  // All but the inputs; marker and flag weigh 2.
  const frame = signedWeight([], outputs) - 4 * compactSizeLength(0) + 2
  const weigh = (inputs: number, ofInputs: number): number => frame + 4 * compactSizeLength(inputs) + ofInputs
  const target = total(outputs)
  const chosen = [...required]
  let ofInputs = required.reduce((n, i) => n + inputWeight(i), 0)
  let sum = total(required)
  if (chosen.length > 0 && sum >= target + feeFor(weigh(chosen.length, ofInputs), feeratePerKw)) return chosen
  const worth = (i: SpendInput): bigint => i.valueSat - feeFor(inputWeight(i), feeratePerKw)
  const byWorth = economic
    .map((input) => ({ input, worth: worth(input) }))
    .sort((a, b) => (a.worth === b.worth ? 0 : a.worth > b.worth ? -1 : 1))
  for (const { input } of byWorth) {
    const weight = weigh(chosen.length + 1, ofInputs + inputWeight(input))
    const needed = target + feeFor(weight, feeratePerKw)
    if (slack !== undefined && sum + input.valueSat > needed + slack) continue
    chosen.push(input)
    ofInputs += inputWeight(input)
    sum += input.valueSat
    if (sum >= needed) return chosen
  }
  return undefined
}
