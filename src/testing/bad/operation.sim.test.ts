import { afterEach, describe, expect, test } from 'vitest'
import { entry } from '../../engine/base/table.ts'
import { fromHex } from '../../engine/base/bytes.ts'
import { msat } from '../../engine/base/units.ts'
import { txidOf } from '../../engine/bitcoin/tx.ts'
import { sha256 } from '../../engine/crypto/hash.ts'
import type { Message, UpdateAddHtlc } from '../../engine/wire/messages.ts'
import {
  CAPACITY,
  createBench,
  FUNDS,
  follow,
  openChannel,
  PUSH_MSAT,
  type Ready,
  villainInvoice,
  villainPays,
} from './bench.ts'
import { flip, OFF_CURVE, replacing, type Tamper } from './villain.ts'

/**
 * Peers that break the rules of an open channel. What a fault asks for is done, and no more: the channel is failed with its reason and
 * our newest commitment goes to the chain, or the connection ends, or nothing happens at all.
 */

let ready: Ready
afterEach(() => ready.bench.stop())

const OURS = CAPACITY * 1000 - PUSH_MSAT

/** Our commitment is on the chain, the newest one; the peer was told why; the reason is shown. */
async function expectFailed(code: string, number: number): Promise<void> {
  const { bench, villain, channelId } = ready
  await bench.rest()
  const channel = bench.state().channels[channelId]
  expect(channel?.failure).toMatchObject({ code, remedy: 'broadcast' })
  expect(channel?.localTip.number).toBe(number)
  const shown = await bench.channel()
  expect(shown).toMatchObject({ status: 'forceClosing', reason: channel?.failure?.reason })
  expect(shown.reason).toMatch(/BOLT|lcp/)
  // In plain letters, or nobody could read it there.
  expect(villain.errors.at(-1)).toBe(channel?.failure?.reason.replaceAll('§', ''))
  const { funding } = channel ?? {}
  if (funding === undefined) throw new Error('no channel')
  // The chain has it: what goes out after it (an anchor's spend) does not matter here.
  const commitments = bench.sent.filter((tx) =>
    tx.inputs.some(
      (i) => i.outpoint.txid === funding.outpoint.txid && i.outpoint.vout === funding.outpoint.vout,
    ),
  )
  expect(commitments).toHaveLength(1)
  const [commitment] = commitments
  if (commitment === undefined) throw new Error('no commitment')
  expect(bench.chain.find(txidOf(commitment))).toBeDefined()
  const { phase, notices } = await bench.app()
  expect(phase).toBe('running')
  expect(notices.some((n) => n.channelId === channelId)).toBe(true)
}

/** Nothing of the channel is on the chain, and it goes on. */
async function expectAlive(): Promise<void> {
  const { bench, villain, channelId } = ready
  villain.tamper = undefined
  villain.deaf = undefined
  await bench.until('connected again', (s) => s.channels[0]?.connected === true, 120_000)
  await bench.rest()
  const before = BigInt((await bench.channel()).localMsat)
  const paid = follow(bench.client.sendPayment({ invoice: await villainInvoice(villain, 5_000_000) }))
  await bench.rest()
  expect(paid.updates.at(-1)).toMatchObject({ status: 'succeeded' })
  expect(BigInt((await bench.channel()).localMsat)).toBe(before - 5_000_000n)
  expect(bench.state().channels[channelId]?.failure).toBeUndefined()
  expect(bench.state().closes).toEqual({})
}

