import { type Msat, subMsat, toMsat } from '../base/units.ts'
import type { Channel } from '../channel/types.ts'
import { DEFAULT_FORWARD_POLICY } from '../switch/policy.ts'
import type { ForwardPolicy } from '../switch/types.ts'
import type { NodeSetup, NodeState } from './state.ts'

/** What this node asks for forwarding, and whether it does. */

/** Whether this node forwards: the user's choice, and else what it was set up for. */
export const isForwarding = (state: NodeState, setup: NodeSetup): boolean => {
  const chosen = state.preferences['forwarding']
  return chosen === undefined ? setup.forwards === true : chosen === 'on'
}

export const forwardPolicyOf = (setup: NodeSetup): ForwardPolicy =>
  setup.forwardPolicy ?? DEFAULT_FORWARD_POLICY

/** The most that one HTLC to this peer may ever carry. */
export function htlcMaximumOf(channel: Channel): Msat {
  const room = subMsat(toMsat(channel.funding.sat), toMsat(channel.remote.channelReserveSat))
  const { maxHtlcValueInFlightMsat: limit } = channel.remote
  return limit < room ? limit : room
}
