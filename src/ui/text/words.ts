import type { ErrorCode } from '../../contract/errors.ts'
import { formatMsat, formatSat } from './amounts.ts'

/** An error as it crosses the API, or as it is stored in a payment. */
export interface ErrorLike {
  readonly code: string
  readonly message: string
  readonly data?: Readonly<Record<string, string | number | boolean>> | undefined
}

/** What happened, and what to do about it. */
export interface Words {
  readonly what: string
  readonly todo: string
}

/** Figures of an error, read with care: they are absent as often as not. */
function figures(data: ErrorLike['data']) {
  const amountOf = (key: string): bigint | undefined => {
    const value = data?.[key]
    return typeof value === 'string' && /^\d{1,19}$/.test(value) ? BigInt(value) : undefined
  }
  return {
    /** `1 000 sat` from the first of the named fields that is there; msat or sat by the field's name. */
    money(...keys: string[]): string | undefined {
      for (const key of keys) {
        const value = amountOf(key)
        if (value !== undefined) return `${key.endsWith('Msat') ? formatMsat(value) : formatSat(value)} sat`
      }
      return undefined
    },
    /** Whether the amount is there and not zero. */
    some: (key: string): boolean => (amountOf(key) ?? 0n) > 0n,
    text(...keys: string[]): string | undefined {
      for (const key of keys) {
        const value = data?.[key]
        if (typeof value === 'string' && value !== '') return value
        if (typeof value === 'number') return String(value)
      }
      return undefined
    },
  }
}

type Figures = ReturnType<typeof figures>
type Entry = Words | ((f: Figures) => Words)

const upTo = (f: Figures, lead: string, ...keys: string[]) => {
  const most = f.money(...keys)
  return most === undefined ? '' : ` ${lead} ${most}.`
}

/** What people call the networks; `bitcoin` alone would say nothing. */
const NETWORKS: Readonly<Record<string, string>> = {
  bitcoin: 'the main one, with real money',
  testnet4: 'a test network',
  signet: 'a test network',
  regtest: 'a practice network',
}
const networkOf = (name: string | undefined): string =>
  name === undefined ? '' : ` (${NETWORKS[name] ?? name})`

