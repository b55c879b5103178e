/**
 * Money as text and text as money. Everything is whole msat in a bigint; no floating point anywhere.
 * Sats are grouped in threes with a thin space (U+2009); msat appear after a point only when they are not zero.
 */

export const THIN_SPACE = '\u2009'
const MAX_SAT = 2_100_000_000_000_000n

/** Digits grouped in threes from the right: `1234567` → `1 234 567`. */
export function group(digits: string): string {
  return digits.replace(/\B(?=(\d{3})+$)/g, THIN_SPACE)
}

/** An amount in msat as sats: `1000250n` → `1 000.250`, `5000n` → `5`. Exact. */
export function formatMsat(amount: bigint | string): string {
  const msat = BigInt(amount)
  const size = msat < 0n ? -msat : msat
  const rest = size % 1000n
  const whole = group((size / 1000n).toString())
  const text = rest === 0n ? whole : `${whole}.${rest.toString().padStart(3, '0')}`
  return msat < 0n ? `−${text}` : text
}

/** An amount in sat, grouped. */
export function formatSat(amount: bigint | string): string {
  return formatMsat(BigInt(amount) * 1000n)
}

/** The same with a sign in front, `+` or `−`, for changes of balances. */
export function formatSigned(msat: bigint | string): string {
  const amount = BigInt(msat)
  return amount > 0n ? `+${formatMsat(amount)}` : formatMsat(amount)
}

/** Sat as a decimal of bitcoin for BIP 21 (`amount=0.00100000` without trailing zeros). Exact. */
export function satToBtc(sat: bigint): string {
  const whole = sat / 100_000_000n
  const rest = (sat % 100_000_000n).toString().padStart(8, '0').replace(/0+$/, '')
  return rest === '' ? whole.toString() : `${whole}.${rest}`
}

/** msat to sat, rounded up: what an on-chain payment must carry to cover it. */
export const satCeil = (msat: bigint): bigint => (msat + 999n) / 1000n
/** msat to sat, rounded down. */
export const satFloor = (msat: bigint): bigint => msat / 1000n

export type AmountProblem = 'empty' | 'notANumber' | 'ambiguousComma' | 'tooPrecise' | 'tooLarge' | 'zero'
export type ParsedAmount =
  | { readonly ok: true; readonly msat: bigint }
  | { readonly ok: false; readonly problem: AmountProblem }

const problem = (name: AmountProblem): ParsedAmount => ({ ok: false, problem: name })

/**
 * What a person typed as sats. Spaces, thin spaces, apostrophes and underscores between digits are taken for grouping; a comma is
 * refused, since `1,000` means a thousand to one reader and one to another. `decimals`: 3 for Lightning, 0 on chain.
 */
export function parseSats(text: string, decimals: 0 | 3): ParsedAmount {
  const plain = text.trim().replace(/(?<=\d)[\s'’_](?=\d)/gu, '')
  if (plain === '') return problem('empty')
  if (plain.includes(',')) return problem('ambiguousComma')
  const match = /^(\d*)(?:\.(\d*))?$/.exec(plain)
  if (match === null || plain === '.') return problem('notANumber')
  const whole = match[1] ?? ''
  const fraction = (match[2] ?? '').replace(/0+$/, '')
  if (fraction.length > decimals) return problem('tooPrecise')
  if (whole.length > 19) return problem('tooLarge')
  const msat = BigInt(whole === '' ? '0' : whole) * 1000n + BigInt(fraction.padEnd(3, '0'))
  if (msat === 0n) return problem('zero')
  if (msat > MAX_SAT * 1000n) return problem('tooLarge')
  return { ok: true, msat }
}

/** An amount as a person would type it, exact; nothing for none. */
export function typedMsat(amountMsat: string | undefined): string {
  if (amountMsat === undefined) return ''
  const msat = BigInt(amountMsat)
  const fraction = (msat % 1000n).toString().padStart(3, '0').replace(/0+$/, '')
  return `${msat / 1000n}${fraction === '' ? '' : `.${fraction}`}`
}

/** `02c3ab…19fe`: keys and hashes where there is no room for all of them. */
export function shorten(text: string, head = 6, tail = 4): string {
  return text.length <= head + tail + 1 ? text : `${text.slice(0, head)}…${text.slice(-tail)}`
}

/** A fee rate in sat/vB, at most one decimal. */
export function formatRate(satPerVb: number): string {
  return satPerVb.toFixed(satPerVb < 10 && !Number.isInteger(satPerVb) ? 1 : 0)
}
