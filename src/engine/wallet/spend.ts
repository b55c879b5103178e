import { err, invariant, ok, type Result } from '../base/result.ts'
import { MAX_SAT, type Sat, sat } from '../base/units.ts'
import { dustLimitSat } from '../bitcoin/script.ts'
import { MAX_STANDARD_TX_WEIGHT } from '../bitcoin/tx.ts'
import type { TxOutput } from '../bitcoin/types.ts'
import { type KeyPath, keyPathName } from './keys.ts'
import { balanceOf, ledgerOf } from './ledger.ts'
import {
  chooseCoins,
  compareOutPoints,
  compareOutputs,
  feeFor,
  type Funded,
  isEconomic,
  MAX_INPUTS,
  signedWeight,
  spendableCoins,
  toInput,
  unsignedTx,
} from './select.ts'
import type { ReservationPurpose, Spend, WalletState } from './types.ts'

/** Building transactions. Each build reserves its coins; nothing here signs or sends. */

/** Limits that no request may pass, whatever asked for it. */
export interface SpendPolicy {
  /** Whether change of our own unconfirmed transactions may be spent. */
  readonly spendUnconfirmedChange: boolean
  /** sat per 1000 weight; 25 is 0.1 sat/vB, Bitcoin Core's least relay fee since 30.0. */
  readonly minFeeratePerKw: number
  /** sat per 1000 weight; 500,000 is 2,000 sat/vB, about the most that mainnet has ever asked. */
  readonly maxFeeratePerKw: number
  /** The most that one transaction may pay in fees. */
  readonly maxFeeSat: Sat
}

export const DEFAULT_POLICY: SpendPolicy = {
  spendUnconfirmedChange: true,
  minFeeratePerKw: 25,
  maxFeeratePerKw: 500_000,
  maxFeeSat: sat(1_000_000),
}

/** What a build depends on beside the state. */
export interface SpendContext {
  /** Height of our chain's tip: the locktime (against fee sniping) and the maturity of mined coins. null while unknown. */
  readonly tipHeight: number | null
  readonly policy: SpendPolicy
  /** What has to be left in coins that can be spent; default 0. */
  readonly reserveSat?: Sat
}

export interface Recipient {
  readonly script: Uint8Array
  /** `max`: all there is, less the fee; for a single recipient. */
  readonly amountSat: Sat | 'max'
}

export type SpendError =
  | { readonly code: 'no_recipients' }
  | { readonly code: 'max_needs_one_recipient' }
  | { readonly code: 'amount_below_dust'; readonly dustLimitSat: Sat }
  | { readonly code: 'amount_out_of_range' }
  | { readonly code: 'feerate_too_low'; readonly minFeeratePerKw: number }
  | { readonly code: 'feerate_too_high'; readonly maxFeeratePerKw: number }
  | { readonly code: 'fee_above_ceiling'; readonly feeSat: Sat; readonly maxFeeSat: Sat }
  | {
      readonly code: 'insufficient_funds'
      /** The most that could be sent to these recipients in all at this feerate; 0 when not even dust. */
      readonly spendableSat: Sat
      /** Why it is less than the balance: what is in use, what waits for a block, what was mined lately. */
      readonly reservedSat: Sat
      readonly unconfirmedSat: Sat
      readonly immatureSat: Sat
    }
  /** So many coins are needed that nodes would not relay the transaction: send less, or in parts. */
  | { readonly code: 'too_many_coins'; readonly maxInputs: number }
  | { readonly code: 'reservation_id_taken' }
  | { readonly code: 'reservation_id_invalid' }
  /** As many unfinished transactions as there are watched change addresses. */
  | { readonly code: 'too_many_reservations' }

export interface Built {
  /** With the reservation in it. */
  readonly state: WalletState
  readonly spend: Spend
}

/** The greatest amount that can arrive at a script, with the fee that it leaves and the number of coins it takes. */
export interface MaxSpend {
  readonly amountSat: Sat
  readonly feeSat: Sat
  readonly coins: number
}

/**
 * Exact Max: every coin that is worth more than its own fee goes in, nothing comes back but the reserve, and the fee is that of the
 * weight.
 * `buildSend` and `buildFunding` with this amount (or `max`) build just this. Errors: feerate, ceiling, nothing to spend.
 */
export function maxSpendable(
  state: WalletState,
  script: Uint8Array,
  feeratePerKw: number,
  context: SpendContext,
): Result<MaxSpend, SpendError> {
  const refused = checkFeerate(feeratePerKw, context.policy)
  if (refused !== undefined) return err(refused)
  const { inputs, amountSat, feeSat } = drain(state, [script], feeratePerKw, context)
  if (amountSat < dustLimitSat(script) || amountSat <= 0n)
    return err(insufficient(state, [script], feeratePerKw, context))
  const ceiling = checkFee(feeSat, context.policy)
  return ceiling === undefined ? ok({ amountSat, feeSat, coins: inputs.length }) : err(ceiling)
}

