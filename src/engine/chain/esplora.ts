import { parseHex } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { type BlockHash, type BlockHeader, decodeHeader, hashHeader } from '../bitcoin/header.ts'
import { MAX_BRANCH, type MerkleProof } from '../bitcoin/merkle.ts'
import { MAX_TX_BYTES } from '../bitcoin/tx.ts'
import type { Txid } from '../bitcoin/types.ts'

/** What an Esplora server can be asked; a shell turns each into one HTTP request (host/esplora). */
export type EsploraRequest =
  | { readonly kind: 'tipHash' }
  /** Up to 15 block summaries, newest first, that end at `height` (null: at the tip). */
  | { readonly kind: 'blocks'; readonly height: number | null }
  | { readonly kind: 'blockHash'; readonly height: number }
  | { readonly kind: 'blockHeader'; readonly hash: BlockHash }
  | { readonly kind: 'tx'; readonly txid: Txid }
  | { readonly kind: 'merkleProof'; readonly txid: Txid }
  | { readonly kind: 'outspend'; readonly txid: Txid; readonly vout: number }
  /** Mempool and newest confirmed transactions of a script (sha256 of it, hex), or the page after a confirmed one. */
  | { readonly kind: 'history'; readonly scriptHash: string; readonly after: Txid | null }
  | { readonly kind: 'broadcast'; readonly hex: string }
  /** Parents before the child that pays for them. */
  | { readonly kind: 'package'; readonly hexes: readonly string[] }
  | { readonly kind: 'feeEstimates' }

export interface EsploraError {
  readonly kind: 'http' | 'timeout' | 'network' | 'shape' | 'rateLimited'
  readonly status?: number
  /** The server's words, shortened. For logs and health, never for decisions. */
  readonly message: string
}

/** A text body as string, a JSON body parsed; not yet validated beyond that. */
export type EsploraResult = Result<unknown, EsploraError>

/** An answer 4xx that is about the question, not about the server: it is not held against it. */
export const isRefusal = (result: EsploraResult): boolean =>
  !result.ok &&
  result.error.kind === 'http' &&
  result.error.status !== undefined &&
  result.error.status >= 400 &&
  result.error.status < 500 &&
  result.error.status !== 429

/** A block as a server states it: its header is rebuilt from the fields and hashes to `hash`; `height` is a claim. */
export interface BlockSummary {
  readonly height: number
  readonly hash: BlockHash
  readonly header: BlockHeader
}

const HASH = /^[0-9a-f]{64}$/
/** Bitcoin heights are far below; keeps arithmetic safe. */
const MAX_HEIGHT = 0x7fffffff

const isRecord = (v: unknown): v is Readonly<Record<string, unknown>> =>
  typeof v === 'object' && v !== null && !Array.isArray(v)
const isHash = (v: unknown): v is string => typeof v === 'string' && HASH.test(v)
const isHeight = (v: unknown): v is number =>
  Number.isSafeInteger(v) && Number(v) >= 0 && Number(v) <= MAX_HEIGHT
const isU32 = (v: unknown): v is number =>
  Number.isSafeInteger(v) && Number(v) >= 0 && Number(v) <= 0xffffffff

/** A 32-byte hash in display order from a text body. */
export function parseHash(value: unknown): Result<string> {
  const text = typeof value === 'string' ? value.trim() : value
  return isHash(text) ? ok(text) : err('not a hash')
}

/** The error of blocks whose fields contradict each other: no accident of transport. */
export const FORGED_BLOCK = 'block does not hash to its id'

/** Block summaries to ascending, linked headers. Errors: shape, a header that does not hash to its id, gaps. */
export function parseBlocks(value: unknown): Result<readonly BlockSummary[]> {
  if (!Array.isArray(value) || value.length === 0 || value.length > 100) return err('not a list of blocks')
  const blocks: BlockSummary[] = []
  for (const item of [...value].reverse()) {
    const block = parseBlock(item)
    if (!block.ok) return block
    const below = blocks.at(-1)
    if (below && (block.value.height !== below.height + 1 || block.value.header.prevHash !== below.hash))
      return err('blocks are not linked')
    blocks.push(block.value)
  }
  return ok(blocks)
}

function parseBlock(item: unknown): Result<BlockSummary> {
  if (!isRecord(item)) return err('not a block')
  const { id, height, version, timestamp, bits, nonce, merkle_root: merkleRoot } = item
  const prevHash = height === 0 ? '00'.repeat(32) : item.previousblockhash
  if (!isHash(id) || !isHeight(height) || !isHash(merkleRoot) || !isHash(prevHash)) return err('not a block')
  // Servers differ in showing the version signed or unsigned.
  if (!Number.isInteger(version) || Math.abs(Number(version)) > 0xffffffff) return err('not a block')
  if (!isU32(timestamp) || !isU32(bits) || !isU32(nonce)) return err('not a block')
  const header = { version: Number(version) >>> 0, prevHash, merkleRoot, time: timestamp, bits, nonce }
  return hashHeader(header) === id ? ok({ height, hash: id, header }) : err(FORGED_BLOCK)
}

/** An 80-byte header from its hex. */
export function parseHeader(value: unknown): Result<BlockHeader> {
  const bytes = typeof value === 'string' ? parseHex(value.trim(), 80) : undefined
  return bytes ? decodeHeader(bytes) : err('not a header')
}

