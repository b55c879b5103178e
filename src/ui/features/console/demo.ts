import type { ChannelView } from '../../../contract/channel-view.ts'
import type { Client } from '../../../contract/procedures.ts'
import type { Channel } from '../../../contract/schemas.ts'
import { client, session } from '../../state/session.ts'
import { group } from '../../text/amounts.ts'

/**
 * The talk's demo from the page: payments of 1 sat that nobody asked for (keysend), streamed to `ada` of the practice network.
 * Without a channel to ada it makes one (coins from the faucet, one confirmation) and closes it again at the end.
 */

const PEER = 'ada'
const CHANNEL_SAT = 500_000
const COINS_SAT = 600_000
const PAYMENT_MSAT = '1000'
const TOLD_EVERY_MS = 500

export async function demoStream(
  payments: number,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<void> {
  const node = client()
  const peer = session.getState().defaults.peers.find(({ name }) => name === PEER)
  if (peer === undefined) throw new Error('This runs on the practice network only: npm start.')
  const own = channelTo(peer.nodeId)
  const channelId = own?.channelId ?? (await openOne(node, peer.address, signal, say))
  if (signal.aborted) return
  const channel = session.getState().node?.channels.find((c) => c.channelId === channelId)
  say(
    `channel with ${PEER}: ${group(channel?.capacitySat ?? '')} sat, format ${channel?.format ?? 'unknown'}`,
  )

  await streamAll(node, peer.nodeId, payments, signal, say)
  if (signal.aborted) return
  const view = await settled(node, channelId, signal)
  if (view === undefined) return
  say(describe('our commitment    ', view.local.tip))
  say(describe('ada’s commitment  ', view.remote.tip))
  if (own === undefined) await closeIt(node, channelId, signal, say)
}

const channelTo = (nodeId: string): Channel | undefined =>
  session.getState().node?.channels.find((c) => c.peer === nodeId && c.status === 'open' && c.connected)

/** The playground's own API, on the page's origin. */
async function ask<T>(path: string, body: unknown): Promise<T> {
  const response = await fetch(`/api/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`The practice network did not answer: ${response.status}`)
  return (await response.json()) as T
}

/** Mines until `holds`; what is called broadcast reaches the chain server a moment later. */
async function mineUntil(node: Client, holds: () => boolean, signal: AbortSignal): Promise<void> {
  for (let blocks = 0; blocks < 30 && !holds() && !signal.aborted; blocks++) {
    await ask('mine', { blocks: 1 })
    await node.refresh()
    for (let waited = 0; waited < 10 && !holds() && !signal.aborted; waited++)
      await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function openOne(
  node: Client,
  address: string,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<string> {
  const confirmed = () => Number(session.getState().node?.balances.onchainConfirmedSat ?? 0)
  if (confirmed() < COINS_SAT) {
    say(`${group(String(COINS_SAT))} sat from the faucet`)
    await ask('faucet', { address: (await node.newAddress()).address, sat: COINS_SAT })
    await mineUntil(node, () => confirmed() >= COINS_SAT, signal)
  }
  say(`a channel of ${group(String(CHANNEL_SAT))} sat to ${PEER}`)
  for await (const update of node.openChannel(
    { peer: address, amountSat: String(CHANNEL_SAT) },
    { signal },
  )) {
    if (update.status === 'open') return update.channelId
    if (update.status !== 'pending') continue
    const { channelId } = update
    const isOpen = () =>
      session.getState().node?.channels.find((c) => c.channelId === channelId)?.status === 'open'
    void mineUntil(node, isOpen, signal).catch(() => undefined)
  }
  throw new Error('The channel was not opened.')
}

async function streamAll(
  node: Client,
  destination: string,
  payments: number,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<void> {
  const begun = performance.now()
  let told = begun
  let paid = 0
  let failed = 0
  const seconds = () => (performance.now() - begun) / 1000
  const requests = Array.from({ length: payments }, () => ({ destination, amountMsat: PAYMENT_MSAT }))
  for await (const result of node.sendPayments(requests, {}, { signal })) {
    if (result.status === 'succeeded') paid++
    else if (++failed === 1) say(`payment ${result.index} failed: ${result.error.message}`)
    if (performance.now() - told < TOLD_EVERY_MS) continue
    told = performance.now()
    say(`${group(String(paid))} of ${group(String(payments))} paid`)
  }
  const took = seconds()
  say(
    `${group(String(paid))} payments in ${took.toFixed(2)} s: ${group(String(Math.round(paid / took)))} a second` +
      (failed === 0 ? '' : `; ${group(String(failed))} failed`),
  )
}

/** The channel with nothing on its way any more. */
async function settled(
  node: Client,
  channelId: string,
  signal: AbortSignal,
): Promise<ChannelView | undefined> {
  for await (const view of node.channelView({ channelId }, { signal })) {
    if (view.htlcs.count === 0 && view.inFlight.signatures === 0) return view
  }
  return undefined
}

const describe = (name: string, tip: ChannelView['local']['tip']): string =>
  `${name}${group(String(tip.number))}: ours ${group(tip.localMsat)} msat, ada’s ${group(tip.remoteMsat)} msat`

async function closeIt(
  node: Client,
  channelId: string,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<void> {
  const isClosed = () =>
    session.getState().node?.channels.find((c) => c.channelId === channelId)?.status === 'closed'
  for await (const update of node.closeChannel({ channelId }, { signal })) {
    if (update.status === 'broadcast') void mineUntil(node, isClosed, signal).catch(() => undefined)
    if (update.status === 'confirmed') {
      say(`closed together: transaction ${update.txid} is in a block`)
      const { confirmedSat } = await node.walletBalance()
      return say(`on chain: ${group(confirmedSat)} sat`)
    }
  }
}
