import { entry } from '../base/table.ts'
import { fromHex, toHex } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import type { Msat } from '../base/units.ts'
import { receivableMsat } from '../channel/limits.ts'
import type { BlindedPaymentPath } from '../onion/blinded-path.ts'
import { createBlindedInvoice } from '../payment/blinded-invoice.ts'
import type { NewInvoice } from '../payment/invoice-record.ts'
import type { WayIn } from '../payment/make-paths.ts'
import { type BlindedPayee, startBlinded } from '../payment/pay-blinded.ts'
import { offers } from '../wire/features.ts'
import { candidateState } from './channel-state.ts'
import type { ApiFailure } from './commands.ts'
import { payContext, takePayment, trustedHeight } from './payments.ts'
import { putInvoice, type NodeState, type Turn } from './state.ts'

/** Blinded paths in the node's turns: paid, and made to be paid by. */

/** Starts a payment by blinded paths; the answer is its hash or why not. The invoice has been verified by the caller. */
export function payBlinded(
  turn: Turn,
  payee: BlindedPayee,
  options: { readonly timeoutSeconds: number; readonly maxFeeMsat?: Msat },
): Result<string, ApiFailure> {
  if (entry(turn.state.invoices, toHex(payee.paymentHash)) !== undefined)
    return err({ code: 'payingSelf', message: 'The invoice is our own.' })
  const started = startBlinded(payee, {
    ...payContext(turn),
    ourNodeId: turn.setup.nodeId,
    known: (hash) => entry(turn.state.payments, hash),
    timeoutSeconds: options.timeoutSeconds,
    ...(options.maxFeeMsat === undefined ? {} : { maxFeeMsat: options.maxFeeMsat }),
  })
  if (!started.ok) return err(started.error)
  takePayment(turn, started.value)
  return ok(started.value.record.paymentHash)
}

/** Paths that one invoice tells of, at most. */
const MAX_WAYS = 3

/** Peers that would carry an amount to us by a blinded path: those first that can bring it, then those that can bring most. */
export function waysIn(state: NodeState, amountMsat: Msat): readonly WayIn[] {
  const ways = Object.values(state.channels).flatMap((channel) => {
    const policy = state.peerPolicies[channel.id]
    const shortChannelId = channel.remoteAlias ?? channel.funding.shortChannelId
    const features = state.peers[channel.peer]?.features
    if (policy === undefined || policy.disabled || shortChannelId === undefined) return []
    if (candidateState(channel, state.closes[channel.id] !== undefined) !== 'usable') return []
    if (features === undefined || !offers(features, 'option_route_blinding')) return []
    const receivable = receivableMsat(channel)
    const { htlcMinimumMsat, feeBaseMsat, feeProportionalMillionths, cltvExpiryDelta } = policy
    const { htlcMinimumMsat: ours } = channel.local
    const least = ours > htlcMinimumMsat ? ours : htlcMinimumMsat
    // Our own balance is told only where a payer has to split by it.
    const fits = receivable >= amountMsat
    const most = fits || policy.htlcMaximumMsat < receivable ? policy.htlcMaximumMsat : receivable
    if (most <= 0n || most < least) return []
    const way: WayIn = {
      peer: fromHex(channel.peer),
      shortChannelId,
      relay: { feeBaseMsat, feeProportionalMillionths, cltvExpiryDelta },
      htlcMinimumMsat: least,
      htlcMaximumMsat: most,
    }
    return [{ way, receivable, fits }]
  })
  ways.sort((a, b) => Number(b.fits) - Number(a.fits) || (a.receivable > b.receivable ? -1 : 1))
  return ways.slice(0, MAX_WAYS).map(({ way }) => way)
}

/** A new invoice that is paid by blinded paths: its record is written in this turn. The caller puts the paths into what it hands out. */
export function addBlindedInvoice(
  turn: Turn,
  invoice: NewInvoice & { readonly amountMsat: Msat },
): Result<
  { readonly paymentHash: string; readonly expiresAt: number; readonly paths: readonly BlindedPaymentPath[] },
  ApiFailure
> {
  const made = createBlindedInvoice(invoice, {
    now: turn.now,
    height: trustedHeight(turn),
    nodeSecret: turn.setup.nodeSecret,
    entropy: turn.entropy,
    ways: waysIn(turn.state, invoice.amountMsat),
  })
  if (!made.ok) return err(made.error)
  const { record, paths } = made.value
  putInvoice(turn, record)
  return ok({ paymentHash: record.paymentHash, expiresAt: record.expiresAt, paths })
}
