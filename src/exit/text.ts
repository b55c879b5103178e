import type { Use } from '../engine/exit/facts.ts'
import type { ExitTx, OutputFate } from '../engine/exit/types.ts'
import type { CloseKind, KnownOutput } from '../engine/onchain/types.ts'
import type { ContainerError } from '../host/vault/container.ts'

/** Every word of the page. It may be read in ten years by somebody who has never seen the app. */

const plural = (n: number, one: string, many: string): string => `${n} ${n === 1 ? one : many}`

/** `1 234 567 sat`, with thin spaces. */
export const sats = (amount: bigint): string => `${String(amount).replace(/\B(?=(\d{3})+$)/g, '\u2009')} sat`

export const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
export const moment = (ms: number): string =>
  new Date(ms).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })

export const t = {
  title: 'Switchback exit file',
  intro:
    'This file holds a sealed copy of a wallet, and the program to take its money out with. It works without the app, without its makers and without a network: it asks nobody and sends nothing.',
  made: 'Copy made',
  network: 'Network',
  networks: {
    bitcoin: 'Bitcoin',
    testnet4: 'Testnet 4',
    signet: 'Signet',
    regtest: 'Practice (regtest)',
  } as Readonly<Record<string, string>>,
  password: 'Password',
  passwordHint: 'The one that was chosen when this file was saved.',
  open: 'Open',
  opening: 'Opening. That takes a few seconds, so that nobody can try many passwords…',
  empty:
    'There is no copy in this file: it is the empty form. Save an exit file in the app: Settings, Backup of channels.',
  errors: {
    wrongPassword: 'This is not the password of this file.',
    damaged:
      'The copy in this file is damaged: part of it is missing or was changed. Try another place where you keep it.',
    notOurs: 'What this file holds is no copy of a wallet.',
    version: 'The copy in this file is of a later version than the program in it.',
    tooLarge: 'The copy in this file is larger than any wallet.',
    noSeed: 'The copy in this file opens, but holds no wallet.',
  } satisfies Record<ContainerError | 'noSeed', string>,

  openedAbout: (when: string, block: number) =>
    `The wallet as it was on ${when}, at block ${block}. What happened since then this page cannot know: you tell it below. It forgets everything when it is closed.`,
  problems: 'Part of the copy cannot be read. What is shown below does not need it:',

  where: 'Where the money is to go',
  address: 'Address',
  addressHint: (network: string) => `An address of yours in any other wallet. Network: ${network}.`,
  addressBad: 'This is no address.',
  addressOther: 'This is an address of another network.',
  feerate: 'Fee rate',
  feerateHint: 'What explorers call medium or “within an hour”.',
  feerateBad: 'A number from 1 to 2000.',
  height: 'Newest block',
  heightHint: 'Its number, from any explorer.',
  heightGuess: 'A guess from the date. Put in the number that any explorer shows.',
  heightBad: 'The number of a block, not before the copy’s.',

  since: 'What has happened since',
  sinceAbout:
    'If a channel was closed, or coins came or went, since the copy was made: look the transaction up in any explorer, and paste it here as raw hex, one a line, with the number of its block and a space in front.',
  sinceLabel: 'Transactions',
  sinceHint: 'For example: 871234 0200000000010…',
  uses: {
    close: 'closes a channel of this wallet',
    spend: 'spends an output of a closed channel',
    coins: 'brings or takes coins of this wallet',
    preimage: 'is the preimage of a payment',
    id: 'is an id, not the transaction itself: explorers show the raw hex on the page of that id',
    none: 'has nothing to do with this wallet, as far as the copy knows',
    unreadable: 'cannot be read: is it whole, and hex?',
  } satisfies Record<Use, string>,
  line: (n: number, use: string) => `Line ${n} ${use}.`,

  channels: 'Channels',
  noChannels: 'This wallet had no channels when the copy was made.',
  channelWith: (peer: string, capacity: string) => `${capacity} with ${peer}…`,
  kinds: {
    mutual: 'Closed by both sides together.',
    local: 'Closed from this wallet’s side.',
    remote: 'Closed by the peer.',
    remoteNext: 'Closed by the peer.',
    revoked: 'The peer closed it with an old state, which is theft: all of it is yours.',
    unknown:
      'Closed with a state that is newer than this copy. The balance is claimed; payments that were under way are not.',
  } satisfies Record<CloseKind, string>,
  closedAt: (block: number) => `In block ${block}.`,
  closeWaits: 'Not in a block yet. Once it is, paste it above with the number of its block.',
  outputs: {
    mutualClose: 'Your part of the close',
    toLocal: 'Your balance',
    toRemote: 'Your balance',
    htlc: 'A payment that was under way',
    anchor: 'Anchor',
    unknown: 'Not known to this copy',
  } satisfies Record<KnownOutput['kind'], string>,
  theirBalance: 'The thief’s balance',
  fates: {
    claimable: '',
    tooSmall: 'Costs more than it brings at this fee rate. A lower one may do.',
    needsCoins:
      'Needs a coin of this wallet that pays the fee, and there is none left: send some to the wallet first.',
    needsPreimage: 'A payment to you whose preimage this copy does not hold. Paste it above, if you have it.',
    direct:
      'Paid to the wallet’s own address by the close itself: it is among the coins below once you paste the close above.',
    claimed: 'Claimed already.',
    taken: 'Gone: somebody else has taken it.',
    unexplained: 'A payment that may be yours, of a state that this copy does not know.',
  } satisfies Record<OutputFate, string>,
  now: 'Can be claimed now.',
  from: (block: number, when: string) => `Can be claimed from block ${block}${when}.`,
  about: (when: string) => `, about ${when}`,
  deadline: (block: number) => `Somebody else can take it from block ${block}: be in one before.`,
  waiting: (txid: string) => `A transaction that takes it waits for a block: ${txid}.`,

  live: (amount: string) =>
    `Open when the copy was made. About ${amount} of it was yours then; less or more if payments were made since.`,
  restoredLive:
    'The wallet had lost this channel’s state before the copy was made: what is yours of it is known once the peer has closed it.',
  liveSteps: (outpoint: string): readonly string[] => [
    'Ask the peer to close it. Whoever runs that node can do so without you: give them the node and the channel below. If your wallet still runs anywhere, close it there instead.',
    `Look in any explorer whether it is closed: whether the output ${outpoint} has been spent.`,
    'Paste the transaction that spent it above, as raw hex, with the number of its block.',
  ],
  node: 'Node',
  lastAt: 'Last reached at',
  channel: 'Channel (funding output)',
  publish: 'The transaction that closes it, which the wallet had sent already: safe to send again.',

  lastResort: 'If the peer never closes it',
  lastResortAbout: (date: string): readonly string[] => [
    `This copy holds the channel’s state of ${date}, signed by both sides, and can close the channel with it. Only if that is still the newest state is this safe.`,
    'If the wallet has sent, received or forwarded any payment in this channel since then, or has even only been online while fees changed, publishing it is treated as theft, and the peer takes everything in the channel, your part too.',
    'If you are not certain, wait: the peer cannot take your money either.',
  ],
  lastResortTyped: (date: string) => `nothing happened since ${date}`,
  lastResortLabel: 'To confirm, type',
  lastResortShow: 'Show the closing transaction',
  lastResortAfter:
    'Send this one first. Once it is in a block, paste it above with the number of the block: what can be claimed of it, and when, is shown then.',
  lastResortRefused: 'This state cannot be published: the copy itself knows that it is not the newest.',

  transactions: 'Transactions to send',
  needAddress: 'Put in an address above: the transactions are made for it.',
  kindsOfTx: {
    sweep: 'To your address',
    stage: 'First of two: takes the payment out of the closed channel',
    child: 'Helps the close into a block, by paying for it',
    coins: 'All coins to your address',
  } satisfies Record<ExitTx['kind'], string>,
  arrives: 'Arrives',
  fee: 'Fee',
  feeOf: (amount: string, rate: string) => `${amount} (${rate} sat/vB)`,
  fromCoins: (coins: number) => `${plural(coins, 'coin', 'coins')} of the wallet pay for it.`,
  txid: 'Id',
  raw: (n: number) => `Transaction ${n}, raw`,
  copy: 'Copy',
  copied: 'Copied',
  send: 'Can be sent now.',
  sendFrom: (block: number, when: string) =>
    `Can be sent from block ${block}${when}. Before, nodes refuse it and nothing is lost.`,
  sendAfter: (txid: string, blocks: number) =>
    `Only after ${txid} has ${plural(blocks, 'confirmation', 'confirmations')}, and only if that very transaction was sent.`,
  order: (n: number) => `${n}.`,

  coins: 'Coins',
  coinsAbout:
    'What lay on chain when the copy was made. A coin that was spent since makes the whole transaction invalid: look its address up, and take its tick away.',
  noCoins: 'No coins that can be spent.',
  coinUnconfirmed: 'Was in no block. Paste its transaction above, with the number of its block.',
  coinUsed: 'Pays for a transaction above.',
  coinsProblem: {
    none: 'There is no coin that can be spent.',
    tooSmall: 'The coins are worth less than the fee for sending them.',
    feerate: 'The fee would be absurdly high.',
  },
  pending: 'Sent before the copy was made, and in no block then. You may send it again:',
  addresses: 'Addresses of this wallet',
  addressesAbout:
    'Look them up in any explorer to find coins that came since. Paste the transactions that brought them above.',

  sendTitle: 'How to send them',
  sendAbout:
    'Copy a transaction and paste it where any explorer says “broadcast transaction” (for instance mempool.space or blockstream.info, under tx/push), or give it to any node: bitcoin-cli sendrawtransaction. It does not matter who sends it: it is signed, and can pay only what is shown here.',

  elsewhere: 'Into another wallet',
  elsewhereAbout:
    'The words bring the coins on chain into any wallet that knows BIP 39 and BIP 84; the descriptors do the same in Bitcoin Core and others. They do not bring what is still in channels: that is above.',
  watch: 'Descriptors to look with',
  reveal: 'Show words and private descriptors',
  revealAbout:
    'Whoever sees them has the money. Make sure that nobody looks on and nothing records the screen.',
  words: 'Recovery words',
  passphrase: 'Passphrase',
  spend: 'Private descriptors',
} as const
