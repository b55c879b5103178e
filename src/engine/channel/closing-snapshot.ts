import type { ClosingSnapshot } from '../commitment/snapshot.ts'
import { viewAt } from './log.ts'
import type { Channel } from './types.ts'

/** Of received HTLCs that we settled, and of offered ones that the peer settled: neither is in doubt any more. 32 bytes each. */
export function preimagesOf(channel: Channel): readonly Uint8Array[] {
  const updates = [...channel.logs.opener.entries, ...channel.logs.accepter.entries, ...channel.outbox]
  return updates.flatMap((entry) => (entry.type === 'fulfill' ? [entry.preimage] : []))
}

/**
 * All that the court needs of a channel (house: a channel hands over a closing snapshot).
 * @param sweepScript scriptPubKey that claims pay to
 */
export function closingSnapshot(channel: Channel, sweepScript: Uint8Array): ClosingSnapshot {
  const [opener, accepter] =
    channel.role === 'opener' ? [channel.local, channel.remote] : [channel.remote, channel.local]
  const side = (party: Channel['local']) => ({
    keys: party.keys,
    dustLimitSat: party.dustLimitSat,
    toSelfDelay: party.toSelfDelay,
  })
  return {
    channelId: channel.id,
    role: channel.role,
    formatName: channel.formatName,
    salt: channel.salt,
    fundingOutpoint: channel.funding.outpoint,
    fundingSat: channel.funding.sat,
    opener: side(opener),
    accepter: side(accepter),
    local: {
      number: BigInt(channel.localTip.number),
      view: viewAt(channel, channel.localTip.indexes),
      signature: channel.localTip.signature,
      htlcSignatures: channel.localTip.htlcSignatures,
    },
    remote: [channel.remoteTail, ...channel.remotePending].map((commitment) => ({
      number: BigInt(commitment.number),
      point: commitment.point,
      txid: commitment.txid,
      view: viewAt(channel, commitment.indexes),
    })),
    localShutdownScript: channel.closing?.localScript ?? channel.shutdownScript,
    ...(channel.closing?.remoteScript === undefined
      ? {}
      : { remoteShutdownScript: channel.closing.remoteScript }),
    preimages: preimagesOf(channel),
    secrets: channel.remoteSecrets,
    signer: channel.signer,
    sweepScript,
  }
}
