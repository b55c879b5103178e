import { addProblem } from '../../engine/channel/limits.ts'
import { balanceOf, logLength, viewAt } from '../../engine/channel/log.ts'
import { signatureDue } from '../../engine/channel/commit.ts'
import type { Channel } from '../../engine/channel/types.ts'
import { canonical } from './canonical.ts'
import type { Local } from './local.ts'
import type { Machine } from './machine.ts'

/** What must be true of a side at rest: nothing is in flight and nobody has anything to say (lcp.md F). */
function restProblem(machine: Machine, local: Local): string | undefined {
  const { channel, node } = local
  if (channel.link !== 'online') return `its link is ${channel.link}`
  if (channel.remotePending.length > 0) return 'signatures of its are not revoked for'
  if (signatureDue(channel)) return 'a signature is due and not made'
  if (channel.journal.some((entry) => entry.kind === 'sign')) return 'its journal holds a signature'
  for (const name of ['opener', 'accepter'] as const) {
    if (channel.logs[name].entries.length > 0) return `the ${name}’s log holds more than live HTLCs`
  }
  if (channel.readySent && channel.readyReceived) {
    for (const proposal of channel.outbox) {
      // What a limit holds back may wait; anything else has no reason to.
      if (proposal.type !== 'add') return `${proposal.type} is left outside the log`
      if (addProblem(channel, proposal.amountMsat) === undefined)
        return 'an add is left outside the log without reason'
    }
  }
  return balanceProblem(machine, channel, node)
}

/** Nobody's balance moved but by what was paid, to the msat. */
function balanceProblem(machine: Machine, channel: Channel, node: Local['node']): string | undefined {
  const { role } = channel
  const first = machine.at(machine.start).channel.base
  const whole = viewAt(channel, channel.localTip.indexes)
  const begun = first.htlcs.reduce((n, h) => (h.offerer === role ? n + h.amountMsat : n), 0n)
  const live = whole.htlcs.reduce((n, h) => (h.offerer === role ? n + h.amountMsat : n), 0n)
  const had = (role === 'opener' ? first.openerMsat : first.accepterMsat) + begun
  const expected = had - live - node.paidMsat + node.gotMsat
  const has = balanceOf(whole, role)
  return has === expected ? undefined : `it has ${has} msat, expected ${expected}`
}

/** Both tails hold everything, and both sides say the same (lcp.md F). */
export function settledProblem(
  alice: Machine,
  bob: Machine,
  a: number,
  b: number,
  restored: boolean,
): string | undefined {
  const [x, y] = [alice.at(a), bob.at(b)]
  for (const [machine, local] of [
    [alice, x],
    [bob, y],
  ] as const) {
    const problem = restProblem(machine, local)
    if (problem !== undefined) return `F: ${machine.name}: ${problem}`
  }
  const [c, d] = [x.channel, y.channel]
  for (const name of ['opener', 'accepter'] as const) {
    const length = logLength(c.logs[name])
    if (length !== logLength(d.logs[name])) return `F: the ${name}’s log has different lengths`
    for (const [who, commitment] of [
      ['alice’s', c.localTip],
      ['bob’s', d.localTip],
      ['alice’s, as bob has it,', d.remoteTail],
      ['bob’s, as alice has it,', c.remoteTail],
    ] as const) {
      if (commitment.indexes[name] !== length) return `F: ${who} tail does not hold the ${name}’s whole log`
    }
    if (c.logs[name].nextHtlcId !== d.logs[name].nextHtlcId) return `F: the ${name}’s next HTLC ids differ`
  }
  if (c.localTip.number !== d.remoteTail.number || d.localTip.number !== c.remoteTail.number) {
    return 'F: commitment numbers differ'
  }
  if (baseKey(c) !== baseKey(d)) return 'F: balances, feerate or live HTLCs differ'
  if (x.node.removed !== y.node.settled || y.node.removed !== x.node.settled)
    return 'B: one side misses a removal'
  if (x.node.paidMsat !== y.node.gotMsat || y.node.paidMsat !== x.node.gotMsat)
    return 'B: a payment counts on one side only'
  // What a process forgot with its state it learns from the chain: that the channel is funded, and that it is closed.
  if (restored) return undefined
  if (x.node.closedTxid !== y.node.closedTxid) return 'F: the closing transactions differ'
  if (c.readySent !== d.readyReceived || d.readySent !== c.readyReceived) return 'F: channel_ready is lost'
  for (const [own, other] of [
    [c, d],
    [d, c],
  ] as const) {
    if (own.closing?.sent === true && other.closing?.remoteScript === undefined)
      return 'F: a shutdown is lost'
  }
  const quiet = c.base.htlcs.length === 0 && c.outbox.length === 0 && d.outbox.length === 0
  if (c.closing !== undefined && quiet && c.readySent && d.readySent && x.node.closedTxid === undefined) {
    return 'F: nothing stands against closing, and there is no closing transaction'
  }
  return undefined
}

/** After an explicit failure both know of it, somebody's commitment goes to the chain, and it is one with no loss (lcp.md G). */
export function failedProblem(a: Local, b: Local): string | undefined {
  if (a.channel.failure === undefined || b.channel.failure === undefined)
    return 'G: one side alone has failed'
  if (a.node.broadcast === undefined && b.node.broadcast === undefined)
    return 'G: both wait for the other to close'
  return undefined
}

function baseKey(channel: Channel): string {
  const htlcs = channel.base.htlcs.map(({ token: _, ...htlc }) => canonical(htlc)).sort()
  return `${channel.base.openerMsat} ${channel.base.accepterMsat} ${channel.base.feeratePerKw} ${htlcs.join()}`
}
