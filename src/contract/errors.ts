/**
 * Every error that the API can answer with. The code is for programs, the message for people who read logs; the UI owns the
 * words that users see. `data` carries figures (in the units of the field's name), never secrets.
 */
export const ERROR_CODES = [
  // requests
  'invalidInput',
  'unknownProcedure',
  'notAvailable',
  'cancelled',
  'internal',
  // the wallet as a whole
  'noWallet',
  'walletExists',
  'notReady',
  'otherTabActive',
  'frozen',
  'storageFailed',
  'locked',
  'wrongPassword',
  'mainnetUnconfirmed',
  'backupUnreadable',
  // a sealed wallet file: made to claim what is on the chain, or used already; and a wallet that goes on elsewhere
  'fileIsCopy',
  'fileUsed',
  'walletMoved',
  // words and addresses
  'wordsUnknown',
  'wordsCount',
  'wordsChecksum',
  'addressInvalid',
  'addressWrongNetwork',
  // coins
  'insufficientFunds',
  'amountBelowDust',
  'feeTooHigh',
  'transactionRejected',
  'transactionUnknown',
  'cannotBump',
  // peers
  'peerAddressInvalid',
  'peerUnreachable',
  'peerNotConnected',
  'peerDisconnected',
  'gatewayUnreachable',
  'handshakeFailed',
  'peerIncompatible',
  // channels
  'channelUnknown',
  'channelNotOpen',
  'channelTooSmall',
  'channelTooLarge',
  'openRefused',
  'openTimedOut',
  'channelFailed',
  'closeFailed',
  // invoices and payments
  'invoiceUnknown',
  'paymentUnknown',
  'forwardUnknown',
  'invoiceMalformed',
  'invoiceWrongNetwork',
  'invoiceExpired',
  'invoiceUnsupported',
  'amountRequired',
  'amountMismatch',
  'amountTooSmall',
  'alreadyPaid',
  'paymentInFlight',
  'payingSelf',
  'noRoute',
  'exceedsSpendable',
  'belowReserve',
  'tooManyHtlcs',
  'recipientRefused',
  'paymentTimedOut',
  'paymentFailed',
  // cancelled by its user; and one that has ended cannot be
  'paymentCancelled',
  'tooLate',
  // invoices of an offer (BOLT 12)
  'offerUnreachable',
  'offerNoAnswer',
  'offerRefused',
  'offerBadInvoice',
  // chain
  'chainUnavailable',
] as const

export type ErrorCode = (typeof ERROR_CODES)[number]

/** An error as it crosses the API. */
export interface ApiErrorData {
  readonly code: ErrorCode
  readonly message: string
  readonly data?: Readonly<Record<string, string | number | boolean>>
}

/** The same as an exception, for clients. */
export class ApiError extends Error {
  readonly code: ErrorCode
  readonly data: Readonly<Record<string, string | number | boolean>>

  constructor(error: ApiErrorData) {
    super(error.message)
    this.name = 'ApiError'
    this.code = error.code
    this.data = error.data ?? {}
  }
}
