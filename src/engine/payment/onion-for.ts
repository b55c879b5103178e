import { err, ok, type Result } from '../base/result.ts'
import type { Msat } from '../base/units.ts'
import { isSecretKey } from '../crypto/curve.ts'
import type { Entropy } from '../crypto/entropy.ts'
import { type BuiltOnion, constructOnion } from '../onion/construct.ts'
import { finalHop, forwardHops, type RouteStep } from './attempt-route.ts'
import { blindedHops, type UsablePath } from './blinded-ways.ts'
import type { PaymentTarget } from './payment-record.ts'

/**
 * Blocks added to what the recipient asks for, so that a block or two found while the HTLC is on its way, or seen by the
 * recipient and not by us, does not make its expiry too near (LND pads by 3 as well).
 */
export const FINAL_CLTV_PADDING = 3

/** BOLT 4 §`max_htlc_cltv` Selection: nobody should lock money for longer. */
export const MAX_HTLC_CLTV = 2016

/** Blocks that the recipient's HTLC has. */
export const finalCltvDelta = (minFinalCltvExpiryDelta: number): number =>
  minFinalCltvExpiryDelta + FINAL_CLTV_PADDING

/** The expiry for a recipient that is our direct peer. */
export const finalCltvExpiry = (height: number, minFinalCltvExpiryDelta: number): number =>
  height + minFinalCltvExpiryDelta + FINAL_CLTV_PADDING

/**
 * The onion for one HTLC (BOLT 4 §Payload for the Last Node). Errors: `too_large` (metadata or a route that does not fit), `bad_pubkey`.
 */
export function onionFor(input: {
  /** From our peer to the recipient, each with what it is sent. */
  readonly hops: readonly RouteStep[]
  /** Of all parts together. */
  readonly totalMsat: Msat
  readonly paymentHash: Uint8Array
  readonly target: PaymentTarget
  readonly entropy: Entropy
  /** The recipient's own path behind the last of `hops`, and what is to reach its end. */
  readonly blinded?: {
    readonly path: UsablePath
    readonly amountMsat: Msat
    readonly cltvExpiry: number
  }
}): Result<BuiltOnion, 'too_large' | 'bad_pubkey'> {
  const { hops, totalMsat, paymentHash, target, entropy, blinded } = input
  const last =
    blinded === undefined
      ? [finalHop(hops.at(-1) as RouteStep, target, totalMsat)]
      : blindedHops(blinded.path, { ...blinded, totalMsat })
  const built = constructOnion({
    sessionKey: sessionKey(entropy),
    associatedData: paymentHash,
    hops: [...forwardHops(hops), ...last],
  })
  if (built.ok) return ok(built.value)
  if (built.error === 'too_large' || built.error === 'bad_pubkey') return err(built.error)
  throw new Error(`invariant: onion for a payment: ${built.error}`)
}

/** A fresh key for one onion or blinded path. */
export function sessionKey(entropy: Entropy): Uint8Array {
  for (;;) {
    const key = entropy.bytes(32)
    // One in 2^128 is none.
    if (isSecretKey(key)) return key
  }
}
