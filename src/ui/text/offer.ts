/** What the screens say of offers (BOLT 12). */
export const offerText = {
  by: 'From',
  says: 'by its own word',
  for: 'For',
  quantity: 'How many',
  quantityHint: (most: string) => (most === '0' ? 'As many as you like' : `1 to ${most}`),
  quantityBad: (most: string) =>
    most === '0' ? 'Type a whole number.' : `Type a whole number from 1 to ${most}.`,
  each: 'Each',
  currency: (amount: string, code: string) =>
    `The offer asks for ${amount} ${code}. Say how much bitcoin to send; the recipient may refuse what it finds too little.`,
  payerNote: 'Note to the recipient',
  payerNoteHint: 'The recipient sees it with the payment.',
  addNote: 'Add a note to the recipient',
  expired: 'expired',
  expiredTodo: 'Ask the recipient for a new offer.',
}

const TWO_DIGITS = 100n
/** Units of ISO 4217 without a minor unit, or with one of a thousandth: those in use that differ from a hundredth. */
const NONE = new Set([
  'BIF',
  'CLP',
  'DJF',
  'GNF',
  'ISK',
  'JPY',
  'KMF',
  'KRW',
  'PYG',
  'RWF',
  'UGX',
  'VND',
  'VUV',
  'XAF',
  'XOF',
  'XPF',
])
const THOUSANDTHS = new Set(['BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND'])

/** An amount in the smallest unit of a currency, as people write it: `1250`, `USD` is `12.50`. */
export function formatCurrency(amount: string, code: string): string {
  const minor = BigInt(amount)
  if (NONE.has(code)) return minor.toString()
  const unit = THOUSANDTHS.has(code) ? 1000n : TWO_DIGITS
  return `${minor / unit}.${(minor % unit).toString().padStart(unit === 1000n ? 3 : 2, '0')}`
}

/** Of our own offers. */
export const lastingText = {
  qr: 'Offer as a QR code',
  paid: 'Paid',
  times: (n: number) => (n === 0 ? 'not yet' : n === 1 ? 'once' : `${n} times`),
  received: 'In all',
  hint: 'Anybody can pay it, as often as they like, while this wallet is open. Wallets that know BOLT 12 offers can read it.',
  withdraw: 'Withdraw this code',
  withdrawSure: 'Withdraw it: nobody can pay it any more',
  back: 'Another request',
}
