import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { getPublicKey } from '@noble/secp256k1'
import { Address, OutScript, p2wpkh, TEST_NETWORK, Transaction } from '@scure/btc-signer'
import { type Rpc, RpcError } from './rpc.ts'

const REGTEST = { ...TEST_NETWORK, bech32: 'bcrt' }
/** Satoshi a virtual byte that the miner's wallet pays. */
const FEERATE = 2
const MATURITY = 100
/** Coins ready to spend at the start: one for each of the first payments, so that none waits for another's change. */
const FIRST_COINS = 10

interface Coin {
  readonly txid: string
  readonly vout: number
  readonly amount: bigint
}
interface Scan {
  readonly height: number
  readonly unspents: readonly {
    readonly txid: string
    readonly vout: number
    readonly amount: number
    readonly coinbase: boolean
    readonly height: number
  }[]
}
export interface Payee {
  /** scriptPubKey */
  readonly script: Uint8Array
  readonly amountSat: bigint
}
export interface SignedTx {
  readonly txid: string
  readonly hex: string
}

export interface MinerOptions {
  readonly rpc: Rpc
  /** 32 bytes; drawn when absent. */
  readonly key?: Uint8Array
  /** A file that keeps the key over restarts; used when `key` is absent. */
  readonly keyFile?: string
}

/** Mines on demand and owns what it mines: the purse behind the faucet and behind the peers' channels. */
export interface Miner {
  readonly address: string
  readonly script: Uint8Array
  /** Mines until the wallet has coins to spend (a new chain gets 110 blocks). */
  ready(): Promise<void>
  /** Mines `count` blocks; their hashes. */
  mine(count?: number): Promise<readonly string[]>
  /** Replaces the last `depth` blocks by `depth + 1` others; the first `empty` of those carry no transaction. */
  reorg(depth: number, empty?: number): Promise<void>
  /** Pays an address and broadcasts; the txid. Does not mine. */
  fund(address: string, amountSat: bigint | number): Promise<string>
  /** Builds and signs a payment without broadcasting it; its coins count as spent from now on. */
  build(payees: readonly Payee[]): Promise<SignedTx>
  /** Broadcasts; the txid. Rejects with RpcError. */
  send(hex: string): Promise<string>
  /** Mines a block every `everyMs` while something waits for one, and `after` more once the mempool is empty. */
  auto(everyMs?: number, after?: number): void
  /** Says that somebody waits for `blocks` more blocks: `auto` mines them. */
  want(blocks: number): void
  /** Stops `auto`. */
  stop(): void
}

function loadKey(options: MinerOptions): Uint8Array {
  if (options.key) return options.key
  if (options.keyFile !== undefined && existsSync(options.keyFile))
    return Buffer.from(readFileSync(options.keyFile, 'utf8').trim(), 'hex')
  const key = randomBytes(32)
  if (options.keyFile !== undefined) {
    mkdirSync(dirname(options.keyFile), { recursive: true })
    writeFileSync(options.keyFile, key.toString('hex'), { mode: 0o600 })
  }
  return key
}

/** scriptPubKey of a regtest address; throws on anything else. */
export const scriptOf = (address: string): Uint8Array => OutScript.encode(Address(REGTEST).decode(address))

