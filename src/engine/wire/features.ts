import type { Result } from '../base/result.ts'
import { err, ok } from '../base/result.ts'
import type { Init } from './messages.ts'

/** What BOLT 9 says of a feature. */
export interface Feature {
  /** The even (required) bit; the odd (optional) one follows it. */
  readonly bit: number
  /** Where it is presented: I init, N node_announcement, 9 invoice, T channel type. Empty for assumed features. */
  readonly contexts: string
  readonly dependencies: readonly FeatureName[]
  /** Set on every node since long: taken as set whether or not it is (BOLT 9, ASSUMED). */
  readonly assumed?: true
}

export type FeatureName =
  | 'option_data_loss_protect'
  | 'option_upfront_shutdown_script'
  | 'gossip_queries'
  | 'var_onion_optin'
  | 'gossip_queries_ex'
  | 'option_static_remotekey'
  | 'payment_secret'
  | 'basic_mpp'
  | 'option_support_large_channel'
  | 'option_anchors'
  | 'option_route_blinding'
  | 'option_shutdown_anysegwit'
  | 'option_dual_fund'
  | 'option_quiesce'
  | 'option_attribution_data'
  | 'option_onion_messages'
  | 'option_provide_storage'
  | 'option_channel_type'
  | 'option_scid_alias'
  | 'option_payment_metadata'
  | 'option_zeroconf'
  | 'keysend'
  | 'option_simple_close'
  | 'option_splice'
  | 'lcp'

const feature = (bit: number, contexts: string, dependencies: readonly FeatureName[] = []): Feature => ({
  bit,
  contexts,
  dependencies,
})

const assumed = (bit: number): Feature => ({ bit, contexts: '', dependencies: [], assumed: true })

/** BOLT 9 §Assigned features flags, `keysend` as all implementations number it, and our own `lcp`. */
export const FEATURES: Readonly<Record<FeatureName, Feature>> = {
  option_data_loss_protect: assumed(0),
  option_upfront_shutdown_script: feature(4, 'IN'),
  gossip_queries: feature(6, ''),
  var_onion_optin: assumed(8),
  gossip_queries_ex: feature(10, 'IN'),
  option_static_remotekey: assumed(12),
  payment_secret: assumed(14),
  basic_mpp: feature(16, 'IN9', ['payment_secret']),
  option_support_large_channel: feature(18, 'IN'),
  option_anchors: feature(22, 'INT'),
  option_route_blinding: feature(24, 'IN9'),
  option_shutdown_anysegwit: feature(26, 'IN'),
  option_dual_fund: feature(28, 'IN'),
  option_quiesce: feature(34, 'IN'),
  option_attribution_data: feature(36, 'IN9'),
  option_onion_messages: feature(38, 'IN'),
  option_provide_storage: feature(42, 'IN'),
  option_channel_type: assumed(44),
  option_scid_alias: feature(46, 'INT'),
  option_payment_metadata: feature(48, '9'),
  option_zeroconf: feature(50, 'INT', ['option_scid_alias']),
  keysend: feature(54, 'IN'),
  option_simple_close: feature(60, 'IN', ['option_shutdown_anysegwit']),
  option_splice: feature(62, 'IN'),
  lcp: feature(266, 'IT'),
}

const NAMES_BY_BIT: ReadonlyMap<number, FeatureName> = new Map(
  (Object.keys(FEATURES) as FeatureName[]).map((name) => [FEATURES[name].bit, name]),
)

/** The name of a bit's feature (even or odd), if it is assigned. */
export const featureName = (bit: number): FeatureName | undefined => NAMES_BY_BIT.get(bit - (bit % 2))

// ---- vectors: big-endian bit fields, bit 0 is the least significant bit of the last byte ----

/** Whether a bit is set in a vector of any length. */
export function hasBit(vector: Uint8Array, bit: number): boolean {
  const byte = vector[vector.length - 1 - Math.floor(bit / 8)]
  return byte !== undefined && (byte & (1 << (bit % 8))) !== 0
}

/** The bits set, ascending. */
export function featureBits(vector: Uint8Array): number[] {
  const bits: number[] = []
  for (let i = vector.length - 1, base = 0; i >= 0; i--, base += 8) {
    const byte = vector[i] ?? 0
    if (byte === 0) continue
    for (let b = 0; b < 8; b++) if (byte & (1 << b)) bits.push(base + b)
  }
  return bits
}

/** The shortest vector with these bits (BOLT 9: minimal length). Bits above 8191 are a defect of ours and throw. */
export function encodeFeatures(bits: Iterable<number>): Uint8Array {
  const list = [...bits]
  let highest = -1
  for (const bit of list) {
    if (bit < 0 || bit > 8191 || !Number.isInteger(bit)) throw new RangeError(`feature bit ${bit}`)
    highest = Math.max(highest, bit)
  }
  const vector = new Uint8Array(Math.ceil((highest + 1) / 8))
  for (const bit of list) {
    const at = vector.length - 1 - Math.floor(bit / 8)
    vector[at] = (vector[at] ?? 0) | (1 << (bit % 8))
  }
  return vector
}

/** Whether two vectors have the same bits, whatever their lengths. */
export function sameFeatures(a: Uint8Array, b: Uint8Array): boolean {
  const length = Math.max(a.length, b.length)
  for (let i = 1; i <= length; i++) if ((a[a.length - i] ?? 0) !== (b[b.length - i] ?? 0)) return false
  return true
}

