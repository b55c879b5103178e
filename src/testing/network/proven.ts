import { compareBytes } from '../../engine/base/bytes.ts'
import { sat } from '../../engine/base/units.ts'
import { merkleBranch, merkleRoot } from '../../engine/bitcoin/merkle.ts'
import { NETWORKS } from '../../engine/bitcoin/network.ts'
import { encodeTx, txidOf } from '../../engine/bitcoin/tx.ts'
import type { Tx } from '../../engine/bitcoin/types.ts'
import { provenMessage } from '../../engine/router/aggregate.ts'
import { fundingProgram } from '../../engine/router/announcement.ts'
import { fundingScriptOf } from '../../engine/router/proof.ts'
import type { ProvenChannelAnnouncement } from '../../engine/wire/messages.ts'
import { seeded } from '../random.ts'
import { type Keys, keysOf, signTogether } from './signed.ts'

/** A channel announced with its proof, and the header of the block that its funding transaction is in. */
export interface ProvenChannel {
  readonly message: ProvenChannelAnnouncement
  readonly header: { readonly merkleRoot: string }
  readonly capacitySat: number
}

/** Blocks of so many transactions as mainnet's have. */
const BLOCK_TXS = 2500

/**
 * @param height of the block; the funding transaction is at place `pos` of it, the channel at output 1
 * @param txs transactions of the block: few, where a short branch will do
 */
export function provenChannel(a: Keys, b: Keys, height: number, pos: number, txs = BLOCK_TXS): ProvenChannel {
  const [one, two] = compareBytes(a.id, b.id) < 0 ? [a, b] : [b, a]
  const [coinA, coinB] = [keysOf(height + 7001), keysOf(height + 9001)]
  const random = seeded(height)
  const capacitySat = 20_000 + random.int(10_000_000)
  const funding: Tx = {
    version: 2,
    inputs: [
      {
        outpoint: { txid: '11'.repeat(32), vout: 0 },
        scriptSig: new Uint8Array(0),
        sequence: 0,
        witness: [random.bytes(71), random.bytes(33)],
      },
    ],
    outputs: [
      { valueSat: sat(7_000), script: random.bytes(22) },
      { valueSat: sat(capacitySat), script: fundingScriptOf(fundingProgram(coinA.id, coinB.id)) },
    ],
    locktime: 0,
  }
  const txids = Array.from({ length: txs }, (_, i) =>
    i === pos
      ? txidOf(funding)
      : random.bytes(32).reduce((hex, n) => hex + n.toString(16).padStart(2, '0'), ''),
  )
  const words = {
    chainHash: NETWORKS.regtest.chainHash,
    shortChannelId: (BigInt(height) << 40n) | (BigInt(pos) << 16n) | 1n,
    features: new Uint8Array(0),
    nodeId1: one.id,
    nodeId2: two.id,
    bitcoinKey1: coinA.id,
    bitcoinKey2: coinB.id,
  }
  const signature = signTogether(words, [one, two, coinA, coinB])
  const message = provenMessage(words, signature, encodeTx(funding), merkleBranch(txids, pos))
  if (message === undefined) throw new Error('a transaction that is none')
  return { message, header: { merkleRoot: merkleRoot(txids) }, capacitySat }
}
