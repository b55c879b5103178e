/** Why a channel does not go on, in words for people, by the engine's code (`reasonCode`). */
const WORDS: Readonly<Record<string, string>> = {
  forceClose: 'You closed it on the chain, without the peer.',
  peerError: 'The peer gave the channel up, so it is closed on the chain.',
  htlcTimedOut:
    'The peer did not settle a payment in time, so the channel is closed on the chain to get it back.',
  htlcAtRisk: 'The peer did not settle a payment to you in time, so it is claimed on the chain.',
  weAreBehind:
    'This device holds an old state of the channel, so it must not close it. The peer was asked to; what is yours comes back then.',
  unproven:
    'It came from another device, and its peer has not shown yet that this is its newest state, so it must not be closed from here. The peer was asked to; what is yours comes back then.',
  unprovenClose:
    'You closed it on the chain without its peer, which had not shown that this is its newest state.',
  peerIsBehind: 'The peer has lost its state of the channel. It is closed on the chain with your newest one.',
  neverFunded:
    'It never came to be: the coins for it were spent by another transaction, and are not in it. Nothing is lost in the channel.',
  'closed:mutual': 'It was closed by both sides.',
  'closed:local': 'It was closed on the chain from your side.',
  'closed:remote': 'The peer closed it on the chain.',
  'closed:remoteNext': 'The peer closed it on the chain.',
  'closed:revoked': 'The peer tried to close it with an old state. All of the channel is claimed for you.',
  'closed:unknown':
    'It was closed on the chain with a state that this device does not know. What can be found of yours is claimed.',
}

/** Any other code names a rule that the peer broke. */
const BROKEN =
  'The peer broke the rules of the protocol, so the channel is closed on the chain to protect your money.'

export const wordsForReason = (code: string | undefined): string =>
  (code === undefined ? undefined : WORDS[code]) ?? BROKEN

/** Whether the engine's own text says more than these words: a rule that was broken, or what the peer said. */
export const hasDetail = (code: string | undefined): boolean =>
  code === undefined || code === 'peerError' || WORDS[code] === undefined
