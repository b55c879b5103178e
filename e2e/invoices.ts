import { randomBytes } from 'node:crypto'
import { toHex } from '../src/engine/base/bytes.ts'
import { msat } from '../src/engine/base/units.ts'
import type { NetworkName } from '../src/engine/bitcoin/network.ts'
import { signRecoverable } from '../src/engine/crypto/curve.ts'
import { decodeInvoice } from '../src/engine/invoice/decode.ts'
import { encodeInvoice } from '../src/engine/invoice/encode.ts'

/** The payment hash of a BOLT 11 invoice, in hex. */
export function paymentHashOf(bolt11: string): string {
  const decoded = decodeInvoice(bolt11)
  if (!decoded.ok) throw new Error(`not an invoice: ${bolt11}`)
  return toHex(decoded.value.paymentHash)
}

/** An invoice of somebody whom nobody leads to, with what a test wants to be wrong about it. */
export function invoiceBy(wrong: {
  readonly network?: NetworkName
  readonly timestamp?: number
  readonly features?: readonly number[]
}): string {
  const secret = new Uint8Array(32).fill(0x51)
  const made = encodeInvoice(
    {
      network: 'regtest',
      amountMsat: msat(1_000_000n),
      timestamp: Math.floor(Date.now() / 1000),
      paymentHash: Uint8Array.from(randomBytes(32)),
      paymentSecret: Uint8Array.from(randomBytes(32)),
      description: 'Somebody’s',
      fallbacks: [],
      routeHints: [],
      // var_onion_optin and payment_secret, required.
      features: [8, 14],
      unknownFields: [],
      ...wrong,
    },
    (digest) => signRecoverable(digest, secret),
  )
  if (!made.ok) throw new Error(made.error)
  return made.value
}
