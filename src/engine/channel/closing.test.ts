import { describe, expect, test } from 'vitest'
import { apply, deliver, openPair, type Party } from '../../testing/sim/channel-pair.ts'
import { fromHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { sat } from '../base/units.ts'
import { buildLegacyClosing, closingWeight } from '../commitment/closing.ts'
import { weightFeeSat } from '../commitment/fees.ts'
import { decodeMessage } from '../wire/decode.ts'
import type { ClosingSigned, Message } from '../wire/messages.ts'
import { commitmentParams } from './build.ts'
import { viewAt } from './log.ts'
import type { Channel } from './types.ts'
import { MIN_FEERATE_PER_KW } from './updates.ts'

/** Fees of a cooperative close: what we offer stays within what the user chose, whatever the peer asks for (BOLT 2 §closing_signed). */

const RATE = 2_000

/** Both have sent and heard shutdown; what the opener says next waits in its outgoing messages. */
function shutDown(feeratePerKw = RATE): { alice: Party; bob: Party } {
  const { alice, bob } = openPair('static_remotekey')
  apply(alice, { type: 'close', feeratePerKw })
  for (let i = 0; i < 3; i++) {
    apply(alice, { type: 'flush' })
    while (offerIn(alice) === undefined && deliver(alice, bob)) apply(bob, { type: 'flush' })
    while (deliver(bob, alice)) apply(alice, { type: 'flush' })
  }
  return { alice, bob }
}

const offerIn = (party: Party): ClosingSigned | undefined =>
  party.outgoing
    .map((bytes): Message => unwrap(decodeMessage(bytes), 'message'))
    .find((m) => m.type === 'closing_signed')

const lastOffer = (party: Party): bigint | undefined => party.channel.closing?.negotiation?.lastSentSat

const feeAt = (channel: Channel, rate: number): bigint =>
  weightFeeSat(rate, closingWeight(channel.shutdownScript.length, 22)) + 1n

/** A valid offer of this party's, whatever its own bounds are. */
function offer(from: Party, feeSat: bigint, range?: readonly [bigint, bigint]): ClosingSigned {
  const { channel } = from
  const { openerMsat, accepterMsat } = viewAt(channel, channel.localTip.indexes)
  const closing = channel.closing
  const scripts = [closing?.localScript, closing?.remoteScript] as [Uint8Array, Uint8Array]
  const [openerScript, accepterScript] =
    channel.role === 'opener' ? scripts : ([scripts[1], scripts[0]] as const)
  const terms = { openerMsat, accepterMsat, openerScript, accepterScript }
  const built = unwrap(
    buildLegacyClosing(commitmentParams(channel), terms, sat(feeSat), channel.local.dustLimitSat),
    'closing',
  )
  return {
    type: 'closing_signed',
    channelId: fromHex(channel.id),
    feeSatoshis: sat(feeSat),
    signature: unwrap(from.context.signer.signClosing(built), 'signature'),
    ...(range === undefined
      ? {}
      : { feeRange: { minFeeSatoshis: sat(range[0]), maxFeeSatoshis: sat(range[1]) } }),
  }
}

const say = (to: Party, message: ClosingSigned) => apply(to, { type: 'message', message })

describe('the opener', () => {
  test('never pays more than the user chose: without ranges it stays where it is', () => {
    const { alice, bob } = shutDown()
    const ours = feeAt(alice.channel, RATE)
    expect(lastOffer(alice)).toBe(ours)
    say(alice, offer(bob, ours * 10n))
    expect(alice.broadcast).toEqual([])
    expect(alice.faults.at(-1)).toMatchObject({ code: 'closingFees', action: 'warn' })
    expect(alice.channel.failure).toBeUndefined()
    // Nothing is agreed and nothing is lost: a fee that suits is still taken.
    say(alice, offer(bob, ours - 5n))
    expect(alice.broadcast).toHaveLength(1)
  })

  test('answers a range beyond its own with a warning, and one of its own fees with the close', () => {
    const { alice, bob } = shutDown()
    const ours = feeAt(alice.channel, RATE)
    say(alice, offer(bob, ours + 500n, [ours + 1n, ours + 10_000n]))
    expect(alice.faults.at(-1)).toMatchObject({ code: 'closingFees', action: 'warn' })
    expect(lastOffer(alice)).toBe(ours)
    expect(alice.broadcast).toEqual([])
  })

  test('fails the channel over a fee outside of a range that would have suited', () => {
    const { alice, bob } = shutDown()
    const ours = feeAt(alice.channel, RATE)
    say(alice, offer(bob, ours + 500n, [1n, ours + 10_000n]))
    expect(alice.channel.failure?.code).toBe('closingFee')
  })
})

describe('the accepter', () => {
  test('without ranges goes towards the opener, and never below what will be mined', () => {
    const { alice, bob } = shutDown()
    const least = feeAt(bob.channel, MIN_FEERATE_PER_KW)
    const offers: (bigint | undefined)[] = []
    for (const fee of [1n, 2n, 3n]) {
      say(bob, offer(alice, fee))
      offers.push(lastOffer(bob))
    }
    expect(offers).toEqual([least, least, least])
    expect(bob.broadcast).toEqual([])
    expect(bob.faults.at(-1)).toMatchObject({ code: 'closingFees', action: 'warn' })
    say(bob, offer(alice, least))
    expect(bob.broadcast).toHaveLength(1)
  })

  test('picks from where both ranges overlap', () => {
    const { alice, bob } = shutDown()
    const least = feeAt(bob.channel, MIN_FEERATE_PER_KW)
    say(bob, offer(alice, 10n, [5n, least + 7n]))
    expect(lastOffer(bob)).toBe(least)
    expect(bob.broadcast).toEqual([])
    // The opener must take that one now.
    say(bob, offer(alice, 11n, [5n, least + 7n]))
    expect(bob.channel.failure?.code).toBe('closingFee')
  })

  test('has no fee for a range below what will be mined', () => {
    const { alice, bob } = shutDown()
    say(bob, offer(alice, 3n, [1n, 9n]))
    expect(lastOffer(bob)).toBeUndefined()
    expect(bob.faults.at(-1)).toMatchObject({ code: 'closingFees', action: 'warn' })
    expect(bob.channel.failure).toBeUndefined()
  })
})
