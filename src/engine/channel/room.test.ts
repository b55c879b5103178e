import { describe, expect, test } from 'vitest'
import { apply, openPair, type Party } from '../../testing/sim/channel-pair.ts'
import { fromHex } from '../base/bytes.ts'
import { msat, toMsat } from '../base/units.ts'
import { sha256 } from '../crypto/hash.ts'
import { addProblem, openerCostMsat, receivableMsat, spendableMsat } from './limits.ts'
import { cautiousView } from './log.ts'

/** What one payment can bring or take, to the millisatoshi (BOLT 2 §update_add_htlc). */

const FORMATS = ['static_remotekey', 'anchors_zero_fee_htlc_tx', 'test_window_4']

function offer(to: Party, amountMsat: bigint): string | undefined {
  apply(to, {
    type: 'message',
    message: {
      type: 'update_add_htlc',
      channelId: fromHex(to.channel.id),
      id: 0n,
      amountMsat: msat(amountMsat),
      paymentHash: sha256(Uint8Array.of(1)),
      cltvExpiry: 500,
      onionRoutingPacket: new Uint8Array(1366),
    },
  })
  return to.faults.at(-1)?.code
}

describe.each(FORMATS)('%s', (format) => {
  test('an opener may send all but its reserve and the fee of now: so much is said to be receivable, and no more is taken', () => {
    const most = receivableMsat(openPair(format).bob.channel)
    expect(offer(openPair(format).bob, most)).toBeUndefined()
    expect(offer(openPair(format).bob, most + 1n)).toBe('belowReserve')
    // What an opener of our own sends is less: it keeps a buffer for dearer times.
    expect(spendableMsat(openPair(format).alice.channel)).toBeLessThan(most)
  })

  test('an accepter may send all but its reserve', () => {
    const { alice, bob } = openPair(format)
    const most = receivableMsat(alice.channel)
    expect(most).toBe(spendableMsat(bob.channel))
    expect(offer(openPair(format).alice, most)).toBeUndefined()
    expect(offer(openPair(format).alice, most + 1n)).toBe('belowReserve')
  })

  test('nothing comes or goes that would leave the opener below its reserve and the fee', () => {
    const probe = openPair(format).bob.channel
    const amountMsat = msat(50_000_000)
    const { feeratePerKw } = cautiousView(probe)
    const cost = openerCostMsat(probe, [{ offerer: 'accepter', amountMsat }], feeratePerKw)
    const needed = cost + toMsat(probe.local.channelReserveSat)
    for (const missing of [0n, 1n]) {
      const pushMsat = Number(toMsat(probe.funding.sat) - needed + missing)
      const { alice, bob } = openPair(format, { pushMsat })
      expect(addProblem(bob.channel, amountMsat)?.code).toBe(missing === 0n ? undefined : 'peerCannotPayFee')
      expect(spendableMsat(bob.channel) > 0n).toBe(missing === 0n)
      expect(receivableMsat(alice.channel)).toBe(spendableMsat(bob.channel))
    }
  })
})
