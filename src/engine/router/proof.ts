import { concat, equalBytes } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import type { BlockHeader } from '../bitcoin/header.ts'
import { type MerkleProof, merkleRootFromProof } from '../bitcoin/merkle.ts'
import { decodeTx } from '../bitcoin/tx.ts'
import type { Txid } from '../bitcoin/types.ts'
import { unpackShortChannelId } from '../wire/short-channel-id.ts'
import type { Graph } from './graph.ts'
import { CHANNEL } from './graph-terms.ts'

/**
 * The second step of believing a channel: that its funding output is in the chain that we verified, pays to the two keys, and holds so
 * much. No server is believed: a merkle proof leads from the transaction to a header of ours (lcp's chain.md).
 */

export interface FundingProof {
  readonly rawTx: Uint8Array
  readonly merkle: MerkleProof
}

export type ProofFault =
  /** No proof, or one that leads to another root. */
  | 'merkle'
  /** Proven, and at another place of the block than the short channel id says. */
  | 'position'
  /** Proven, and there is no such output, or it pays to other keys: the announcement is a lie. */
  | 'output'

/** scriptPubKey of a funding output (BOLT 3 §Funding Transaction Output). */
export const fundingScriptOf = (program: Uint8Array): Uint8Array => concat(Uint8Array.of(0, 32), program)

/** Checks a proof against the header of the block that the short channel id names. */
export function checkFunding(
  channel: { readonly scid: bigint; readonly witnessProgram: Uint8Array },
  proof: FundingProof,
  header: Pick<BlockHeader, 'merkleRoot'>,
): Result<{ readonly txid: Txid; readonly vout: number; readonly capacitySat: number }, ProofFault> {
  const { txIndex, outputIndex } = unpackShortChannelId(channel.scid)
  const root = merkleRootFromProof(proof.rawTx, proof.merkle)
  if (!root.ok || root.value.root !== header.merkleRoot) return err('merkle')
  if (proof.merkle.pos !== txIndex) return err('position')
  const tx = decodeTx(proof.rawTx)
  const output = tx.ok ? tx.value.outputs[outputIndex] : undefined
  if (output === undefined || !equalBytes(output.script, fundingScriptOf(channel.witnessProgram)))
    return err('output')
  return ok({ txid: root.value.txid, vout: outputIndex, capacitySat: Number(output.valueSat) })
}

/**
 * What the proof does to the graph: the channel is proven and has a capacity, or is taken out because the chain tells another story. A
 * proof that does not lead to the header changes nothing: it may be the server's fault.
 */
export function applyProof(
  graph: Graph,
  scid: bigint,
  result: ReturnType<typeof checkFunding>,
): 'proven' | 'removed' | 'nothing' {
  const slot = graph.channelAt(scid)
  if (slot === -1) return 'nothing'
  if (result.ok) {
    graph.mark(slot, CHANNEL.proven, 0, result.value.capacitySat)
    return 'proven'
  }
  if (result.error !== 'output') return 'nothing'
  graph.removeChannel(slot)
  return 'removed'
}
