import type { ReactNode } from 'react'
import '../styles/payments.css'
import { PastInvoice } from '../features/receive/PastInvoice.tsx'
import { PastPayment } from '../features/send/PastPayment.tsx'
import { useLedgerKey } from '../features/wallet/Ledger.tsx'
import { useLoad, useNow } from '../state/hooks.ts'
import { client, useNode } from '../state/session.ts'
import { shorten } from '../text/amounts.ts'
import { t } from '../text/en.ts'
import { formatExact } from '../text/times.ts'
import { Amount } from '../widgets/Amount.tsx'
import { Code } from '../widgets/CopyShare.tsx'
import { Facts } from '../widgets/Facts.tsx'
import { Mark } from '../widgets/Mark.tsx'
import { Screen } from '../widgets/Screen.tsx'
import { Trouble } from '../widgets/Trouble.tsx'

/** How often a payment that is on its way is looked at. */
const LOOK_AGAIN_MS = 1_500

/** One payment, out or in, by its hash. */
export function PastPaymentScreen({ hash }: { readonly hash: string }): ReactNode {
  const key = useLedgerKey()
  const pending = useNode((node) =>
    node.activity.some((line) => line.paymentHash === hash && line.state === 'pending'),
  )
  // An attempt that comes back and goes another way moves nothing that the key is made of.
  const now = useNow(LOOK_AGAIN_MS)
  const out = useLoad(pending ? `${key}${now}` : key, () => client().listPayments())
  const into = useLoad(key, () => client().listInvoices())
  const payment = out.value?.find((candidate) => candidate.paymentHash === hash)
  const invoice = into.value?.find((candidate) => candidate.paymentHash === hash)
  const settled = out.value !== undefined && into.value !== undefined
  return (
    <Screen title={t.past.payment} back="/">
      <Trouble error={out.error ?? into.error} />
      {payment !== undefined ? (
        <PastPayment payment={payment} />
      ) : invoice !== undefined ? (
        <PastInvoice invoice={invoice} />
      ) : settled ? (
        <p className="quiet">{t.past.unknown}</p>
      ) : null}
    </Screen>
  )
}

/** One transaction of the wallet, by its id. */
export function TransactionScreen({ txid }: { readonly txid: string }): ReactNode {
  const list = useLoad(useLedgerKey(), () => client().listTransactions())
  const transaction = list.value?.find((candidate) => candidate.txid === txid)
  return (
    <Screen title={t.past.transaction} back="/">
      <Trouble error={list.error} />
      {transaction !== undefined ? (
        <div className="outcome">
          <Mark className="outcome-mark" tone="in" drawn={transaction.confirmations > 0 ? 1 : 0.68} />
          <div role="status">
            <h2>{t.wallet.labels[transaction.label]}</h2>
          </div>
          <p className="review-amount">
            <Amount sat={transaction.amountSat} signed />
          </p>
          <Facts
            facts={[
              { name: t.past.state, value: t.wallet.confirmations(transaction.confirmations) },
              transaction.height === undefined
                ? undefined
                : { name: t.network.height, value: <Amount sat={BigInt(transaction.height)} unit={false} /> },
              transaction.feeSat === undefined
                ? undefined
                : { name: t.send.fee, value: <Amount sat={transaction.feeSat} /> },
              { name: t.send.when, value: formatExact(transaction.time) },
              {
                name: t.send.transaction,
                value: (
                  <Code
                    text={transaction.txid}
                    shown={shorten(transaction.txid, 64, 0)}
                    label={t.send.transaction}
                  />
                ),
                code: true,
              },
            ]}
          />
        </div>
      ) : list.value !== undefined ? (
        <p className="quiet">{t.past.unknown}</p>
      ) : null}
    </Screen>
  )
}
