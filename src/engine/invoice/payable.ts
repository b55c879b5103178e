import { err, ok, type Result } from '../base/result.ts'
import type { Sat } from '../base/units.ts'
import { scriptFromAddress } from '../bitcoin/address.ts'
import type { Network } from '../bitcoin/network.ts'
import { type BitcoinUri, parseBitcoinUri, type UriError } from './bitcoin-uri.ts'
import { decodeOffer, isForChain, type Offer, type OfferError, offerText } from '../offer/offer.ts'
import { decodeInvoice } from './decode.ts'
import type { Invoice, InvoiceError } from './types.ts'

/** An on-chain destination. */
export interface OnchainTarget {
  readonly address: string
  /** scriptPubKey */
  readonly script: Uint8Array
}

/** What we recognise and cannot pay (yet). */
export type UnsupportedKind = 'bolt12' | 'lnurl' | 'lightningAddress' | 'silentPayment'

/** What a text asks us to pay. */
export type Payable =
  | { readonly kind: 'invoice'; readonly text: string; readonly invoice: Invoice }
  | { readonly kind: 'offer'; readonly text: string; readonly offer: Offer }
  | {
      /** An address, or a `bitcoin:` URI with an address, an invoice, an offer, or several: pay the invoice or the offer where possible. */
      readonly kind: 'bitcoin'
      readonly onchain?: OnchainTarget
      readonly lightning?: { readonly text: string; readonly invoice: Invoice }
      readonly offer?: { readonly text: string; readonly offer: Offer }
      /** Why there is no `lightning` although the URI has one. */
      readonly lightningError?: PayableError
      readonly amountSat?: Sat
      readonly label?: string
      readonly message?: string
    }
  | { readonly kind: 'unsupported'; readonly what: UnsupportedKind; readonly text: string }

/**
 * Why a text cannot be paid.
 * - `empty`, `tooLong`, `unrecognised`
 * - `nodeUri`: a node's address (`pubkey@host:port`): something to connect to, not to pay.
 * - `invalidAddress`: looks like an on-chain address and is mistyped.
 * - `wrongNetwork`: good, for another network; `detail` names it where that is known.
 * - `inconsistent`: the amounts of a URI and of the invoice in it differ.
 * - `invoice`, `offer`: the field of that name says what is wrong with it.
 * - the codes of `UriError`.
 */
export interface PayableError {
  readonly code:
    | 'empty'
    | 'tooLong'
    | 'unrecognised'
    | 'nodeUri'
    | 'invalidAddress'
    | 'wrongNetwork'
    | 'inconsistent'
    | 'invoice'
    | 'offer'
    | UriError['code']
  readonly detail?: string
  readonly invoice?: InvoiceError
  readonly offer?: OfferError
}

/** Room for the longest invoice inside a URI. */
const MAX_TEXT = 8192
const LNURL_SCHEMES: readonly string[] = ['lnurlp', 'lnurlw', 'lnurlc', 'keyauth']

