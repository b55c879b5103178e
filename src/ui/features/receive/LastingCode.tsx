import { type ReactNode, useState } from 'react'
import type { Output } from '../../../contract/procedures.ts'
import { useAction, useLoad } from '../../state/hooks.ts'
import { client, useNode } from '../../state/session.ts'
import { t } from '../../text/en.ts'
import { lastingText as words } from '../../text/offer.ts'
import { Amount } from '../../widgets/Amount.tsx'
import { Button } from '../../widgets/Button.tsx'
import { CopyShare } from '../../widgets/CopyShare.tsx'
import { Facts } from '../../widgets/Facts.tsx'
import { Qr } from '../../widgets/Qr.tsx'
import { Panes } from '../../widgets/Screen.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'
import { CannotArrive } from './CanArrive.tsx'

export type Offer = Output<'addOffer'>

/** An offer of these words: the one that there is, or a new one. */
export async function lastingOffer(amountMsat: bigint | undefined, note: string): Promise<Offer> {
  const amount = amountMsat?.toString()
  const known = (await client().listOffers()).find(
    (offer) => offer.enabled && offer.amountMsat === amount && offer.description === note,
  )
  return (
    known ?? client().addOffer({ ...(amount === undefined ? {} : { amountMsat: amount }), description: note })
  )
}

/** An offer (BOLT 12) as a code that is paid again and again, until it is withdrawn. */
export default function LastingCode({
  offer,
  onBack,
}: {
  readonly offer: Offer
  readonly onBack: () => void
}): ReactNode {
  const received = useNode((node) => node.activity).filter((line) => line.kind === 'lightningReceived').length
  const { value } = useLoad(`${offer.id}/${received}`, () => client().listOffers())
  const now = value?.find((candidate) => candidate.id === offer.id) ?? offer
  const [sure, setSure] = useState(false)
  const withdraw = useAction(async () => {
    await client().disableOffer({ id: offer.id })
    onBack()
  })
  return (
    <Panes
      first={
        <div className="request">
          <Qr text={offer.offer.toUpperCase()} label={words.qr} />
          {offer.amountMsat === undefined ? null : (
            <p className="review-amount">
              <Amount msat={offer.amountMsat} />
            </p>
          )}
          {offer.description === '' ? null : <p className="quiet">{offer.description}</p>}
        </div>
      }
      second={
        <div className="request-side">
          <CannotArrive amountMsat={offer.amountMsat === undefined ? undefined : BigInt(offer.amountMsat)} />
          <CopyShare text={offer.offer} title={t.receive.shareTitle} />
          <Facts
            facts={[
              { name: words.paid, value: words.times(now.paid) },
              now.paid === 0
                ? undefined
                : { name: words.received, value: <Amount msat={now.receivedMsat} /> },
            ]}
          />
          <p className="quiet">{words.hint}</p>
          <Trouble error={withdraw.error} />
          {sure ? (
            <Button wide disabled={withdraw.pending} onClick={() => void withdraw.run()}>
              {words.withdrawSure}
            </Button>
          ) : (
            <Button look="quiet" wide onClick={() => setSure(true)}>
              {words.withdraw}
            </Button>
          )}
          <Button look="quiet" wide onClick={onBack}>
            {words.back}
          </Button>
        </div>
      }
    />
  )
}