/** All economic coins against outputs to these scripts: what is left for them after the fee (negative: nothing). */
function drain(
  state: WalletState,
  scripts: readonly Uint8Array[],
  feeratePerKw: number,
  { tipHeight, policy, reserveSat = sat(0) }: SpendContext,
) {
  // What is left behind comes back as change.
  const change = reserveSat > 0n ? nextChange(state)?.script : undefined
  const kept = change === undefined ? [] : [change]
  const inputs = spendableCoins(state, tipHeight, policy.spendUnconfirmedChange)
    .filter((c) => isEconomic(c, feeratePerKw))
    .slice(0, MAX_INPUTS)
    .map(toInput)
  const weight = signedWeight(
    inputs,
    [...scripts, ...kept].map((script) => ({ valueSat: sat(0), script })),
  )
  const feeSat = sat(feeFor(weight, feeratePerKw))
  const amountSat = sat(inputs.reduce((n, i) => n + i.valueSat, 0n) - feeSat - reserveSat)
  return { inputs, weight, feeSat, amountSat }
}

/** Builds a payment to one or more recipients and reserves its coins under `reservationId`. */
export function buildSend(
  state: WalletState,
  recipients: readonly Recipient[],
  feeratePerKw: number,
  reservationId: string,
  context: SpendContext,
): Result<Built, SpendError> {
  return build(state, recipients, feeratePerKw, reservationId, 'send', context)
}

/**
 * Builds a funding transaction (BOLT 3 §Funding Transaction Output) and reserves its coins. All inputs are segwit, so the
 * txid is final before signing; `spend.outputIndexes[0]` is the funding output. It is signed with `signSpend` and sent only
 * when the peer's signature of our first commitment has arrived (BOLT 2 §funding_signed), which is the caller's business.
 */
export function buildFunding(
  state: WalletState,
  outputScript: Uint8Array,
  amountSat: Sat,
  feeratePerKw: number,
  reservationId: string,
  context: SpendContext,
): Result<Built, SpendError> {
  return build(state, [{ script: outputScript, amountSat }], feeratePerKw, reservationId, 'funding', context)
}

function build(
  state: WalletState,
  recipients: readonly Recipient[],
  feeratePerKw: number,
  reservationId: string,
  purpose: ReservationPurpose,
  context: SpendContext,
): Result<Built, SpendError> {
  const refused =
    checkReservationId(state, reservationId) ??
    checkFeerate(feeratePerKw, context.policy) ??
    checkRecipients(recipients)
  if (refused !== undefined) return err(refused)
  const change = nextChange(state)
  if (change === undefined) return err({ code: 'too_many_reservations' })

  const outputs: TxOutput[] = []
  for (const { script, amountSat } of recipients) {
    if (amountSat !== 'max') {
      outputs.push({ script, valueSat: amountSat })
      continue
    }
    const max = maxSpendable(state, script, feeratePerKw, context)
    if (!max.ok) return max
    outputs.push({ script, valueSat: max.value.amountSat })
  }
  const coins = spendableCoins(state, context.tipHeight, context.policy.spendUnconfirmedChange)
  const chosen = chooseCoins(coins, outputs, change.script, feeratePerKw)
  const all = coins.reduce((n, c) => n + c.valueSat, 0n)
  const left = chosen && all - outputs.reduce((n, o) => n + o.valueSat, 0n) - chosen.feeSat
  const funded = left !== undefined && left >= (context.reserveSat ?? 0n) ? chosen : undefined
  if (funded === undefined) {
    const economic = coins.filter((c) => isEconomic(c, feeratePerKw)).length
    if (economic > MAX_INPUTS) return err({ code: 'too_many_coins', maxInputs: MAX_INPUTS })
    return err(
      insufficient(
        state,
        recipients.map((r) => r.script),
        feeratePerKw,
        context,
      ),
    )
  }
  return finish(state, funded, outputs, change, reservationId, purpose, context)
}

