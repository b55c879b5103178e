import { toHex } from '../../engine/base/bytes.ts'
import { entries, entry } from '../../engine/base/table.ts'
import { addProblem, lastingProblem } from '../../engine/channel/limits.ts'
import { logLength } from '../../engine/channel/log.ts'
import type { Channel, Htlc } from '../../engine/channel/types.ts'
import { placeOf } from '../../engine/node/payments.ts'
import type { NodeState } from '../../engine/node/state.ts'
import { circuitKey, tokenOf } from '../../engine/switch/types.ts'
import type { SimNode } from './node.ts'

/**
 * Nothing hangs: in a world at rest (everybody up, connected and with nothing to say), each HTLC that still lives waits for something
 * that its node can name. Answers with the first that does not, or undefined.
 */
export function hangingProblem(nodes: readonly SimNode[]): string | undefined {
  for (const node of nodes) {
    const { state } = node
    if (state === undefined) return undefined
    for (const channel of Object.values(state.channels)) {
      if (!isLive(state, channel)) continue
      const peer = nodes.find((n) => n.id === channel.peer)?.state
      const theirs = peer?.channels[channel.id]
      if (peer === undefined || theirs === undefined || !isLive(peer, theirs)) continue
      const problem = channelHangs(state, channel, theirs)
      if (problem !== undefined) return `${node.name}, channel ${channel.id.slice(0, 8)}: ${problem}`
    }
    const problem = paymentHangs(state) ?? circuitHangs(state)
    if (problem !== undefined) return `${node.name}: ${problem}`
  }
  return undefined
}

/**
 * An honest node reaches the tip and stays there, within the time that a world takes to settle, however slow or silent all servers but one
 * are. Answers with the first that is not there, and what it waits for.
 */
export function tipProblem(
  nodes: readonly SimNode[],
  tip: { readonly height: number; readonly hash: string },
): string | undefined {
  for (const { name, state } of nodes) {
    if (state === undefined) return `${name} is down`
    const { headers, servers, inFlight } = state.chain
    if (headers.tip.hash === tip.hash) continue
    const asked = inFlight.map((f) => `${f.purpose.kind} of ${f.server}`).join(', ')
    const syncs = servers.map((s) => `${s.url} ${s.status}${s.sync === null ? '' : ' in a sync'}`).join(', ')
    return `${name} is at block ${headers.tip.height} of ${tip.height} (${syncs}; asked: ${asked})`
  }
  return undefined
}

/** Something is to be said, and not yet: failures of blinded paths leave after a random delay. */
export const waitsForTime = (nodes: readonly SimNode[], now: number): boolean =>
  nodes.some(({ state }) =>
    Object.values(state?.channels ?? {}).some((channel) =>
      channel.outbox.some((p) => 'notBefore' in p && p.notBefore !== undefined && p.notBefore > now),
    ),
  )

const isLive = (state: NodeState, channel: Channel): boolean =>
  channel.link === 'online' &&
  channel.readySent &&
  channel.readyReceived &&
  channel.failure === undefined &&
  state.closes[channel.id] === undefined

function channelHangs(state: NodeState, channel: Channel, theirs: Channel): string | undefined {
  for (const role of ['opener', 'accepter'] as const) {
    const { entries: left } = channel.logs[role]
    if (left.length > 0) return `${left[0]?.type} of the ${role} is not locked in`
    if (logLength(channel.logs[role]) !== logLength(theirs.logs[role])) return `logs of the ${role} differ`
  }
  if (channel.remotePending.length > 0) return 'a signature is not answered'
  for (const proposal of channel.outbox) {
    if (proposal.type !== 'add') return `${proposal.type} is not said`
    const now = addProblem(channel, proposal.amountMsat)
    if (now === undefined) return 'an add could be offered and is not'
    if (channel.base.htlcs.length === 0) return `an add waits for nothing: ${now.code}`
    const lasting = lastingProblem(channel, proposal.amountMsat)
    if (lasting !== undefined) return `an add waits in vain: ${lasting.code}`
  }
  const received = channel.base.htlcs.filter((htlc) => htlc.offerer !== channel.role)
  const orphan = received.find((htlc) => !isExpected(state, channel.id, htlc))
  return orphan && `nobody answers HTLC ${orphan.id} of ${orphan.amountMsat} msat`
}

/** Held or a part of what is awaited, or passed on. */
function isExpected(state: NodeState, channelId: string, htlc: Htlc): boolean {
  if (state.circuits[circuitKey(channelId, htlc.id)] !== undefined) return true
  const invoice = entry(state.invoices, toHex(htlc.paymentHash))
  return invoice?.waiting?.some((part) => part.channelId === channelId && part.id === htlc.id) === true
}

function paymentHangs(state: NodeState): string | undefined {
  for (const payment of entries(state.payments)) {
    const pending = payment.attempts.filter((a) => a.state === 'pending')
    const name = `payment ${payment.paymentHash.slice(0, 8)}`
    if (payment.state === 'pending' && pending.length === 0) return `${name} waits for no attempt`
    const gone = pending.find((a) => placeOf(state, a.channelId, a.token) === 'gone')
    if (gone !== undefined) return `${name} waits for an HTLC that is no more`
  }
  return undefined
}

function circuitHangs(state: NodeState): string | undefined {
  for (const circuit of Object.values(state.circuits)) {
    const upstream = state.channels[circuit.incomingChannel]
    const downstream = state.channels[circuit.outgoingChannel ?? '']
    const name = `circuit ${circuit.key.slice(0, 8)}/${circuit.incomingId}, ${circuit.state}`
    if (circuit.state === 'held') continue
    if (circuit.state === 'offered') {
      if (placeOf(state, circuit.outgoingChannel ?? '', tokenOf(circuit)) === 'gone')
        return `${name}: its HTLC is no more`
      continue
    }
    const both = [upstream, downstream].filter((c) => c !== undefined)
    // What is at court has its own time.
    if (both.every((channel) => isLive(state, channel))) return `${name}: its answer is not locked in`
  }
  return undefined
}
