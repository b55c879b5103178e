import { err, ok, type Result } from '../base/result.ts'
import { channelWrites, loadChannels } from '../channel/records.ts'
import type { Channel } from '../channel/types.ts'
import type { Entropy } from '../crypto/entropy.ts'
import type { Backup } from './backup-types.ts'
import { loadCloses } from './closes.ts'
import { type Lease, LEASE_KEY, leaseWrite, loadLease, MAX_EPOCH, newDevice } from './lease.ts'
import type { RecordWrite } from './ports.ts'
import type { NodeState } from './state.ts'

/** Taking a wallet over from another device, and finding out that another has (`lease.ts`). */

/** Whether the channel goes on off chain: what two devices must not both do. */
export const isLive = (state: Pick<NodeState, 'closes'>, channel: Channel | undefined): boolean =>
  channel !== undefined && channel.failure === undefined && state.closes[channel.id]?.close === undefined

/**
 * The writes with which a device takes the next epoch, on top of the records handed out. Every channel that is alive becomes unproven:
 * it signs and broadcasts nothing before its peer has shown, by `channel_reestablish`, that nobody has gone on with it.
 */
export function takeOver(
  records: ReadonlyMap<string, Uint8Array>,
  entropy: Pick<Entropy, 'bytes'>,
): Result<{ readonly lease: Lease; readonly writes: readonly RecordWrite[] }> {
  const before = loadLease(records)
  if (!before.ok) return before
  const channels = loadChannels(records)
  if (!channels.ok) return channels
  const closes = loadCloses(records)
  if (!closes.ok) return closes
  // Above every epoch that is known to have begun, or this one could not end another.
  const lease: Lease = {
    epoch: Math.max(before.value.epoch, before.value.elsewhere?.epoch ?? 0) + 1,
    device: newDevice(entropy),
  }
  if (lease.epoch > MAX_EPOCH) return err(`${LEASE_KEY}: no epoch is left`)
  const writes: RecordWrite[] = [leaseWrite(lease)]
  for (const channel of Object.values(channels.value)) {
    if (isLive({ closes: closes.value }, channel) && channel.unproven !== true)
      writes.push(...channelWrites(channel, { ...channel, unproven: true }))
  }
  return ok({ lease, writes })
}

/** Whether a copy of ours says that a channel which is alive here goes on with another device, or did so after us. */
export function isOfAnother(state: NodeState, backup: Backup): boolean {
  const { lease: theirs, lost = [] } = backup
  const ours = state.lease
  if (theirs === undefined || theirs.epoch < ours.epoch) return false
  if (theirs.epoch === ours.epoch && theirs.device === ours.device) return false
  const without = new Set(lost)
  return backup.channels.some(({ id }) => !without.has(id) && isLive(state, state.channels[id]))
}
