import type { ReactNode } from 'react'
import { useAction } from '../../state/hooks.ts'
import { client } from '../../state/session.ts'
import { t } from '../../text/en.ts'
import { Button } from '../../widgets/Button.tsx'
import { Dialog } from '../../widgets/Dialog.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'
import { useFeeChoice } from '../FeeChoice.tsx'

/** Raises the fee of a transaction that waits. */
export function BumpDialog({
  txid,
  funding = false,
  onClose,
}: {
  readonly txid: string
  /** A channel's funding transaction: not replaced, but helped by a second one. */
  readonly funding?: boolean
  readonly onClose: () => void
}): ReactNode {
  const { rate, control } = useFeeChoice('fast')
  const bump = useAction(async () => {
    if (rate === undefined) return
    await client().bumpFee({ txid, feeSatPerVb: rate })
    onClose()
  })
  return (
    <Dialog title={t.wallet.bumpTitle} onClose={onClose}>
      <p>{funding ? t.wallet.bumpFunding : t.wallet.bumpAbout}</p>
      {control}
      <Trouble error={bump.error} />
      <div className="buttons buttons-even">
        <Button onClick={onClose}>{t.app.cancel}</Button>
        <Button look="primary" disabled={rate === undefined || bump.pending} onClick={() => void bump.run()}>
          {t.wallet.bump}
        </Button>
      </div>
    </Dialog>
  )
}
