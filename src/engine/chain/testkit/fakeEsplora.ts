import { fromHex, toHex } from '../../base/bytes.ts'
import { merkleBranch } from '../../bitcoin/merkle.ts'
import { decodeTx, encodeTx, txidOf } from '../../bitcoin/tx.ts'
import type { Tx } from '../../bitcoin/types.ts'
import { sha256 } from '../../crypto/hash.ts'
import type { EsploraError, EsploraRequest, EsploraResult } from '../esplora.ts'
import { type FakeBlock, type FakeNode, headerBytes } from './blocks.ts'

/** Replaces an answer; undefined: the honest one. `silence`: never answers. */
export type Fault = (request: EsploraRequest) => EsploraResult | 'silence' | undefined

/** An Esplora server over a made-up node, as public ones behave, with faults on demand. */
export class FakeEsplora {
  node: FakeNode
  fault: Fault | null = null
  /** Why the node refuses transactions, if it does. */
  refuses: string | null = null
  readonly log: EsploraRequest[] = []

  constructor(node: FakeNode) {
    this.node = node
  }

  /** Requests of a kind so far. */
  count(kind: EsploraRequest['kind']): number {
    return this.log.filter((r) => r.kind === kind).length
  }

  answer(request: EsploraRequest): EsploraResult | 'silence' {
    this.log.push(request)
    return this.fault?.(request) ?? this.answerHonestly(request)
  }

  answerHonestly(r: EsploraRequest): EsploraResult {
    const { node } = this
    switch (r.kind) {
      case 'tipHash':
        return value(node.tip.hash)
      case 'blockHash': {
        const block = node.blocks[r.height]
        return block ? value(block.hash) : notFound('Block not found')
      }
      case 'blockHeader': {
        const block = node.blocks.find((b) => b.hash === r.hash)
        return block ? value(toHex(headerBytes(block))) : notFound('Block not found')
      }
      case 'blocks': {
        const top = r.height ?? node.tip.height
        if (top > node.tip.height) return notFound('Block not found')
        return value(
          node.blocks
            .slice(Math.max(0, top - 9), top + 1)
            .reverse()
            .map(summary),
        )
      }
      case 'tx': {
        const found = node.find(r.txid)
        return found ? value(toHex(encodeTx(found.tx))) : notFound('Transaction not found')
      }
      case 'merkleProof': {
        const found = node.find(r.txid)
        if (!found?.block) return notFound('Transaction not found or is unconfirmed')
        const { pos, branch } = merkleBranch(found.block.txs.map(txidOf), found.index)
        return value({ block_height: found.block.height, merkle: branch, pos })
      }
      case 'outspend': {
        const spender = node
          .all()
          .find(({ tx }) => tx.inputs.some((i) => i.outpoint.txid === r.txid && i.outpoint.vout === r.vout))
        if (!spender) return value({ spent: false })
        return value({ spent: true, txid: txidOf(spender.tx), vin: 0, status: status(spender.block) })
      }
      case 'history':
        return value(this.history(r.scriptHash, r.after))
      case 'broadcast':
        return this.accept(r.hex)
      case 'package': {
        const refused = r.hexes.map((hex) => this.accept(hex)).find((answer) => !answer.ok)
        return refused ?? value({ package_msg: 'success', 'tx-results': {} })
      }
      case 'feeEstimates':
        return value({ 1: 20.5, 6: 4, 144: 0.5 })
      default:
        return r satisfies never
    }
  }

  private history(scriptHash: string, after: string | null): unknown[] {
    const spk = (tx: Tx) => tx.outputs.map((o) => o.script)
    const paying = this.node.all().filter(({ tx }) => spk(tx).some((s) => toHex(sha256(s)) === scriptHash))
    const outpoints = paying.flatMap(({ tx }) =>
      tx.outputs.flatMap((o, vout) =>
        toHex(sha256(o.script)) === scriptHash ? [`${txidOf(tx)}:${vout}`] : [],
      ),
    )
    const touching = this.node
      .all()
      .filter(
        ({ tx }) =>
          paying.some((p) => p.tx === tx) ||
          tx.inputs.some((i) => outpoints.includes(`${i.outpoint.txid}:${i.outpoint.vout}`)),
      )
    const confirmed = touching.filter((t) => t.block !== null)
    const start = after === null ? 0 : confirmed.findIndex((t) => txidOf(t.tx) === after) + 1
    const page = confirmed.slice(start, start + 25)
    const shown = after === null ? [...touching.filter((t) => t.block === null), ...page] : page
    return shown.map(({ tx, block }) => ({ txid: txidOf(tx), status: status(block) }))
  }

  private accept(hex: string): EsploraResult {
    const tx = decodeTx(fromHex(hex))
    if (!tx.ok) return refusal(-22, 'TX decode failed')
    if (this.refuses !== null) return refusal(-26, this.refuses)
    const txid = txidOf(tx.value)
    const known = this.node.find(txid)
    if (known?.block) return refusal(-27, 'Transaction outputs already in utxo set')
    if (!known) this.node.mempool.push(tx.value)
    return value(txid)
  }
}

const value = (v: unknown): EsploraResult => ({ ok: true, value: v })
export const failure = (kind: EsploraError['kind'], message: string, status?: number): EsploraResult => ({
  ok: false,
  error: { kind, message, ...(status === undefined ? {} : { status }) },
})
const notFound = (message: string) => failure('http', message, 404)
const refusal = (code: number, message: string) =>
  failure('http', `sendrawtransaction RPC error: {"code":${code},"message":"${message}"}`, 400)
const status = (block: FakeBlock | null) =>
  block === null
    ? { confirmed: false }
    : { confirmed: true, block_height: block.height, block_hash: block.hash, block_time: block.header.time }

/** A block as Esplora lists it. */
export const summary = (b: FakeBlock) => ({
  id: b.hash,
  height: b.height,
  version: b.header.version,
  timestamp: b.header.time,
  tx_count: b.txs.length,
  size: 300,
  weight: 1200,
  merkle_root: b.header.merkleRoot,
  previousblockhash: b.height === 0 ? null : b.header.prevHash,
  mediantime: b.header.time,
  nonce: b.header.nonce,
  bits: b.header.bits,
  difficulty: 0,
})