/** Recognises anything payable: pasted, scanned, shared or followed as a link. Pure text: nothing is fetched. */
export function parsePayable(input: string, network: Network): Result<Payable, PayableError> {
  if (input.length > MAX_TEXT) return err({ code: 'tooLong' })
  const text = input.trim()
  if (text === '') return err({ code: 'empty' })
  const scheme = /^(?:web\+)?([a-z][a-z0-9]*):/i.exec(text)
  switch (scheme?.[1]?.toLowerCase()) {
    case 'bitcoin':
      return parseUri(text.slice(text.toLowerCase().indexOf('bitcoin:')), network)
    case 'lightning':
      return parseBare(afterScheme(text), network)
    case 'http':
    case 'https': {
      // LUD-01: a link may carry an LNURL for wallets beside a page for browsers.
      const inside = /[?&]lightning=([^&#]+)/i.exec(text)?.[1]
      return inside === undefined ? err({ code: 'unrecognised' }) : parseBare(inside, network)
    }
    case undefined:
      return parseBare(text, network)
    default:
      return LNURL_SCHEMES.includes(scheme?.[1]?.toLowerCase() ?? '')
        ? ok({ kind: 'unsupported', what: 'lnurl', text })
        : parseBare(text, network)
  }
}

/** `lightning:X`, `lightning://X` and either with parameters behind: X. */
const afterScheme = (text: string): string =>
  (
    text
      .slice(text.indexOf(':') + 1)
      .replace(/^\/\//, '')
      .split(/[?#]/)[0] as string
  ).trim()

function parseBare(text: string, network: Network): Result<Payable, PayableError> {
  const lower = text.toLowerCase()
  if (/^(02|03)[0-9a-f]{64}(@|$)/.test(lower)) return err({ code: 'nodeUri' })
  const unsupported = recognise(lower)
  if (unsupported !== undefined) return ok({ kind: 'unsupported', what: unsupported, text })
  if (/^l\+?n\+?o\+?1/.test(lower)) {
    const offer = parseOffer(text, network)
    return offer.ok ? ok({ kind: 'offer', ...offer.value }) : offer
  }
  if (/^ln[a-z]/.test(lower)) {
    const lightning = parseInvoice(text, network)
    return lightning.ok ? ok({ kind: 'invoice', ...lightning.value }) : lightning
  }
  const onchain = parseAddress(text, network)
  if (onchain.ok) return ok({ kind: 'bitcoin', onchain: onchain.value })
  // Whatever does not even look like an address gets the more general answer.
  if (onchain.error.code === 'invalidAddress' && !/^((bc|tb|bcrt)1|[123mn][a-z0-9]{24,40}$)/.test(lower))
    return err({ code: 'unrecognised' })
  return onchain
}

/** What we know by its form and cannot pay. */
function recognise(lower: string): UnsupportedKind | undefined {
  if (lower.startsWith('lnr1') || lower.startsWith('lni1')) return 'bolt12'
  if (lower.startsWith('lnurl1')) return 'lnurl'
  // BIP 352 addresses are longer than 110 characters.
  if (/^t?sp1q[a-z0-9]{20,}$/.test(lower)) return 'silentPayment'
  // LUD-16, and BIP 353 with its sign in front.
  if (/^₿?[a-z0-9._+-]+@[a-z0-9-]+(\.[a-z0-9-]+)*(:[0-9]{1,5})?$/.test(lower)) return 'lightningAddress'
  return undefined
}

function parseInvoice(
  text: string,
  network: Network,
): Result<{ readonly text: string; readonly invoice: Invoice }, PayableError> {
  // Mail and chats break long lines; its checksum tells whether that is all that was done to it.
  const whole = text.replace(/\s+/g, '')
  const invoice = decodeInvoice(whole)
  if (!invoice.ok) return err({ code: 'invoice', invoice: invoice.error })
  if (invoice.value.network !== network.name)
    return err({ code: 'wrongNetwork', detail: invoice.value.network })
  return ok({ text: whole.toLowerCase(), invoice: invoice.value })
}

/** An offer for our network. Whether it has expired is not looked at here. */
function parseOffer(
  text: string,
  network: Network,
): Result<{ readonly text: string; readonly offer: Offer }, PayableError> {
  const offer = decodeOffer(text)
  if (!offer.ok) return err({ code: 'offer', offer: offer.error })
  if (!isForChain(offer.value, network.chainHash)) return err({ code: 'wrongNetwork' })
  return ok({ text: offerText(offer.value), offer: offer.value })
}

function parseAddress(address: string, network: Network): Result<OnchainTarget, PayableError> {
  const script = scriptFromAddress(address, network)
  if (script.ok) return ok({ address, script: script.value })
  return err({ code: script.error === 'wrong_network' ? 'wrongNetwork' : 'invalidAddress' })
}

function parseUri(text: string, network: Network): Result<Payable, PayableError> {
  const parsed = parseBitcoinUri(text)
  if (!parsed.ok) return parsed
  const uri = parsed.value
  const onchain = firstAddress(uri, network)
  // A mistyped address is never passed over in silence, even where an invoice stands beside it.
  if (onchain !== undefined && !onchain.ok) return onchain
  const lightning = uri.lightning[0] === undefined ? undefined : parseInvoice(uri.lightning[0], network)
  const offer = uri.offers[0] === undefined ? undefined : parseOffer(uri.offers[0], network)
  if (onchain === undefined && !lightning?.ok && !offer?.ok) return unsupportedUri(uri, lightning ?? offer)
  if (lightning?.ok && !sameAmount(uri.amountSat, lightning.value.invoice))
    return err({ code: 'inconsistent' })
  const { amountSat, label, message } = uri
  return ok({
    kind: 'bitcoin',
    ...(onchain === undefined ? {} : { onchain: onchain.value }),
    ...(lightning === undefined
      ? {}
      : lightning.ok
        ? { lightning: lightning.value }
        : { lightningError: lightning.error }),
    ...(offer?.ok === true ? { offer: offer.value } : {}),
    ...(amountSat === undefined ? {} : { amountSat }),
    ...(label === undefined ? {} : { label }),
    ...(message === undefined ? {} : { message }),
  })
}

/** The first address of our network; where there is none, the error of the first that there is. */
function firstAddress(uri: BitcoinUri, network: Network): Result<OnchainTarget, PayableError> | undefined {
  const all = [...(uri.address === '' ? [] : [uri.address]), ...uri.segwit].map((a) =>
    parseAddress(a, network),
  )
  return (
    all.find((a) => !a.ok && a.error.code === 'invalidAddress') ??
    all.find((a) => a.ok) ??
    (all.length === 0 ? undefined : all[0])
  )
}

/** A URI without an address, an invoice and an offer that we can pay. */
function unsupportedUri(
  uri: BitcoinUri,
  lightning: Result<unknown, PayableError> | undefined,
): Result<Payable, PayableError> {
  const given = uri.lightning[0]
  // LNURLs are found under `lightning=` in the wild.
  const what = given === undefined ? undefined : recognise(given.toLowerCase())
  if (given !== undefined && what !== undefined) return ok({ kind: 'unsupported', what, text: given })
  const silent = uri.silent[0]
  if (silent !== undefined) return ok({ kind: 'unsupported', what: 'silentPayment', text: silent })
  if (lightning !== undefined && !lightning.ok) return lightning
  return err({ code: 'badUri', detail: 'nothing to pay to' })
}

/** A URI's amount is in satoshi: an invoice for a fraction of one more or less still says the same. */
function sameAmount(amountSat: Sat | undefined, invoice: Invoice): boolean {
  if (amountSat === undefined || invoice.amountMsat === undefined) return true
  const difference = amountSat * 1000n - invoice.amountMsat
  return difference > -1000n && difference < 1000n
}
