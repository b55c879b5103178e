import { createHash } from 'node:crypto'
import {
  type CoreBlock,
  type CoreTx,
  type EsploraBlock,
  type EsploraOutput,
  type EsploraStatus,
  type EsploraTx,
  mapBlock,
  mapTx,
} from './esplora-json.ts'
import { type Rpc, type RpcCall, RpcError } from './rpc.ts'

export interface IndexedBlock {
  readonly summary: EsploraBlock
  /** 80 bytes as hex. */
  readonly header: string
  readonly txids: readonly string[]
}
export interface IndexedTx {
  readonly tx: EsploraTx
  readonly hex: string
  /** Absent while in the mempool. */
  readonly block?: IndexedBlock
  readonly position: number
}
export interface Spender {
  readonly txid: string
  readonly vin: number
}
export interface Utxo {
  readonly txid: string
  readonly vout: number
  readonly value: number
  readonly entry: IndexedTx
}

/** sha256 of a scriptPubKey as Esplora keys it: hex, not reversed. */
export const scriptHash = (scriptPubKeyHex: string): string =>
  createHash('sha256').update(Buffer.from(scriptPubKeyHex, 'hex')).digest('hex')

export const statusOf = (entry: IndexedTx | undefined): EsploraStatus =>
  entry?.block === undefined
    ? { confirmed: false }
    : {
        confirmed: true,
        block_height: entry.block.summary.height,
        block_hash: entry.block.summary.id,
        block_time: entry.block.summary.timestamp,
      }

const CHUNK = 40

/**
 * The chain and the mempool of one bitcoind in three maps: txid → transaction, outpoint → spender, script hash → txids.
 * `sync` brings them to what bitcoind says now; it costs one RPC round trip when nothing changed, so that callers do it
 * before each look and nothing is ever stale.
 */
export class EsploraIndex {
  readonly #rpc: Rpc
  readonly #blocks: IndexedBlock[] = []
  readonly #byHash = new Map<string, IndexedBlock>()
  readonly #txs = new Map<string, IndexedTx>()
  readonly #spends = new Map<string, Spender>()
  readonly #scripts = new Map<string, Set<string>>()
  readonly #mempool = new Map<string, IndexedTx>()
  #mempoolSequence = -1
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor(rpc: Rpc) {
    this.#rpc = rpc
  }

