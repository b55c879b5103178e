import { compareBytes, equalBytes } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import type { BlockHeader } from '../bitcoin/header.ts'
import type { MerkleProof } from '../bitcoin/merkle.ts'
import { decodeTx, encodeTx, txidFromBytes, txidToBytes } from '../bitcoin/tx.ts'
import { verifySchnorr } from '../crypto/curve.ts'
import { aggregateKeys } from '../crypto/musig2.ts'
import { unknownRequiredBits } from '../wire/features.ts'
import type { ProvenChannelAnnouncement } from '../wire/messages.ts'
import { keysOfWords, provenDigest, type ProvenWords } from '../wire/proven.ts'
import { unpackShortChannelId } from '../wire/short-channel-id.ts'
import { fundingProgram } from './announcement.ts'
import { CHANNEL, type NewChannel } from './graph-terms.ts'
import { checkFunding, type FundingProof, type ProofFault } from './proof.ts'

/**
 * An announcement between nodes of this project: it carries the proof of its funding output, and instead of four signatures one, under
 * the four keys aggregated as MuSig2 has it (BIP 327). A light node checks one signature and one merkle branch, and asks no server.
 *
 * The plain sum of keys will not do: whoever picks his key last as k·G minus the others' can sign for all of them alone. BIP 327 weighs
 * each key by a hash over all four, so that no key can be picked to cancel the others (`proof.test.ts` has the forgery).
 *
 * It proves the first two steps of believing a channel. That its output is unspent nothing can prove: it stays a question to servers.
 */

/** The largest funding transaction, without witnesses, that goes into a message with everything beside it. */
export const MAX_FUNDING_TX = 60_000

/** The proof that a message holds. */
export const proofOf = (message: ProvenChannelAnnouncement): FundingProof => ({
  rawTx: message.fundingTx,
  merkle: {
    pos: unpackShortChannelId(message.shortChannelId).txIndex,
    branch: message.branch.map(txidFromBytes),
  },
})

/** The message of a signature and a proof; undefined where the transaction is none, or too large to be sent. */
export function provenMessage(
  words: ProvenWords,
  signature: Uint8Array,
  rawTx: Uint8Array,
  merkle: MerkleProof,
): ProvenChannelAnnouncement | undefined {
  const tx = decodeTx(rawTx)
  if (!tx.ok) return undefined
  const fundingTx = encodeTx(tx.value, { witness: false })
  if (fundingTx.length > MAX_FUNDING_TX) return undefined
  return {
    type: 'proven_channel_announcement',
    ...words,
    signature,
    branch: merkle.branch.map(txidToBytes),
    fundingTx,
  }
}

export type ProvenFault = 'chain' | 'keys' | 'signature' | ProofFault

/**
 * Both first steps at once: signed by all four keys, and its output is in the block of this header of ours. What comes back goes into
 * the graph as it is; whether the output is unspent is still to be seen. Without a header (the block lies below our checkpoint) only the
 * signature is checked: the channel is signed, not proven, and of no known capacity.
 */
export function checkProven(
  message: ProvenChannelAnnouncement,
  chainHash: Uint8Array,
  header: Pick<BlockHeader, 'merkleRoot'> | undefined,
): Result<NewChannel, ProvenFault> {
  if (!equalBytes(message.chainHash, chainHash)) return err('chain')
  if (compareBytes(message.nodeId1, message.nodeId2) >= 0) return err('keys')
  const witnessProgram = fundingProgram(message.bitcoinKey1, message.bitcoinKey2)
  // Hashes before curves: a wrong proof costs next to nothing.
  const funding = header === undefined ? undefined : checkMessage(message, witnessProgram, header)
  if (funding?.ok === false) return funding
  const aggregate = aggregateKeys(keysOfWords(message))
  if (aggregate === undefined) return err('keys')
  if (!verifySchnorr(message.signature, provenDigest(message), aggregate.subarray(1))) return err('signature')
  return ok({
    scid: message.shortChannelId,
    nodeId1: message.nodeId1,
    nodeId2: message.nodeId2,
    capacitySat: funding?.value.capacitySat ?? 0,
    witnessProgram,
    flags:
      CHANNEL.signed |
      (funding === undefined ? 0 : CHANNEL.proven) |
      (unknownRequiredBits(message.features).length > 0 ? CHANNEL.unknownFeature : 0),
  })
}

/** The proof alone. A transaction in any other form than the one without witnesses is refused: what is passed on has one form. */
function checkMessage(
  message: ProvenChannelAnnouncement,
  witnessProgram: Uint8Array,
  header: Pick<BlockHeader, 'merkleRoot'>,
): ReturnType<typeof checkFunding> {
  const funding = checkFunding({ scid: message.shortChannelId, witnessProgram }, proofOf(message), header)
  if (!funding.ok) return funding
  const tx = decodeTx(message.fundingTx)
  if (!tx.ok || !equalBytes(encodeTx(tx.value, { witness: false }), message.fundingTx)) return err('merkle')
  return funding
}
