import { fromHex, toHex } from '../base/bytes.ts'
import { err, ok, unwrap } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { publicKey } from '../crypto/curve.ts'
import { sha256 } from '../crypto/hash.ts'
import type { BlindedPaymentPath } from '../onion/blinded-path.ts'
import { createBlindedPath } from '../onion/blinding.ts'
import { FAILURE_CODES } from '../onion/failure.ts'
import { encodeRecipientData, type RecipientData } from '../onion/recipient-data.ts'
import { findParts } from '../router/parts.ts'
import { createGraph } from '../router/graph.ts'
import { createBlindedInvoice } from './blinded-invoice.ts'
import type { PathSight } from './blinded-ways.ts'
import type { RouteWanted } from './attempt-route.ts'
import {
  ALICE,
  ALICE_SECRET,
  BOB,
  BOB_SECRET,
  entropy,
  HEIGHT,
  NOW,
  offersOf,
  received,
  startContext,
} from './fixture.ts'
import { receiveHtlc } from './incoming.ts'
import type { InvoiceRecord, NewInvoice } from './invoice-record.ts'
import type { WayIn } from './make-paths.ts'
import type { StartContext } from './start-payment.ts'
import { type BlindedPayee, startBlinded } from './pay-blinded.ts'
import type { PaymentTurn } from './payment-record.ts'
import { type ForwardRead, readOnion } from './read-onion.ts'
import type { HtlcRemoval, IncomingHtlc, OutgoingAdd } from './types.ts'

/** Three nodes and a blinded path, for the tests of this room. */

// Alice pays Carol, whose peer Bob is the beginning of her paths.
export const CAROL_SECRET = new Uint8Array(32).fill(0xc4)
export const CAROL = toHex(publicKey(CAROL_SECRET))
export const DAVE = toHex(publicKey(new Uint8Array(32).fill(0xd5)))
export const AMOUNT = 5_000_000n

export const wayIn = (change: Partial<WayIn> = {}): WayIn => ({
  peer: fromHex(BOB),
  shortChannelId: 77n,
  relay: { cltvExpiryDelta: 80, feeProportionalMillionths: 100, feeBaseMsat: 1000 },
  htlcMinimumMsat: msat(1),
  htlcMaximumMsat: msat(50_000_000),
  ...change,
})

export const carolsInvoice = (ways: readonly WayIn[] = [wayIn()], change: Partial<NewInvoice> = {}) =>
  unwrap(
    createBlindedInvoice(
      { amountMsat: msat(AMOUNT), description: 'tea', expirySeconds: 3600, ...change },
      { now: NOW, height: HEIGHT, nodeSecret: CAROL_SECRET, entropy: entropy(), ways },
    ),
  )

export const payee = (
  invoice: { readonly record: InvoiceRecord; readonly paths: readonly BlindedPaymentPath[] },
  change: Partial<BlindedPayee> = {},
): BlindedPayee => ({
  paths: invoice.paths,
  paymentHash: fromHex(invoice.record.paymentHash),
  amountMsat: msat(AMOUNT),
  expiresAt: invoice.record.expiresAt,
  parts: true,
  nodeId: CAROL,
  description: 'tea',
  text: 'lni1…',
  ...change,
})

export const SIGHT: PathSight = {
  nodeSecret: ALICE_SECRET,
  nodeId: fromHex(ALICE),
  endOf: () => undefined,
  peerOf: () => undefined,
}

/** Alice, with a channel with each of `peers`. */
export const alice = (peers: readonly string[] = [BOB], change: Partial<StartContext> = {}): StartContext => {
  const ctx = startContext({ sight: SIGHT, maxFeeMsat: msat(100_000), ...change })
  const findRoutes = (wanted: RouteWanted) => {
    const found = findParts(createGraph(), {
      source: ALICE,
      target: wanted.destination,
      amountMsat: wanted.amountMsat,
      finalCltvDelta: wanted.finalCltvDelta,
      height: wanted.height,
      maxFeeMsat: wanted.maxFeeMsat,
      localChannels: peers
        .map((peer, i) => ({
          channelId: `${i + 1}`.repeat(64),
          scid: BigInt(i),
          peer,
          spendableMsat: msat(9_000_000),
        }))
        .filter((c) => !wanted.without.includes(c.channelId)),
      excluded: wanted.excluded,
      now: NOW,
      ...(wanted.parts ? {} : { maxParts: 1 }),
      ...(wanted.blinded === undefined ? {} : { blinded: wanted.blinded }),
    })
    return found.ok
      ? ok(found.value.routes)
      : err({ code: 'noRoute', message: found.error.code, data: {} } as const)
  }
  return { ...ctx, findRoutes }
}

export const begun = (to: BlindedPayee, ctx = alice()): PaymentTurn => unwrap(startBlinded(to, ctx))
export const offered = (turn: PaymentTurn): OutgoingAdd => offersOf(turn)[0] as OutgoingAdd

/** Bob, or whoever has that secret, is asked to pass it on. */
export function passedBy(secret: Uint8Array, htlc: IncomingHtlc): ForwardRead {
  const read = readOnion(htlc, secret)
  if (read.kind !== 'forward') throw new Error(read.kind === 'refused' ? read.refusal : read.kind)
  return read.forward
}

/** The HTLC that the next node gets. */
export const onward = (htlc: IncomingHtlc, forward: ForwardRead): IncomingHtlc => ({
  channelId: 'cc'.repeat(32),
  id: 3n,
  amountMsat: forward.amtToForward,
  paymentHash: htlc.paymentHash,
  cltvExpiry: forward.outgoingCltvValue,
  onion: forward.next,
  ...(forward.blinded === undefined ? {} : { pathKey: forward.blinded.nextPathKey }),
})

/** What reaches Carol of an add of Alice's. */
export const toCarol = (add: OutgoingAdd): IncomingHtlc =>
  onward(received(add), passedBy(BOB_SECRET, received(add)))

export const atCarol = (htlc: IncomingHtlc, record: InvoiceRecord | undefined, height = HEIGHT, now = NOW) =>
  receiveHtlc(() => record, htlc, { now, height, nodeSecret: CAROL_SECRET, spontaneous: 0 })

export const removalOf = (outcome: ReturnType<typeof atCarol>): HtlcRemoval | undefined =>
  outcome.removals[0]?.removal

/** What a node inside a blinded path may say. */
export const blindedWord = (htlc: IncomingHtlc) => ({
  type: 'malformed',
  id: htlc.id,
  sha256OfOnion: sha256(htlc.onion),
  failureCode: FAILURE_CODES.invalid_onion_blinding,
})

/** A path of these hops, in Bob's and Carol's words or whatever a test wants. */
export const pathOf = (
  hops: readonly { readonly secret: Uint8Array; readonly data: RecipientData }[],
  cltvExpiryDelta = 224,
): BlindedPaymentPath => ({
  path: createBlindedPath(
    entropy().bytes(32),
    hops.map(({ secret, data }) => ({ nodeId: publicKey(secret), data: encodeRecipientData(data) })),
  ).path,
  payInfo: {
    feeBaseMsat: 1000,
    feeProportionalMillionths: 100,
    cltvExpiryDelta,
    htlcMinimumMsat: 1n,
    htlcMaximumMsat: 2n ** 64n - 1n,
    features: new Uint8Array(0),
  },
})
export const RELAY = wayIn().relay
