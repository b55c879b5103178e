import { toHex } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import type { Msat } from '../base/units.ts'
import type { Entropy } from '../crypto/entropy.ts'
import { sha256 } from '../crypto/hash.ts'
import type { BlindedPaymentPath } from '../onion/blinded-path.ts'
import {
  boundsProblem,
  type InvoiceRecord,
  MIN_FINAL_CLTV_EXPIRY_DELTA,
  type NewInvoice,
} from './invoice-record.ts'
import { lastHeight, makePaths, type WayIn } from './make-paths.ts'
import { failure, type PaymentFailure } from './types.ts'

/**
 * What is paid by blinded paths only: the record to write before anybody sees the paths, and those. The text around them (an invoice of
 * BOLT 12) is the caller's. Errors: as for an invoice, and `notReady` where no height is known.
 */
export function createBlindedInvoice(
  invoice: NewInvoice & { readonly amountMsat: Msat },
  ctx: {
    /** ms since 1970 */
    readonly now: number
    /** Height of the best verified block, 0 when it is not known. */
    readonly height: number
    readonly nodeSecret: Uint8Array
    readonly entropy: Entropy
    readonly ways: readonly WayIn[]
  },
): Result<{ readonly record: InvoiceRecord; readonly paths: readonly BlindedPaymentPath[] }, PaymentFailure> {
  const { amountMsat, description, expirySeconds } = invoice
  const problem = boundsProblem(invoice)
  if (problem !== undefined) return err(problem)
  if (ctx.height <= 0)
    return err(failure('notReady', 'The chain is not known yet, so no way to us can be limited in time.'))
  const preimage = ctx.entropy.bytes(32)
  const pathId = ctx.entropy.bytes(32)
  const record: InvoiceRecord = {
    paymentHash: toHex(sha256(preimage)),
    preimage,
    paymentSecret: pathId,
    blinded: true,
    amountMsat,
    description,
    createdAt: ctx.now,
    expiresAt: ctx.now + expirySeconds * 1000,
    minFinalCltvExpiryDelta: MIN_FINAL_CLTV_EXPIRY_DELTA,
    bolt11: '',
    state: 'open',
    htlcs: [],
    ...(invoice.hold === true ? { hold: true } : {}),
  }
  const paths = makePaths(ctx.ways, {
    nodeSecret: ctx.nodeSecret,
    entropy: ctx.entropy,
    pathId,
    lastHeight: lastHeight(ctx.height, expirySeconds),
    minFinalCltvExpiryDelta: MIN_FINAL_CLTV_EXPIRY_DELTA,
  })
  return ok({ record, paths })
}
