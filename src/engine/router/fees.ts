/**
 * Fee for forwarding `amountMsat`: base + amount · millionths / 1,000,000, rounded down (BOLT 7 §HTLC Fees). Exact; Infinity where it
 * leaves the 53 bits, which is more than there is bitcoin for.
 */
export function feeFor(amountMsat: number, baseMsat: number, millionths: number): number {
  const whole = Math.floor(amountMsat / 1_000_000)
  const rest = amountMsat - whole * 1_000_000
  const fee = baseMsat + whole * millionths + Math.floor((rest * millionths) / 1_000_000)
  return Number.isSafeInteger(fee) ? fee : Number.POSITIVE_INFINITY
}