describe('we pay, and the peer answers', () => {
  const cases: Record<string, [Tamper, fault: string, ourNumber: number]> = {
    'a revocation with another secret': [
      replacing('revoke_and_ack', (m) => [{ ...m, perCommitmentSecret: flip(m.perCommitmentSecret) }]),
      'badSecret',
      0,
    ],
    'a revocation with a secret of zeros': [
      replacing('revoke_and_ack', (m) => [{ ...m, perCommitmentSecret: new Uint8Array(32) }]),
      'badSecret',
      0,
    ],
    'a next point off the curve': [
      replacing('revoke_and_ack', (m) => [{ ...m, nextPerCommitmentPoint: OFF_CURVE }]),
      'badPoint',
      0,
    ],
    'a revocation twice': [replacing('revoke_and_ack', (m) => [m, m], 1), 'unexpectedRevocation', 0],
    'a wrong commitment signature': [
      replacing('commitment_signed', (m) => [{ ...m, signature: flip(m.signature, 9) }]),
      'badSignature',
      0,
    ],
    'a wrong signature for the HTLC': [
      replacing('commitment_signed', (m) => [
        { ...m, htlcSignatures: m.htlcSignatures.map((s) => flip(s, 9)) },
      ]),
      'badSignature',
      0,
    ],
    'no signature for the HTLC': [
      replacing('commitment_signed', (m) => [{ ...m, htlcSignatures: [] }]),
      'badSignature',
      0,
    ],
    'one signature too many': [
      replacing('commitment_signed', (m) => [{ ...m, htlcSignatures: [...m.htlcSignatures, m.signature] }]),
      'badSignature',
      0,
    ],
    'a preimage that is none': [
      replacing('update_fulfill_htlc', (m) => [{ ...m, paymentPreimage: flip(m.paymentPreimage) }]),
      'preimage',
      1,
    ],
    'a fulfilment of an HTLC that is not': [
      replacing('update_fulfill_htlc', (m) => [{ ...m, id: m.id + 7n }]),
      'unknownHtlc',
      1,
    ],
    'a fulfilment twice': [replacing('update_fulfill_htlc', (m) => [m, m]), 'removedTwice', 1],
    'a fulfilment and a failure': [
      replacing('update_fulfill_htlc', (m) => [
        m,
        { type: 'update_fail_htlc', channelId: m.channelId, id: m.id, reason: new Uint8Array(292) },
      ]),
      'removedTwice',
      1,
    ],
    'a malformed without its bit': [
      replacing('update_fulfill_htlc', (m) => [
        {
          type: 'update_fail_malformed_htlc',
          channelId: m.channelId,
          id: m.id,
          sha256OfOnion: new Uint8Array(32),
          failureCode: 15,
        },
      ]),
      'badOnionBit',
      1,
    ],
    'a fee update, though we opened': [
      replacing('commitment_signed', (m) => [
        { type: 'update_fee', channelId: m.channelId, feeratePerKw: 1000 },
        m,
      ]),
      'feeByAccepter',
      0,
    ],
    'a fulfilment before it may: the HTLC is in no commitment of its own': [
      replacing(
        'revoke_and_ack',
        (m) => [
          {
            type: 'update_fulfill_htlc',
            channelId: m.channelId,
            id: 0n,
            paymentPreimage: new Uint8Array(32),
          },
          m,
        ],
        1,
      ),
      'unknownHtlc',
      0,
    ],
  }
  for (const [name, [tamper, fault, number]] of Object.entries(cases)) {
    test(`${name}: the channel fails with that reason and our newest commitment is published`, async () => {
      ready = await openChannel()
      const { bench, villain } = ready
      villain.tamper = tamper
      const paying = follow(bench.client.sendPayment({ invoice: await villainInvoice(villain, 20_000_000) }))
      await expectFailed(fault, number)
      const payment = (await bench.client.listPayments())[0]
      // A preimage that came before the fault is proof of payment; without one the payment is open until the chain decides.
      const proved = fault === 'removedTwice'
      expect(payment?.state).toBe(proved ? 'succeeded' : 'pending')
      expect(paying.over).toBe(proved)
    })
  }

  for (const end of ['times out', 'is claimed'] as const) {
    test(`after such a fault the HTLC ${end} on chain, and every satoshi of ours comes back in its time`, async () => {
      // With anchors a second stage of ours needs coins of the wallet for its fee, which the node does not give it yet.
      const format = end === 'times out' ? 'static_remotekey' : 'anchors_zero_fee_htlc_tx'
      ready = await openChannel('we', format)
      const { bench, villain } = ready
      villain.tamper = replacing('update_fulfill_htlc', (m) => [
        { ...m, paymentPreimage: flip(m.paymentPreimage) },
      ])
      const invoice = await villainInvoice(villain, 20_000_000)
      const paying = follow(bench.client.sendPayment({ invoice }))
      await expectFailed('preimage', 1)
      villain.dead = end === 'times out'
      villain.down = true
      villain.hangUp()
      for (let i = 0; i < 60 && (await bench.channel()).status !== 'closed'; i++) {
        bench.chain.mine(i < 2 ? 1 : 60)
        await bench.client.refresh()
        if (!villain.dead) await villain.command({ type: 'refresh' })
        await bench.until('the tip is seen', (s) => s.chain.height === bench.chain.tip.height)
        await bench.pass(3_000)
      }
      expect(await bench.channel()).toMatchObject({ status: 'closed', htlcs: 0, inFlightOutMsat: '0' })
      expect(paying.over).toBe(true)
      expect(paying.updates.at(-1)).toMatchObject({ status: end === 'is claimed' ? 'succeeded' : 'failed' })
      // All but fees is back. Our own anchor is worth less than its spend and is left; theirs we paid for as the opener.
      const spent = end === 'is claimed' ? 20_000n + 2n * 330n : 0n
      const lost = BigInt(PUSH_MSAT / 1000) + spent
      const fees = bench.sent.reduce((sum, tx) => sum + bench.chain.feeOf(txidOf(tx)), 0n)
      const { balances } = await bench.app()
      expect(BigInt(balances.onchainConfirmedSat)).toBe(BigInt(FUNDS) - lost - fees)
    })
  }
})

