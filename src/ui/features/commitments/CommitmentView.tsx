import type { ReactNode } from 'react'
import type { ChannelView } from '../../../contract/channel-view.ts'
import { formatMsat, group } from '../../text/amounts.ts'
import { c } from '../../text/commitments.ts'
import { Section } from '../../widgets/Screen.tsx'
import { Chain } from './Chain.tsx'
import { LogStrip, StageLegend } from './LogStrip.tsx'
import { Secrets } from './Secrets.tsx'
import { CommitmentTable, HtlcTable, WindowTable } from './Tables.tsx'
import { type LiveView, useWidth } from './useChannelView.ts'
import { Wire } from './Wire.tsx'

function Reading({ value, unit }: { readonly value: string; readonly unit: string }): ReactNode {
  return (
    <div className="reading">
      <dt>{unit}</dt>
      <dd>{value}</dd>
    </div>
  )
}

/** The protocol's diagram, alive: both chains with what is in flight between them, both logs with their marks, and the figures. */
export function CommitmentView({
  view,
  rates,
}: {
  readonly view: ChannelView
  readonly rates: LiveView['rates']
}): ReactNode {
  const [attach, width] = useWidth()
  const flightMsat = BigInt(view.inFlight.outMsat) + BigInt(view.inFlight.inMsat)
  return (
    <div className="commitments">
      <dl className="readings" aria-label={c.readings}>
        <Reading value={group(String(rates.updates))} unit={c.updates} />
        <Reading value={group(String(rates.commitments))} unit={c.commitments} />
        <Reading value={group(String(view.htlcs.count))} unit={c.htlcsInFlight} />
        <Reading value={formatMsat(flightMsat)} unit={c.sats} />
      </dl>
      <div className="commitments-picture" ref={attach}>
        {width === 0 ? null : (
          <>
            <Section title={c.chains}>
              <div className="chains">
                <Chain name={c.remote} about={c.remoteAbout} chain={view.remote} width={width} />
                <Wire view={view} width={width} />
                <Chain name={c.local} about={c.localAbout} chain={view.local} width={width} />
              </div>
            </Section>
            <Section title={c.logs}>
              <LogStrip name={c.logNames.local} log={view.logs.local} width={width} />
              <LogStrip name={c.logNames.remote} log={view.logs.remote} width={width} />
              <StageLegend />
            </Section>
          </>
        )}
      </div>
      <div className="commitments-figures">
        <Section title={c.table}>
          <CommitmentTable view={view} />
        </Section>
        <Section title={c.windows}>
          <WindowTable view={view} />
        </Section>
        <Section title={c.secrets}>
          <Secrets secrets={view.secrets} />
        </Section>
        <HtlcTable htlcs={view.htlcs} />
      </div>
    </div>
  )
}