  get height(): number {
    return this.#blocks.length - 1
  }
  blockAt = (height: number): IndexedBlock | undefined => this.#blocks[height]
  /** Any block ever seen, also one that a reorg has put aside. */
  block = (hash: string): IndexedBlock | undefined => this.#byHash.get(hash)
  inBestChain = (block: IndexedBlock): boolean => this.#blocks[block.summary.height] === block
  tx = (txid: string): IndexedTx | undefined => this.#txs.get(txid)
  spender = (txid: string, vout: number): Spender | undefined => this.#spends.get(`${txid}:${vout}`)
  mempool = (): readonly IndexedTx[] => [...this.#mempool.values()]

  /** Transactions that fund or spend the script: unconfirmed first, then newest first. */
  history(hash: string): IndexedTx[] {
    const entries: IndexedTx[] = []
    for (const txid of this.#scripts.get(hash) ?? []) {
      const entry = this.#txs.get(txid)
      if (entry) entries.push(entry)
    }
    const height = (entry: IndexedTx): number => entry.block?.summary.height ?? Number.MAX_SAFE_INTEGER
    return entries.sort((a, b) => height(b) - height(a) || b.position - a.position)
  }

  /** Outputs to the script that nothing spends, in the mempool included. */
  utxos(hash: string): Utxo[] {
    const found: Utxo[] = []
    for (const entry of this.history(hash))
      entry.tx.vout.forEach((out, vout) => {
        const { txid } = entry.tx
        if (scriptHash(out.scriptpubkey) === hash && !this.#spends.has(`${txid}:${vout}`))
          found.push({ txid, vout, value: out.value, entry })
      })
    return found
  }

  /** Resolves once the index holds everything bitcoind knew when this was called. */
  sync(): Promise<void> {
    if (this.#running === undefined) {
      this.#running = this.#update().finally(() => {
        this.#running = undefined
      })
      return this.#running
    }
    // A run under way may have asked before our caller's transaction was there: wait for one that starts after now.
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = undefined
        return this.sync()
      })
    return this.#next
  }

  async #update(): Promise<void> {
    for (;;) {
      // Mempool and tip are read together only if the tip is the same before and after.
      const [before, pool, after] = await this.#all<unknown>([
        ['getbestblockhash'],
        ['getrawmempool', false, true],
        ['getbestblockhash'],
      ])
      if (before !== after) continue
      const best = before as string
      const { txids, mempool_sequence } = pool as { txids: string[]; mempool_sequence: number }
      const same = this.#blocks.at(-1)?.summary.id === best
      if (same && mempool_sequence === this.#mempoolSequence) return
      if (!same && !(await this.#follow(best))) continue
      if (await this.#followMempool(txids)) {
        this.#mempoolSequence = mempool_sequence
        return
      }
    }
  }

  /** Moves to the chain that ends in `best`; false when the chain moved meanwhile. */
  async #follow(best: string): Promise<boolean> {
    const header = await this.#rpc.call<{ height: number }>('getblockheader', best)
    this.#forgetMempool()
    while (this.height > header.height) this.#disconnect()
    while (this.height >= 0) {
      const ours = this.#blocks[this.height]
      if ((await this.#rpc.call<string>('getblockhash', this.height)) === ours?.summary.id) break
      this.#disconnect()
    }
    while (this.height < header.height) {
      const from = this.height + 1
      const count = Math.min(CHUNK, header.height - this.height)
      const heights = Array.from({ length: count }, (_, i): RpcCall => ['getblockhash', from + i])
      const hashes = await this.#all<string>(heights)
      const blocks = await this.#all<CoreBlock>(hashes.map((hash): RpcCall => ['getblock', hash, 2]))
      const headers = await this.#all<string>(hashes.map((hash): RpcCall => ['getblockheader', hash, false]))
      for (const [i, block] of blocks.entries()) {
        const previous = this.#blocks.at(-1)?.summary.id
        if (block.previousblockhash !== previous) return false
        this.#connect(block, headers[i] ?? '')
      }
    }
    return this.#blocks.at(-1)?.summary.id === best
  }

  async #all<T>(calls: readonly RpcCall[]): Promise<T[]> {
    const results = await this.#rpc.batch<T>(calls)
    return results.map((result) => {
      if (result instanceof RpcError) throw result
      return result
    })
  }

  #connect(block: CoreBlock, header: string): void {
    const known = this.#byHash.get(block.hash)
    const indexed = known ?? { summary: mapBlock(block), header, txids: block.tx.map((tx) => tx.txid) }
    this.#blocks.push(indexed)
    this.#byHash.set(block.hash, indexed)
    for (const [position, core] of block.tx.entries()) {
      const tx = mapTx(core, this.#prevout)
      if (!tx) throw new Error(`block ${block.hash} spends an output that the index does not know`)
      this.#add({ tx, hex: core.hex, block: indexed, position })
    }
  }

  #disconnect(): void {
    const block = this.#blocks.pop()
    for (const txid of [...(block?.txids ?? [])].reverse()) this.#remove(txid)
  }

  readonly #prevout = (txid: string, vout: number): EsploraOutput | undefined =>
    this.#txs.get(txid)?.tx.vout[vout]

  #add(entry: IndexedTx): void {
    const { txid, vin, vout } = entry.tx
    this.#txs.set(txid, entry)
    const touch = (script: string): void => {
      const hash = scriptHash(script)
      const set = this.#scripts.get(hash)
      if (set) set.add(txid)
      else this.#scripts.set(hash, new Set([txid]))
    }
    for (const [i, input] of vin.entries()) {
      if (input.prevout === null) continue
      this.#spends.set(`${input.txid}:${input.vout}`, { txid, vin: i })
      touch(input.prevout.scriptpubkey)
    }
    for (const out of vout) touch(out.scriptpubkey)
  }

  #remove(txid: string): void {
    const entry = this.#txs.get(txid)
    if (!entry) return
    this.#txs.delete(txid)
    const leave = (script: string): void => {
      this.#scripts.get(scriptHash(script))?.delete(txid)
    }
    for (const input of entry.tx.vin) {
      if (input.prevout === null) continue
      const key = `${input.txid}:${input.vout}`
      if (this.#spends.get(key)?.txid === txid) this.#spends.delete(key)
      leave(input.prevout.scriptpubkey)
    }
    for (const out of entry.tx.vout) leave(out.scriptpubkey)
  }

  #forgetMempool(): void {
    for (const txid of this.#mempool.keys()) this.#remove(txid)
    this.#mempool.clear()
    this.#mempoolSequence = -1
  }

  /** Makes the mempool these transactions; false when it changed while they were read. */
  async #followMempool(txids: readonly string[]): Promise<boolean> {
    const wanted = new Set(txids)
    for (const txid of this.#mempool.keys())
      if (!wanted.has(txid)) {
        this.#remove(txid)
        this.#mempool.delete(txid)
      }
    const missing = txids.filter((txid) => !this.#mempool.has(txid))
    const answers = await this.#rpc.batch<CoreTx>(
      missing.map((txid): RpcCall => ['getrawtransaction', txid, 1]),
    )
    let left = answers.filter((answer): answer is CoreTx => !(answer instanceof RpcError))
    const complete = left.length === missing.length
    // Parents before children, whatever order the mempool listed them in.
    for (let before = -1; left.length !== before; ) {
      before = left.length
      left = left.filter((core) => {
        const tx = mapTx(core, this.#prevout)
        if (!tx) return true
        const entry: IndexedTx = { tx, hex: core.hex, position: 0 }
        this.#add(entry)
        this.#mempool.set(core.txid, entry)
        return false
      })
    }
    return complete && left.length === 0
  }
}
