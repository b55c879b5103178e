import { type ReactNode, useState } from 'react'
import { useNode } from '../state/session.ts'
import { formatRate } from '../text/amounts.ts'
import { t } from '../text/en.ts'
import { parseRate } from '../text/rates.ts'
import { Choice } from '../widgets/Choice.tsx'
import { TextField } from '../widgets/Field.tsx'

const SPEEDS = ['slow', 'normal', 'fast'] as const
type Speed = (typeof SPEEDS)[number] | 'custom'

/** The fee rate chosen, in sat/vB (undefined while a custom one is not a rate), and the control to choose it with. */
export function useFeeChoice(initial: Speed = 'normal'): { rate: number | undefined; control: ReactNode } {
  const rates = useNode((node) => node.feeSatPerVb)
  const [speed, setSpeed] = useState<Speed>(initial)
  const [custom, setCustom] = useState('')
  const typed = parseRate(custom)
  const rate = speed === 'custom' ? typed : rates[speed]
  const control = (
    <div className="fee-choice">
      <Choice
        label={t.fees.label}
        value={speed}
        onChoose={(chosen) => {
          if (chosen === 'custom' && custom === '' && speed !== 'custom') setCustom(formatRate(rates[speed]))
          setSpeed(chosen)
        }}
        options={[
          ...SPEEDS.map((value) => ({
            value,
            label: t.fees[value],
            about: `${formatRate(rates[value])} ${t.app.rate}`,
          })),
          { value: 'custom' as const, label: t.fees.custom, about: t.app.rate },
        ]}
      />
      {speed === 'custom' ? (
        <TextField
          label={t.fees.customLabel}
          inputMode="decimal"
          className="figures"
          unit={t.app.rate}
          value={custom}
          onText={setCustom}
          problem={custom !== '' && typed === undefined ? t.fees.invalid : undefined}
        />
      ) : null}
    </div>
  )
  return { rate, control }
}
