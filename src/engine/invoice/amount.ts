import { err, ok, type Result } from '../base/result.ts'
import { MAX_SAT, type Msat, msat, toMsat } from '../base/units.ts'
import { NETWORKS, type NetworkName } from '../bitcoin/network.ts'
import type { InvoiceError } from './types.ts'

/** Millisatoshi of one unit of each multiplier (BOLT 11 §Human-Readable Part). Pico is a tenth: see below. */
const MULTIPLIERS: readonly (readonly [letter: string, unitMsat: bigint])[] = [
  ['', 100_000_000_000n],
  ['m', 100_000_000n],
  ['u', 100_000n],
  ['n', 100n],
]

/** The human-readable part: `ln`, the network's prefix and the amount with the largest multiplier that is exact. */
export function humanPart(network: NetworkName, amountMsat: Msat | undefined): string {
  const prefix = `ln${NETWORKS[network].invoicePrefix}`
  if (amountMsat === undefined) return prefix
  for (const [letter, unit] of MULTIPLIERS)
    if (amountMsat % unit === 0n) return `${prefix}${amountMsat / unit}${letter}`
  return `${prefix}${amountMsat * 10n}p`
}

/** Reads a human-readable part in lower case. */
export function readHumanPart(
  text: string,
): Result<{ readonly network: NetworkName; readonly amountMsat?: Msat }, InvoiceError> {
  const match = /^ln([a-z]*)(.*)$/.exec(text)
  if (match === null) return err({ code: 'malformed', detail: 'does not begin with ln' })
  const [, prefix, rest] = match as unknown as [string, string, string]
  const network = Object.values(NETWORKS).find((n) => n.invoicePrefix === prefix)?.name
  if (network === undefined) return err({ code: 'unknownNetwork', detail: prefix })
  if (rest === '') return ok({ network })
  const amountMsat = readAmount(rest)
  return amountMsat.ok ? ok({ network, amountMsat: amountMsat.value }) : amountMsat
}

function readAmount(text: string): Result<Msat, InvoiceError> {
  const bad = (detail: string): Result<never, InvoiceError> => err({ code: 'badAmount', detail })
  // A positive integer without leading zeros: 22 digits hold all bitcoin there is in pico-bitcoin.
  const match = /^([1-9][0-9]{0,21})([munp]?)$/.exec(text)
  if (match === null) return bad('not a number with one of the multipliers m, u, n, p')
  const [, digits, letter] = match as unknown as [string, string, string]
  const number = BigInt(digits)
  // BOLT 11: MUST fail if the multiplier is p and the last decimal is not 0: a pico-bitcoin is 0.1 msat.
  if (letter === 'p' && number % 10n !== 0n) return bad('a fraction of a millisatoshi')
  const unit = MULTIPLIERS.find(([l]) => l === letter)?.[1]
  const amount = unit === undefined ? number / 10n : number * unit
  return amount > toMsat(MAX_SAT) ? bad('more than 21 million bitcoin') : ok(msat(amount))
}
