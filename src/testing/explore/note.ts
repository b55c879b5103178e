import { equalBytes, fromHex } from '../../engine/base/bytes.ts'
import { lockedIn, remoteTip, viewAt } from '../../engine/channel/log.ts'
import { currentWindow } from '../../engine/channel/points.ts'
import type { AddUpdate, Channel, ChannelEffect } from '../../engine/channel/types.ts'
import { otherRole } from '../../engine/commitment/types.ts'
import type { Node } from './local.ts'

/** What a node takes note of when its channel has taken a step, and what is wrong with that. */

/** HTLCs that are live from the start were shown already. */
export function bitsOf(channel: Channel): Pick<Node, 'shown' | 'settled' | 'removed'> {
  let shown = 0
  for (const htlc of channel.base.htlcs) if (htlc.offerer !== channel.role) shown |= 1 << Number(htlc.id)
  return { shown, settled: 0, removed: 0 }
}

/** Numbers and indexes only rise, whatever the input, a lost connection included (lcp.md E). */
export function goesBack(before: Channel, after: Channel): string | undefined {
  const pairs = [
    ['its own commitment', before.localTip, after.localTip],
    ['the peer’s tail', before.remoteTail, after.remoteTail],
    ['the peer’s tip', remoteTip(before), remoteTip(after)],
  ] as const
  for (const [what, from, to] of pairs) {
    if (
      to.number < from.number ||
      to.indexes.opener < from.indexes.opener ||
      to.indexes.accepter < from.indexes.accepter
    ) {
      return `${what} goes back from ${from.number} to ${to.number}`
    }
  }
  return undefined
}

/**
 * Credit moves as rule 5 has it: a revocation that makes the window too narrow widens it by one, one that finds it too wide narrows it
 * by one, and nothing else grants or takes anything back.
 */
export function creditMoved(before: Channel, after: Channel): string | undefined {
  if (!before.readySent || !after.readySent) return undefined
  const had = before.grantedThrough - before.localTip.number
  const has = after.grantedThrough - after.localTip.number
  const revoked = after.localTip.number - before.localTip.number
  if (revoked === 0 && has === had) return undefined
  const window = currentWindow(after)
  const due = had > window ? had - 1 : Math.min(had + 1, window)
  if (revoked === 1 && has === due) return undefined
  return `${has} points outstanding after ${revoked} revocations, ${had} before, with a window of ${window}`
}

/** What the node does with an effect, or what is wrong with it (lcp.md B and C). */
export function note(node: Node, effect: ChannelEffect, before: Channel, after: Channel): Node | string {
  if (effect.type === 'courtRecord') return noteCourt(node, effect, after)
  if (effect.type === 'broadcast') {
    return effect.purpose === 'commitment' ? { ...node, broadcast: after.localTip.number } : node
  }
  if (effect.type !== 'event') return node
  const { event } = effect
  const us = after.role
  const them = otherRole(us)
  const locked = lockedIn(after)
  /** Where an update that matches stands in a log of the state in which it arrived. */
  const stands = (
    role: typeof us,
    matches: (update: Channel['logs']['opener']['entries'][number]) => boolean,
  ) => {
    const position = before.logs[role].entries.findIndex(matches)
    return position < 0 ? undefined : before.logs[role].start + position
  }
  switch (event.type) {
    case 'htlcReceived': {
      const bit = 1 << Number(event.add.id)
      if ((node.shown & bit) !== 0) return `B: HTLC ${event.add.id} is shown twice`
      const index = stands(them, (u) => u.type === 'add' && u.id === (event.add as AddUpdate).id)
      if (index === undefined || index >= locked[them])
        return `B: HTLC ${event.add.id} is shown before it is locked in`
      return { ...node, shown: node.shown | bit }
    }
    case 'htlcRemoved': {
      const bit = 1 << Number(event.id)
      if ((node.removed & bit) !== 0) return `B: HTLC ${event.id} is removed twice`
      const index = stands(them, (u) => u.type !== 'add' && u.type !== 'fee' && u.id === event.id)
      if (index === undefined || index >= locked[them])
        return `B: the removal of HTLC ${event.id} is not locked in`
      const amount = amountOf(before, us, event.id)
      if (amount === undefined) return `B: HTLC ${event.id} is removed and was not live`
      const paid = event.removal.type === 'fulfill' ? amount : 0n
      return { ...node, removed: node.removed | bit, paidMsat: node.paidMsat + paid }
    }
    case 'htlcSettled': {
      const bit = 1 << Number(event.id)
      if ((node.settled & bit) !== 0) return `B: HTLC ${event.id} is settled twice`
      if ((node.shown & bit) === 0) return `B: HTLC ${event.id} is settled and was never shown`
      const index = stands(us, (u) => u.type !== 'add' && u.type !== 'fee' && u.id === event.id)
      if (index === undefined || index >= locked[us])
        return `B: our removal of HTLC ${event.id} is not locked in`
      const amount = amountOf(before, them, event.id)
      if (amount === undefined) return `B: HTLC ${event.id} is settled and was not live`
      return {
        ...node,
        settled: node.settled | bit,
        gotMsat: node.gotMsat + (event.fulfilled ? amount : 0n),
      }
    }
    case 'closed':
      return { ...node, closedTxid: event.txid }
    default:
      return node
  }
}

const amountOf = (channel: Channel, offerer: 'opener' | 'accepter', id: bigint): bigint | undefined =>
  viewAt(channel, lockedIn(channel)).htlcs.find((h) => h.offerer === offerer && h.id === id)?.amountMsat

function noteCourt(
  node: Node,
  effect: Extract<ChannelEffect, { type: 'courtRecord' }>,
  after: Channel,
): Node | string {
  const { number, value } = effect
  const known = node.court.find((record) => record.number === number)
  if (known !== undefined && known.txid !== value.txid)
    return `D: number ${number} is signed with two contents`
  const signed = [after.remoteTail, ...after.remotePending].find((c) => c.number === number)
  if (
    signed === undefined ||
    value.txid !== signed.txid ||
    !equalBytes(value.point, signed.point) ||
    fromHex(value.txid).length !== 32
  ) {
    return `C: the record for the court of ${number} is not of what was signed`
  }
  return known !== undefined ? node : { ...node, court: [...node.court, { number, txid: value.txid }] }
}
