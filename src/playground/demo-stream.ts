import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ChannelView } from '../contract/channel-view.ts'
import type { Client, Item } from '../contract/procedures.ts'
import { startBitcoind } from './bitcoind.ts'
import { startDelayProxy } from './delay-proxy.ts'
import { createEsplora } from './esplora.ts'
import { createMiner, type Miner } from './miner.ts'
import { type NodeProcess, startNodeProcess } from './node-process.ts'
import { untilState } from './peer.ts'
import type { Rpc } from './rpc.ts'

/**
 * The talk's demo: two nodes, a long line between them, a channel after one confirmation, thousands of payments of 1 sat streamed through
 * it, a cooperative close, and the balances on chain. Where the talk sent bare HTLCs, each payment here has its own hash and an onion that
 * tells the receiver alone what it is (keysend); or, when asked for, a BOLT 11 invoice of the receiver's, made before the clock starts.
 */

/** The best format that each name stands for. */
const FORMATS = { lcp: 'lcp', bolt: 'anchors_zero_fee_htlc_tx' } as const
export type DemoFormat = keyof typeof FORMATS

type PaymentRequest = Item<'sendPayments'>

const CHANNEL_SAT = 1_000_000n
const PAYMENT_MSAT = 1_000n

export interface DemoOptions {
  readonly formats: readonly DemoFormat[]
  readonly payments: number
  /** Round trip between the nodes. */
  readonly rttMs: number
  /** Pay invoices, instead of a node that asks for nothing. */
  readonly invoices?: boolean
  readonly say: (line: string) => void
}

export interface DemoFigures {
  /** From the first request to the last result. */
  readonly seconds: number
  readonly perSecond: number
  /** Commitments of the sender and of the receiver when all is settled. */
  readonly senderCommitments: number
  readonly receiverCommitments: number
  readonly receivedMsat: bigint
  /** On chain at the end. */
  readonly senderSat: bigint
  readonly receiverSat: bigint
  /** What the closing transaction paid to miners. */
  readonly closeFeeSat: bigint
}