describe('the peer pays', () => {
  const add = (change: (m: UpdateAddHtlc) => Partial<UpdateAddHtlc>): Tamper =>
    replacing('update_add_htlc', (m) => [{ ...m, ...change(m) }])
  const cases: Record<string, [Tamper, fault: string]> = {
    'an HTLC id that leaves a gap': [add((m) => ({ id: m.id + 1n })), 'htlcId'],
    'an HTLC of nothing': [add(() => ({ amountMsat: msat(0) })), 'amountTooSmall'],
    'an expiry that is a time': [add(() => ({ cltvExpiry: 500_000_000 })), 'cltvExpiry'],
    'more than it has': [add(() => ({ amountMsat: msat(PUSH_MSAT + 1) })), 'belowReserve'],
    'all that it has, its reserve too': [add(() => ({ amountMsat: msat(PUSH_MSAT) })), 'belowReserve'],
    'more than the channel holds': [add(() => ({ amountMsat: msat(CAPACITY * 1000 + 1) })), 'inFlightLimit'],
    'another amount than it signs for': [
      add((m) => ({ amountMsat: msat(m.amountMsat + 1_000n) })),
      'badSignature',
    ],
    'another hash than it signs for': [add((m) => ({ paymentHash: flip(m.paymentHash) })), 'badSignature'],
    'another expiry than it signs for': [add((m) => ({ cltvExpiry: m.cltvExpiry + 1 })), 'badSignature'],
    'a signature for something unsaid': [replacing('update_add_htlc', () => []), 'badSignature'],
    'the same HTLC twice': [replacing('update_add_htlc', (m) => [m, m]), 'htlcId'],
    'more HTLCs than we take': [
      replacing('update_add_htlc', (m) =>
        Array.from({ length: 484 }, (_, i) => ({ ...m, id: m.id + BigInt(i), amountMsat: msat(1_000) })),
      ),
      'tooManyHtlcs',
    ],
  }
  for (const [name, [tamper, fault]] of Object.entries(cases)) {
    test(`${name}: the channel fails with that reason, and no invoice counts as paid`, async () => {
      ready = await openChannel()
      ready.villain.tamper = tamper
      const hash = await villainPays(ready, 20_000_000)
      await expectFailed(fault, 0)
      expect(entry(ready.bench.state().invoices, hash)?.state).toBe('open')
      // What is on the chain pays us what we had.
      expect((await ready.bench.channel()).localMsat).toBe(String(OURS))
    })
  }

  test('an onion that cannot be read fails that HTLC alone', async () => {
    ready = await openChannel()
    ready.villain.tamper = add((m) => ({ onionRoutingPacket: flip(m.onionRoutingPacket, 700) }))
    const hash = await villainPays(ready, 20_000_000)
    await ready.bench.rest()
    expect(ready.villain.all('update_fail_malformed_htlc')).toHaveLength(1)
    expect(entry(ready.bench.state().invoices, hash)?.state).toBe('open')
    await expectAlive()
  })

  test('the peer breaks off the moment it has our preimage, with a wrong revocation: the payment counts, on chain', async () => {
    ready = await openChannel()
    ready.villain.tamper = replacing(
      'revoke_and_ack',
      (m) => [{ ...m, perCommitmentSecret: flip(m.perCommitmentSecret) }],
      2,
    )
    const hash = await villainPays(ready, 20_000_000)
    await ready.bench.rest()
    expect(ready.bench.state().channels[ready.channelId]?.failure).toMatchObject({ code: 'badSecret' })
    expect(entry(ready.bench.state().invoices, hash)?.state).toBe('paid')
  })
})

