import { sat } from '../../base/units.ts'
import {
  type BlockHeader,
  decodeHeader,
  encodeHeader,
  hashHeader,
  meetsTarget,
} from '../../bitcoin/header.ts'
import { POW_RULES } from '../../bitcoin/difficulty.ts'
import { merkleRoot } from '../../bitcoin/merkle.ts'
import { encodeTx, txidOf } from '../../bitcoin/tx.ts'
import type { OutPoint, Tx, Txid } from '../../bitcoin/types.ts'
import { CHECKPOINTS } from '../checkpoints.ts'
import { unwrap } from '../../base/result.ts'

/** A block of a chain that tests make up: real proof of work on regtest's limit, transactions without valid signatures. */
export interface FakeBlock {
  readonly height: number
  readonly hash: string
  readonly header: BlockHeader
  readonly txs: readonly Tx[]
}

const BITS = POW_RULES.regtest.powLimitBits
/** Two minutes a block: never the 20 minutes after which minimum difficulty would be a question. */
const SPACING_S = 120

const genesisHeader = unwrap(decodeHeader(CHECKPOINTS.regtest.header))

/** Regtest's first block, without its transaction, which no test needs. */
export const GENESIS: FakeBlock = {
  height: 0,
  hash: hashHeader(genesisHeader),
  header: genesisHeader,
  txs: [],
}

/** Grinds a header for these transactions on top of `parent`. `salt` makes siblings differ. */
export function mineBlock(parent: FakeBlock, txs: readonly Tx[], salt = 0): FakeBlock {
  const height = parent.height + 1
  const all = [coinbase(height, salt), ...txs]
  const base = {
    version: 0x20000000,
    prevHash: parent.hash,
    merkleRoot: merkleRoot(all.map(txidOf)),
    time: parent.header.time + SPACING_S,
    bits: BITS,
  }
  for (let nonce = 0; ; nonce++) {
    const header: BlockHeader = { ...base, nonce }
    const hash = hashHeader(header)
    if (meetsTarget(hash, BITS, POW_RULES.regtest.powLimit)) return { height, hash, header, txs: all }
  }
}

function coinbase(height: number, salt: number): Tx {
  const scriptSig = Uint8Array.of(4, height & 0xff, (height >> 8) & 0xff, salt & 0xff, (salt >> 8) & 0xff)
  const outpoint = { txid: '00'.repeat(32), vout: 0xffffffff }
  return {
    version: 2,
    inputs: [{ outpoint, scriptSig, sequence: 0xffffffff, witness: [] }],
    outputs: [{ valueSat: sat(5_000_000_000n), script: Uint8Array.of(0x51) }],
    locktime: 0,
  }
}

/** A transaction that spends an outpoint to a script; `tag` makes it unique. */
export const fakeTx = (spends: OutPoint, script: Uint8Array, tag = 0): Tx => ({
  version: 2,
  inputs: [
    {
      outpoint: spends,
      scriptSig: new Uint8Array(),
      sequence: tag,
      witness: [Uint8Array.of(7, 7, 7, tag & 0xff)],
    },
  ],
  outputs: [{ valueSat: sat(100_000), script }],
  locktime: 0,
})

/** 80 bytes of a block's header. */
export const headerBytes = (block: FakeBlock): Uint8Array => encodeHeader(block.header)

/** A node's view: the best chain and a mempool. Reorganising forgets transactions unless they are mined again. */
export class FakeNode {
  blocks: FakeBlock[] = [GENESIS]
  mempool: Tx[] = []
  private salt = 0

  get tip(): FakeBlock {
    return this.blocks.at(-1) as FakeBlock
  }

  /** Mines `n` blocks; the mempool and `txs` go into the first. */
  mine(n = 1, txs: readonly Tx[] = []): FakeBlock {
    for (let i = 0; i < n; i++) {
      const included = i === 0 ? [...this.mempool, ...txs] : []
      if (i === 0) this.mempool = []
      this.blocks.push(mineBlock(this.tip, included, this.salt))
    }
    return this.tip
  }

  /** Takes off the last `depth` blocks and mines `n` others; what was in them is gone. */
  reorg(depth: number, n: number): FakeBlock {
    this.blocks = this.blocks.slice(0, this.blocks.length - depth)
    this.salt++
    this.mine(n)
    return this.tip
  }

  /** A node with the same chain that then goes its own way. */
  fork(): FakeNode {
    const other = new FakeNode()
    other.blocks = [...this.blocks]
    other.mempool = [...this.mempool]
    other.salt = this.salt + 1000
    return other
  }

  find(txid: Txid): { tx: Tx; block: FakeBlock | null; index: number } | undefined {
    for (const block of this.blocks) {
      const index = block.txs.findIndex((t) => txidOf(t) === txid)
      const tx = block.txs[index]
      if (tx) return { tx, block, index }
    }
    const tx = this.mempool.find((t) => txidOf(t) === txid)
    return tx ? { tx, block: null, index: 0 } : undefined
  }

  /** Every transaction, mempool first and then newest first. */
  all(): { tx: Tx; block: FakeBlock | null }[] {
    const confirmed = [...this.blocks]
      .reverse()
      .flatMap((block) => [...block.txs].reverse().map((tx) => ({ tx, block })))
    return [...this.mempool.map((tx) => ({ tx, block: null })), ...confirmed]
  }
}

export const rawOf = (tx: Tx): Uint8Array => encodeTx(tx)
