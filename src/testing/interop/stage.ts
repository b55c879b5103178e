import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ApiErrorData } from '../../contract/errors.ts'
import type { AppState, Channel } from '../../contract/schemas.ts'
import { startBitcoind } from '../../playground/bitcoind.ts'
import { createEsplora } from '../../playground/esplora.ts'
import type { EsploraFaults } from '../../playground/esplora-faults.ts'
import { createMiner, type Miner } from '../../playground/miner.ts'
import { type Headless, startHeadless, untilState } from '../../playground/peer.ts'
import type { Rpc } from '../../playground/rpc.ts'
import { createLdkNode } from '../ldk/node.ts'
import type { LdkNode, LdkOptions } from '../ldk/types.ts'

export const FORMATS = ['anchors_zero_fee_htlc_tx', 'static_remotekey'] as const
export type FormatName = (typeof FORMATS)[number]

/** A bitcoind with an Esplora server over it, and what the interop tests do on it. */
export interface Stage {
  readonly rpc: Rpc
  readonly miner: Miner
  readonly faults: EsploraFaults
  readonly esploraUrl: string
  /** A folder that goes with the stage. */
  folder(): string
  /** Without a format: what the node offers by itself. */
  startOurs(dataDir: string, format?: FormatName): Promise<Headless>
  /** Each has keys of its own; `sameSeed`: those of the one before, whose folder it takes over. */
  startLdk(format: FormatName, options?: Partial<LdkOptions> & { readonly sameSeed?: true }): Promise<LdkNode>
  /** Gives a wallet confirmed coins. */
  fund(node: Headless, sat: bigint): Promise<void>
  /** Mines so many blocks and waits until the node has followed. */
  mine(node: Headless, blocks: number): Promise<void>
  /** Mines a block at a time, each seen by the node, until the state holds. */
  mineUntil(node: Headless, what: string, holds: (state: AppState) => boolean, limit?: number): Promise<void>
  /** Resolves when bitcoind has a transaction, unconfirmed. */
  inMempool(txid: string): Promise<void>
  /** Satoshi that a transaction pays to miners. */
  feeOf(txid: string): Promise<bigint>
  close(): Promise<void>
}

export async function createStage(): Promise<Stage> {
  const bitcoind = await startBitcoind()
  const { rpc } = bitcoind
  const miner = createMiner({ rpc, key: new Uint8Array(32).fill(5) })
  await miner.ready()
  await miner.mine(1)
  const faults: EsploraFaults = {}
  const listening = await createEsplora({ rpc, faults }).listen()
  const folders: string[] = []
  let seeds = 0

  const caughtUp = async (node: Headless): Promise<void> => {
    const height = await rpc.call<number>('getblockcount')
    await node.client.refresh()
    await until(node, `block ${height}`, (s) => s.chain.height >= height && s.chain.synced)
  }

  const stage: Stage = {
    rpc,
    miner,
    faults,
    esploraUrl: listening.url,
    folder() {
      const folder = mkdtempSync(join(tmpdir(), 'switchback-interop-'))
      folders.push(folder)
      return folder
    },
    startOurs: (dataDir, format) =>
      startHeadless({
        dataDir,
        port: 0,
        esploraUrl: listening.url,
        ...(format === undefined ? {} : { formats: [format] }),
      }),
    startLdk(format, { sameSeed, ...options } = {}) {
      if (sameSeed !== true) seeds += 1
      return createLdkNode({
        chain: rpc,
        funder: miner,
        seed: new Uint8Array(32).fill(seeds),
        anchors: format === 'anchors_zero_fee_htlc_tx',
        ...options,
      })
    },
    async fund(node, amountSat) {
      const { address } = await node.client.newAddress()
      await miner.fund(address, amountSat)
      await stage.mine(node, 1)
      await until(node, 'coins', (s) => BigInt(s.balances.onchainConfirmedSat) >= amountSat)
    },
    async mine(node, blocks) {
      await miner.mine(blocks)
      await caughtUp(node)
    },
    async mineUntil(node, what, holds, limit = 30) {
      for (let i = 0; i < limit; i++) {
        await stage.mine(node, 1)
        // What follows from a block takes a few messages and look-ups.
        if (await within(node, 400, holds)) return
      }
      await until(node, what, holds, 2_000)
    },
    async inMempool(txid) {
      while (!(await rpc.call<string[]>('getrawmempool')).includes(txid))
        await new Promise((resolve) => setTimeout(resolve, 10))
    },
    async feeOf(txid) {
      const tx = await rpc.call<{ fee: number }>('getrawtransaction', txid, 2)
      return BigInt(Math.round(tx.fee * 1e8))
    },
    async close() {
      await listening.close()
      await bitcoind.stop()
      for (const folder of folders) rmSync(folder, { recursive: true, force: true })
    },
  }
  return stage
}

/** Whether the state holds within a time. */
export async function within(
  node: Headless,
  ms: number,
  holds: (state: AppState) => boolean,
): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms)
  })
  let latest: AppState | undefined
  const held = untilState(node.client, (state) => {
    latest = state
    return holds(state)
  }).then(() => true)
  const answer = await Promise.race([held, late])
  clearTimeout(timer)
  lastSeen.set(node, latest)
  return answer
}
const lastSeen = new WeakMap<Headless, AppState | undefined>()

/** Resolves when the state holds; the error says what was waited for and what the channels were like. */
export async function until(
  node: Headless,
  what: string,
  holds: (state: AppState) => boolean,
  ms = 20_000,
): Promise<void> {
  if (await within(node, ms, holds)) return
  const state = lastSeen.get(node)
  const { channels, balances, chain, notices, peers } = state ?? {}
  throw new Error(
    `${what}: not within ${ms} ms\n${JSON.stringify({ channels, balances, chain, notices, peers }, null, 1)}`,
  )
}

export type Paid =
  | { readonly ok: true; readonly preimage: string }
  | { readonly ok: false; readonly error: { readonly code: string; readonly message: string } }

/** Pays; a refusal at once and a failure later look alike. */
export async function pay(node: Headless, invoice: string, amountMsat?: bigint): Promise<Paid> {
  try {
    const input = { invoice, ...(amountMsat === undefined ? {} : { amountMsat: String(amountMsat) }) }
    for await (const update of node.client.sendPayment(input)) {
      if (update.status === 'succeeded') return { ok: true, preimage: update.preimage }
      if (update.status === 'failed') return { ok: false, error: update.error }
    }
  } catch (error) {
    return { ok: false, error: error as ApiErrorData }
  }
  throw new Error('the payment stream ended')
}

export const only = <T>(list: readonly T[]): T => {
  const [first] = list
  if (first === undefined || list.length !== 1) throw new Error(`one expected, ${list.length} found`)
  return first
}

export const channelOf = async (node: Headless): Promise<Channel> => only(await node.client.listChannels())

/** All coins of the wallet, whatever their state. */
export const walletSat = async (node: Headless): Promise<bigint> =>
  (await node.client.listCoins()).reduce((sum, coin) => sum + BigInt(coin.amountSat), 0n)