describe('the peer opened and changes the fee', () => {
  const cases: Record<string, [feerate: number, fault: string]> = {
    'below what relays': [252, 'feerate'],
    'to nothing': [0, 'feerate'],
    'beyond all reason': [250_001, 'feerate'],
    'to more than it can pay': [249_999, 'feeUnpayable'],
  }
  for (const [name, [feeratePerKw, fault]] of Object.entries(cases)) {
    test(`${name}: the channel fails with that reason`, async () => {
      ready = await openChannel('villain')
      const { bench, villain, id } = ready
      // Most of its money is ours first, so that a fee can be more than it has.
      await villainPays(ready, 200_000_000)
      villain.say({ type: 'update_fee', channelId: id, feeratePerKw })
      await bench.rest()
      expect(bench.state().channels[ready.channelId]?.failure).toMatchObject({
        code: fault,
        remedy: 'broadcast',
      })
      expect(villain.errors.at(-1)).toContain('update_fee')
    })
  }
})

describe('out of turn', () => {
  const said: Record<string, (id: Uint8Array) => Message> = {
    'a commitment signature': (id) => ({
      type: 'commitment_signed',
      channelId: id,
      signature: new Uint8Array(64).fill(1),
      htlcSignatures: [],
    }),
    'an HTLC': (id) => ({
      type: 'update_add_htlc',
      channelId: id,
      id: 0n,
      amountMsat: msat(1_000_000),
      paymentHash: sha256(id),
      cltvExpiry: 500,
      onionRoutingPacket: new Uint8Array(1366),
    }),
    'a revocation': (id) => ({
      type: 'revoke_and_ack',
      channelId: id,
      perCommitmentSecret: new Uint8Array(32).fill(1),
      nextPerCommitmentPoint: Uint8Array.of(2, ...new Uint8Array(31), 1),
    }),
  }
  for (const [name, message] of Object.entries(said)) {
    test(`${name} before channel_ready fails the channel`, async () => {
      ready = await openChannelUnconfirmed()
      const { bench, villain, id } = ready
      villain.say(message(id))
      await bench.rest()
      expect(bench.state().channels[ready.channelId]?.failure).toMatchObject({ code: 'notReady' })
      // Funding and commitment, so that the money comes back.
      expect(bench.sent.length).toBeGreaterThanOrEqual(2)
    })
  }

  test('channel_ready with a point off the curve fails the channel', async () => {
    ready = await openChannelUnconfirmed()
    ready.villain.tamper = replacing('channel_ready', (m) => [{ ...m, secondPerCommitmentPoint: OFF_CURVE }])
    await ready.bench.mine()
    await ready.bench.pass(5_000)
    expect(ready.bench.state().channels[ready.channelId]?.failure).toMatchObject({ code: 'badPoint' })
  })

  test('channel_ready again, and messages for channels that are not, change nothing', async () => {
    ready = await openChannel()
    const { bench, villain, id } = ready
    const point = villain.state.channels[ready.channelId]?.local.keys.fundingPubkey ?? OFF_CURVE
    villain.say(
      { type: 'channel_ready', channelId: flip(id, 5), secondPerCommitmentPoint: point },
      {
        type: 'revoke_and_ack',
        channelId: flip(id, 5),
        perCommitmentSecret: id,
        nextPerCommitmentPoint: point,
      },
      { type: 'warning', channelId: id, data: new TextEncoder().encode('beware') },
    )
    await bench.rest()
    expect(villain.errors).toEqual(['unknown channel', 'unknown channel'])
    await expectAlive()
  })

  test('what cannot be read ends the connection; the channel goes on when the peer is back and behaves', async () => {
    ready = await openChannel()
    const { bench, villain } = ready
    for (const bytes of [
      Uint8Array.of(0, 132, 1, 2, 3), // a commitment_signed that breaks off
      Uint8Array.of(0x7f, 0xfe, 1), // an even message that nobody knows
      Uint8Array.of(7), // not even a type
      Uint8Array.of(0, 16, 0, 0, 0, 0), // init again
    ]) {
      villain.say(bytes)
      await bench.rest()
      expect(villain.connected).toBe(false)
      await bench.until('back', (s) => s.channels[0]?.connected === true, 120_000)
    }
    await expectAlive()
  })

  test('an odd message that nobody knows, pings and pongs of any size change nothing', async () => {
    ready = await openChannel()
    const { bench, villain } = ready
    villain.say(
      { type: 'unknown', number: 0x7fff, payload: new Uint8Array(1000) },
      { type: 'ping', numPongBytes: 65_535, ignored: new Uint8Array(3) },
      { type: 'ping', numPongBytes: 65_531, ignored: new Uint8Array(0) },
      { type: 'pong', ignored: new Uint8Array(65_000) },
    )
    await bench.rest()
    expect(villain.all('pong').map((m) => m.ignored.length)).toEqual([65_531])
    await expectAlive()
  })

  for (const all of [true, false]) {
    test(`the peer fails ${all ? 'all channels' : 'the channel'} with an error: ours goes to the chain, and its words are shown`, async () => {
      ready = await openChannel()
      const { bench, villain, id } = ready
      villain.say({
        type: 'error',
        channelId: all ? new Uint8Array(32) : id,
        data: new TextEncoder().encode('disk \u0007 full'),
      })
      await bench.rest()
      const channel = await bench.channel()
      expect(channel.status).toBe('forceClosing')
      expect(channel.reason).toBe('The peer failed the channel: disk ? full')
      expect(bench.sent.length).toBeGreaterThanOrEqual(2)
    })
  }
})

