import type { Output } from '../../../contract/procedures.ts'
import type { Channel } from '../../../contract/schemas.ts'
import { useLoad } from '../../state/hooks.ts'
import { client } from '../../state/session.ts'
import type { ErrorLike } from '../../text/words.ts'

export type Payable = Output<'decode'>
export type InvoicePayable = Extract<Payable, { kind: 'invoice' }>
export type OfferPayable = Extract<Payable, { kind: 'offer' }>
export type AddressPayable = Extract<Payable, { kind: 'address' }>

export interface Decoded {
  readonly payable: Payable | undefined
  readonly error: ErrorLike | undefined
}

/** What a text is, as the node reads it. Only ever the answer for this very text: an older one is never shown, let alone paid. */
export function usePayable(text: string): Decoded {
  const trimmed = text.trim()
  const { value, error, pending } = useLoad(trimmed === '' ? undefined : trimmed, () =>
    client().decode({ text: trimmed }),
  )
  return pending ? { payable: undefined, error: undefined } : { payable: value, error }
}

/** The most that a payment may cost, in whole sat: 1 %, at least 10 sat, which is the engine's own bound. */
export function feeLimitMsat(amountMsat: bigint): bigint {
  const percent = (amountMsat / 100_000n) * 1000n
  return percent > 10_000n ? percent : 10_000n
}

/** Whether a channel that leads straight to the recipient can carry the amount now, so that nobody takes a fee. */
export function isDirect(channels: readonly Channel[], destination: string, amountMsat: bigint): boolean {
  return channels.some(
    (channel) =>
      channel.status === 'open' &&
      channel.connected &&
      channel.peer === destination &&
      BigInt(channel.spendableMsat) >= amountMsat,
  )
}
