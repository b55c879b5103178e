import { toHex } from '../src/engine/base/bytes.ts'
import { decodeInvoice } from '../src/engine/invoice/decode.ts'

/** The payment hash of a BOLT 11 invoice, in hex. */
export function paymentHashOf(bolt11: string): string {
  const decoded = decodeInvoice(bolt11)
  if (!decoded.ok) throw new Error(`not an invoice: ${bolt11}`)
  return toHex(decoded.value.paymentHash)
}
