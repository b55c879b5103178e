import { ChevronRight, Clock } from 'lucide-react'
import type { ReactNode } from 'react'
import { Link } from 'wouter'
import type { Balances } from '../../contract/schemas.ts'
import { prefs, usePrefs } from '../state/prefs.ts'
import { useNode } from '../state/session.ts'
import { formatMsat, formatSat } from '../text/amounts.ts'
import { t } from '../text/en.ts'
import { Amount } from '../widgets/Amount.tsx'

/** The part of the total that is on chain. With Lightning it adds up to it, as in the money map. */
export const onchainMsat = (balances: Balances): bigint => BigInt(balances.onchainSpendableSat) * 1000n

/** The largest figure on any screen still has to fit the smallest one. */
function sizeOf(msat: string): string {
  const { length } = formatMsat(msat)
  return length > 15 ? 'balance-longest' : length > 11 ? 'balance-long' : ''
}

/** The figure of the app, its two parts, and what is on its way. A tap hides all of it. */
export function Balance(): ReactNode {
  const balances = useNode((node) => node.balances)
  const hidden = usePrefs((p) => p.hidden)
  const pending = [
    { amount: BigInt(balances.onchainArrivingSat), words: t.home.arriving },
    { amount: BigInt(balances.openingSat), words: t.home.opening },
    { amount: BigInt(balances.closingSat), words: t.home.closing },
  ].filter(({ amount }) => amount > 0n)
  return (
    <div className="balance">
      <div role="status" aria-label={t.home.spendable}>
        <button
          type="button"
          className={`balance-total ${sizeOf(balances.totalMsat)}`}
          aria-pressed={hidden}
          title={hidden ? t.home.show : t.home.hide}
          onClick={() => prefs.setState({ hidden: !hidden })}
        >
          <Amount msat={balances.totalMsat} hidden={hidden} />
        </button>
      </div>
      <div className="balance-parts">
        <div>
          <span className="balance-name">{t.home.lightningShort}</span>
          <div role="status" aria-label={t.home.lightning}>
            <Amount msat={balances.spendableMsat} hidden={hidden} />
          </div>
        </div>
        <div>
          <span className="balance-name">{t.home.onchainShort}</span>
          <div role="status" aria-label={t.home.onchain}>
            <Amount msat={onchainMsat(balances)} hidden={hidden} />
          </div>
        </div>
      </div>
      {pending.map(({ amount, words }) => (
        <p key={words('')} className="balance-pending">
          <Clock aria-hidden="true" />
          {words(hidden ? t.home.hidden : formatSat(amount))}
        </p>
      ))}
      <Link href="/money" className="balance-all">
        {t.home.all}
        <ChevronRight aria-hidden="true" />
      </Link>
    </div>
  )
}
