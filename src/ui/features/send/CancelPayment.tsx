import { type ReactNode, useState } from 'react'
import { useAction } from '../../state/hooks.ts'
import { client, useNode } from '../../state/session.ts'
import { payText as words } from '../../text/attempts.ts'
import { type ErrorLike, wordsFor } from '../../text/words.ts'
import { Button } from '../../widgets/Button.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'

/** Whether the node says of a payment that it has been cancelled, here or in another tab, and that something of it is still on its way. */
export const useCancelling = (paymentHash: string): boolean =>
  useNode((node) =>
    node.activity.some((line) => line.paymentHash === paymentHash && line.cancelling === true),
  )

interface CancelPaymentProps {
  /** Its payment hash, or the id of an offer's request. */
  readonly name: string
  readonly cancelling: boolean
}

/** Ends the attempts of a payment. What is on its way is out of anybody's hands: the words say so. */
export function CancelPayment({ name, cancelling }: CancelPaymentProps): ReactNode {
  const [asked, setAsked] = useState(false)
  const cancel = useAction(async () => {
    const { state } = await client().cancelPayment({ paymentHash: name })
    // With nothing on its way it has failed, and says so itself.
    if (state === 'pending') setAsked(true)
  })
  if (asked || cancelling) {
    return (
      <p className="quiet" role="status">
        {words.cancelling}
      </p>
    )
  }
  return (
    <>
      {/* One that has ended by now says so itself. */}
      <Trouble error={cancel.error?.code === 'tooLate' ? undefined : cancel.error} />
      <Button wide disabled={cancel.pending} onClick={() => void cancel.run()}>
        {words.cancel}
      </Button>
    </>
  )
}

/** Why it was not paid. What its user wanted is no trouble. */
export function Ended({ error }: { readonly error: ErrorLike | undefined }): ReactNode {
  if (error?.code !== 'paymentCancelled') return <Trouble error={error} />
  return <p className="quiet">{wordsFor(error).todo}</p>
}
