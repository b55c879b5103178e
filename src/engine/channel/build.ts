import { NETWORKS } from '../bitcoin/network.ts'
import { fromHex } from '../base/bytes.ts'
import { buildCommitment } from '../commitment/build.ts'
import { formatNamed } from '../commitment/formats.ts'
import type {
  BuiltCommitment,
  CommitmentParams,
  CommitmentView,
  Role,
  SideParams,
} from '../commitment/types.ts'
import { otherRole } from '../commitment/types.ts'
import type { ProofContext } from '../revocation/proofs.ts'
import { viewAt } from './log.ts'
import type { Channel, ChannelContext, Indexes, Party } from './types.ts'

/** From a channel's state to its commitment transactions. */

const side = (party: Party): SideParams => ({
  keys: party.keys,
  dustLimitSat: party.dustLimitSat,
  toSelfDelay: party.toSelfDelay,
})

const paramsCache = new WeakMap<Channel['funding'], CommitmentParams>()

/** The fixed part of all commitments of a channel. */
export function commitmentParams(
  channel: Pick<Channel, 'formatName' | 'funding' | 'role' | 'local' | 'remote'>,
): CommitmentParams {
  const cached = paramsCache.get(channel.funding)
  if (cached !== undefined) return cached
  const [opener, accepter] =
    channel.role === 'opener' ? [channel.local, channel.remote] : [channel.remote, channel.local]
  const params: CommitmentParams = {
    format: formatNamed(channel.formatName),
    fundingOutpoint: channel.funding.outpoint,
    fundingSat: channel.funding.sat,
    opener: side(opener),
    accepter: side(accepter),
  }
  paramsCache.set(channel.funding, params)
  return params
}

/** Our commitment with this number and these indexes. */
export const buildLocal = (
  channel: Channel,
  ctx: Pick<ChannelContext, 'signer'>,
  number: number,
  indexes: Indexes,
  view: CommitmentView = viewAt(channel, indexes),
): BuiltCommitment =>
  buildCommitment(
    commitmentParams(channel),
    channel.role,
    BigInt(number),
    ctx.signer.commitmentPoint(BigInt(number)),
    view,
  )

/** The peer's commitment with this number, point and indexes. */
export const buildRemote = (
  channel: Channel,
  number: number,
  point: Uint8Array,
  indexes: Indexes,
  view: CommitmentView = viewAt(channel, indexes),
): BuiltCommitment =>
  buildCommitment(commitmentParams(channel), otherRole(channel.role), BigInt(number), point, view)

/** What the key proofs of one side of a channel are bound to (lcp.md §Proofs). */
export const proofContext = (
  channel: Pick<Channel, 'temporaryId' | 'role' | 'local' | 'remote'>,
  whose: 'local' | 'remote',
  network: ChannelContext['network'],
): ProofContext => ({
  chainHash: NETWORKS[network].chainHash,
  temporaryChannelId: fromHex(channel.temporaryId),
  fundingPubkey: channel[whose].keys.fundingPubkey,
  role: (whose === 'local' ? channel.role : otherRole(channel.role)) satisfies Role,
})
