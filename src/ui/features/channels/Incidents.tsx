import type { ReactNode } from 'react'
import { useNode } from '../../state/session.ts'
import { aboutIncident, incidentText } from '../../text/incidents.ts'
import { Amount } from '../../widgets/Amount.tsx'
import { Section } from '../../widgets/Screen.tsx'

/** What went wrong with a channel, or nearly did, with the date at which it happened. */
export function Incidents({ channelId }: { readonly channelId: string }): ReactNode {
  const all = useNode((node) => node.incidents)
  const incidents = all.filter((incident) => incident.channelId === channelId)
  if (incidents.length === 0) return null
  return (
    <Section title={incidentText.title}>
      <ul className="money-lines" aria-label={incidentText.title}>
        {incidents.map((incident) => (
          <li key={incident.id} className="money-line">
            <span className="money-what">
              <span className={incident.kind === 'lost' ? 'trouble' : ''}>
                {incidentText.kinds[incident.kind]}
              </span>
              <span className="quiet">{aboutIncident(incident)}</span>
            </span>
            {incident.amountMsat === undefined ? null : <Amount msat={incident.amountMsat} unit={false} />}
          </li>
        ))}
      </ul>
    </Section>
  )
}
