import { fromHex } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import type { Msat } from '../base/units.ts'
import { isSecretKey } from '../crypto/curve.ts'
import type { Entropy } from '../crypto/entropy.ts'
import { type BuiltOnion, constructOnion } from '../onion/construct.ts'
import { encodeHopPayload } from '../onion/payload.ts'
import type { PaymentTarget } from './payment-record.ts'

/**
 * Blocks added to what the recipient asks for, so that a block or two found while the HTLC is on its way, or seen by the
 * recipient and not by us, does not make its expiry too near (LND pads by 3 as well).
 */
export const FINAL_CLTV_PADDING = 3

/** BOLT 4 §`max_htlc_cltv` Selection: nobody should lock money for longer. */
export const MAX_HTLC_CLTV = 2016

/** The expiry for a recipient that is our direct peer. */
export const finalCltvExpiry = (height: number, minFinalCltvExpiryDelta: number): number =>
  height + minFinalCltvExpiryDelta + FINAL_CLTV_PADDING

/**
 * The onion for one HTLC that carries the whole payment to a direct peer (BOLT 4 §Payload for the Last Node). Errors:
 * `too_large` (metadata that does not fit), `bad_pubkey`.
 */
export function onionFor(input: {
  readonly destination: string
  readonly paymentHash: Uint8Array
  readonly amountMsat: Msat
  readonly cltvExpiry: number
  readonly target: PaymentTarget
  readonly entropy: Entropy
}): Result<BuiltOnion, 'too_large' | 'bad_pubkey'> {
  const { destination, paymentHash, amountMsat, cltvExpiry, target, entropy } = input
  const payload = encodeHopPayload({
    amtToForward: amountMsat,
    outgoingCltvValue: cltvExpiry,
    // BOLT 4 §Basic Multi-Part Payments: without parts MUST set total_msat equal to amt_to_forward.
    ...(target.paymentSecret === undefined
      ? {}
      : { paymentData: { paymentSecret: target.paymentSecret, totalMsat: amountMsat } }),
    ...(target.paymentMetadata === undefined ? {} : { paymentMetadata: target.paymentMetadata }),
    ...(target.keysendPreimage === undefined ? {} : { keysendPreimage: target.keysendPreimage }),
  })
  const built = constructOnion({
    sessionKey: sessionKey(entropy),
    associatedData: paymentHash,
    hops: [{ pubkey: fromHex(destination), payload }],
  })
  if (built.ok) return ok(built.value)
  if (built.error === 'too_large' || built.error === 'bad_pubkey') return err(built.error)
  throw new Error(`invariant: onion for a direct payment: ${built.error}`)
}

function sessionKey(entropy: Entropy): Uint8Array {
  for (;;) {
    const key = entropy.bytes(32)
    // One in 2^128 is none.
    if (isSecretKey(key)) return key
  }
}
