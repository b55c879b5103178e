import { type ReactNode, useEffect, useRef, useState } from 'react'
import { t } from '../text/en.ts'
import { realMoney } from '../text/real-money.ts'
import { Button } from '../widgets/Button.tsx'

interface RealMoneyProps {
  readonly onAccept: () => void
  readonly onBack: () => void
}

/** What mainnet asks of its user, before there is a wallet on it. A tick, since it is to be read and not clicked away. */
export default function RealMoney({ onAccept, onBack }: RealMoneyProps): ReactNode {
  const [ticked, setTicked] = useState(false)
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    // It takes the place of a screen: it begins at its top, for eyes and for screen readers.
    window.scrollTo(0, 0)
    heading.current?.focus()
  }, [])
  return (
    <form
      className="welcome-body"
      onSubmit={(event) => {
        event.preventDefault()
        if (ticked) onAccept()
      }}
    >
      <h2 ref={heading} tabIndex={-1}>
        {realMoney.title}
      </h2>
      <p>{realMoney.about}</p>
      <ol className="move-steps">
        {realMoney.steps.map(([what, why]) => (
          <li key={what}>
            <strong>{what}.</strong> <span className="quiet">{why}</span>
          </li>
        ))}
      </ol>
      <label className="check">
        <input type="checkbox" checked={ticked} onChange={(event) => setTicked(event.target.checked)} />
        {realMoney.accept}
      </label>
      <div className="buttons buttons-even">
        <Button onClick={onBack}>{t.app.back}</Button>
        <Button look="primary" type="submit" disabled={!ticked}>
          {t.app.continue}
        </Button>
      </div>
    </form>
  )
}
