import { utf8 as strictUtf8 } from '@scure/base'
import { err, ok, type Result } from '../base/result.ts'
import { p2pkh, p2sh, parseWitnessProgram, scriptKind, witnessProgram } from '../bitcoin/script.ts'
import { isPublicKey } from '../crypto/curve.ts'
import { Reader, Writer } from '../wire/codec.ts'
import type { InvoiceError, InvoiceFields, RouteHint, UnknownField } from './types.ts'
import { bitsOf, bytesOf, numberOf, wordsOf } from './words.ts'

/** BOLT 11 §Tagged Fields: types by letter. */
export const FIELD = { p: 1, r: 3, 9: 5, x: 6, f: 9, d: 13, s: 16, n: 19, h: 23, c: 24, m: 27 } as const

type Letter = `${keyof typeof FIELD}`

const LETTERS: ReadonlyMap<number, Letter> = new Map(
  Object.entries(FIELD).map(([letter, type]) => [type, letter as Letter]),
)

/** Words of the fields that have one length only. */
const FIXED: Partial<Record<Letter, number>> = { p: 52, h: 52, s: 52, n: 53 }

const HOP_LENGTH = 51
const VERSION_P2PKH = 17
const VERSION_P2SH = 18

type Optional = 'paymentHash' | 'paymentSecret'

/** The tagged fields of an invoice before it is known whether all that are needed are there. */
export type ReadFields = Omit<InvoiceFields, 'network' | 'amountMsat' | 'timestamp' | Optional> &
  Partial<Pick<InvoiceFields, Optional>> & {
    /** The `n` field, not yet checked to be a point. */
    readonly payee?: Uint8Array
    /** The first field that may occur once and does not; the first occurrence is the one that was read. */
    readonly duplicate?: string
  }

type Draft = { -readonly [K in keyof ReadFields]: ReadFields[K] }

/** Reads the tagged fields: everything between the timestamp and the signature. */
export function readFields(words: readonly number[]): Result<ReadFields, InvoiceError> {
  const fallbacks: Uint8Array[] = []
  const routeHints: RouteHint[][] = []
  const unknownFields: UnknownField[] = []
  const draft: Draft = { fallbacks, routeHints, features: [], unknownFields }
  const seen = new Set<Letter>()
  let at = 0
  while (at < words.length) {
    if (words.length - at < 3) return err({ code: 'malformed', detail: 'cut inside a field' })
    const [type, high, low] = words.slice(at, at + 3) as [number, number, number]
    const length = high * 32 + low
    at += 3
    if (length > words.length - at) return err({ code: 'malformed', detail: 'field beyond the end' })
    const data = words.slice(at, at + length)
    at += length
    const letter = LETTERS.get(type)
    if (letter === undefined) {
      unknownFields.push({ type, words: data })
      continue
    }
    const fixed = FIXED[letter]
    // BOLT 11: MUST fail the payment if p, h, s or n does not have the correct length.
    if (fixed !== undefined && fixed !== length) return err({ code: 'wrongFieldLength', detail: letter })
    if (letter === 'r') {
      const route = readRoute(data)
      if (route === undefined) return err({ code: 'malformed', detail: letter })
      routeHints.push(route)
      continue
    }
    if (letter === 'f') {
      const script = readFallback(data)
      // BOLT 11: MUST skip over f fields that use an unknown version; a fallback that is none is skipped likewise.
      if (script === undefined) unknownFields.push({ type, words: data })
      else fallbacks.push(script)
      continue
    }
    if (seen.has(letter)) {
      draft.duplicate ??= letter
      continue
    }
    seen.add(letter)
    if (!readSingle(draft, letter, data)) return err({ code: 'malformed', detail: letter })
  }
  return ok(draft)
}

/** Fields that occur once. False when the data cannot be read. */
function readSingle(draft: Draft, letter: Exclude<Letter, 'r' | 'f'>, data: readonly number[]): boolean {
  if (letter === 'x' || letter === 'c' || letter === '9') {
    // BOLT 11: a field that begins with 0 elements is not minimal, SHOULD treat the invoice as invalid.
    if (data[0] === 0) return false
    if (letter === '9') {
      draft.features = bitsOf(data)
      return true
    }
    const value = numberOf(data)
    if (value === undefined) return false
    if (letter === 'x') draft.expirySeconds = value
    else draft.minFinalCltvExpiryDelta = value
    return true
  }
  const bytes = bytesOf(data)
  if (bytes === undefined) return false
  switch (letter) {
    case 'p':
      draft.paymentHash = bytes
      return true
    case 's':
      draft.paymentSecret = bytes
      return true
    case 'h':
      draft.descriptionHash = bytes
      return true
    case 'n':
      draft.payee = bytes
      return true
    case 'm':
      draft.paymentMetadata = bytes
      return true
    case 'd': {
      const text = readUtf8(bytes)
      if (text !== undefined) draft.description = text
      return text !== undefined
    }
  }
}

function readUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.encode(bytes)
  } catch {
    return undefined
  }
}

function readRoute(words: readonly number[]): RouteHint[] | undefined {
  const bytes = bytesOf(words)
  if (bytes === undefined || bytes.length === 0 || bytes.length % HOP_LENGTH !== 0) return undefined
  const reader = new Reader(bytes)
  const route: RouteHint[] = []
  while (reader.left > 0) {
    const pubkey = reader.bytes(33)
    // An onion is built for this key later: it has to be a point.
    if (!isPublicKey(pubkey)) return undefined
    route.push({
      pubkey,
      shortChannelId: reader.u64(),
      feeBaseMsat: reader.u32(),
      feeProportionalMillionths: reader.u32(),
      cltvExpiryDelta: reader.u16(),
    })
  }
  return route
}

/** Words of one `r` field. */
export function routeToWords(route: readonly RouteHint[]): number[] {
  const writer = new Writer()
  for (const hop of route)
    writer
      .point(hop.pubkey)
      .u64(hop.shortChannelId)
      .u32(hop.feeBaseMsat)
      .u32(hop.feeProportionalMillionths)
      .u16(hop.cltvExpiryDelta)
  return wordsOf(writer.finish())
}

/** The scriptPubKey of an `f` field, or undefined when it names nothing that can be paid to. */
function readFallback(words: readonly number[]): Uint8Array | undefined {
  const version = words[0]
  const program = bytesOf(words.slice(1))
  if (version === undefined || program === undefined) return undefined
  if (version === VERSION_P2PKH) return program.length === 20 ? p2pkh(program) : undefined
  if (version === VERSION_P2SH) return program.length === 20 ? p2sh(program) : undefined
  if (version > 16 || program.length < 2 || program.length > 40) return undefined
  if (version === 0 && program.length !== 20 && program.length !== 32) return undefined
  return witnessProgram(version, program)
}

/** Words of an `f` field for a scriptPubKey, or undefined when it has no form there. */
export function fallbackToWords(script: Uint8Array): number[] | undefined {
  const witness = parseWitnessProgram(script)
  if (witness !== undefined) return [witness.version, ...wordsOf(witness.program)]
  const kind = scriptKind(script)
  if (kind === 'p2pkh') return [VERSION_P2PKH, ...wordsOf(script.subarray(3, 23))]
  if (kind === 'p2sh') return [VERSION_P2SH, ...wordsOf(script.subarray(2, 22))]
  return undefined
}
