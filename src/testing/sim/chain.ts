import { fromHex, toHex } from '../../engine/base/bytes.ts'
import { sat } from '../../engine/base/units.ts'
import { merkleBranch } from '../../engine/bitcoin/merkle.ts'
import { decodeTx, encodeTx, outputSumSat, txidOf } from '../../engine/bitcoin/tx.ts'
import { type OutPoint, outPointKey, type Tx, type TxOutput, type Txid } from '../../engine/bitcoin/types.ts'
import type { EsploraRequest, EsploraResult } from '../../engine/chain/esplora.ts'
import { type FakeBlock, GENESIS, mineBlock } from '../../engine/chain/testkit/blocks.ts'
import { failure, summary } from '../../engine/chain/testkit/fakeEsplora.ts'
import { sha256 } from '../../engine/crypto/hash.ts'

interface Entry {
  readonly tx: Tx
  /** null: in the mempool. */
  readonly block: FakeBlock | null
  readonly index: number
  /** Made up: pays from nowhere. */
  readonly faucet: boolean
}

/**
 * A Bitcoin node and its Esplora server for simulations: real headers and proofs, an UTXO set that is kept to (every input exists,
 * is unspent, matches locktime and BIP 68), scripts and signatures unchecked. Everything is indexed, so that long runs stay cheap.
 */
export class SimChain {
  readonly blocks: FakeBlock[] = [GENESIS]
  /** In order of arrival: parents come before children. */
  mempool: Tx[] = []
  /** By target, sat/vB, as Esplora states them. */
  feeRates: Readonly<Record<string, number>> = { 1: 20, 6: 4, 144: 1 }
  /** Blocks whose transactions stay out: to be held back until the test lets go. */
  holdBack = false
  /** Listings leave out what waits in the mempool. */
  listsOnlyBlocks = false
  readonly refused: { readonly txid: Txid; readonly reason: string }[] = []
  private readonly entries = new Map<Txid, Entry>()
  /** Outpoint → spender. */
  private readonly spenders = new Map<string, Txid>()
  /** sha256 of a script → transactions that pay or spend it, oldest first. */
  private readonly byScript = new Map<string, Txid[]>()
  private faucets = 0
  /** Reorganisations so far: blocks of different branches differ by it. */
  private branches = 0

  /** The same chain in another world. */
  fork(): SimChain {
    const copy: SimChain = Object.create(SimChain.prototype) as SimChain
    return Object.assign(copy, this, {
      blocks: [...this.blocks],
      mempool: [...this.mempool],
      refused: [...this.refused],
      entries: new Map(this.entries),
      spenders: new Map(this.spenders),
      byScript: new Map(this.byScript),
    })
  }

  get tip(): FakeBlock {
    return this.blocks.at(-1) as FakeBlock
  }

  /** Mines `n` blocks; the mempool goes into the first unless it is held back. */
  mine(n = 1): void {
    for (let i = 0; i < n; i++) {
      const included = i === 0 && !this.holdBack ? this.mempool : []
      if (included.length > 0) this.mempool = []
      const block = mineBlock(this.tip, included, this.branches)
      this.blocks.push(block)
      // The coinbase pays nobody we know.
      block.txs.forEach((tx, index) => {
        if (index > 0) this.confirm(tx, block, index)
      })
    }
  }

  /**
   * The newest `depth` blocks are replaced by `n` others with nothing in them; what they held waits in the mempool again, but for what
   * is too early now and what `lost` names, with all that spends that.
   */
  reorg(depth: number, n = depth + 1, lost: (tx: Tx) => boolean = () => false): void {
    const gone = this.blocks.splice(this.blocks.length - depth)
    const back = gone.flatMap((block) => block.txs.slice(1))
    for (const tx of back) {
      const entry = this.entries.get(txidOf(tx))
      if (entry !== undefined) this.entries.set(txidOf(tx), { ...entry, block: null, index: 0 })
    }
    this.mempool = [...back, ...this.mempool]
    this.branches += 1
    for (let i = 0; i < n; i++) this.blocks.push(mineBlock(this.tip, [], this.branches))
    for (const tx of this.mempool) {
      const entry = this.entries.get(txidOf(tx))
      if (entry === undefined || entry.faucet) continue
      if (lost(tx) || this.isEarly(tx)) this.evict(txidOf(tx))
    }
  }

  private confirm(tx: Tx, block: FakeBlock, index: number): void {
    const txid = txidOf(tx)
    this.entries.set(txid, { tx, block, index, faucet: this.entries.get(txid)?.faucet ?? false })
  }

  /** A transaction from nowhere that pays these outputs; it waits in the mempool. */
  fund(outputs: readonly TxOutput[]): Txid {
    this.faucets += 1
    const from: OutPoint = { txid: this.faucets.toString(16).padStart(64, 'f'), vout: 0 }
    const tx: Tx = {
      version: 2,
      inputs: [
        { outpoint: from, scriptSig: new Uint8Array(), sequence: 0xffffffff, witness: [Uint8Array.of(7)] },
      ],
      outputs,
      locktime: 0,
    }
    this.take(tx, true)
    return txidOf(tx)
  }

