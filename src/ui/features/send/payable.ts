import type { Output } from '../../../contract/procedures.ts'
import type { Channel } from '../../../contract/schemas.ts'
import { useLoad } from '../../state/hooks.ts'
import { client } from '../../state/session.ts'
import type { ErrorLike } from '../../text/words.ts'

export type Payable = Output<'decode'>
export type InvoicePayable = Extract<Payable, { kind: 'invoice' }>
export type AddressPayable = Extract<Payable, { kind: 'address' }>

export interface Decoded {
  readonly payable: Payable | undefined
  readonly error: ErrorLike | undefined
}

/** What a text is, as the node reads it. Only ever the answer for this very text: an older one is never shown, let alone paid. */
export function usePayable(text: string): Decoded {
  const trimmed = text.trim()
  const { value } = useLoad(
    trimmed === ''
      ? undefined
      : async () => {
          try {
            return { text: trimmed, payable: await client().decode({ text: trimmed }), error: undefined }
          } catch (thrown) {
            const error: ErrorLike =
              thrown instanceof Error && 'code' in thrown
                ? (thrown as unknown as ErrorLike)
                : { code: 'internal', message: String(thrown) }
            return { text: trimmed, payable: undefined, error }
          }
        },
    [trimmed],
  )
  if (value === undefined || value.text !== trimmed) return { payable: undefined, error: undefined }
  return { payable: value.payable, error: value.error }
}

/** The most that a payment may cost where the amount says nothing about it: 1 %, at least 5 sat. */
export function feeLimitMsat(amountMsat: bigint): bigint {
  const percent = amountMsat / 100n
  return percent > 5000n ? percent : 5000n
}

/** Whether an open channel leads straight to the recipient, so that nobody takes a fee. */
export function isDirect(channels: readonly Channel[], destination: string): boolean {
  return channels.some((channel) => channel.status === 'open' && channel.peer === destination)
}
