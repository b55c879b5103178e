import { msat, toMsat } from '../base/units.ts'
import { formatNamed } from '../commitment/formats.ts'
import { INITIAL_SIGNER_STATE } from '../commitment/signer.ts'
import { emptySecretStore } from '../revocation/secrets.ts'
import { EMPTY_LOG } from './log.ts'
import type { Channel, Failure, Funding } from './types.ts'

/**
 * What of a channel never changes once it is funded, and so may be kept elsewhere and be old without harm: enough to find its close on
 * the chain and to take what is ours of it there. It holds no commitment and no secret, and nothing made from it can ever be signed,
 * revoked or broadcast: an old live state, restored, would be punished as theft.
 */
export interface ChannelBackup
  extends Pick<
    Channel,
    | 'id'
    | 'temporaryId'
    | 'peer'
    | 'role'
    | 'formatName'
    | 'salt'
    | 'shutdownScript'
    | 'local'
    | 'remote'
    | 'createdAt'
  > {
  readonly funding: Pick<Funding, 'outpoint' | 'sat' | 'script' | 'minimumDepth'>
}

/** Why a restored channel does not go on: the code of its failure. */
export const RESTORED = 'restored'

const FAILURE: Failure = {
  code: RESTORED,
  // The peer reads this: it is our error message on every connection.
  reason: 'The state of this channel is lost here. Please close it on chain.',
  remedy: 'awaitRemote',
}

/** Whether the channel was made from a backup: its balance is known only once its close is. */
export const isRestored = (channel: Channel): boolean => channel.failure?.code === RESTORED

export function backupOf(channel: Channel): ChannelBackup {
  const { outpoint, sat, script, minimumDepth } = channel.funding
  return {
    id: channel.id,
    temporaryId: channel.temporaryId,
    peer: channel.peer,
    role: channel.role,
    formatName: channel.formatName,
    salt: channel.salt,
    shutdownScript: channel.shutdownScript,
    local: channel.local,
    remote: channel.remote,
    createdAt: channel.createdAt,
    funding: { outpoint, sat, script, minimumDepth },
  }
}

/**
 * The channel as it comes back: failed from the start, greeting its peer as one that knows of no commitment at all, so that the peer
 * closes it (BOLT 2 §Message Retransmission; rule 10). `height`: the best block's.
 */
export function restoredChannel(backup: ChannelBackup, height: number): Channel {
  const commitment = {
    number: 0,
    indexes: { opener: 0, accepter: 0 },
    signature: new Uint8Array(64),
    htlcSignatures: [],
  }
  return {
    ...backup,
    funding: { ...backup.funding, createdHeight: height },
    // Unknown. All of it on one side, so that sums hold; nothing is shown or spent of it.
    base: { openerMsat: toMsat(backup.funding.sat), accepterMsat: msat(0n), feeratePerKw: 253, htlcs: [] },
    logs: { opener: EMPTY_LOG, accepter: EMPTY_LOG },
    localTip: commitment,
    grantedThrough: 0,
    // No transaction has this id, so whatever the peer broadcasts is taken for a state that we do not know.
    remoteTail: { ...commitment, point: backup.remote.keys.fundingPubkey, txid: '00'.repeat(32) },
    remotePending: [],
    remotePoints: [],
    remoteSecrets: emptySecretStore(formatNamed(backup.formatName).secrets),
    journal: [],
    outbox: [],
    // As if number 0 had been signed for broadcast: no secret of ours is ever revealed again.
    signer: { ...INITIAL_SIGNER_STATE, localSigned: 0n },
    readySent: true,
    readyReceived: true,
    failure: FAILURE,
    link: 'offline',
  }
}