  /** A mempool forgets a transaction, and with it those that spend it. */
  evict(txid: Txid): void {
    const entry = this.entries.get(txid)
    if (entry === undefined || entry.block !== null) return
    for (const [vout] of entry.tx.outputs.entries()) {
      const child = this.spenders.get(outPointKey({ txid, vout }))
      if (child !== undefined) this.evict(child)
    }
    this.entries.delete(txid)
    this.mempool = this.mempool.filter((tx) => txidOf(tx) !== txid)
    for (const { outpoint } of entry.tx.inputs) this.spenders.delete(outPointKey(outpoint))
    for (const [hash, txids] of this.byScript) {
      if (txids.includes(txid))
        this.byScript.set(
          hash,
          txids.filter((t) => t !== txid),
        )
    }
  }

  private take(tx: Tx, faucet: boolean): void {
    const txid = txidOf(tx)
    this.mempool.push(tx)
    this.entries.set(txid, { tx, block: null, index: 0, faucet })
    const touched = new Set<string>()
    for (const { outpoint } of tx.inputs) {
      this.spenders.set(outPointKey(outpoint), txid)
      const spent = this.outputAt(outpoint)
      if (spent !== undefined) touched.add(toHex(sha256(spent.script)))
    }
    for (const output of tx.outputs) touched.add(toHex(sha256(output.script)))
    for (const hash of touched) this.byScript.set(hash, [...(this.byScript.get(hash) ?? []), txid])
  }

  outputAt(outpoint: OutPoint): TxOutput | undefined {
    return this.entries.get(outpoint.txid)?.tx.outputs[outpoint.vout]
  }

  find(txid: Txid): { readonly tx: Tx; readonly block: FakeBlock | null } | undefined {
    return this.entries.get(txid)
  }

  spenderOf(outpoint: OutPoint): Tx | undefined {
    const txid = this.spenders.get(outPointKey(outpoint))
    return txid === undefined ? undefined : this.entries.get(txid)?.tx
  }

  /** Inputs less outputs; 0 for what came from nowhere. */
  feeOf(txid: Txid): bigint {
    const entry = this.entries.get(txid)
    if (entry === undefined || entry.faucet) return 0n
    const paid = entry.tx.inputs.reduce((n, i) => n + (this.outputAt(i.outpoint)?.valueSat ?? 0n), 0n)
    return paid - entry.tx.outputs.reduce((n, o) => n + o.valueSat, 0n)
  }

  /** Every transaction but coinbases, in the chain or in the mempool, oldest first. */
  transactions(): readonly { readonly txid: Txid; readonly tx: Tx; readonly faucet: boolean }[] {
    return [...this.entries].map(([txid, { tx, faucet }]) => ({ txid, tx, faucet }))
  }

  /** Every output that nothing spends, the mempool counted. */
  unspent(): readonly { readonly outpoint: OutPoint; readonly output: TxOutput }[] {
    return this.transactions().flatMap(({ txid, tx }) =>
      tx.outputs.flatMap((output, vout) => {
        const outpoint = { txid, vout }
        return this.spenders.has(outPointKey(outpoint)) ? [] : [{ outpoint, output }]
      }),
    )
  }

  /** As Bitcoin Core answers `sendrawtransaction`, without looking at scripts. */
  send(
    tx: Tx,
  ): { readonly ok: true } | { readonly ok: false; readonly code: number; readonly reason: string } {
    const txid = txidOf(tx)
    const known = this.entries.get(txid)
    if (known !== undefined) {
      if (known.block === null) return { ok: true }
      return { ok: false, code: -27, reason: 'Transaction outputs already in utxo set' }
    }
    this.replace(tx)
    const problem = this.problemOf(tx)
    if (problem !== undefined) {
      this.refused.push({ txid, reason: problem })
      return { ok: false, code: problem.startsWith('bad-txns-inputs') ? -25 : -26, reason: problem }
    }
    this.take(tx, false)
    return { ok: true }
  }

  /** BIP 125: what it conflicts with goes, when all of that signals and it pays more than all of it together. */
  private replace(tx: Tx): void {
    const rivals = tx.inputs.flatMap((i) => this.spenders.get(outPointKey(i.outpoint)) ?? [])
    const unconfirmed = [...new Set(rivals)].filter((id) => this.entries.get(id)?.block === null)
    if (unconfirmed.length === 0 || unconfirmed.length < new Set(rivals).size) return
    const signals = unconfirmed.every((id) =>
      this.entries.get(id)?.tx.inputs.some((i) => i.sequence < 0xfffffffe),
    )
    const inputs = tx.inputs.map((i) => this.outputAt(i.outpoint)?.valueSat)
    if (!signals || inputs.includes(undefined)) return
    const fee = inputs.reduce((n: bigint, v) => n + (v ?? 0n), 0n) - outputSumSat(tx)
    if (fee > unconfirmed.reduce((n, id) => n + this.feeOf(id), 0n))
      for (const id of unconfirmed) this.evict(id)
  }

