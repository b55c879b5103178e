import { type ReactNode, useState } from 'react'
import type { RoutesView } from '../../../contract/graph-view.ts'
import { useAction } from '../../state/hooks.ts'
import { useNames } from '../../state/names.ts'
import { client } from '../../state/session.ts'
import { parseSats } from '../../text/amounts.ts'
import { graphPage as page } from '../../text/graph.ts'
import { amountProblem } from '../../text/problems.ts'
import { Amount } from '../../widgets/Amount.tsx'
import { Button } from '../../widgets/Button.tsx'
import { AmountField } from '../../widgets/Field.tsx'
import { Section } from '../../widgets/Screen.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'
import { count } from './useGraph.ts'

type Route = RoutesView['routes'][number]

const percent = (probability: number): string =>
  `${Math.min(99, Math.max(1, Math.round(probability * 100)))} %`

function RouteLine({ route, place }: { readonly route: Route; readonly place: number }): ReactNode {
  const names = useNames()
  return (
    <li className="graph-route">
      <p>
        <strong>{page.way(place)}</strong>{' '}
        <span className="quiet">
          {page.totalFee} <Amount msat={route.feeMsat} /> · {page.likely(percent(route.probability))}
        </span>
      </p>
      <ol className="graph-hops">
        {route.hops.map((hop, index) => {
          const last = index === route.hops.length - 1
          const takes = last ? (
            page.recipient
          ) : hop.feeMsat === '0' ? (
            page.takesNothing
          ) : (
            <>
              {page.takes} <Amount msat={hop.feeMsat} />
            </>
          )
          return (
            <li key={hop.nodeId}>
              <span>
                {hop.name ?? names.of(hop.nodeId)} <span className="quiet">{takes}</span>
              </span>
              <span className="quiet">
                {page.known[hop.known]}
                {hop.known === 'local' ? '' : `, ${page.likely(percent(hop.probability))}`}
              </span>
            </li>
          )
        })}
      </ol>
    </li>
  )
}

/** How a sum would get to a node now, and why so. Pays nothing. */
export function WhyRoute({ nodeId }: { readonly nodeId: string }): ReactNode {
  const [typed, setTyped] = useState('1000')
  const [answer, setAnswer] = useState<RoutesView>()
  const parsed = parseSats(typed, 3)
  const ask = useAction(async () => {
    if (!parsed.ok) return
    setAnswer(await client().queryRoutes({ destination: nodeId, amountMsat: parsed.msat.toString() }))
  })
  return (
    <Section title={page.why}>
      <p className="quiet">{page.whyAbout}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void ask.run()
        }}
      >
        <AmountField value={typed} onText={setTyped} problem={amountProblem(typed, 3, false)} />
        <Button type="submit" disabled={!parsed.ok || ask.pending}>
          {page.ask}
        </Button>
      </form>
      <Trouble error={ask.error} />
      {answer === undefined ? null : <Answer answer={answer} />}
    </Section>
  )
}

function Answer({ answer }: { readonly answer: RoutesView }): ReactNode {
  const { routes, rejected, reason } = answer
  return (
    <div className="stack">
      {routes.length === 0 ? (
        <p className="callout" role="status">
          {page.noWay[reason ?? ''] ?? page.noWayElse}
        </p>
      ) : (
        <>
          <ol aria-label={page.why}>
            {routes.map((route, index) => (
              <RouteLine key={index} route={route} place={index + 1} />
            ))}
          </ol>
          <p className="quiet">{page.chosen}</p>
        </>
      )}
      <p className="quiet">{page.looked(count(answer.settledNodes), count(answer.relaxedChannels))}</p>
      {rejected.length === 0 ? null : (
        <details className="disclosure">
          <summary>{page.against}</summary>
          <ul className="graph-against">
            {rejected.map((entry) => (
              <li key={entry.reason}>
                {count(entry.count)} {page.rejected[entry.reason] ?? entry.reason}
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  )
}
