import { t } from './en.ts'

/** Words about whether a payment can arrive. Loaded with the screen. */

export const arriveText = {
  title: 'Can it arrive?',
  any: (most: string) => `Over Lightning up to ${most} sat, on chain any amount.`,
  whole: 'It can arrive over Lightning, and on chain.',
  parts: (largest: string) =>
    `It can arrive over Lightning in parts: the largest room in one channel is ${largest} sat. Wallets split it by themselves.`,
  missing: (most: string, missing: string) =>
    `Over Lightning only ${most} sat can arrive, ${missing} sat less than this. So this request is for the chain only.`,
  instead: (most: string) => `Ask for ${most} sat instead`,
  lastingNot:
    'Nothing can arrive by this code as things are: it is for Lightning only, and there is no room.',
  lastingLess: (most: string) =>
    `As things are this cannot arrive: the code is for Lightning only, and there is room for ${most} sat.`,
  none: 'Lightning cannot bring anything in yet: your channels have no room on the other side. This request is for the chain only.',
  noChannel: 'There is no channel for Lightning to come in by. This request is for the chain only.',
  allAway:
    'No peer is connected, so nothing can come in over Lightning now. This request is for the chain only.',
  onlyPeers: (names: string) =>
    `Over Lightning only ${names} can pay this: nobody passes payments on to you yet.`,
  todo: 'What makes room',
  todoSpend: 'Pay from your channels: what you spend is room to receive.',
  todoAsk: 'Ask a peer to open a channel to you. Its money is your room.',
  todoOpen: 'Open a channel, and pay something from it.',
  todoAway: (amount: string) => `${amount} sat more once the peers that are away are back.`,
  openChannel: 'Go to channels',
  yourId: 'Your node’s key, for whoever opens it',
  byChannel: 'Room by channel',
  room: (peer: string, amount: string) => `${peer}: room for ${amount} sat`,
  fee: (base: string, percent: string) => `. Passing it on costs the payer ${base} sat + ${percent} %`,
  reach: {
    everybody: 'Public: everybody can pay through it',
    invoice: 'Private: the request names it',
    peer: 'Only the peer itself can pay through it',
  },
  notNamed: 'Private: not named in this request',
  away: t.channels.disconnected,
}

/** `0.01` of 100 millionths: as exact as it is, without zeros behind. */
export const percentOf = (millionths: number): string =>
  (millionths / 10_000).toFixed(4).replace(/\.?0+$/, '')