export function createMiner(options: MinerOptions): Miner {
  const { rpc } = options
  const key = loadKey(options)
  const payment = p2wpkh(getPublicKey(key, true), REGTEST)
  const address = payment.address ?? ''
  /** Outpoints this run has used, and change that is not confirmed yet. */
  const used = new Set<string>()
  let change: Coin[] = []
  let timer: NodeJS.Timeout | undefined
  let wanted = 0

  const name = (coin: { readonly txid: string; readonly vout: number }): string => `${coin.txid}:${coin.vout}`

  /** bitcoind runs one scan at a time: wait for another wallet's to end. */
  async function scanOutputs(): Promise<Scan> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await rpc.call<Scan>('scantxoutset', 'start', [`addr(${address})`])
      } catch (error) {
        if (attempt >= 200 || !(error instanceof RpcError) || error.code !== -8) throw error
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    }
  }

  async function confirmedCoins(): Promise<Coin[]> {
    const scan = await scanOutputs()
    return scan.unspents
      .filter((u) => !u.coinbase || scan.height - u.height >= MATURITY)
      .filter((u) => !used.has(name(u)))
      .map((u) => ({ txid: u.txid, vout: u.vout, amount: BigInt(Math.round(u.amount * 1e8)) }))
  }

  /** Coins that nothing in the mempool spends, confirmed ones first. */
  async function coins(): Promise<Coin[]> {
    const confirmed = await confirmedCoins()
    const known = new Set(confirmed.map(name))
    change = change.filter((coin) => !used.has(name(coin)) && !known.has(name(coin)))
    const all = [...confirmed, ...change]
    const answers = await rpc.batch<unknown>(all.map((coin) => ['gettxout', coin.txid, coin.vout, true]))
    return all.filter((_, i) => answers[i] !== null && !(answers[i] instanceof RpcError))
  }

  async function mine(count = 1): Promise<readonly string[]> {
    return rpc.call<string[]>('generatetoaddress', count, address)
  }

  // Two payments at once must not choose the same coin.
  let queue: Promise<unknown> = Promise.resolve()
  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    const run = queue.then(work)
    queue = run.catch(() => {})
    return run
  }

  async function pay(payees: readonly Payee[]): Promise<SignedTx> {
    const total = payees.reduce((sum, payee) => sum + payee.amountSat, 0n)
    const chosen: Coin[] = []
    let have = 0n
    const fee = (): bigint => BigInt(FEERATE * (11 + 69 * chosen.length + 43 * (payees.length + 1)))
    for (const coin of await coins()) {
      if (have >= total + fee()) break
      chosen.push(coin)
      have += coin.amount
    }
    if (have < total + fee())
      throw new Error(
        `the miner's wallet has ${have} sat ready, ${total + fee()} are needed: mine more blocks`,
      )
    const tx = new Transaction({ allowUnknownOutputs: true })
    for (const coin of chosen)
      tx.addInput({
        txid: coin.txid,
        index: coin.vout,
        witnessUtxo: { script: payment.script, amount: coin.amount },
        sequence: 0xfffffffd,
      })
    for (const payee of payees) tx.addOutput({ script: payee.script, amount: payee.amountSat })
    const rest = have - total - fee()
    if (rest >= 1000n) tx.addOutput({ script: payment.script, amount: rest })
    tx.sign(key)
    tx.finalize()
    for (const coin of chosen) used.add(name(coin))
    if (rest >= 1000n) change.push({ txid: tx.id, vout: payees.length, amount: rest })
    return { txid: tx.id, hex: tx.hex }
  }

  async function send(hex: string): Promise<string> {
    try {
      return await rpc.call<string>('sendrawtransaction', hex)
    } catch (error) {
      // Twenty-five unconfirmed payments in a row are the mempool's limit: a block makes room.
      if (!(error instanceof RpcError) || !error.message.includes('too-long-mempool-chain')) throw error
      await mine(1)
      return rpc.call<string>('sendrawtransaction', hex)
    }
  }

  return {
    address,
    script: payment.script,
    async ready() {
      const height = await rpc.call<number>('getblockcount')
      if (height < MATURITY + FIRST_COINS) await mine(MATURITY + FIRST_COINS - height)
    },
    mine,
    async reorg(depth, empty = 1) {
      const height = await rpc.call<number>('getblockcount')
      const first = await rpc.call<string>('getblockhash', height - depth + 1)
      await rpc.call('invalidateblock', first)
      // Another coinbase, or the block could come out as the one just refused.
      for (let i = 0; i < empty; i++) await rpc.call('generateblock', 'raw(51)', [])
      await mine(depth + 1 - empty)
    },
    fund: (to, amountSat) =>
      alone(async () => {
        const signed = await pay([{ script: scriptOf(to), amountSat: BigInt(amountSat) }])
        return send(signed.hex)
      }),
    build: (payees) => alone(() => pay(payees)),
    send,
    auto(everyMs = 10_000, after = 6) {
      let busy = false
      timer ??= setInterval(() => {
        // One turn at a time: a second one would count the same mempool again.
        if (busy) return
        busy = true
        void (async () => {
          const pool = await rpc.call<{ size: number }>('getmempoolinfo')
          if (pool.size > 0) wanted = Math.max(wanted, after + 1)
          if (wanted === 0) return
          wanted--
          await mine(1)
        })()
          .catch(() => {})
          .finally(() => {
            busy = false
          })
      }, everyMs)
    },
    want(blocks) {
      wanted = Math.max(wanted, Math.min(blocks, 144))
    },
    stop() {
      clearInterval(timer)
      timer = undefined
    },
  }
}