describe('gone', () => {
  test('the peer disappears after each single message it sends in a payment: nothing is lost, nothing is paid twice', async () => {
    ready = await openChannel()
    const { bench, villain } = ready
    let ours = BigInt(OURS)
    for (const payer of ['we', 'villain'] as const) {
      for (let nth = 1; ; nth++) {
        let said = 0
        let gone = false
        const amount = 3_000_000 + nth
        villain.tamper = (m) => {
          if (m.type === 'channel_reestablish' || m.type === 'channel_ready' || m.type === 'init')
            return undefined
          said += 1
          if (said !== nth) return undefined
          gone = true
          return [m, 'hangUp']
        }
        if (payer === 'we') {
          const invoice = await villainInvoice(villain, amount)
          const paid = follow(bench.client.sendPayment({ invoice }))
          await bench.rest()
          villain.tamper = undefined
          await bench.until('paid', () => paid.over, 120_000)
          expect(paid.updates.at(-1)).toMatchObject({ status: 'succeeded' })
          ours -= BigInt(amount)
        } else {
          await villainPays(ready, amount)
          villain.tamper = undefined
          ours += BigInt(amount)
        }
        await bench.until(
          'settled',
          (s) => s.channels[0]?.htlcs === 0 && s.channels[0].localMsat === String(ours),
          120_000,
        )
        await bench.until('connected', (s) => s.channels[0]?.connected === true, 120_000)
        if (!gone) {
          expect(nth).toBeGreaterThan(4)
          break
        }
      }
    }
    expect(bench.state().closes).toEqual({})
  })
})

/** As far as the broadcast of our funding transaction. */
async function openChannelUnconfirmed(): Promise<Ready> {
  const bench = await createBench()
  const villain = bench.villain()
  await bench.fund(FUNDS)
  follow(bench.client.openChannel({ peer: villain.address, amountSat: String(CAPACITY) }))
  await bench.rest()
  const { channelId } = await bench.channel()
  return { bench, villain, channelId, id: fromHex(channelId) }
}
