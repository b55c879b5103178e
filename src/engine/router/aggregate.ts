import { compareBytes, equalBytes, readUintBE, uintBE } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import type { BlockHeader } from '../bitcoin/header.ts'
import { addPoints, CURVE_ORDER, isPublicKey, multiplyPublic, verifySchnorr } from '../crypto/curve.ts'
import { taggedHash } from '../crypto/hash.ts'
import { unknownRequiredBits } from '../wire/features.ts'
import { fundingProgram } from './announcement.ts'
import { CHANNEL, type NewChannel } from './graph-terms.ts'
import { checkFunding, type FundingProof, type ProofFault } from './proof.ts'

/**
 * An announcement between nodes of this project: it carries the proof of its funding output, and instead of four signatures one, under
 * the four keys aggregated as MuSig2 has it (BIP 327). A light node checks one signature and one merkle branch, and asks no server.
 *
 * The plain sum of keys will not do: whoever picks his key last as k·G minus the others' can sign for all of them alone. BIP 327 weighs
 * each key by a hash over all four, so that no key can be picked to cancel the others (`aggregate.test.ts` has the forgery).
 */
export interface ProvenAnnouncement {
  /** 32 bytes */
  readonly chainHash: Uint8Array
  readonly shortChannelId: bigint
  readonly features: Uint8Array
  /** 33 bytes each, node ids ascending. */
  readonly nodeId1: Uint8Array
  readonly nodeId2: Uint8Array
  readonly bitcoinKey1: Uint8Array
  readonly bitcoinKey2: Uint8Array
  /** 64 bytes, BIP 340, under the aggregate key. */
  readonly signature: Uint8Array
  readonly proof: FundingProof
}

type Words = Omit<ProvenAnnouncement, 'signature' | 'proof'>

/** The four keys in the order in which they are aggregated. It is part of what is signed. */
export const keysOfWords = (words: Words): readonly Uint8Array[] => [
  words.nodeId1,
  words.nodeId2,
  words.bitcoinKey1,
  words.bitcoinKey2,
]

/** What all four keys sign (32 bytes). */
export const provenDigest = (words: Words): Uint8Array =>
  taggedHash(
    'switchback/proven_channel_announcement',
    words.chainHash,
    uintBE(words.shortChannelId, 8),
    uintBE(words.features.length, 2),
    words.features,
    ...keysOfWords(words),
  )

/** BIP 327 §Key Aggregation without tweaks, in the order given: 33 bytes, or undefined where a key is none or they cancel out. */
export function aggregateKeys(keys: readonly Uint8Array[]): Uint8Array | undefined {
  if (keys.length === 0 || !keys.every(isPublicKey)) return undefined
  const list = taggedHash('KeyAgg list', ...keys)
  const first = keys[0] as Uint8Array
  const second = keys.find((key) => !equalBytes(key, first))
  let sum: Uint8Array | undefined
  for (const [i, key] of keys.entries()) {
    const weight =
      second !== undefined && equalBytes(key, second)
        ? 1n
        : readUintBE(taggedHash('KeyAgg coefficient', list, key)) % CURVE_ORDER
    if (weight === 0n) return undefined
    const term = weight === 1n ? key : multiplyPublic(key, uintBE(weight, 32))
    sum = i === 0 ? term : sum === undefined ? term : addPoints(sum, term)
  }
  return sum
}

export type ProvenFault = 'chain' | 'keys' | 'signature' | ProofFault

/**
 * Both first steps at once: signed by all four keys, and its output is in the block of this header of ours. What comes back goes into
 * the graph as it is; whether the output is unspent is still to be seen.
 */
export function checkProven(
  message: ProvenAnnouncement,
  chainHash: Uint8Array,
  header: Pick<BlockHeader, 'merkleRoot'>,
): Result<NewChannel, ProvenFault> {
  if (!equalBytes(message.chainHash, chainHash)) return err('chain')
  if (compareBytes(message.nodeId1, message.nodeId2) >= 0) return err('keys')
  const program = fundingProgram(message.bitcoinKey1, message.bitcoinKey2)
  // Hashes before curves: a wrong proof costs next to nothing.
  const funding = checkFunding(
    { scid: message.shortChannelId, witnessProgram: program },
    message.proof,
    header,
  )
  if (!funding.ok) return funding
  const aggregate = aggregateKeys(keysOfWords(message))
  if (aggregate === undefined) return err('keys')
  if (!verifySchnorr(message.signature, provenDigest(message), aggregate.subarray(1))) return err('signature')
  return ok({
    scid: message.shortChannelId,
    nodeId1: message.nodeId1,
    nodeId2: message.nodeId2,
    capacitySat: funding.value.capacitySat,
    witnessProgram: program,
    flags:
      CHANNEL.signed |
      CHANNEL.proven |
      (unknownRequiredBits(message.features).length > 0 ? CHANNEL.unknownFeature : 0),
  })
}
