import { equalBytes } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { otherRole } from '../commitment/types.ts'
import { sha256 } from '../crypto/hash.ts'
import type { UpdateMessage } from '../wire/messages.ts'
import { CLTV_EXPIRY_LIMIT, receivedUpdateFault } from './limits.ts'
import { htlcKey, isBeingRemoved, lockedInHtlc, withEntry } from './log.ts'
import type { Channel, ChannelEffect, Fault, RemoveUpdate, Transition, Update } from './types.ts'

const fail = (code: string, text: string): Result<never, Fault> => err({ code, action: 'fail_channel', text })

/** Bounds of BOLT 2 §update_fee: below 253 nothing relays; far above the going rate the opener harms only itself. */
export const MIN_FEERATE_PER_KW = 253
export const MAX_FEERATE_PER_KW = 250_000

/** An update of the peer's: checked, then appended to its log. Nothing is locked in by it (rule 6). */
export function receiveUpdate(channel: Channel, message: UpdateMessage): Result<Transition, Fault> {
  const them = otherRole(channel.role)
  const log = channel.logs[them]
  const entered = (entry: Update): Channel => withEntry(channel, them, entry)

  switch (message.type) {
    case 'update_add_htlc': {
      if (channel.closing?.remoteScript !== undefined) {
        return fail('addAfterShutdown', 'BOLT 2 §shutdown: no update_add_htlc after a shutdown')
      }
      if (message.id !== log.nextHtlcId)
        return fail('htlcId', 'BOLT 2 §update_add_htlc: id not one above the last')
      if (message.amountMsat <= 0n || message.amountMsat < channel.local.htlcMinimumMsat) {
        return fail(
          'amountTooSmall',
          'BOLT 2 §update_add_htlc: amount_msat zero or below our htlc_minimum_msat',
        )
      }
      if (message.cltvExpiry >= CLTV_EXPIRY_LIMIT) {
        return fail('cltvExpiry', 'BOLT 2 §update_add_htlc: cltv_expiry of 500000000 or more')
      }
      const next = entered({
        type: 'add',
        id: message.id,
        amountMsat: message.amountMsat,
        paymentHash: message.paymentHash,
        cltvExpiry: message.cltvExpiry,
        onion: message.onionRoutingPacket,
        ...(message.pathKey === undefined ? {} : { pathKey: message.pathKey }),
      })
      const fault = receivedUpdateFault(next, 'add')
      return fault === undefined ? ok({ channel: next, effects: [] }) : err(fault)
    }
    case 'update_fee': {
      if (them !== 'opener') return fail('feeByAccepter', 'BOLT 2 §update_fee: only the opener sends it')
      if (message.feeratePerKw < MIN_FEERATE_PER_KW || message.feeratePerKw > MAX_FEERATE_PER_KW) {
        return fail('feerate', `BOLT 2 §update_fee: ${message.feeratePerKw} sat per kw is out of bounds`)
      }
      const next = entered({ type: 'fee', feeratePerKw: message.feeratePerKw })
      const fault = receivedUpdateFault(next, 'fee')
      return fault === undefined ? ok({ channel: next, effects: [] }) : err(fault)
    }
    case 'update_fulfill_htlc':
      return receiveRemoval(channel, entered, {
        type: 'fulfill',
        id: message.id,
        preimage: message.paymentPreimage,
        ...(message.attributionData === undefined ? {} : { attributionData: message.attributionData }),
      })
    case 'update_fail_htlc':
      return receiveRemoval(channel, entered, {
        type: 'fail',
        id: message.id,
        reason: message.reason,
        ...(message.attributionData === undefined ? {} : { attributionData: message.attributionData }),
      })
    case 'update_fail_malformed_htlc':
      // BOLT 2 §update_fail_malformed_htlc: the BADONION bit must be set.
      if ((message.failureCode & 0x8000) === 0) {
        return fail('badOnionBit', 'BOLT 2 §update_fail_malformed_htlc: BADONION bit not set')
      }
      return receiveRemoval(channel, entered, {
        type: 'malformed',
        id: message.id,
        sha256OfOnion: message.sha256OfOnion,
        failureCode: message.failureCode,
      })
  }
}

/** A removal names an HTLC of ours that is locked in and not being removed (BOLT 2 §Removing an HTLC). */
function receiveRemoval(
  channel: Channel,
  entered: (entry: Update) => Channel,
  removal: RemoveUpdate,
): Result<Transition, Fault> {
  const us = channel.role
  const htlc = lockedInHtlc(channel, us, removal.id)
  if (htlc === undefined) {
    return fail('unknownHtlc', `BOLT 2 §Removing an HTLC: no locked-in HTLC ${htlcKey(us, removal.id)}`)
  }
  if (isBeingRemoved(channel, us, removal.id)) {
    return fail('removedTwice', `BOLT 2 §Removing an HTLC: HTLC ${htlcKey(us, removal.id)} removed twice`)
  }
  const effects: ChannelEffect[] = []
  let entry = removal
  if (removal.type === 'fulfill') {
    if (!equalBytes(sha256(removal.preimage), htlc.paymentHash)) {
      return fail('preimage', 'BOLT 2 §update_fulfill_htlc: payment_preimage does not hash to payment_hash')
    }
    // A preimage is proof of payment the moment it arrives (rule 6); the funds move when the removal is locked in.
    effects.push({
      type: 'event',
      event: {
        type: 'htlcFulfilled',
        id: removal.id,
        preimage: removal.preimage,
        ...(removal.attributionData === undefined ? {} : { attributionData: removal.attributionData }),
        ...(htlc.token === undefined ? {} : { token: htlc.token }),
      },
    })
    // What came besides has been told herewith: 920 bytes that need not be stored.
    const { attributionData: _, ...bare } = removal
    entry = bare
  }
  return ok({ channel: entered(entry), effects })
}