  private problemOf(tx: Tx): string | undefined {
    let paid = 0n
    for (const { outpoint } of tx.inputs) {
      const source = this.entries.get(outpoint.txid)
      const output = source?.tx.outputs[outpoint.vout]
      if (source === undefined || output === undefined) return 'bad-txns-inputs-missingorspent'
      if (this.spenders.has(outPointKey(outpoint))) {
        const spender = this.entries.get(this.spenders.get(outPointKey(outpoint)) as Txid)
        return spender?.block === null ? 'txn-mempool-conflict' : 'bad-txns-inputs-missingorspent'
      }
      paid += output.valueSat
    }
    if (tx.outputs.reduce((n, o) => n + o.valueSat, 0n) > paid) return 'bad-txns-in-belowout'
    return this.isEarly(tx) ? 'non-final' : undefined
  }

  /** Whether the next block may not hold it yet. */
  private isEarly(tx: Tx): boolean {
    const height = this.tip.height + 1
    // BIP 68: relative locks in blocks; the input must have been mined that long ago.
    const waits = tx.inputs.some(({ outpoint, sequence }) => {
      if (tx.version < 2 || (sequence & 0x80000000) !== 0) return false
      const block = this.entries.get(outpoint.txid)?.block ?? null
      const wait = sequence & 0xffff
      return wait > 0 && (block === null || height - block.height < wait)
    })
    if (waits) return true
    const final = tx.inputs.every((input) => input.sequence === 0xffffffff)
    return !final && tx.locktime > 0 && tx.locktime < 500_000_000 && tx.locktime >= height
  }

  /** What an Esplora server over this node answers. */
  answer(r: EsploraRequest): EsploraResult {
    switch (r.kind) {
      case 'tipHash':
        return value(this.tip.hash)
      case 'blockHash': {
        const block = this.blocks[r.height]
        return block ? value(block.hash) : notFound('Block not found')
      }
      case 'blocks': {
        const top = r.height ?? this.tip.height
        if (top > this.tip.height) return notFound('Block not found')
        return value(
          this.blocks
            .slice(Math.max(0, top - 9), top + 1)
            .reverse()
            .map(summary),
        )
      }
      case 'tx': {
        const found = this.entries.get(r.txid)
        return found ? value(toHex(encodeTx(found.tx))) : notFound('Transaction not found')
      }
      case 'merkleProof': {
        const found = this.entries.get(r.txid)
        if (!found?.block) return notFound('Transaction not found or is unconfirmed')
        const { pos, branch } = merkleBranch(found.block.txs.map(txidOf), found.index)
        return value({ block_height: found.block.height, merkle: branch, pos })
      }
      case 'outspend': {
        const spender = this.spenders.get(outPointKey(r))
        const found = spender === undefined ? undefined : this.entries.get(spender)
        if (spender === undefined || found === undefined) return value({ spent: false })
        const vin = found.tx.inputs.findIndex((i) => outPointKey(i.outpoint) === outPointKey(r))
        return value({ spent: true, txid: spender, vin, status: status(found.block) })
      }
      case 'history': {
        const all = (this.byScript.get(r.scriptHash) ?? []).map((txid) => ({
          txid,
          block: this.entries.get(txid)?.block ?? null,
        }))
        const confirmed = all.filter((t) => t.block !== null).reverse()
        const start = r.after === null ? 0 : confirmed.findIndex((t) => t.txid === r.after) + 1
        const page = confirmed.slice(start, start + 25)
        const shown =
          r.after === null && !this.listsOnlyBlocks ? [...all.filter((t) => t.block === null), ...page] : page
        return value(shown.map(({ txid, block }) => ({ txid, status: status(block) })))
      }
      case 'broadcast': {
        const tx = decodeTx(fromHex(r.hex))
        if (!tx.ok) return refusal(-22, 'TX decode failed')
        const sent = this.send(tx.value)
        return sent.ok ? value(txidOf(tx.value)) : refusal(sent.code, sent.reason)
      }
      case 'feeEstimates':
        return value(this.feeRates)
      default:
        return failure('http', 'Not found', 404)
    }
  }
}

export const pay = (script: Uint8Array, valueSat: number): TxOutput => ({ valueSat: sat(valueSat), script })

const value = (v: unknown): EsploraResult => ({ ok: true, value: v })
const notFound = (message: string) => failure('http', message, 404)
const refusal = (code: number, message: string) =>
  failure('http', `sendrawtransaction RPC error: {"code":${code},"message":"${message}"}`, 400)
const status = (block: FakeBlock | null) =>
  block === null
    ? { confirmed: false }
    : { confirmed: true, block_height: block.height, block_hash: block.hash, block_time: block.header.time }