const ENTRIES: Readonly<Record<ErrorCode, Entry>> = {
  invalidInput: {
    what: 'Something in this form is not as expected.',
    todo: 'Check what you typed and try again.',
  },
  unknownProcedure: {
    what: 'The page and the node inside it are of different versions.',
    todo: 'Close every tab of Switchback and open it again.',
  },
  notAvailable: {
    what: 'This version cannot do that yet.',
    todo: 'Nothing was changed.',
  },
  cancelled: { what: 'This was cancelled.', todo: 'Nothing was sent. Start again when you like.' },
  internal: {
    what: 'The node met an error of its own and did not do this.',
    todo: 'Try again. If it happens again, export the logs in Settings and report it.',
  },

  noWallet: {
    what: 'There is no wallet on this device yet.',
    todo: 'Create one, or restore one from its words.',
  },
  walletExists: {
    what: 'There is a wallet on this device already.',
    todo: 'Reload the page to see it. To restore another, use another browser profile.',
  },
  notReady: { what: 'The node is still starting.', todo: 'Wait until it has caught up, then try again.' },
  otherTabActive: {
    what: 'Another tab is running this wallet.',
    todo: 'Use that tab, or close it and continue here.',
  },
  frozen: {
    what: 'The wallet has stopped to protect your money.',
    todo: 'Nothing is sent any more. Reload the page; if it stops again, export the logs in Settings.',
  },
  storageFailed: {
    what: 'The browser could not save the wallet’s state, so nothing was sent.',
    todo: 'Free some disk space, then reload the page.',
  },
  locked: { what: 'The wallet is locked.', todo: 'Unlock it first.' },
  wrongPassword: { what: 'That does not open this wallet.', todo: 'Nothing was touched. Try again.' },
  backupUnreadable: {
    what: 'This backup cannot be used here.',
    todo: 'It is no backup of this app, or damaged, or of a wallet with other words or on another network. Nothing was changed.',
  },
  fileIsCopy: {
    what: 'This is a safety copy, not a moved wallet.',
    todo: 'It can only be used to claim money on chain if the device is lost. To go on here, open the wallet on its device and choose “Move to another device” there.',
  },
  fileUsed: {
    what: 'This file has been opened on this device before.',
    todo: 'A moved wallet can be opened once. If you still have it on another device, move it again from there.',
  },
  walletMoved: {
    what: 'This wallet has moved to another device.',
    todo: 'Use it there. Nothing is sent from here any more.',
  },
  mainnetUnconfirmed: {
    what: 'Real bitcoin wants to be confirmed.',
    todo: 'Choose Bitcoin on the first screen and read what to take care of.',
  },

  wordsUnknown: (f) => {
    const places = f.text('positions')?.replaceAll(',', ', ')
    const one = places !== undefined && !places.includes(',')
    return {
      what:
        places === undefined
          ? 'One of these is not a recovery word.'
          : one
            ? `Word ${places} is not a recovery word.`
            : `Words ${places} are not recovery words.`,
      todo: 'Check the spelling. Recovery words are English and come from a fixed list.',
    }
  },
  wordsCount: (f) => ({
    what: `There should be 12 or 24 words${f.text('count') === undefined ? '' : `; these are ${f.text('count')}`}.`,
    todo: 'See whether a word is missing or written twice.',
  }),
  wordsChecksum: {
    what: 'All are recovery words, but together they do not fit.',
    todo: 'A word is wrong or two have changed places. Compare with what you wrote down.',
  },
  addressInvalid: {
    what: 'This is not a valid Bitcoin address.',
    todo: 'A character is probably wrong or missing. Copy it again, whole.',
  },
  addressWrongNetwork: (f) => ({
    what: `This address belongs to another Bitcoin network${f.text('network') === undefined ? '' : ` (${f.text('network')})`}.`,
    todo: 'Ask for an address on the network that this wallet uses.',
  }),

  insufficientFunds: (f) => {
    const parts = [
      f.money('spendableSat') === undefined
        ? undefined
        : `${f.money('spendableSat')} can be spent, fee included.`,
      f.some('unconfirmedSat') ? `${f.money('unconfirmedSat')} wait for a confirmation.` : undefined,
      f.some('reservedSat') ? `${f.money('reservedSat')} are set aside for a channel.` : undefined,
      f.some('immatureSat') ? `${f.money('immatureSat')} are not mature yet.` : undefined,
    ].filter((part) => part !== undefined)
    return {
      what: 'There are not enough coins on chain for this amount and its fee.',
      todo: parts.length === 0 ? 'Send less, or receive more first.' : parts.join(' '),
    }
  },
  amountBelowDust: (f) => {
    const least = f.money('minimumSat')
    return {
      what: 'This amount is too small for the Bitcoin network.',
      todo:
        least === undefined ? 'Send more, or use Lightning.' : `Send at least ${least}, or use Lightning.`,
    }
  },
  feeTooHigh: {
    what: 'The fee would be out of proportion to the amount.',
    todo: 'Choose a lower fee rate or send more at once.',
  },
  transactionRejected: (f) => ({
    what: 'The Bitcoin network did not accept this transaction.',
    todo: `${f.text('reason') === undefined ? '' : `It said: ${f.text('reason')}. `}Try again with a higher fee; your coins are where they were.`,
  }),
  transactionUnknown: {
    what: 'The wallet does not know this transaction.',
    todo: 'Rescan in Wallet, then try again.',
  },
  cannotBump: {
    what: 'The fee of this transaction cannot be raised.',
    todo: 'It may be confirmed already. If not, wait: it will confirm when fees fall.',
  },

  peerAddressInvalid: {
    what: 'This is not the address of a Lightning node.',
    todo: 'It looks like 02ab…@host:9735: a key of 66 characters, @, and where to find it.',
  },
  peerUnreachable: (f) => ({
    what: 'The peer cannot be reached.',
    todo: `${f.text('reason') === undefined ? '' : `${f.text('reason')}. `}Check its address, or try again when it is online.`,
  }),
  peerNotConnected: {
    what: 'The peer is not connected at the moment.',
    todo: 'The wallet keeps trying. Try again once it shows as connected.',
  },
  peerDisconnected: {
    what: 'The peer hung up before this was done.',
    todo: 'Nothing is lost. The wallet reconnects by itself; try again then.',
  },
  gatewayUnreachable: (f) => ({
    what: 'The gateway cannot be reached, so no peer can.',
    todo: `Check your connection, or set another gateway in Settings${f.text('gateway') === undefined ? '' : ` (now ${f.text('gateway')})`}.`,
  }),
  handshakeFailed: {
    what: 'Somebody answered, but it is not the node with this key.',
    todo: 'Check the key before the @ in the peer’s address.',
  },
  peerIncompatible: {
    what: 'This peer lacks something that Switchback needs.',
    todo: 'Open the channel with another peer.',
  },

  channelUnknown: {
    what: 'There is no such channel.',
    todo: 'It may be closed. Look at the list in Channels.',
  },
  channelNotOpen: {
    what: 'This channel is not open for payments.',
    todo: 'Wait until it is open and its peer is connected.',
  },
  channelTooSmall: (f) => ({
    what: 'This is too little for a channel.',
    todo: `Put in more${f.money('minSat') === undefined ? '' : `: at least ${f.money('minSat')}`}.`,
  }),
  channelTooLarge: (f) => ({
    what: 'This is more than the peer takes in one channel.',
    todo: `Put in less${f.money('maxSat') === undefined ? '' : `: at most ${f.money('maxSat')}`}.`,
  }),
  openRefused: (f) => ({
    what: 'The peer refused to open a channel.',
    todo: `${f.text('reason') === undefined ? '' : `It said: ${f.text('reason')}. `}Your coins are free again. Try another amount or another peer.`,
  }),
  openTimedOut: {
    what: 'The peer stopped answering while the channel was being opened.',
    todo: 'Your coins are free again. Try once more, or choose another peer.',
  },
  channelFailed: (f) => ({
    what: 'The peer broke the rules of the channel, so it was failed.',
    todo: `${f.text('reason') === undefined ? '' : `${f.text('reason')}. `}The channel is being closed on chain. Its progress is in Channels.`,
  }),
  closeFailed: {
    what: 'The channel could not be closed together with the peer.',
    todo: 'Try again when the peer is connected. If it stays away, force close.',
  },

  invoiceUnknown: {
    what: 'There is no such invoice, or no payment waits for it any more.',
    todo: 'Look at Activity: it may have been paid or withdrawn already.',
  },
  paymentUnknown: {
    what: 'There is no such payment.',
    todo: 'Look at Activity: what was paid is there.',
  },
  forwardUnknown: {
    what: 'This payment of others has gone on or gone back already.',
    todo: 'There is nothing left to decide.',
  },
  invoiceMalformed: {
    what: 'This cannot be read as something to pay.',
    todo: 'A part is probably missing or wrong. Copy it again, whole.',
  },
  invoiceWrongNetwork: (f) => ({
    what: `This is payable on another Bitcoin network${networkOf(f.text('network'))}.`,
    todo: 'Ask for an invoice or an address on the network that this wallet uses.',
  }),
  invoiceExpired: { what: 'This invoice has expired.', todo: 'Ask the recipient for a new one.' },
  invoiceUnsupported: {
    what: 'This invoice asks for something that Switchback does not know yet.',
    todo: 'Ask the recipient for a plain invoice or an address.',
  },
  amountRequired: { what: 'The amount is missing.', todo: 'Type how much to send.' },
  amountMismatch: {
    what: 'The amount does not fit the invoice.',
    todo: 'Pay what the invoice asks for, or ask for another one.',
  },
  amountTooSmall: (f) => {
    const least = f.money('minMsat', 'htlcMinimumMsat')
    return {
      what: 'This amount is too small for the channel.',
      todo: least === undefined ? 'Send more, or pay on chain.' : `Send at least ${least}.`,
    }
  },
  alreadyPaid: {
    what: 'You have paid this invoice already.',
    todo: 'Its receipt is in your activity. To pay again, ask for a new invoice.',
  },
  paymentInFlight: {
    what: 'A payment of this invoice is on its way.',
    todo: 'Wait for it: it is in your activity and ends by itself.',
  },
  payingSelf: { what: 'This invoice is your own.', todo: 'Ask somebody else to pay it.' },
  noRoute: (f) => {
    switch (f.text('reason')) {
      case 'feeLimit':
        return {
          what: 'Every way to the recipient costs more than your limit for fees.',
          todo: 'Allow a higher fee, or pay on chain.',
        }
      case 'cltvLimit':
        return {
          what: 'Every way to the recipient could lock your money for more than two weeks.',
          todo: 'Open a channel to a node nearer to the recipient, or pay on chain.',
        }
      case 'noChannel':
        return {
          what: 'There is no open channel to pay through.',
          todo: 'Open a channel first, or wait until the one you have is ready.',
        }
      case 'inFlight':
        return {
          what: 'The only way to the recipient was full a moment ago.',
          todo: 'Try again in a few seconds.',
        }
      case 'noneFits':
        return {
          what: 'No way to the recipient can carry this amount now.',
          todo: 'Try a smaller amount, or try again later: channels fill and empty.',
        }
      default:
        return {
          what: 'No way from your channels to this recipient is known.',
          todo: 'Ask for an invoice with route hints, open a channel to the recipient’s node, or pay on chain.',
        }
    }
  },
  exceedsSpendable: (f) => {
    const most = upTo(f, 'You can send at most', 'spendableMsat').trim()
    switch (f.text('reason')) {
      case 'split':
        return {
          what: 'No single channel can carry this much.',
          todo: `${most} Your channels hold more together, but the recipient takes it in one piece only.`.trim(),
        }
      case 'reserve':
        return {
          what: 'Part of your balance has to stay in the channel.',
          todo: `${most}${upTo(f, 'Your balance is', 'balanceMsat')}${upTo(f, 'Its reserve is', 'reserveMsat')} A little more is kept for the fee of closing.`.trim(),
        }
      case 'inFlightLimit':
        return {
          what: 'This is more than the peer takes at once.',
          todo: `${upTo(f, 'It takes at most', 'limitMsat')} Send less, or in several payments.`.trim(),
        }
      case 'inFlight':
        return {
          what: 'Too much would be on its way at once.',
          todo: `${upTo(f, 'The peer allows', 'limitMsat')} Send less, or wait until what is on its way has arrived.`.trim(),
        }
      default:
        return {
          what: 'This is more than can be sent over Lightning now.',
          todo: most || 'Send less, or open another channel.',
        }
    }
  },
  belowReserve: (f) => ({
    what: 'Part of your balance must stay in the channel as its reserve.',
    todo:
      `${upTo(f, 'The reserve is', 'reserveSat', 'reserveMsat')}${upTo(f, 'You can send at most', 'spendableMsat', 'maxMsat')}`.trim() ||
      'Send less, or open another channel.',
  }),
  tooManyHtlcs: {
    what: 'Too many payments are on their way in this channel.',
    todo: 'Wait a moment until some are done.',
  },
  recipientRefused: {
    what: 'The recipient refused the payment.',
    todo: 'The invoice may be paid already or the amount may be wrong. Your money did not move. Ask for a new invoice.',
  },
  paymentTimedOut: {
    what: 'No way was found in the time given.',
    todo: 'Your money did not move. Try again.',
  },
  paymentFailed: {
    what: 'The payment did not go through.',
    todo: 'Your money did not move. Try again in a moment.',
  },
  paymentCancelled: {
    what: 'You cancelled this payment.',
    todo: 'Your money did not move. You can pay it again.',
  },
  tooLate: {
    what: 'It has ended already.',
    todo: 'How it ended is in Activity.',
  },

  offerUnreachable: {
    what: 'No way to ask the recipient for an invoice is known.',
    todo: 'Try again in a while, or ask the recipient for an invoice.',
  },
  offerNoAnswer: {
    what: 'The recipient did not answer in time.',
    todo: 'Nothing was sent. The recipient may be offline: try again later.',
  },
  offerRefused: (f) => ({
    what: 'The recipient does not want this payment.',
    todo: `${f.text('words') === undefined ? '' : `It says: “${f.text('words')}”. `}Nothing was sent. Ask the recipient for a new offer or an invoice.`,
  }),
  offerBadInvoice: {
    what: 'The recipient’s invoice does not fit its offer.',
    todo: 'Nothing was sent. Ask the recipient for a new offer.',
  },

  chainUnavailable: {
    what: 'No chain server answers at the moment.',
    todo: 'Check your connection, or add a server in Settings. The wallet keeps trying.',
  },
}

/** Words for any error, known or not. */
export function wordsFor(error: ErrorLike): Words {
  const entry = Object.hasOwn(ENTRIES, error.code) ? ENTRIES[error.code as ErrorCode] : undefined
  if (entry === undefined) return { what: error.message, todo: 'Try again.' }
  return typeof entry === 'function' ? entry(figures(error.data)) : entry
}
