import type { ReactNode } from 'react'
import { Link } from 'wouter'
import type { NodeView } from '../../../contract/graph-view.ts'
import { useLoad } from '../../state/hooks.ts'
import { useNames } from '../../state/names.ts'
import { client } from '../../state/session.ts'
import { formatMsat, formatSat } from '../../text/amounts.ts'
import { graphPage as page } from '../../text/graph.ts'
import { percentOf } from '../../text/receive.ts'
import { Code } from '../../widgets/CopyShare.tsx'
import { Facts } from '../../widgets/Facts.tsx'
import { Section } from '../../widgets/Screen.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'
import { WhyRoute } from './WhyRoute.tsx'

type NodeChannel = NodeView['channels'][number]

function terms({ out }: NodeChannel): string {
  if (out === undefined) return page.untold
  if (out.disabled) return page.closedOut
  return page.out(page.fee(formatMsat(BigInt(out.feeBaseMsat)), percentOf(out.feeProportionalMillionths)))
}

function ChannelLine({ channel }: { readonly channel: NodeChannel }): ReactNode {
  const { capacitySat, saidMsat, checked } = channel
  const names = useNames()
  const size =
    capacitySat === undefined
      ? saidMsat === undefined
        ? page.unknownSize
        : page.said(formatMsat(saidMsat))
      : `${formatSat(capacitySat)} sat`
  return (
    <li className="graph-channel">
      <Link href={`/network/graph/${channel.peer}`}>{channel.peerName ?? names.of(channel.peer)}</Link>
      <span className="graph-size">{size}</span>
      <span className="quiet">{terms(channel)}</span>
      <span className={`graph-check graph-${checked}`}>{page.checked[checked]}</span>
      <span className="quiet mono">{channel.shortChannelId}</span>
    </li>
  )
}

/** One node of the network: what it says of itself, its channels, and how it would be paid. */
export function NodeDetail({ nodeId }: { readonly nodeId: string }): ReactNode {
  const names = useNames()
  const { value: node, error } = useLoad(nodeId, () => client().getNodeInfo({ nodeId }))
  if (error !== undefined) return <Trouble error={error} />
  if (node?.nodeId !== nodeId) return null
  const title = node.name ?? names.of(nodeId)
  const shown = node.channels.length
  return (
    <>
      <Section title={title}>
        <Facts
          facts={[
            { name: page.key, value: <Code text={nodeId} label={page.key} />, code: true },
            node.parts ? { name: page.takesParts, value: page.yes } : undefined,
            node.keysend ? { name: page.keysend, value: page.yes } : undefined,
          ]}
        />
      </Section>
      <WhyRoute key={nodeId} nodeId={nodeId} />
      <Section title={page.nodeChannels}>
        <p className="quiet">
          {shown < node.channelCount
            ? page.shownOf(shown, node.channelCount)
            : page.channelsOf(node.channelCount)}
        </p>
        <ul className="ledger" aria-label={page.nodeChannels}>
          {node.channels.map((channel) => (
            <ChannelLine key={channel.shortChannelId} channel={channel} />
          ))}
        </ul>
      </Section>
    </>
  )
}
