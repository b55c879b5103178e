import { type ReactNode, useState } from 'react'
import { useAction } from '../../state/hooks.ts'
import { client } from '../../state/session.ts'
import { payText as words } from '../../text/attempts.ts'
import { Button } from '../../widgets/Button.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'

/** Ends the attempts of a payment. What is on its way is out of anybody's hands: the words say so. */
export function CancelPayment({
  paymentHash,
  cancelling,
}: {
  readonly paymentHash: string
  /** The node says that it was cancelled before. */
  readonly cancelling?: boolean
}): ReactNode {
  const cancel = useAction(async () => {
    await client().cancelPayment({ paymentHash })
    return true
  })
  const [asked, setAsked] = useState(false)
  if (asked || cancelling === true) {
    return (
      <p className="quiet" role="status">
        {words.cancelling}
      </p>
    )
  }
  return (
    <>
      <Trouble error={cancel.error} />
      <Button
        wide
        disabled={cancel.pending}
        onClick={() => void cancel.run().then((done) => setAsked(done === true))}
      >
        {words.cancel}
      </Button>
    </>
  )
}
