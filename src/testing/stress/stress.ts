import { setTimeout as after } from 'node:timers/promises'
import { ApiError } from '../../contract/errors.ts'
import type { AppState, Channel } from '../../contract/schemas.ts'
import { type NodeProcess, startNodeProcess } from '../../playground/node-process.ts'
import { portFrom } from '../../playground/ports.ts'
import { createStage, type Stage } from '../interop/stage.ts'
import type { LdkNode } from '../ldk/types.ts'
import { type Random, seeded } from '../random.ts'

/**
 *   ada ── ben ── lil (LDK), two channels between ada and ben
 *
 * ada and ben are processes that are killed in the middle of what they do. Whatever ada and lil pay each other goes through ben.
 */

export interface StressOptions {
  readonly payments: number
  readonly kills: number
  readonly seed: number
  /** Of the channel with LDK; ada and ben speak lcp. */
  readonly format: string
  readonly log: (line: string) => void
}

export interface StressReport {
  readonly payments: number
  readonly succeeded: number
  readonly failed: number
  /** Payers that died before they heard what became of a payment, and found it in their records. */
  readonly found: number
  readonly kills: number
  readonly forwards: number
  readonly seconds: number
  readonly problems: readonly string[]
}

type OurName = 'ada' | 'ben'
type Name = OurName | 'lil'
const OURS: readonly OurName[] = ['ada', 'ben']

/** A node of ours that comes back after each kill. */
class Phoenix {
  readonly name: OurName
  kills = 0
  private readonly start: () => Promise<NodeProcess>
  private current: Promise<NodeProcess>

  constructor(name: OurName, start: () => Promise<NodeProcess>) {
    this.name = name
    this.start = start
    this.current = start()
  }

  /** The node, once it runs. */
  get node(): Promise<NodeProcess> {
    return this.current
  }

  async kill(): Promise<void> {
    const node = await this.current
    this.kills += 1
    this.current = node.kill().then(this.start)
    await this.current
  }
}

/** How often a payment is tried. */
const PATIENCE = 6

interface Wish {
  readonly from: Name
  readonly to: Name
  readonly amountMsat: bigint
}

const PAIRS: readonly (readonly [Name, Name])[] = [
  ['ada', 'lil'],
  ['lil', 'ada'],
  ['ada', 'lil'],
  ['lil', 'ada'],
  ['ada', 'ben'],
  ['ben', 'lil'],
  ['lil', 'ben'],
]

function wishes(random: Random, count: number): readonly Wish[] {
  return Array.from({ length: count }, () => {
    const [from, to] = random.pick(PAIRS)
    const amountMsat = BigInt(
      random.pick([1_000, 60_000, 1_000_000, 12_345_678, 90_000_000, random.int(300_000_000) + 1_000]),
    )
    return { from, to, amountMsat }
  })
}

async function once<T>(stream: AsyncIterable<T>): Promise<T> {
  for await (const value of stream) return value
  throw new Error('a stream without a value')
}
const stateOf = async (phoenix: Phoenix): Promise<AppState> => once((await phoenix.node).client.getState())

