import type { Channel } from '../../../contract/schemas.ts'
import { t } from '../../text/en.ts'
import type { Part } from '../../widgets/Bar.tsx'

/** A channel's capacity as the parts people ask about. They add up to it, whatever the node counts where. */
export function partsOf(channel: Channel): readonly Part[] {
  if (channel.status !== 'open') {
    return [
      { kind: 'reserve', msat: BigInt(channel.localMsat), label: t.channels.yours },
      { kind: 'theirs', msat: BigInt(channel.remoteMsat), label: t.channels.theirs },
    ]
  }
  const capacity = BigInt(channel.capacitySat) * 1000n
  const local = BigInt(channel.localMsat)
  const spendable = smaller(BigInt(channel.spendableMsat), local)
  const flight = BigInt(channel.inFlightOutMsat) + BigInt(channel.inFlightInMsat)
  const remote = BigInt(channel.remoteMsat)
  const rest = capacity - spendable - flight - remote
  return [
    { kind: 'spendable', msat: spendable, label: t.channels.spendable },
    { kind: 'reserve', msat: rest > 0n ? rest : 0n, label: t.channels.reserve },
    { kind: 'flight', msat: flight, label: t.channels.inFlight },
    { kind: 'theirs', msat: remote, label: t.channels.theirs },
  ]
}

const smaller = (a: bigint, b: bigint) => (a < b ? a : b)

/** Its state in a few words. */
export function statusOf(channel: Channel): string {
  if (channel.status === 'confirming')
    return t.channels.confirmations(
      Math.min(channel.confirmations, channel.confirmationsNeeded),
      channel.confirmationsNeeded,
    )
  if (channel.status === 'failed' && channel.unproven !== undefined) return t.channels.status.closing
  if (channel.status === 'open' && !channel.connected) return t.channels.disconnected
  return t.channels.status[channel.status]
}

/** Whether the channel still holds or moves money. */
export const isLive = (channel: Channel): boolean => channel.status !== 'closed'
