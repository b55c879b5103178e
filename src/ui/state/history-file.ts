import type { Activity, Payment } from '../../contract/schemas.ts'
import { kindNames } from '../text/history.ts'
import { saveFile } from './files.ts'
import { client, session } from './session.ts'

/** The activity as a file, for those who keep books. Amounts are sat with thousandths, written out, a point before them. */

const COLUMNS = [
  'time',
  'kind',
  'state',
  'amount_sat',
  'fee_sat',
  'note',
  'id',
  'attempts',
  'preimage',
] as const
type Row = Readonly<Record<(typeof COLUMNS)[number], string>>

/** msat as sat: `-1250` → `-1.250`. Exact. */
export function plainSat(msat: string): string {
  const value = BigInt(msat)
  const size = value < 0n ? -value : value
  return `${value < 0n ? '-' : ''}${size / 1000n}.${(size % 1000n).toString().padStart(3, '0')}`
}

/**
 * One field of a CSV line (RFC 4180). Text of others that a spreadsheet would take for a formula gets an apostrophe before it: notes come
 * from invoices of strangers.
 */
export function csvField(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) && !/^-?\d+(\.\d+)?$/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

/** A line of the activity, with what the payment behind it says. */
export function rowOf(line: Activity, payment: Payment | undefined): Row {
  return {
    time: line.time,
    kind: kindNames[line.kind],
    state: line.state,
    amount_sat: plainSat(line.amountMsat),
    fee_sat: line.feeMsat === undefined ? '' : plainSat(line.feeMsat),
    note: line.note,
    id: line.paymentHash ?? line.txid ?? '',
    attempts: payment === undefined ? '' : String(payment.attemptCount),
    preimage: payment?.preimage ?? '',
  }
}

export const toCsv = (rows: readonly Row[]): string =>
  [COLUMNS.join(','), ...rows.map((row) => COLUMNS.map((name) => csvField(row[name])).join(','))]
    .map((text) => `${text}\r\n`)
    .join('')

/** Saves what the activity shows. */
export async function saveHistory(format: 'csv' | 'json'): Promise<void> {
  const payments = new Map((await client().listPayments()).map((payment) => [payment.paymentHash, payment]))
  const { node } = session.getState()
  const rows = (node?.activity ?? []).map((line) =>
    rowOf(line, line.kind === 'lightningSent' ? payments.get(line.paymentHash ?? '') : undefined),
  )
  const text = format === 'csv' ? toCsv(rows) : `${JSON.stringify(rows, undefined, 2)}\n`
  const day = new Date().toISOString().slice(0, 10)
  saveFile(`switchback-${node?.network ?? ''}-activity-${day}.${format}`, new TextEncoder().encode(text))
}