/** Resolves when it holds; the last it saw is in the error. */
async function until(what: string, holds: () => Promise<boolean>, ms = 60_000): Promise<void> {
  const end = Date.now() + ms
  for (;;) {
    if (await holds().catch(() => false)) return
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`)
    await after(50)
  }
}

const isOpen = (channels: readonly Channel[], peer: string, count: number): boolean =>
  channels.filter((c) => c.peer === peer && c.status === 'open').length === count

interface Network {
  readonly stage: Stage
  readonly ada: Phoenix
  readonly ben: Phoenix
  readonly lil: LdkNode
}

async function build(stage: Stage, format: string): Promise<Network> {
  const [ada, ben] = await Promise.all(
    OURS.map(async (name, i) => {
      const port = await portFrom(23_500 + 10 * i)
      const dataDir = stage.folder()
      const formats = ['lcp', format]
      return new Phoenix(name, () =>
        startNodeProcess({ dataDir, esploraUrl: stage.esploraUrl, formats, port }),
      )
    }),
  )
  if (ada === undefined || ben === undefined) throw new Error('two nodes')
  const lil = await stage.startLdk('anchors_zero_fee_htlc_tx', {
    anchors: format === 'anchors_zero_fee_htlc_tx',
    maxAcceptedHtlcs: 400,
  })
  const [a, b] = [await ada.node, await ben.node]
  for (const { client } of [a, b]) {
    const { address } = await client.newAddress()
    await stage.miner.fund(address, 20_000_000n)
  }
  await stage.miner.mine(1)
  for (const phoenix of [ada, ben]) {
    await (await phoenix.node).client.refresh()
    await until('coins', async () => BigInt((await stateOf(phoenix)).balances.onchainConfirmedSat) > 0n)
  }
  const lilPort = await lil.listen()
  const open = async (from: Phoenix, peer: string, nodeId: string, count: number): Promise<void> => {
    const { client } = await from.node
    for await (const update of client.openChannel({ peer, amountSat: '3000000', pushMsat: '1500000000' }))
      if (update.status === 'pending') break
    await until('open', async () => {
      await stage.miner.mine(1)
      for (const phoenix of [ada, ben]) await (await phoenix.node).client.refresh()
      await lil.sync()
      await after(200)
      return isOpen((await stateOf(from)).channels, nodeId, count)
    })
  }
  await open(ada, `${b.nodeId}@127.0.0.1:${b.port}`, b.nodeId, 1)
  await open(ada, `${b.nodeId}@127.0.0.1:${b.port}`, b.nodeId, 2)
  await open(ben, `${lil.nodeId}@127.0.0.1:${lilPort}`, lil.nodeId, 1)
  await lil.until(() => lil.listChannels().some((c) => c.usable), 'usable')
  return { stage, ada, ben, lil }
}

/** All connected, and nothing on its way. */
async function quiet({ ada, ben, lil }: Network): Promise<void> {
  await until(
    'nothing is on its way',
    async () => {
      for (const phoenix of [ada, ben]) {
        const { channels } = await stateOf(phoenix)
        if (channels.some((c) => c.status !== 'open' || c.htlcs > 0)) return false
        const { client } = await phoenix.node
        if ((await client.listForwards()).underWay.length > 0) return false
        if ((await client.listPayments()).some((p) => p.state === 'pending')) return false
      }
      return lil.listChannels().every((c) => c.usable && c.inboundHtlcs + c.outboundHtlcs === 0)
    },
    120_000,
  )
}

interface Paid extends Wish {
  readonly invoice: string
  readonly paymentHash: string
  state: 'unknown' | 'succeeded' | 'failed'
}

export async function stress(options: StressOptions): Promise<StressReport> {
  const began = performance.now()
  const random = seeded(options.seed)
  const stage = await createStage()
  const problems: string[] = []
  let network: Network | undefined
  try {
    network = await build(stage, options.format)
    const { ada, ben, lil } = network
    const phoenix = (name: OurName): Phoenix => (name === 'ada' ? ada : ben)
    await quiet(network)
    const before = await sumOf(network)
    options.log(`built after ${((performance.now() - began) / 1000).toFixed(1)} s`)

    const all: Paid[] = []
    const invoiceOf = async ({ to, amountMsat }: Wish): Promise<{ invoice: string; paymentHash: string }> => {
      if (to === 'lil') {
        const { bolt11, paymentHash } = lil.createInvoice(amountMsat, 'stress')
        return { invoice: bolt11, paymentHash }
      }
      return (await phoenix(to).node).client.addInvoice({ amountMsat: String(amountMsat) })
    }
    const payOne = async (wish: Wish): Promise<void> => {
      // The payee may be down just now.
      let made: { invoice: string; paymentHash: string } | undefined
      while (made === undefined) made = await invoiceOf(wish).catch(() => after(200).then(() => undefined))
      const { invoice, paymentHash } = made
      const paid: Paid = { ...wish, invoice, paymentHash, state: 'unknown' }
      all.push(paid)
      // Somebody on the way may be down just now: tried again, as a person would.
      for (let tries = 0; tries < PATIENCE; tries++) {
        if ((await attempt(paid)) === 'over') return
        await after(400)
      }
    }
    const attempt = async (paid: Paid): Promise<'over' | 'refused'> => {
      if (paid.from === 'lil') {
        paid.state = (await lil.payInvoice(paid.invoice)).ok ? 'succeeded' : 'failed'
        return paid.state === 'succeeded' ? 'over' : 'refused'
      }
      try {
        const { client } = await phoenix(paid.from).node
        for await (const update of client.sendPayment({ invoice: paid.invoice, timeoutSeconds: 30 }))
          if (update.status === 'succeeded' || update.status === 'failed') paid.state = update.status
        return paid.state === 'failed' ? 'refused' : 'over'
      } catch (error) {
        // Where it has been tried already, its records say what became of it.
        const code = error instanceof ApiError ? error.code : ''
        return code === 'alreadyPaid' ? 'over' : 'refused'
      }
    }

    const left = [...wishes(random, options.payments)]
    const worker = async (): Promise<void> => {
      for (let wish = left.pop(); wish !== undefined; wish = left.pop()) await payOne(wish)
    }
    let working = true
    const killer = (async () => {
      for (let i = 0; i < options.kills && working; i++) {
        await after(300 + random.int(1_500))
        const victim = random.pick([ada, ben])
        await victim.kill()
        options.log(`${victim.name} was killed (${i + 1}); ${left.length} payments to go`)
      }
    })()
    await Promise.all(Array.from({ length: 12 }, worker))
    working = false
    await killer
    await quiet(network)
    const found = all.filter((p) => p.state === 'unknown' && p.from !== 'lil').length
    problems.push(...(await judged(network, all, before)))
    const forwards = (await (await ben.node).client.listForwards()).count
    return {
      payments: all.length,
      succeeded: all.filter((p) => p.state === 'succeeded').length,
      failed: all.filter((p) => p.state === 'failed').length,
      found,
      kills: ada.kills + ben.kills,
      forwards,
      seconds: Math.round((performance.now() - began) / 1000),
      problems,
    }
  } finally {
    for (const one of network === undefined ? [] : [network.ada, network.ben]) await (await one.node).stop()
    await network?.lil.stop()
    await stage.close()
  }
}

/** What each says it has in its channels, msat. */
async function sumOf({ ada, ben, lil }: Network): Promise<Readonly<Record<Name, bigint>>> {
  const local = async (phoenix: Phoenix): Promise<bigint> =>
    (await stateOf(phoenix)).channels.reduce((sum, c) => sum + BigInt(c.localMsat), 0n)
  const capacity = lil.listChannels().reduce((sum, c) => sum + c.capacitySat, 0n) * 1000n
  const bens = (await stateOf(ben)).channels.find((c) => c.peer === lil.nodeId)
  return { ada: await local(ada), ben: await local(ben), lil: capacity - BigInt(bens?.localMsat ?? 0) }
}

/** Payers and payees agree, nobody has more or less than payments brought and cost, to the millisatoshi. */
async function judged(
  network: Network,
  all: readonly Paid[],
  before: Readonly<Record<Name, bigint>>,
): Promise<readonly string[]> {
  const problems: string[] = []
  const { ada, ben, lil } = network
  const change: Record<Name, bigint> = { ada: 0n, ben: 0n, lil: 0n }
  let fees = 0n
  for (const one of all) {
    const name = `${one.from} to ${one.to}, ${one.amountMsat} msat, ${one.paymentHash.slice(0, 8)}`
    let feeMsat = 0n
    if (one.from === 'lil') {
      const sent = lil.events.find((e) => e.type === 'paymentSent' && e.paymentHash === one.paymentHash)
      if (sent?.type === 'paymentSent') feeMsat = sent.feeMsat ?? 0n
      one.state = sent === undefined ? 'failed' : 'succeeded'
    } else {
      const { client } = await (one.from === 'ada' ? ada : ben).node
      const record = (await client.listPayments()).find((p) => p.paymentHash === one.paymentHash)
      if (record?.state === 'pending') problems.push(`${name} is pending`)
      const state = record?.state === 'succeeded' ? 'succeeded' : 'failed'
      if (one.state !== 'unknown' && one.state !== state)
        problems.push(`${name}: said ${one.state}, is ${state}`)
      one.state = state
      feeMsat = BigInt(record?.feeMsat ?? 0)
    }
    const arrived =
      one.to === 'lil'
        ? lil.events.some((e) => e.type === 'paymentClaimed' && e.paymentHash === one.paymentHash)
        : (await (await (one.to === 'ada' ? ada : ben).node).client.listInvoices()).some(
            (i) => i.paymentHash === one.paymentHash && i.state === 'paid',
          )
    if (arrived !== (one.state === 'succeeded'))
      problems.push(`${name}: ${one.state}, and paid is ${arrived}`)
    if (one.state !== 'succeeded') continue
    change[one.from] -= one.amountMsat + feeMsat
    change[one.to] += one.amountMsat
    fees += feeMsat
  }
  const earned = BigInt((await (await ben.node).client.listForwards()).feeMsat)
  if (earned !== fees) problems.push(`payers paid ${fees} msat in fees, ben earned ${earned}`)
  change.ben += earned
  const after = await sumOf(network)
  for (const who of ['ada', 'ben', 'lil'] as const)
    if (after[who] !== before[who] + change[who])
      problems.push(`${who} has ${after[who]} msat, expected ${before[who] + change[who]}`)
  const agreed = (await stateOf(ada)).channels
  for (const { localMsat, remoteMsat, channelId } of (await stateOf(ben)).channels) {
    const other = agreed.find((c) => c.channelId === channelId)
    if (other !== undefined && (other.localMsat !== remoteMsat || other.remoteMsat !== localMsat))
      problems.push(`ada and ben differ about ${channelId.slice(0, 8)}`)
  }
  return problems
}
