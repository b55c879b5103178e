import type { GraphView } from '../../contract/graph-view.ts'

/** Words for the map of the payment network. */
export const graphWords = {
  title: 'Payment network',
  about:
    'Public channels between other nodes, as they announced them. Payments to people you have no channel with go through these.',
  none: 'No public channel is known yet. A peer that knows some tells of them.',
  nodes: 'Nodes',
  channels: 'Public channels',
  newest: 'Newest terms',
  ago: (span: string) => `${span} ago`,
  signed: 'Signed by their owners',
  proven: 'Funding proved on the chain',
  unspent: 'Funding still unspent',
  ofAll: (count: string, share: string) => `${count} · ${share}`,
  stepsAbout:
    'Signatures are checked for all of them. The chain is asked only about channels that a payment is about to use.',
  size: 'Memory',
  sync: {
    idle: 'Waiting for a peer that knows the network',
    running: 'Fetching what is missing…',
    done: 'Up to date',
  } satisfies Record<GraphView['sync']['state'], string>,
  state: 'State',
}
