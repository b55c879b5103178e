import { ArrowUpRight, ChevronRight } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { Link, useLocation } from 'wouter'
import { Coins, Transactions } from '../features/wallet/Ledger.tsx'
import { NewAddress } from '../features/wallet/NewAddress.tsx'
import { useAction } from '../state/hooks.ts'
import { client, useNode } from '../state/session.ts'
import { t } from '../text/en.ts'
import { Amount } from '../widgets/Amount.tsx'
import { Button } from '../widgets/Button.tsx'
import { Facts } from '../widgets/Facts.tsx'
import { Panes, Screen } from '../widgets/Screen.tsx'
import { Trouble } from '../widgets/Trouble.tsx'
import { Waiting } from '../widgets/Waiting.tsx'

function Rescan(): ReactNode {
  const [done, setDone] = useState(false)
  const rescan = useAction(async () => {
    setDone(false)
    await client().rescan()
    setDone(true)
  })
  return (
    <div className="aside">
      <Button look="quiet" disabled={rescan.pending} onClick={() => void rescan.run()}>
        {t.wallet.rescan}
      </Button>
      <p className="quiet" role="status">
        {done ? t.wallet.rescanned : t.wallet.rescanAbout}
      </p>
      <Trouble error={rescan.error} />
      {rescan.pending ? <Waiting what={t.wallet.rescanning} /> : null}
    </div>
  )
}

/** Coins on the chain: addresses, transactions, coins. */
export default function Wallet(): ReactNode {
  const [, navigate] = useLocation()
  const balances = useNode((node) => node.balances)
  // What of the wallet's coins the figure leaves out, and why.
  const besides = [
    { name: t.wallet.unconfirmed, amount: balances.onchainArrivingSat },
    { name: t.wallet.reserved, amount: balances.onchainReservedSat },
    { name: t.wallet.anchorReserve, amount: balances.anchorReserveSat },
  ].filter(({ amount }) => amount !== '0')
  return (
    <Screen title={t.wallet.title}>
      <Panes
        first={
          <>
            <p className="figure-head">
              <span className="field-label">{t.wallet.onchain}</span>
              <Amount sat={balances.onchainSpendableSat} className="figure" />
            </p>
            {besides.length === 0 ? null : (
              <Facts facts={besides.map(({ name, amount }) => ({ name, value: <Amount sat={amount} /> }))} />
            )}
            <Link href="/money" className="balance-all">
              {t.home.all}
              <ChevronRight aria-hidden="true" />
            </Link>
            <Button
              look="primary"
              wide
              icon={<ArrowUpRight aria-hidden="true" />}
              onClick={() => navigate('/send')}
            >
              {t.wallet.send}
            </Button>
            <NewAddress />
          </>
        }
        second={
          <>
            <Transactions />
            <Coins />
            <Rescan />
          </>
        }
      />
    </Screen>
  )
}
