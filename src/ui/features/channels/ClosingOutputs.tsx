import type { ReactNode } from 'react'
import type { ClosingOutput } from '../../../contract/schemas.ts'
import { useNode } from '../../state/session.ts'
import { group, shorten } from '../../text/amounts.ts'
import { t } from '../../text/en.ts'
import { formatSpan } from '../../text/times.ts'
import { Amount } from '../../widgets/Amount.tsx'
import { Code } from '../../widgets/CopyShare.tsx'
import { Section } from '../../widgets/Screen.tsx'

const TEN_MINUTES = 600_000

const isTheirs = ({ kind, state }: ClosingOutput): boolean =>
  state === 'notOurs' && (kind === 'toLocal' || kind === 'toRemote' || kind === 'mutualClose')

/** Each output of a closing transaction: what it is, when its money is back, which transaction brings it. */
export function ClosingOutputs({ outputs }: { readonly outputs: readonly ClosingOutput[] }): ReactNode {
  const height = useNode((node) => node.chain.height)
  const practice = useNode((node) => node.network === 'regtest')
  if (outputs.length === 0) return null
  return (
    <Section title={t.channels.outputs}>
      <ul className="outputs">
        {outputs.map((output, index) => {
          const blocks = (output.spendableAtHeight ?? height) - height
          return (
            <li key={`${output.kind}-${index}`} className="output">
              <span>{isTheirs(output) ? t.channels.outputTheirs : t.channels.outputKinds[output.kind]}</span>
              <Amount sat={output.amountSat} />
              <span className="quiet">
                {isTheirs(output)
                  ? t.channels.paidToPeer
                  : output.kind === 'anchor' && (output.state === 'notOurs' || output.state === 'unresolved')
                    ? t.channels.anchorLeft
                    : t.channels.outputStates[output.state]}
                {output.state === 'waiting' && output.spendableAtHeight !== undefined
                  ? `, ${t.channels.atHeight(
                      group(String(output.spendableAtHeight)),
                      blocks,
                      // Blocks of the practice network come when they are asked for.
                      practice ? '' : t.channels.about(formatSpan(blocks * TEN_MINUTES)),
                    )}`
                  : null}
              </span>
              {output.sweepTxid === undefined ? null : (
                <Code
                  text={output.sweepTxid}
                  shown={shorten(output.sweepTxid, 8, 6)}
                  label={t.send.transaction}
                />
              )}
            </li>
          )
        })}
      </ul>
    </Section>
  )
}
