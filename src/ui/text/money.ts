import type { MoneyCost, MoneyLine } from '../../contract/schemas.ts'
import { group } from './amounts.ts'

/** Words of the screen that shows where all money is. Loaded with it. */

type Kind = MoneyLine['kind']

export const m = {
  title: 'Where it all is',
  total: 'All of it',
  bar: (parts: readonly string[]): string => `Of the whole: ${parts.join(', ')}.`,
  nothing: 'Nothing yet',
  nothingTodo: 'Whatever comes in shows here, to the last msat.',
  groups: {
    now: 'You can spend it now',
    underWay: 'On its way',
    returning: 'Comes back by itself',
    aside: 'Kept aside',
  },
  with: (what: string, peer: string): string => `${what}, ${peer}`,
  kinds: {
    lightning: 'Lightning',
    channelLimit: 'More than one payment may carry',
    channelReserve: 'Channel reserve',
    commitmentFee: 'Fee of a closing transaction',
    htlcOffered: 'Payment under way',
    htlcArriving: 'Payment arriving',
    channelOpening: 'Channel that opens',
    channelClosing: 'Channel that closes',
    closeUnconfirmed: 'Closing transaction',
    closeDelayed: 'Closed channel',
    htlcTimeout: 'Payment that was not taken',
    closeClaimable: 'Closed channel',
    closeSweeping: 'Claim of a closed channel',
    closeArriving: 'Closed channel',
    onchain: 'On chain',
    onchainChange: 'On chain, your own change',
    onchainUnconfirmed: 'On chain, coming in',
    onchainImmature: 'Just mined',
    anchorReserve: 'Fee reserve',
    reservedForSend: 'Coins of a payment being made',
    reservedForChannel: 'Coins of a channel being opened',
    reservedForClaim: 'Pays for a claim',
  } satisfies Readonly<Record<Kind, string>>,
  /** Why it is there. */
  why: {
    channelLimit: 'The peer takes no more at once; it goes in several payments.',
    channelReserve: 'Stays in the channel until it closes: each side has something to lose.',
    commitmentFee: 'You opened the channel and pay for its end, also when fees double.',
    channelOpening: 'Usable when the funding transaction has its confirmations.',
    channelClosing: 'Its closing transaction has not been seen yet.',
    closeUnconfirmed: 'In no block yet.',
    closeClaimable: 'Waits for lower fees, or for coins to pay them.',
    closeSweeping: 'In no block yet.',
    closeArriving: 'In a block; being looked up.',
    onchainChange: 'In no block yet, and safe to spend.',
    onchainUnconfirmed: 'In no block yet.',
    anchorReserve: 'Pays fees, should a channel have to close on the chain.',
    reservedForClaim: 'What is left of it comes back as change.',
  } satisfies Readonly<Partial<Record<Kind, string>>> as Readonly<Partial<Record<Kind, string>>>,
  coins: (count: number): string => (count === 1 ? '1 coin' : `${group(String(count))} coins`),
  payments: (count: number): string => `${group(String(count))} payments`,
  /** `about` is empty on the practice network: its blocks come when they are asked for. */
  until: (height: number, blocks: number, about: string): string => {
    const left = blocks <= 0 ? 'now' : blocks === 1 ? 'in 1 block' : `in ${group(String(blocks))} blocks`
    return `Block ${group(String(height))}, ${left}${about === '' || blocks <= 0 ? '' : ` (about ${about})`}`
  },
  backBy: (height: number, about: string): string =>
    `Back after block ${group(String(height))} if nobody takes it${about === '' ? '' : ` (about ${about})`}`,
  incoming: 'Not yours yet',
  incomingAbout: 'Payments to you that are not complete.',
  costs: 'What closed channels have cost',
  costKinds: {
    closeFee: 'Fee of the closing transaction',
    anchors: 'Anchors, two small outputs that let fees be raised',
    rounding: 'Rounded down to whole sats',
    dust: 'Too small to be claimed',
    claimFee: 'Fees of claims',
    lost: 'Taken by another',
    unknownState: 'Not in the state that it was closed with',
  } satisfies Readonly<Record<MoneyCost['kind'], string>>,
}