/** A transaction's bytes from its hex. The caller checks that it hashes to the id it asked for. */
export function parseTxHex(value: unknown): Result<Uint8Array> {
  const text = typeof value === 'string' ? value.trim() : ''
  if (text.length === 0 || text.length > 2 * MAX_TX_BYTES) return err('not a transaction')
  const bytes = parseHex(text)
  return bytes ? ok(bytes) : err('not a transaction')
}

export function parseMerkleProof(value: unknown): Result<MerkleProof & { readonly height: number }> {
  if (!isRecord(value)) return err('not a merkle proof')
  const { block_height: height, merkle, pos } = value
  if (!isHeight(height) || !isHeight(pos) || !Array.isArray(merkle) || merkle.length > MAX_BRANCH)
    return err('not a merkle proof')
  const branch = merkle.filter(isHash)
  return branch.length === merkle.length ? ok({ height, pos, branch }) : err('not a merkle proof')
}

/** Where a server says that an output was spent; `height` null in the mempool. */
export interface SpendClaim {
  readonly txid: Txid
  readonly height: number | null
}

/** An `outspend` answer; null: unspent. */
export function parseOutspend(value: unknown): Result<SpendClaim | null> {
  if (!isRecord(value) || typeof value.spent !== 'boolean') return err('not an outspend')
  if (!value.spent) return ok(null)
  const height = parseStatus(value.status)
  if (!isHash(value.txid) || height === undefined) return err('not an outspend')
  return ok({ txid: value.txid, height })
}

/** A `status` object: a height, null for the mempool, undefined when it is neither. */
function parseStatus(value: unknown): number | null | undefined {
  if (!isRecord(value) || typeof value.confirmed !== 'boolean') return undefined
  if (!value.confirmed) return null
  return isHeight(value.block_height) ? value.block_height : undefined
}

export interface HistoryItem {
  readonly txid: Txid
  /** Claimed; null in the mempool. */
  readonly height: number | null
}

/** Servers page by 25 confirmed and list at most 50 of the mempool. */
export const HISTORY_PAGE = 25
const MAX_HISTORY_ANSWER = 200

/** A page of a script's transactions, as listed: mempool first, then newest first. */
export function parseHistory(value: unknown): Result<readonly HistoryItem[]> {
  if (!Array.isArray(value) || value.length > MAX_HISTORY_ANSWER) return err('not a history')
  const items: HistoryItem[] = []
  for (const item of value) {
    const height = isRecord(item) ? parseStatus(item.status) : undefined
    if (!isRecord(item) || !isHash(item.txid) || height === undefined) return err('not a history')
    items.push({ txid: item.txid, height })
  }
  return ok(items)
}

/** A feerate to confirm within `blocks`, in satoshi per 1000 weight units as BOLT 2 counts. */
export interface FeeEstimate {
  readonly blocks: number
  readonly satPerKw: number
}

/** BOLT 3's floor: 1 sat/vB with Bitcoin Core's rounding of weight. */
export const MIN_SAT_PER_KW = 253
/** A sanity bound on what a server may make us pay: 2,000 sat/vB. */
const MAX_SAT_PER_KW = 500_000

/** Fee estimates in sat/vB by target to sat per kw, ascending by blocks; empty on a chain without data. */
export function parseFeeEstimates(value: unknown): Result<readonly FeeEstimate[]> {
  if (!isRecord(value)) return err('not fee estimates')
  const estimates: FeeEstimate[] = []
  for (const [key, rate] of Object.entries(value).slice(0, 64)) {
    const blocks = Number(key)
    if (!Number.isInteger(blocks) || blocks < 1 || blocks > 2016) return err('not fee estimates')
    if (typeof rate !== 'number' || !Number.isFinite(rate) || rate < 0) return err('not fee estimates')
    const satPerKw = Math.min(Math.max(Math.ceil(rate * 250), MIN_SAT_PER_KW), MAX_SAT_PER_KW)
    estimates.push({ blocks, satPerKw })
  }
  return ok(estimates.sort((a, b) => a.blocks - b.blocks))
}

/**
 * Why a node refused a transaction, from the text that a server answers, shortened. Bitcoin Core words its reasons as
 * `sendrawtransaction RPC error: {"code":-26,"message":"…"}`; some backends drop the message.
 */
export function rejectReason(message: string): string {
  const inner = /"message"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(message)?.[1]
  return (inner ?? message).slice(0, 200)
}

/** Whether a refusal means that the transaction is known already, in the mempool or the chain. */
export const isAlreadyKnown = (reason: string): boolean =>
  /already in (block ?chain|mempool|utxo set)|txn-already-(in-mempool|known)|"code"\s*:\s*-27\b/i.test(reason)

/** Whether a transaction was refused for paying too little: with a child that pays for both it may be taken as a package. */
export const isFeeTooLow = (reason: string): boolean =>
  /min relay fee not met|mempool min fee not met|insufficient fee/i.test(reason)

/** Bitcoin Core's verdict on a package (`submitpackage`): undefined when all of it was taken, else why not. */
export function parsePackage(value: unknown): Result<{ readonly refused?: string }> {
  if (!isRecord(value) || typeof value.package_msg !== 'string') return err('not a verdict on a package')
  if (value.package_msg === 'success') return ok({})
  const results = isRecord(value['tx-results']) ? Object.values(value['tx-results']) : []
  const reasons = results.flatMap((r) => (isRecord(r) && typeof r.error === 'string' ? [r.error] : []))
  return ok({ refused: (reasons.at(-1) ?? value.package_msg).slice(0, 200) })
}