/** Puts a funded choice in order, checks what must hold of any transaction, and reserves it. */
export function finish(
  state: WalletState,
  funded: Funded,
  recipients: readonly TxOutput[],
  change: { readonly script: Uint8Array; readonly path: KeyPath },
  reservationId: string,
  purpose: ReservationPurpose,
  { tipHeight, policy }: SpendContext,
  replaces?: string,
): Result<Built, SpendError> {
  const { feeSat, weight, changeSat } = funded
  const ceiling = checkFee(feeSat, policy)
  if (ceiling !== undefined) return err(ceiling)
  if (weight > MAX_STANDARD_TX_WEIGHT) return err({ code: 'too_many_coins', maxInputs: MAX_INPUTS })
  const inputs = funded.inputs.map(toInput).sort((a, b) => compareOutPoints(a.outpoint, b.outpoint))
  const changeOutput: TxOutput | undefined =
    changeSat > 0n ? { valueSat: changeSat, script: change.script } : undefined
  const outputs = [...recipients, ...(changeOutput ? [changeOutput] : [])].sort(compareOutputs)
  const paid = outputs.reduce((n, o) => n + o.valueSat, 0n)
  invariant(inputs.reduce((n, i) => n + i.valueSat, 0n) === paid + feeSat, 'inputs = outputs + fee')
  // Locktime at the tip: a miner who reorganises the last block to collect our fee cannot use it there.
  const tx = unsignedTx(inputs, outputs, tipHeight ?? 0)
  const spend: Spend = {
    tx,
    inputs,
    feeSat,
    weight,
    outputIndexes: recipients.map((r) => outputs.indexOf(r)),
    ...(changeOutput
      ? { change: { outputIndex: outputs.indexOf(changeOutput), valueSat: changeSat, path: change.path } }
      : {}),
    ...(replaces === undefined ? {} : { replaces }),
  }
  const reservation = { id: reservationId, purpose, spend }
  return ok({
    state: { ...state, reservations: { ...state.reservations, [reservationId]: reservation } },
    spend,
  })
}

/**
 * The change address to use: the first that nothing known pays and no reservation holds, so that cancelled transactions
 * leave no holes that a later scan with the usual gap could fall into. Undefined when all watched ones are taken.
 */
export function nextChange(
  state: WalletState,
): { readonly script: Uint8Array; readonly path: KeyPath } | undefined {
  const branch = state.branches.find((b) => b.change === 1)
  if (branch === undefined) return undefined
  const { used } = ledgerOf(state)
  const held = new Set(
    Object.values(state.reservations).flatMap((r) =>
      r.spend.change ? [keyPathName(r.spend.change.path)] : [],
    ),
  )
  for (const [index, script] of branch.scripts.entries()) {
    const path: KeyPath = { purpose: branch.purpose, change: 1, index }
    const name = keyPathName(path)
    if (!used.has(name) && !held.has(name)) return { script, path }
  }
  return undefined
}

/** Refuses feerates outside the policy. */
export function checkFeerate(feeratePerKw: number, policy: SpendPolicy): SpendError | undefined {
  const { minFeeratePerKw, maxFeeratePerKw } = policy
  if (!Number.isSafeInteger(feeratePerKw) || feeratePerKw < minFeeratePerKw)
    return { code: 'feerate_too_low', minFeeratePerKw }
  return feeratePerKw > maxFeeratePerKw ? { code: 'feerate_too_high', maxFeeratePerKw } : undefined
}

const checkFee = (feeSat: Sat, { maxFeeSat }: SpendPolicy): SpendError | undefined =>
  feeSat > maxFeeSat ? { code: 'fee_above_ceiling', feeSat, maxFeeSat } : undefined

/** Refuses an id that is taken or that could not be a key of a record. */
export function checkReservationId(state: WalletState, id: string): SpendError | undefined {
  if (!/^[a-z0-9][a-z0-9:.-]{0,99}$/i.test(id)) return { code: 'reservation_id_invalid' }
  return Object.hasOwn(state.reservations, id) ? { code: 'reservation_id_taken' } : undefined
}

function checkRecipients(recipients: readonly Recipient[]): SpendError | undefined {
  if (recipients.length === 0) return { code: 'no_recipients' }
  if (recipients.length > 1 && recipients.some((r) => r.amountSat === 'max'))
    return { code: 'max_needs_one_recipient' }
  for (const { script, amountSat } of recipients) {
    const limit = dustLimitSat(script)
    if (amountSat === 'max') continue
    if (amountSat <= 0n || amountSat > MAX_SAT) return { code: 'amount_out_of_range' }
    if (amountSat < limit) return { code: 'amount_below_dust', dustLimitSat: limit }
  }
  return undefined
}

function insufficient(
  state: WalletState,
  scripts: readonly Uint8Array[],
  feeratePerKw: number,
  context: SpendContext,
): SpendError {
  const { amountSat } = drain(state, scripts, feeratePerKw, context)
  const dust = scripts.reduce((n, s) => n + dustLimitSat(s), 0n)
  const { reservedSat, trustedSat, untrustedSat, immatureSat } = balanceOf(state, context.tipHeight)
  const usable = spendableCoins(state, context.tipHeight, context.policy.spendUnconfirmedChange)
    .filter((c) => c.height === null)
    .reduce((n, c) => n + c.valueSat, 0n)
  return {
    code: 'insufficient_funds',
    spendableSat: amountSat >= dust && amountSat > 0n ? amountSat : sat(0),
    reservedSat,
    unconfirmedSat: sat(untrustedSat + trustedSat - usable),
    immatureSat,
  }
}
