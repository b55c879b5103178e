import { type ReactNode, useState } from 'react'
import type { Coin, Transaction } from '../../../contract/schemas.ts'
import { useNode } from '../../state/session.ts'
import { useLoad } from '../../state/hooks.ts'
import { client } from '../../state/session.ts'
import { formatSat, shorten } from '../../text/amounts.ts'
import { t } from '../../text/en.ts'
import { formatWhen } from '../../text/times.ts'
import { Amount } from '../../widgets/Amount.tsx'
import { Button } from '../../widgets/Button.tsx'
import { Code } from '../../widgets/CopyShare.tsx'
import { Section } from '../../widgets/Screen.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'
import { BumpDialog } from './BumpDialog.tsx'

/** A text that changes whenever the wallet's lists may have: they are asked for again then. */
export function useLedgerKey(): string {
  return useNode(({ balances, chain, activity }) =>
    JSON.stringify([balances, chain.height, activity.map((line) => [line.id, line.state, line.txid])]),
  )
}

export function Transactions(): ReactNode {
  const list = useLoad(useLedgerKey(), () => client().listTransactions())
  const [bumping, setBumping] = useState<Transaction>()
  return (
    <Section title={t.wallet.transactions}>
      <Trouble error={list.error} />
      {list.value?.length === 0 ? <p className="quiet">{t.wallet.noTransactions}</p> : null}
      <ul className="ledger" aria-label={t.wallet.transactions}>
        {list.value?.map((transaction) => (
          <TransactionLine
            key={transaction.txid}
            transaction={transaction}
            onBump={() => setBumping(transaction)}
          />
        ))}
      </ul>
      {bumping === undefined ? null : (
        <BumpDialog
          txid={bumping.txid}
          funding={bumping.label === 'channelOpen'}
          onClose={() => setBumping(undefined)}
        />
      )}
    </Section>
  )
}

function TransactionLine({
  transaction,
  onBump,
}: {
  readonly transaction: Transaction
  readonly onBump: () => void
}): ReactNode {
  const amount = BigInt(transaction.amountSat) * 1000n
  const fee = transaction.label === 'self' ? undefined : transaction.feeSat
  return (
    <li className="ledger-line">
      <span className="ledger-what">
        <span>{t.wallet.labels[transaction.label]}</span>
        <span className="quiet">
          {t.wallet.confirmations(transaction.confirmations)} · {formatWhen(transaction.time)}
        </span>
        <Code text={transaction.txid} shown={shorten(transaction.txid, 8, 6)} label={t.send.transaction} />
      </span>
      <span className="ledger-amount">
        <Amount msat={amount} signed unit={false} className={amount > 0n ? 'money-in' : ''} />
        {fee === undefined ? null : <span className="quiet">{t.home.fee(formatSat(fee))}</span>}
        {transaction.canBump ? (
          <Button look="quiet" className="button-small" onClick={onBump}>
            {t.wallet.bump}
          </Button>
        ) : null}
      </span>
    </li>
  )
}

export function Coins(): ReactNode {
  const list = useLoad(useLedgerKey(), () => client().listCoins())
  return (
    <Section title={t.wallet.coins}>
      <Trouble error={list.error} />
      {list.value?.length === 0 ? <p className="quiet">{t.wallet.noCoins}</p> : null}
      <ul className="ledger" aria-label={t.wallet.coins}>
        {list.value?.map((coin) => (
          <CoinLine key={`${coin.txid}:${coin.vout}`} coin={coin} />
        ))}
      </ul>
    </Section>
  )
}

function CoinLine({ coin }: { readonly coin: Coin }): ReactNode {
  return (
    <li className="ledger-line">
      <span className="ledger-what">
        <Code text={coin.address} shown={shorten(coin.address, 10, 6)} label={t.receive.forms.address} />
        <span className="quiet">
          {t.wallet.coinStates[coin.state]}
          {coin.confirmations > 0 ? ` · ${t.wallet.confirmations(coin.confirmations)}` : ''}
        </span>
      </span>
      <span className="ledger-amount">
        <Amount sat={coin.amountSat} unit={false} className={coin.state === 'spendable' ? '' : 'quiet'} />
      </span>
    </li>
  )
}
