import type { Incident } from '../../contract/schemas.ts'
import { formatMsat, group } from './amounts.ts'
import { formatWhen } from './times.ts'

/** What went wrong with channels, or nearly did, in words. */

export const incidentText = {
  title: 'What happened',
  kinds: {
    peerClosed: 'Closed on the chain by the peer',
    cheated: 'The peer broadcast an old state',
    unknownClose: 'Closed with a state unknown here',
    deadlineClose: 'A payment ran out of time',
    paymentReturned: 'Payment came back on the chain',
    paymentClaimed: 'Payment claimed on the chain',
    lost: 'Taken by the peer before it was claimed',
    neverFunded: 'A channel never came to be',
  } satisfies Readonly<Record<Incident['kind'], string>>,
  whileClosed: (since: string): string => `while this wallet was closed (since ${formatWhen(since)})`,
  block: (height: number): string => `block ${group(String(height))}`,
  left: (blocks: number): string =>
    blocks === 0 ? 'noticed too late' : `${group(String(blocks))} blocks were left to claim it`,
  cost: (msat: string): string => `cost ${formatMsat(msat)} sat so far`,
}

/** The circumstances in one line: when, in which block, whether nobody was looking, how close it was, what it has cost. */
export function aboutIncident({ time, height, closedSince, blocksLeft, costMsat }: Incident): string {
  return [
    formatWhen(time),
    incidentText.block(height),
    closedSince === undefined ? undefined : incidentText.whileClosed(closedSince),
    blocksLeft === undefined ? undefined : incidentText.left(blocksLeft),
    costMsat === undefined || costMsat === '0' ? undefined : incidentText.cost(costMsat),
  ]
    .filter((part) => part !== undefined)
    .join(' · ')
}
