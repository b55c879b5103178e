import type { ReactNode } from 'react'
import { useAction } from '../../state/hooks.ts'
import { client } from '../../state/session.ts'
import { payText as words } from '../../text/attempts.ts'
import { type ErrorLike, wordsFor } from '../../text/words.ts'
import { Button } from '../../widgets/Button.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'

interface CancelPaymentProps {
  /** Its payment hash, or the id of an offer's request. */
  readonly name: string
  /** The node has said that it was cancelled. */
  readonly cancelling: boolean
  /** The node waits for what is on its way. Where nothing was, the payment has failed, and the node says so itself. */
  readonly onCancelling: () => void
}

/** Ends the attempts of a payment. What is on its way is out of anybody's hands: the words say so. */
export function CancelPayment({ name, cancelling, onCancelling }: CancelPaymentProps): ReactNode {
  const cancel = useAction(async () => {
    const { state } = await client().cancelPayment({ paymentHash: name })
    if (state === 'pending') onCancelling()
  })
  if (cancelling) {
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
