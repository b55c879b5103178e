import { concat, equalBytes } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { hash256 } from '../crypto/hash.ts'
import { decodeTx, encodeTx, txidFromBytes, txidToBytes } from './tx.ts'
import type { Txid } from './types.ts'

/** No block can hold more transactions: 4,000,000 weight units at 4 a byte, 60 bytes the smallest transaction. */
const MAX_BLOCK_TXS = 16_666
/** Levels of the tree above that many transactions. */
export const MAX_BRANCH = Math.ceil(Math.log2(MAX_BLOCK_TXS))
/** A stripped transaction of this length can be read as an inner node of the tree (CVE-2017-12842). */
const AMBIGUOUS_TX_BYTES = 64

/** A proof that a transaction is in a block, hashes in display order as Esplora's `merkle-proof` gives them. */
export interface MerkleProof {
  /** Index of the transaction in its block. */
  readonly pos: number
  /** Siblings from the leaf upwards. */
  readonly branch: readonly string[]
}

/** Why a proof was refused. Only `ambiguous` can be met in an honest answer: such a transaction cannot be proved this way. */
export type MerkleFault = 'transaction' | 'ambiguous' | 'branch' | 'position' | 'duplicate'

/**
 * The merkle root that a proof leads to, in display order. `rawTx` is the whole transaction, so that its id is computed here and
 * not believed. Refused are:
 * - transactions of 64 bytes without witness, which could be inner nodes (CVE-2017-12842), and inner nodes that could be such
 *   transactions: below one in the block anything could be hung;
 * - branches longer than any block's tree, or of another length than `txCount` (when known) gives;
 * - positions outside the tree, or outside `txCount`;
 * - a right node equal to its left sibling: a repeated transaction (CVE-2012-2459). A left node may equal its right sibling only
 *   along the tree's right edge, where consensus repeats the last odd node.
 */
export function merkleRootFromProof(
  rawTx: Uint8Array,
  proof: MerkleProof,
  txCount?: number,
): Result<{ readonly root: string; readonly txid: Txid }, MerkleFault> {
  const tx = decodeTx(rawTx)
  if (!tx.ok) return err('transaction')
  const stripped = encodeTx(tx.value, { witness: false })
  if (stripped.length === AMBIGUOUS_TX_BYTES) return err('ambiguous')
  const { pos, branch } = proof
  if (branch.length > MAX_BRANCH) return err('branch')
  if (!Number.isSafeInteger(pos) || pos < 0 || pos >= 2 ** branch.length) return err('position')
  if (txCount !== undefined) {
    if (pos >= txCount) return err('position')
    if (branch.length !== levels(txCount)) return err('branch')
  }
  const leaf = hash256(stripped)
  let node = leaf
  let index = pos
  let edge = false
  for (const hex of branch) {
    if (!/^[0-9a-f]{64}$/.test(hex)) return err('branch')
    const sibling = txidToBytes(hex)
    const same = equalBytes(sibling, node)
    const isRight = (index & 1) === 1
    if (isRight && same) return err('duplicate')
    if (!isRight && edge && !same) return err('duplicate')
    if (!isRight && same) edge = true
    const pair = isRight ? concat(sibling, node) : concat(node, sibling)
    if (isTransaction64(pair)) return err('ambiguous')
    node = hash256(pair)
    index >>>= 1
  }
  return ok({ root: txidFromBytes(node), txid: txidFromBytes(leaf) })
}

/** 21 million bitcoin: what an output may hold. */
const MAX_MONEY_SAT = 2_100_000_000_000_000n

/**
 * Whether the 64 bytes of two hashes read as a transaction: one input, one output, scripts of four bytes together, an amount that
 * there can be. Of honest trees that is one node in 2^40.
 */
function isTransaction64(pair: Uint8Array): boolean {
  const inputScript = pair[41] ?? 255
  if (pair[4] !== 1 || inputScript > 4 || pair[46 + inputScript] !== 1) return false
  const amountAt = 47 + inputScript
  if (pair[amountAt + 8] !== 4 - inputScript) return false
  return new DataView(pair.buffer, pair.byteOffset).getBigUint64(amountAt, true) <= MAX_MONEY_SAT
}

/** Levels above the leaves of a tree of n transactions. */
const levels = (n: number): number => {
  let depth = 0
  for (let width = n; width > 1; width = (width + 1) >> 1) depth++
  return depth
}

/** The merkle root of a block's transaction ids (display order, in block order; at least one). For tests and validators. */
export function merkleRoot(txids: readonly Txid[]): string {
  let row = txids.map(txidToBytes)
  while (row.length > 1) row = nextRow(row)
  return txidFromBytes(row[0] as Uint8Array)
}

/** The proof of transaction `pos` in a block of these ids. For tests and servers. */
export function merkleBranch(txids: readonly Txid[], pos: number): MerkleProof {
  const branch: string[] = []
  let row = txids.map(txidToBytes)
  for (let index = pos; row.length > 1; index >>>= 1) {
    branch.push(txidFromBytes(row[index ^ 1] ?? (row[index] as Uint8Array)))
    row = nextRow(row)
  }
  return { pos, branch }
}

const nextRow = (row: readonly Uint8Array[]): Uint8Array[] => {
  const up: Uint8Array[] = []
  for (let i = 0; i < row.length; i += 2) {
    const left = row[i] as Uint8Array
    up.push(hash256(concat(left, row[i + 1] ?? left)))
  }
  return up
}
