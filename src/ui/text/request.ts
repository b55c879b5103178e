import { satToBtc } from './amounts.ts'

export interface RequestParts {
  readonly address: string
  readonly amountSat?: bigint | undefined
  readonly note?: string | undefined
  readonly invoice?: string | undefined
}

/** One text that any wallet can pay: BIP 21 with the invoice as its `lightning` parameter. */
export function unifiedRequest({ address, amountSat, note, invoice }: RequestParts): string {
  const parameters = [
    amountSat === undefined ? undefined : `amount=${satToBtc(amountSat)}`,
    note === undefined || note === '' ? undefined : `message=${encodeURIComponent(note)}`,
    invoice === undefined ? undefined : `lightning=${invoice}`,
  ].filter((parameter) => parameter !== undefined)
  return `bitcoin:${address}${parameters.length === 0 ? '' : `?${parameters.join('&')}`}`
}

/**
 * The same as a QR code wants it: letters that QR codes hold in fewer dots (upper case) where case means nothing, which is so for an
 * invoice or a segwit address by itself.
 */
export function qrText(text: string): string {
  return /^(ln|bc1|tb1|bcrt1)[0-9a-z]+$/.test(text) ? text.toUpperCase() : text
}
