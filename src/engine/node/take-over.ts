import { err, ok, type Result } from '../base/result.ts'
import { channelWrites, loadChannels } from '../channel/records.ts'
import type { Channel } from '../channel/types.ts'
import type { Entropy } from '../crypto/entropy.ts'
import type { Backup } from './backup-types.ts'
import { loadCloses } from './closes.ts'
import { type Lease, LEASE_KEY, leaseWrite, loadLease, MAX_EPOCH, newDevice } from './lease.ts'
import type { RecordWrite } from './ports.ts'
import { receiveReestablish } from '../channel/reestablish.ts'
import { toHex } from '../base/bytes.ts'
import type { ChannelReestablish } from '../wire/messages.ts'
import { channelContext, channelInput } from './channels.ts'
import type { NodeState, Turn } from './state.ts'

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
    ...(before.value.elsewhere === undefined ? {} : { insists: true }),
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

/** Whether the channel came from another device, and its peer has not shown yet that no other has gone on with it. */
export const isUnproven = (state: Pick<NodeState, 'closes'>, channel: Channel | undefined): boolean =>
  channel?.unproven === true && isLive(state, channel)

/**
 * Whether a peer's first words about an unproven channel prove that another device has gone on with it: they hold a secret of ours that
 * this one never gave out. Peers that keep no copies for others say it in no other way.
 */
export function provesAnother(turn: Turn, nodeId: string, message: ChannelReestablish): boolean {
  const channel = turn.state.channels[toHex(message.channelId)]
  if (channel?.peer !== nodeId || !isUnproven(turn.state, channel)) return false
  if (turn.state.lease.insists === true) return false
  const outcome = receiveReestablish(channel, message, channelContext(turn, channel))
  return outcome.ok && 'failure' in outcome.value && outcome.value.failure.code === 'weAreBehind'
}

/** The wait of unproven channels that are to be closed counts from a height that servers agree on (`UNPROVEN_WAIT_BLOCKS`). */
export function tickUnproven(turn: Turn, agreedHeight: number): void {
  if (agreedHeight === 0) return
  for (const { id, unproven, failure } of Object.values(turn.state.channels))
    if (unproven === true && failure !== undefined && failure.askedAt === undefined)
      channelInput(turn, id, { type: 'heightAgreed' })
}