/** Runs the demo once for each format, on one chain. */
export async function runDemo(
  options: DemoOptions,
): Promise<Readonly<Partial<Record<DemoFormat, DemoFigures>>>> {
  const bitcoind = await startBitcoind()
  const ends: (() => Promise<unknown>)[] = [() => bitcoind.stop()]
  try {
    const { rpc } = bitcoind
    const miner = createMiner({ rpc, key: new Uint8Array(32).fill(11) })
    await miner.ready()
    await miner.mine(1)
    const esplora = await createEsplora({ rpc }).listen()
    ends.push(() => esplora.close())
    const figures: Partial<Record<DemoFormat, DemoFigures>> = {}
    for (const format of options.formats) {
      const folder = mkdtempSync(join(tmpdir(), 'switchback-demo-'))
      try {
        figures[format] = await runFormat(format, folder, { ...options, rpc, miner, esploraUrl: esplora.url })
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    }
    return figures
  } finally {
    for (const end of ends.reverse()) await end().catch(() => {})
  }
}

interface Stage {
  readonly rpc: Rpc
  readonly miner: Miner
  readonly esploraUrl: string
}

async function runFormat(
  format: DemoFormat,
  folder: string,
  { payments, rttMs, say, invoices = false, ...stage }: DemoOptions & Stage,
): Promise<DemoFigures> {
  const start = (name: string) =>
    startNodeProcess({
      dataDir: join(folder, name),
      esploraUrl: stage.esploraUrl,
      formats: [FORMATS[format]],
    })
  const nodes: NodeProcess[] = []
  try {
    nodes.push(...(await Promise.all([start('alice'), start('bob')])))
    const [alice, bob] = nodes as [NodeProcess, NodeProcess]
    const line = await startDelayProxy({ targetPort: bob.port, rttMs })
    try {
      say(`${format}: two nodes in two processes, a line of ${rttMs} ms round trip`)
      const channelId = await openChannel(stage, alice, `${bob.nodeId}@127.0.0.1:${line.port}`)
      await untilState(bob.client, (s) => s.channels.some((c) => c.status === 'open'))
      say(`  channel of ${CHANNEL_SAT} sat, format ${FORMATS[format]}, open after one confirmation`)
      const requests = invoices
        ? await fetchInvoices(bob.client, payments)
        : Array.from({ length: payments }, () => ({
            destination: bob.nodeId,
            amountMsat: String(PAYMENT_MSAT),
          }))
      if (invoices) say(`  ${payments} invoices of 1 sat fetched from the receiver in advance`)

      const seconds = await streamPayments(alice.client, requests)
      const perSecond = payments / seconds
      say(`  ${payments} payments in ${seconds.toFixed(3)} s: ${perSecond.toFixed(0)} a second`)

      const [sender, receiver] = await Promise.all([
        settledView(alice.client, channelId),
        settledView(bob.client, channelId),
      ])
      say(`  sender    ${describe(sender)}`)
      say(`  receiver  ${describe(receiver)}`)
      const { closeTxid, feeSat } = await closeChannel(stage, alice.client, channelId)
      say(`  closed together: transaction ${closeTxid} in a block, fee ${feeSat} sat`)
      const [senderSat, receiverSat] = [await onChain(alice.client), await onChain(bob.client)]
      say(`  on chain: sender ${senderSat} sat, receiver ${receiverSat} sat`)
      return {
        seconds,
        perSecond,
        senderCommitments: sender.local.tip.number,
        receiverCommitments: receiver.local.tip.number,
        receivedMsat: BigInt(receiver.local.tip.localMsat),
        senderSat,
        receiverSat,
        closeFeeSat: feeSat,
      }
    } finally {
      await line.close()
    }
  } finally {
    await Promise.all(nodes.map((node) => node.stop()))
  }
}

/** Mines a block that holds the transaction, and tells the nodes to look. */
async function confirm({ rpc, miner }: Stage, txid: string, clients: readonly Client[]): Promise<void> {
  while (!(await rpc.call<string[]>('getrawmempool')).includes(txid))
    await new Promise((resolve) => setTimeout(resolve, 10))
  await miner.mine(1)
  for (const client of clients) await client.refresh()
}

async function openChannel(stage: Stage, { client }: NodeProcess, peer: string): Promise<string> {
  const { address } = await client.newAddress()
  const coinsSat = CHANNEL_SAT + 100_000n
  await confirm(stage, await stage.miner.fund(address, coinsSat), [client])
  await untilState(client, (s) => s.chain.synced && BigInt(s.balances.onchainConfirmedSat) >= coinsSat)
  for await (const update of client.openChannel({ peer, amountSat: String(CHANNEL_SAT) })) {
    if (update.status === 'pending') await confirm(stage, update.fundingTxid, [client])
    if (update.status === 'open') return update.channelId
  }
  throw new Error('the channel was not opened')
}

async function fetchInvoices(client: Client, count: number): Promise<readonly PaymentRequest[]> {
  const made = await client.addInvoices({
    count,
    amountMsat: String(PAYMENT_MSAT),
    description: 'stream',
    expirySeconds: 3600,
  })
  return made.map(({ invoice }) => ({ invoice }))
}

/** Seconds from the first request to the last result. */
async function streamPayments(client: Client, requests: readonly PaymentRequest[]): Promise<number> {
  const begun = performance.now()
  let paid = 0
  for await (const result of client.sendPayments(requests)) {
    if (result.status === 'failed') throw new Error(`payment ${result.index}: ${result.error.message}`)
    paid++
  }
  if (paid !== requests.length) throw new Error(`${paid} of ${requests.length} payments had a result`)
  return (performance.now() - begun) / 1000
}

/** The channel once nothing is on its way any more: both tails hold both whole logs. */
async function settledView(client: Client, channelId: string): Promise<ChannelView> {
  for await (const view of client.channelView({ channelId })) {
    const whole = Object.values(view.logs).every(
      (log) => log.inLocalTail === log.length && log.inRemoteTail === log.length && log.waiting === 0,
    )
    if (whole && view.htlcs.count === 0 && view.inFlight.signatures === 0) return view
  }
  throw new Error('the channel is gone')
}

const describe = ({ local, remote }: ChannelView): string =>
  `balance ${local.tip.localMsat} msat (peer ${local.tip.remoteMsat}); commitments: local ${local.tip.number}, remote ${remote.tip.number}`

async function closeChannel(
  stage: Stage,
  client: Client,
  channelId: string,
): Promise<{ closeTxid: string; feeSat: bigint }> {
  for await (const update of client.closeChannel({ channelId })) {
    if (update.status === 'broadcast') await confirm(stage, update.txid, [client])
    if (update.status !== 'confirmed') continue
    const { fee } = await stage.rpc.call<{ fee: number }>('getrawtransaction', update.txid, 2)
    return { closeTxid: update.txid, feeSat: BigInt(Math.round(fee * 1e8)) }
  }
  throw new Error('the channel was not closed')
}

/** The wallet's confirmed coins, once none waits for a confirmation and no channel holds any. */
async function onChain(client: Client): Promise<bigint> {
  await client.refresh()
  await untilState(
    client,
    ({ balances, channels }) =>
      channels.every((c) => c.status === 'closed') &&
      BigInt(balances.onchainUnconfirmedSat) + BigInt(balances.closingSat) === 0n,
  )
  return BigInt((await client.walletBalance()).confirmedSat)
}