/** All features of an init: both of its fields together (BOLT 1 §The init Message: logical OR). */
export function combinedFeatures(init: Pick<Init, 'features' | 'globalfeatures'>): Uint8Array {
  const [long, short] =
    init.features.length >= init.globalfeatures.length
      ? [init.features, init.globalfeatures]
      : [init.globalfeatures, init.features]
  const out = long.slice()
  const offset = long.length - short.length
  for (let i = 0; i < short.length; i++) out[offset + i] = (out[offset + i] ?? 0) | (short[i] ?? 0)
  return out
}

/** Whether a vector has the feature, required or optional, or it is assumed. */
export const supports = (vector: Uint8Array, name: FeatureName): boolean =>
  FEATURES[name].assumed === true || offers(vector, name)

/** Whether a vector says so itself: the feature's required or optional bit is set. */
export const offers = (vector: Uint8Array, name: FeatureName): boolean =>
  hasBit(vector, FEATURES[name].bit) || hasBit(vector, FEATURES[name].bit + 1)

/** Whether both sides offer a feature: it is negotiated (BOLT 9). */
export const negotiated = (ours: Uint8Array, theirs: Uint8Array, name: FeatureName): boolean =>
  supports(ours, name) && supports(theirs, name)

// ---- compatibility ----

/** Features that we can live with when a peer requires them: implemented, or needing nothing of us. */
const UNDERSTOOD: ReadonlySet<number> = new Set(
  (
    [
      'option_data_loss_protect',
      'option_upfront_shutdown_script',
      'gossip_queries',
      'var_onion_optin',
      'gossip_queries_ex',
      'option_static_remotekey',
      'payment_secret',
      'basic_mpp',
      'option_support_large_channel',
      'option_anchors',
      'option_route_blinding',
      'option_shutdown_anysegwit',
      'option_onion_messages',
      'option_provide_storage',
      'option_channel_type',
      'option_scid_alias',
      'option_payment_metadata',
      'option_attribution_data',
      'option_zeroconf',
      'keysend',
      'lcp',
    ] satisfies FeatureName[]
  ).map((name) => FEATURES[name].bit),
)

export type FeatureProblem =
  | { readonly code: 'unknown_required'; readonly bits: readonly number[] }
  | {
      readonly code: 'missing_dependency'
      readonly feature: FeatureName
      readonly dependency: FeatureName
    }

/** Required bits of a vector that we do not understand, at most 16 of them. */
export function unknownRequiredBits(
  vector: Uint8Array,
  understood: ReadonlySet<number> = UNDERSTOOD,
): number[] {
  const bad: number[] = []
  for (let i = vector.length - 1, base = 0; i >= 0 && bad.length < 16; i--, base += 8) {
    const even = (vector[i] ?? 0) & 0x55
    for (let b = 0; even !== 0 && b < 8; b += 2)
      if (even & (1 << b) && !understood.has(base + b) && bad.length < 16) bad.push(base + b)
  }
  return bad
}

/**
 * Whether a peer's vector lets us work with it (BOLT 1 §The init Message): no required bit that we do not understand, and
 * every known feature has its known dependencies. A problem means: close the connection.
 */
export function checkFeatures(
  vector: Uint8Array,
  understood: ReadonlySet<number> = UNDERSTOOD,
): Result<true, FeatureProblem> {
  const bits = unknownRequiredBits(vector, understood)
  if (bits.length > 0) return err({ code: 'unknown_required', bits })
  for (const name of Object.keys(FEATURES) as FeatureName[]) {
    if (!offers(vector, name)) continue
    for (const dependency of FEATURES[name].dependencies)
      if (!supports(vector, dependency)) return err({ code: 'missing_dependency', feature: name, dependency })
  }
  return ok(true)
}

// ---- what we send ----

export interface InitOptions {
  /**
   * Offer gossip_queries (7). Our gossip is hardly worth a query, yet older nodes take the bit for "this peer filters its
   * gossip" and would send us all of it otherwise.
   */
  readonly gossipQueries: boolean
  /** Understand 0-conf channel types (51). */
  readonly zeroconf: boolean
  /** Channels of 2^24 satoshi and more (19). */
  readonly largeChannels: boolean
  /** Our own format (267, never 266). */
  readonly lcp: boolean
}

const DEFAULT_OPTIONS: InitOptions = { gossipQueries: true, zeroconf: false, largeChannels: false, lcp: true }

/**
 * The `features` of our `init`; its `globalfeatures` stay empty. What every node has by now is required (0, 8, 12, 14, 44),
 * the rest optional; simple close, dual funding, splicing and quiescence are not offered.
 */
export function initFeatures(options: Partial<InitOptions> = {}): Uint8Array {
  const { gossipQueries, zeroconf, largeChannels, lcp } = { ...DEFAULT_OPTIONS, ...options }
  const bits = [0, 5, 8, 12, 14, 17, 23, 25, 27, 37, 39, 43, 44, 47, 55]
  if (gossipQueries) bits.push(7)
  if (largeChannels) bits.push(19)
  if (zeroconf) bits.push(51)
  if (lcp) bits.push(267)
  return encodeFeatures(bits)
}
