import type { ReactNode } from 'react'
import { formatMsat, formatSigned } from '../text/amounts.ts'
import { t } from '../text/en.ts'

interface AmountProps {
  /** In msat, or in sat; exactly one of them. */
  readonly msat?: bigint | string
  readonly sat?: bigint | string
  /** With a plus or minus in front. */
  readonly signed?: boolean
  /** Dots in place of figures. */
  readonly hidden?: boolean
  readonly unit?: boolean
  readonly className?: string
}

/** An exact amount in sats. The part below one sat is set smaller, so that thousands and thousandths are never confused. */
export function Amount({ msat, sat, signed, hidden, unit = true, className }: AmountProps): ReactNode {
  const value = msat === undefined ? BigInt(sat ?? 0) * 1000n : BigInt(msat)
  const text = signed === true ? formatSigned(value) : formatMsat(value)
  const [whole, fraction] = text.split('.')
  return (
    <span className={`amount ${className ?? ''}`}>
      {hidden === true ? (
        t.home.hidden
      ) : (
        <>
          {whole}
          {fraction === undefined ? null : <span className="amount-fraction">.{fraction}</span>}
        </>
      )}
      {unit && hidden !== true ? <span className="unit"> {t.app.sat}</span> : null}
    </span>
  )
}
