/** Words for a channel that came from another device and whose peer has not been met there. */

export const unprovenText = {
  title: 'Waiting for its peer',
  askedTitle: 'Waiting for its peer to close it',
  about:
    'This channel came from another device. It goes on once its peer has been reached and shows that no other device has used it since. Until then nothing is paid through it.',
  asked: 'It is to be closed. Its peer is asked to as soon as it is there; what is yours comes back then.',
  wait: (height: string, span: string) =>
    `If the peer stays away, you can close it from here after block ${height}${span}.`,
  waitUnknown: 'If the peer stays away for about a week, you can close it from here.',
  now: 'The peer has been silent for about a week. You can close it from here now, if you are sure that no other device has used it.',
  ask: 'Close without waiting for the peer',
  askTitle: 'Close this channel?',
  askAbout: [
    'This device cannot know yet whether its state of the channel is the newest. So the peer is asked to close it, which is always safe: what is yours comes back to the wallet.',
    'If the peer stays away for about a week, you can close it from here.',
    'The channel does not go on after this.',
  ],
  askNow: 'Ask to close',
  open: 'Close it anyway…',
  anywayTitle: 'Close it without the peer?',
  anywayAbout: [
    'Safe only if no other device has used this wallet since the file was saved: not the old one, and none that opened the same file.',
    'If one has, the state here is old. Publishing an old state counts as cheating, and the peer may then take everything in this channel, the newer money included.',
    'If you still have the other device, use the wallet there. If the peer may come back, wait: its way is always safe.',
    'Otherwise your balance is locked for a time, commonly some days, and comes back to the wallet by itself after it.',
  ],
  word: 'close anyway',
  field: (word: string) => `Type “${word}” to confirm`,
  anywayNow: 'Close it anyway',
} as const
