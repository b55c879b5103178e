import type { AppState } from '../contract/schemas.ts'
import { entries } from '../engine/base/table.ts'
import { isComplete } from '../engine/payment/parts.ts'
import { isCancelling } from '../engine/payment/stop.ts'
import type { NodeState } from '../engine/node/state.ts'
import { iso } from './project-time.ts'
import { transactions } from './project-transactions.ts'

/** What happened: payments, offers asked for, invoices and transactions in one list, newest first. */

/** Lines shown. */
const ACTIVITY_LENGTH = 200

export function projectActivity(state: NodeState): AppState['activity'] {
  const lines: AppState['activity'] = []
  for (const record of entries(state.payments)) {
    lines.push({
      id: `payment/${record.paymentHash}`,
      kind: 'lightningSent',
      state: record.state === 'pending' ? 'pending' : record.state === 'succeeded' ? 'done' : 'failed',
      amountMsat: String(-record.amountMsat),
      feeMsat: String(record.feeMsat),
      note: record.description,
      time: iso(record.endedAt ?? record.createdAt),
      paymentHash: record.paymentHash,
      ...(record.error === undefined ? {} : { error: record.error }),
      ...(isCancelling(record) ? { cancelling: true as const } : {}),
    })
  }
  // Offers whose invoice is waited for, or never came: with the invoice each becomes a payment.
  for (const request of Object.values(state.requests)) {
    lines.push({
      id: `request/${request.id}`,
      kind: 'lightningSent',
      state: request.state === 'asking' ? 'pending' : 'failed',
      amountMsat: String(-request.amountMsat),
      note: request.description === '' ? (request.issuer ?? '') : request.description,
      time: iso(request.endedAt ?? request.createdAt),
      ...(request.error === undefined ? {} : { error: request.error }),
    })
  }
  for (const record of entries(state.invoices)) {
    // A held payment that is here, whole, waits for a word that nobody would give who does not see it.
    const held = record.state === 'open' && record.hold === true && isComplete(record)
    if (record.state !== 'paid' && !held) continue
    const waiting = (record.waiting ?? []).reduce((sum, part) => sum + part.amountMsat, 0n)
    lines.push({
      id: `invoice/${record.paymentHash}`,
      kind: 'lightningReceived',
      state: record.settledAt === undefined ? 'pending' : 'done',
      amountMsat: String(record.receivedMsat ?? (held ? waiting : 0n)),
      note: [record.description, record.payerNote ?? ''].filter((words) => words !== '').join(' · '),
      time: iso(record.paidAt ?? record.createdAt),
      paymentHash: record.paymentHash,
    })
  }
  for (const tx of transactions(state)) {
    if (tx.status === 'replaced') continue
    const kind =
      tx.kind === 'funding'
        ? ('channelOpen' as const)
        : tx.kind === 'close' || tx.kind === 'sweep'
          ? ('channelClose' as const)
          : tx.kind === 'child'
            ? ('feeRaised' as const)
            : tx.netSat >= 0n
              ? ('onchainReceived' as const)
              : ('onchainSent' as const)
    lines.push({
      id: `tx/${tx.txid}`,
      kind,
      state: tx.height === null ? 'pending' : 'done',
      amountMsat: String(tx.netSat * 1000n),
      ...(tx.feeSat === null || tx.netSat >= 0n ? {} : { feeMsat: String(tx.feeSat * 1000n) }),
      note: '',
      time: iso(tx.timeSec * 1000),
      txid: tx.txid,
      ...((kind === 'channelOpen' || kind === 'channelClose') && /^[0-9a-f]{64}$/.test(tx.label)
        ? { channelId: tx.label }
        : {}),
    })
  }
  return lines.sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0)).slice(0, ACTIVITY_LENGTH)
}
