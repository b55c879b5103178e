import { err, ok, type Result } from '../base/result.ts'
import { MAX_SAT, type Sat, sat } from '../base/units.ts'

/** A `bitcoin:` URI (BIP 21, BIP 321), its syntax checked and nothing else: no address, no invoice looked into. */
export interface BitcoinUri {
  /** In front of the `?`; empty when the URI has none. */
  readonly address: string
  /** Absent, or 0, means that the payer chooses. */
  readonly amountSat?: Sat
  readonly label?: string
  readonly message?: string
  /** BOLT 11 invoices, in order. */
  readonly lightning: readonly string[]
  /** BOLT 12 offers, in order. */
  readonly offers: readonly string[]
  /** Silent payment addresses, in order. */
  readonly silent: readonly string[]
  /** Segwit addresses given by their prefix (`bc=…`, `tb=…`), in order. */
  readonly segwit: readonly string[]
}

/**
 * - `badUri`: not a `bitcoin:` URI, bad percent escapes, or a parameter that may occur once and does not.
 * - `badAmount`: not an exact decimal amount of bitcoin, or more than there is.
 * - `unknownRequiredParameter`: a `req-` parameter that we do not know; `detail` is its name.
 */
export interface UriError {
  readonly code: 'badUri' | 'badAmount' | 'unknownRequiredParameter'
  readonly detail?: string
}

/** More parameters than anybody needs. */
const MAX_PARAMETERS = 64
/** BIP 321: the prefix is the key. */
const SEGWIT_PREFIXES: readonly string[] = ['bc', 'tb', 'bcrt']
/** `pop` asks for a proof to be sent to an address of the payee's choice: known, not done; refused when required. */
const ONCE: readonly string[] = ['amount', 'label', 'message', 'pop']

/** Reads a `bitcoin:` URI; the scheme and the names of parameters in any case (QR codes are upper case). */
export function parseBitcoinUri(text: string): Result<BitcoinUri, UriError> {
  const match = /^bitcoin:([^?#]*)(?:\?([^#]*))?(?:#.*)?$/i.exec(text)
  if (match === null) return err({ code: 'badUri' })
  const address = percentDecoded(match[1] as string)
  if (address === undefined) return err({ code: 'badUri' })
  const once = new Map<string, string>()
  const lists = {
    lightning: [] as string[],
    lno: [] as string[],
    sp: [] as string[],
    segwit: [] as string[],
  }
  const pairs = (match[2] ?? '').split('&').filter((pair) => pair !== '')
  if (pairs.length > MAX_PARAMETERS) return err({ code: 'badUri', detail: 'too many parameters' })
  for (const pair of pairs) {
    const equals = pair.indexOf('=')
    const name = percentDecoded(equals < 0 ? pair : pair.slice(0, equals))?.toLowerCase()
    const value = percentDecoded(equals < 0 ? '' : pair.slice(equals + 1))
    if (name === undefined || value === undefined) return err({ code: 'badUri', detail: 'bad escape' })
    const required = name.startsWith('req-')
    const key = required ? name.slice(4) : name
    if (ONCE.includes(key)) {
      if (once.has(key)) return err({ code: 'badUri', detail: `${key} occurs twice` })
      once.set(key, value)
    } else if (SEGWIT_PREFIXES.includes(key)) {
      // BIP 321: an address belongs under its own prefix.
      if (!value.toLowerCase().startsWith(`${key}1`)) return err({ code: 'badUri', detail: key })
      lists.segwit.push(value)
    } else if (key === 'lightning' || key === 'lno' || key === 'sp') lists[key].push(value)
    else if (required) return err({ code: 'unknownRequiredParameter', detail: name })
    if (required && key === 'pop') return err({ code: 'unknownRequiredParameter', detail: name })
  }
  const amountText = once.get('amount')
  const amount = amountText === undefined ? undefined : parseBtc(amountText)
  if (amountText !== undefined && amount === undefined) return err({ code: 'badAmount', detail: amountText })
  const label = once.get('label')
  const message = once.get('message')
  return ok({
    address,
    ...(amount === undefined || amount === 0n ? {} : { amountSat: amount }),
    ...(label === undefined ? {} : { label }),
    ...(message === undefined ? {} : { message }),
    lightning: lists.lightning,
    offers: lists.lno,
    silent: lists.sp,
    segwit: lists.segwit,
  })
}

/** Percent escapes to text; undefined when they are no UTF-8. A `+` is a plus (RFC 3986, not HTML forms). */
function percentDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/**
 * An amount of bitcoin in decimals to satoshi, exact: digits with at most one period, at most 8 places that are not zero,
 * at most 21 million. No sign, no exponent, no comma (BIP 21 §Transfer amount/size).
 */
export function parseBtc(text: string): Sat | undefined {
  const match = /^([0-9]{0,8})(?:\.([0-9]{0,8})0{0,16})?$/.exec(text)
  if (match === null || !/[0-9]/.test(text)) return undefined
  const [, whole = '', fraction = ''] = match
  const amount = BigInt(whole || '0') * 100_000_000n + BigInt(fraction.padEnd(8, '0'))
  return amount > MAX_SAT ? undefined : sat(amount)
}
