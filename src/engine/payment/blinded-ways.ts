import { fromHex, toHex } from '../base/bytes.ts'
import { type Msat, msat } from '../base/units.ts'
import type { BlindedPaymentPath, BlindedPayInfo } from '../onion/blinded-path.ts'
import { openRecipientData } from '../onion/blinding.ts'
import { type OnionHop, PAYLOADS_LENGTH, payloadSpace } from '../onion/construct.ts'
import { encodeHopPayload } from '../onion/payload.ts'
import { decodeRecipientData, type PaymentRelay } from '../onion/recipient-data.ts'
import type { BlindedTail } from '../router/types.ts'
import { unknownRequiredBits } from '../wire/features.ts'

/** Blinded paths as a payer sees them (BOLT 4 §Route Blinding, the reader): where each begins, and whether it can be used. */

/** What it takes to find the beginning of a path. */
export interface PathSight {
  /** 32 bytes: a path may begin with us. */
  readonly nodeSecret: Uint8Array
  /** 33 bytes */
  readonly nodeId: Uint8Array
  /** The node at one end of a channel (66 hex digits), where the channel is known. */
  readonly endOf: (shortChannelId: bigint, direction: 0 | 1) => string | undefined
  /** The peer at the other end of a channel of ours. */
  readonly peerOf: (shortChannelId: bigint) => string | undefined
}

/** A path that can be paid by. */
export interface UsablePath {
  /** Among the paths given. */
  readonly index: number
  /** 66 hex digits */
  readonly introduction: string
  /** From the introduction node on: without our own hop, where the path given begins with us. */
  readonly path: BlindedPaymentPath['path']
  readonly payInfo: BlindedPayInfo
}

/** Bytes of a final hop's amounts and expiry in its payload, and of the path key, at most. */
const OTHER_FIELDS = 2 * 10 + 6 + 35 + 4
/** More than all money: a limit of this and above is none. */
const NO_LIMIT = 2_100_000_000_000_000_000n

const NO_FEATURES: ReadonlySet<number> = new Set()

/** Those of the paths that begin with a node that we know, fit an onion, and ask for nothing that we do not have. */
export const usablePaths = (paths: readonly BlindedPaymentPath[], sight: PathSight): readonly UsablePath[] =>
  paths.flatMap((path, index) => {
    const usable = usablePath(path, index, sight)
    return usable === undefined ? [] : [usable]
  })

function usablePath(given: BlindedPaymentPath, index: number, sight: PathSight): UsablePath | undefined {
  // BOLT 12 §Requirements For Invoices: MUST NOT use a path whose features have an unknown even bit.
  if (unknownRequiredBits(given.payInfo.features, NO_FEATURES).length > 0) return undefined
  const space = given.path.hops.reduce(
    (sum, hop) => sum + payloadSpace(hop.encryptedRecipientData.length + 4),
    OTHER_FIELDS,
  )
  if (space > PAYLOADS_LENGTH) return undefined
  const ourselves = toHex(sight.nodeId)
  let { path, payInfo } = given
  let introduction =
    'nodeId' in path.introduction
      ? toHex(path.introduction.nodeId)
      : sight.endOf(path.introduction.shortChannelId, path.introduction.direction)
  while (introduction === ourselves) {
    const onward = withoutOurHop({ path, payInfo }, sight)
    if (onward === undefined) return undefined
    ;({ path, payInfo, introduction } = onward)
  }
  return introduction === undefined ? undefined : { index, introduction, path, payInfo }
}

/** A path that begins with us, from the next node on. Undefined where it ends with us, or our part of it cannot be used. */
function withoutOurHop(
  { path, payInfo }: BlindedPaymentPath,
  sight: PathSight,
): Omit<UsablePath, 'index'> | undefined {
  const [ours, ...hops] = path.hops
  if (ours === undefined || hops.length === 0) return undefined
  const opened = openRecipientData(sight.nodeSecret, path.firstPathKey, ours.encryptedRecipientData)
  const data = opened.ok ? decodeRecipientData(opened.value.data) : opened
  if (!opened.ok || !data.ok || data.value.paymentRelay === undefined) return undefined
  const { shortChannelId, nextNodeId, nextPathKeyOverride, paymentRelay: relay } = data.value
  if ((shortChannelId === undefined) === (nextNodeId === undefined)) return undefined
  const introduction = nextNodeId !== undefined ? toHex(nextNodeId) : sight.peerOf(shortChannelId as bigint)
  if (introduction === undefined || payInfo.cltvExpiryDelta < relay.cltvExpiryDelta) return undefined
  return {
    introduction,
    path: {
      introduction: { nodeId: fromHex(introduction) },
      firstPathKey: nextPathKeyOverride ?? opened.value.nextPathKey,
      hops,
    },
    payInfo: { ...payInfo, ...withoutOurTerms(payInfo, relay) },
  }
}

/** What the rest of a path takes where the first hop, which is ours, takes nothing: BOLT 4's sums the other way round, rounded up. */
function withoutOurTerms(
  { feeBaseMsat, feeProportionalMillionths, cltvExpiryDelta }: BlindedPayInfo,
  relay: PaymentRelay,
): PaymentRelay {
  const scale = 1_000_000 + relay.feeProportionalMillionths
  const rest = (total: number, ours: number): number =>
    Math.ceil((Math.max(0, total - ours) * 1_000_000) / scale)
  return {
    feeBaseMsat: rest(feeBaseMsat, relay.feeBaseMsat),
    feeProportionalMillionths: rest(feeProportionalMillionths, relay.feeProportionalMillionths),
    cltvExpiryDelta: cltvExpiryDelta - relay.cltvExpiryDelta,
  }
}

/** As the router looks at it. */
export const tailOf = ({ introduction: introductionNode, payInfo }: UsablePath): BlindedTail => ({
  introductionNode,
  feeBaseMsat: payInfo.feeBaseMsat,
  feeProportionalMillionths: payInfo.feeProportionalMillionths,
  cltvExpiryDelta: payInfo.cltvExpiryDelta,
  htlcMinimumMsat: msat(payInfo.htlcMinimumMsat < NO_LIMIT ? payInfo.htlcMinimumMsat : NO_LIMIT),
  htlcMaximumMsat: msat(payInfo.htlcMaximumMsat < NO_LIMIT ? payInfo.htlcMaximumMsat : NO_LIMIT),
})

/** What the hops of a blinded path are told: the first one at its own id, with the path key, the others at their blinded ones. */
export function blindedHops(
  { introduction, path }: UsablePath,
  final: { readonly amountMsat: Msat; readonly cltvExpiry: number; readonly totalMsat: Msat },
): readonly OnionHop[] {
  const last = path.hops.length - 1
  return path.hops.map(({ blindedNodeId, encryptedRecipientData }, i) => ({
    pubkey: i === 0 ? fromHex(introduction) : blindedNodeId,
    payload: encodeHopPayload({
      ...(i === last
        ? {
            amtToForward: final.amountMsat,
            outgoingCltvValue: final.cltvExpiry,
            totalAmountMsat: final.totalMsat,
          }
        : {}),
      encryptedRecipientData,
      ...(i === 0 ? { currentPathKey: path.firstPathKey } : {}),
    }),
  }))
}
