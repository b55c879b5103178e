import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { msat, sat } from '../../engine/base/units.ts'
import { unwrap } from '../../engine/base/result.ts'
import { NETWORKS } from '../../engine/bitcoin/network.ts'
import type { TxOutput } from '../../engine/bitcoin/types.ts'
import {
  type Opening,
  type OpeningContext,
  openingMessage,
  provideFunding,
} from '../../engine/channel/opening.ts'
import { formatNamed } from '../../engine/commitment/formats.ts'
import { deriveChannelSecrets } from '../../engine/commitment/secrets.ts'
import { createChannelSigner } from '../../engine/commitment/signer.ts'
import { isPublicKey } from '../../engine/crypto/curve.ts'
import { entropyFrom } from '../../engine/crypto/entropy.ts'
import { encodeFeatures } from '../../engine/wire/features.ts'
import type { AcceptChannel, Message, OpenChannel } from '../../engine/wire/messages.ts'
import { type Bench, createBench, follow, type Outcome } from './bench.ts'
import { flip, OFF_CURVE, replacing, type Villain } from './villain.ts'

/** Peers that misbehave while a channel is being opened: nothing is broadcast, every coin is free again, and the next opening works. */

const FUNDS = 1_000_000
const AMOUNT = 400_000

const ZERO_KEY = new Uint8Array(33)
const ZERO_SIGNATURE = new Uint8Array(64)

test('the off-curve key of these tests is off the curve', () => {
  expect(isPublicKey(OFF_CURVE)).toBe(false)
})

describe('we open', () => {
  let bench: Bench
  let villain: Villain

  beforeAll(async () => {
    bench = await createBench()
    villain = bench.villain()
    await bench.fund(FUNDS)
  })
  afterAll(() => bench.stop())

  afterEach(async () => {
    villain.tamper = undefined
    villain.deaf = undefined
    expect(bench.sent).toEqual([])
    const { balances, channels, phase } = await bench.app()
    expect(phase).toBe('running')
    expect(channels).toEqual([])
    expect(balances).toMatchObject({
      onchainConfirmedSat: String(FUNDS),
      onchainReservedSat: '0',
      openingSat: '0',
    })
    expect(bench.state().openings).toEqual({})
    expect(bench.state().wallet.reservations).toEqual({})
  })

  const open = (): Outcome<unknown> =>
    follow(
      bench.client.openChannel({ peer: villain.address, amountSat: String(AMOUNT), pushMsat: '100000000' }),
    )

  /** Opens and lets so much time pass. */
  async function opened(ms = 0): Promise<Outcome<unknown>> {
    const outcome = open()
    await bench.rest()
    if (ms > 0) await bench.pass(ms)
    return outcome
  }

  const bad: Record<string, [Partial<AcceptChannel>, fault: string]> = {
    'a minimum depth of months': [{ minimumDepth: 20_000 }, 'minimumDepth'],
    'a delay of months': [{ toSelfDelay: 20_000 }, 'toSelfDelay'],
    'dust below 354': [{ dustLimitSatoshis: sat(353) }, 'dustLimit'],
    'dust above our reserve': [{ dustLimitSatoshis: sat(9_000) }, 'reserve'],
    'an absurd dust limit': [{ dustLimitSatoshis: sat(1_000_000) }, 'reserve'],
    'a reserve above a fifth of the channel': [{ channelReserveSatoshis: sat(80_001) }, 'reserve'],
    'a reserve below our dust limit': [{ channelReserveSatoshis: sat(353) }, 'reserve'],
    'no HTLCs': [{ maxAcceptedHtlcs: 0 }, 'maxAcceptedHtlcs'],
    'more HTLCs than a commitment holds': [{ maxAcceptedHtlcs: 484 }, 'maxAcceptedHtlcs'],
    'an HTLC minimum that nothing reaches': [{ htlcMinimumMsat: msat(2n ** 63n) }, 'htlcMinimum'],
    'no room for HTLCs': [{ maxHtlcValueInFlightMsat: msat(0) }, 'maxInFlight'],
    'another channel type': [{ channelType: encodeFeatures([12]) }, 'channelType'],
    'a channel type with more': [{ channelType: encodeFeatures([12, 22, 50]) }, 'channelType'],
    'a script of no accepted form': [{ upfrontShutdownScript: Uint8Array.of(0x51) }, 'shutdownScript'],
    'a funding key off the curve': [{ fundingPubkey: OFF_CURVE }, 'badPoint'],
    'a revocation basepoint off the curve': [{ revocationBasepoint: OFF_CURVE }, 'badPoint'],
    'a payment basepoint off the curve': [{ paymentBasepoint: OFF_CURVE }, 'badPoint'],
    'a delayed basepoint off the curve': [{ delayedPaymentBasepoint: OFF_CURVE }, 'badPoint'],
    'an HTLC basepoint off the curve': [{ htlcBasepoint: OFF_CURVE }, 'badPoint'],
    'a first point off the curve': [{ firstPerCommitmentPoint: OFF_CURVE }, 'badPoint'],
  }
  for (const [name, [change, fault]] of Object.entries(bad)) {
    test(`accept_channel with ${name} ends the opening with the reason`, async () => {
      villain.tamper = replacing('accept_channel', (m) => [{ ...m, ...change }])
      const outcome = await opened()
      expect(outcome).toMatchObject({ over: true, error: 'openRefused', data: { fault } })
      // The peer is told, and was told nothing about funding.
      expect(villain.heard.at(-1)?.type).toBe('error')
    })
  }

  test('accept_channel without a channel type ends the opening with the reason', async () => {
    villain.tamper = replacing('accept_channel', ({ channelType: _, ...m }) => [m])
    expect(await opened()).toMatchObject({ error: 'openRefused', data: { fault: 'channelType' } })
  })

  for (const key of ['fundingPubkey', 'paymentBasepoint', 'firstPerCommitmentPoint'] as const) {
    test(`accept_channel with a ${key} of zeros cannot be read: the connection ends, and the opening with it`, async () => {
      villain.tamper = replacing('accept_channel', (m) => [{ ...m, [key]: ZERO_KEY }])
      expect(await opened()).toMatchObject({ over: true, error: 'peerDisconnected' })
      expect(villain.connected).toBe(false)
    })
  }

  test('accept_channel for an opening that is not: answered with an error; ours waits its time and ends', async () => {
    villain.tamper = replacing('accept_channel', (m) => [
      { ...m, temporaryChannelId: flip(m.temporaryChannelId, 3) },
    ])
    const outcome = await opened()
    expect(outcome.over).toBe(false)
    expect(villain.errors.at(-1)).toBe('unknown channel')
    await bench.pass(70_000)
    expect(outcome).toMatchObject({ over: true, error: 'openTimedOut' })
  })

  const signatures: Record<string, (signature: Uint8Array) => Uint8Array> = {
    'of zeros': () => ZERO_SIGNATURE,
    'with a bit flipped': (s) => flip(s, 40),
    'with an s beyond the order': (s) =>
      Uint8Array.of(...s.subarray(0, 32), ...new Uint8Array(32).fill(0xff)),
  }
  for (const [name, change] of Object.entries(signatures)) {
    test(`funding_signed with a signature ${name} ends the opening, and nothing is broadcast`, async () => {
      villain.tamper = replacing('funding_signed', (m) => [{ ...m, signature: change(m.signature) }])
      expect(await opened()).toMatchObject({
        over: true,
        error: 'openRefused',
        data: { fault: 'badSignature' },
      })
    })
  }

  test('funding_signed for another channel is no signature for ours', async () => {
    villain.tamper = replacing('funding_signed', (m) => [{ ...m, channelId: flip(m.channelId, 0) }])
    const outcome = await opened()
    expect(outcome.over).toBe(false)
    await bench.pass(70_000)
    expect(outcome).toMatchObject({ error: 'openTimedOut' })
  })

  test('funding_signed before funding_created was sent ends the opening', async () => {
    villain.tamper = replacing('accept_channel', (m) => [
      { type: 'funding_signed', channelId: m.temporaryChannelId, signature: ZERO_SIGNATURE },
      m,
      m,
    ])
    expect(await opened()).toMatchObject({
      over: true,
      error: 'openRefused',
      data: { fault: 'unexpectedMessage' },
    })
  })

  for (const stage of ['accept_channel', 'funding_signed'] as const) {
    test(`${stage} never comes: the opening ends by itself, and what comes too late is refused`, async () => {
      const held: Message[] = []
      villain.tamper = replacing(stage, (m) => {
        held.push(m)
        return []
      })
      const outcome = await opened(30_000)
      expect(outcome.over).toBe(false)
      await bench.pass(40_000)
      expect(outcome).toMatchObject({ over: true, error: 'openTimedOut' })
      villain.say(...held)
      await bench.rest()
      expect(villain.errors.at(-1)).toBe('unknown channel')
    })

    test(`the peer hangs up instead of ${stage}`, async () => {
      villain.tamper = replacing(stage, () => ['hangUp'])
      expect(await opened()).toMatchObject({ over: true, error: 'peerDisconnected' })
    })

    test(`the peer says no instead of ${stage}: its words are passed on`, async () => {
      villain.tamper = replacing(stage, () => [
        {
          type: 'error',
          // Before there is a channel id its temporary one names it (BOLT 1 §error); all zeros name every channel.
          channelId:
            stage === 'accept_channel'
              ? (villain.all('open_channel').at(-1)?.temporaryChannelId ?? ZERO_KEY)
              : new Uint8Array(32),
          data: new TextEncoder().encode('not today'),
        },
      ])
      expect(await opened()).toMatchObject({
        over: true,
        error: 'openRefused',
        data: { reason: 'not today' },
      })
    })

    test(`the peer says something that cannot be read instead of ${stage}`, async () => {
      villain.tamper = replacing(stage, () => [
        Uint8Array.of(0, stage === 'accept_channel' ? 33 : 35, 1, 2, 3),
      ])
      expect(await opened()).toMatchObject({ over: true, error: 'peerDisconnected' })
    })
  }

  test('the peer disappears after hearing open_channel, and after hearing funding_created', async () => {
    for (const last of ['open_channel', 'funding_created']) {
      villain.deaf = (m) => {
        if (m.type === last) villain.hangUp()
        return m.type === last
      }
      expect(await opened()).toMatchObject({ over: true, error: 'peerDisconnected' })
    }
  })

  test('the user gives up while the peer is silent', async () => {
    villain.deaf = (m) => m.type === 'open_channel'
    const outcome = open()
    await bench.rest()
    const [openingId] = Object.keys(bench.state().openings)
    await bench.host.running()?.loop.command({ type: 'cancelOpening', openingId: openingId ?? '' })
    await bench.rest()
    expect(outcome).toMatchObject({ over: true, error: 'cancelled' })
  })

  test('two openings at once never use one coin, and the refused one changes nothing for the other', async () => {
    // One coin of 1,000,000: the second opening finds it reserved once the first has been answered.
    villain.tamper = replacing('funding_signed', () => [])
    const first = await opened()
    expect((await bench.app()).balances.onchainReservedSat).not.toBe('0')
    const second = await opened()
    expect(second).toMatchObject({ over: true, error: 'insufficientFunds' })
    expect(first.over).toBe(false)
    await bench.pass(70_000)
    expect(first).toMatchObject({ over: true, error: 'openTimedOut' })
  })
})

describe('after all of that', () => {
  test('an opening with a peer that behaves at last works, though it goes away right after funding_signed', async () => {
    const bench = await createBench()
    const villain = bench.villain()
    await bench.fund(FUNDS)
    villain.tamper = replacing('accept_channel', (m) => [{ ...m, fundingPubkey: OFF_CURVE }])
    const first = follow(bench.client.openChannel({ peer: villain.address, amountSat: String(AMOUNT) }))
    await bench.rest()
    expect(first).toMatchObject({ error: 'openRefused' })

    villain.tamper = replacing('funding_signed', (m) => [m, 'hangUp'])
    villain.down = true
    const second = follow(bench.client.openChannel({ peer: villain.id, amountSat: String(AMOUNT) }))
    await bench.rest()
    // From here on the coins are in the channel: it was signed, so its funding is broadcast though the peer is away.
    expect(second.updates.at(-1)).toMatchObject({ status: 'confirming' })
    expect(bench.sent).toHaveLength(1)
    expect((await bench.app()).balances).toMatchObject({ openingSat: String(AMOUNT) })
    villain.tamper = undefined
    villain.down = false
    await bench.mine()
    await bench.until('open', (s) => s.channels[0]?.status === 'open', 120_000)
    expect(second.updates.at(-1)).toMatchObject({ status: 'open' })
    await bench.stop()
  })
})

describe('a peer opens to us', () => {
  let bench: Bench
  let villain: Villain

  beforeAll(async () => {
    bench = await createBench()
    villain = bench.villain()
    await bench.call(villain)
    await bench.equip(villain, 3_000_000)
  })
  afterAll(() => bench.stop())

  afterEach(async () => {
    villain.tamper = undefined
    villain.deaf = undefined
    expect(bench.sent).toEqual([])
    expect((await bench.app()).channels).toEqual([])
    expect(bench.state().openings).toEqual({})
    if (!villain.connected) await bench.call(villain)
  })

  async function opensToUs(amountSat = AMOUNT, pushMsat = 0): Promise<void> {
    await villain
      .command({
        type: 'openChannel',
        nodeId: bench.nodeId,
        amountSat: sat(amountSat),
        pushMsat: msat(pushMsat),
      })
      .catch(() => {})
    await bench.rest()
  }

  const bad: Record<string, Partial<OpenChannel>> = {
    'another chain': { chainHash: NETWORKS.testnet4.chainHash },
    'more pushed than there is': { pushMsat: msat(AMOUNT * 1000 + 1) },
    'everything pushed, so that the first fee cannot be paid': { pushMsat: msat(AMOUNT * 1000) },
    'too little': { fundingSatoshis: sat(1_000) },
    'too much': { fundingSatoshis: sat(2 ** 24) },
    'a feerate that nothing relays': { feeratePerKw: 1 },
    'an absurd feerate': { feeratePerKw: 0xffffffff },
    'dust below 354': { dustLimitSatoshis: sat(0) },
    'dust above its own reserve': { dustLimitSatoshis: sat(9_000) },
    'a reserve above a fifth': { channelReserveSatoshis: sat(AMOUNT) },
    'no HTLCs': { maxAcceptedHtlcs: 0 },
    'too many HTLCs': { maxAcceptedHtlcs: 65_535 },
    'a delay of a year': { toSelfDelay: 52_560 },
    'a channel type nobody knows': { channelType: encodeFeatures([12, 98]) },
    'keys off the curve': { htlcBasepoint: OFF_CURVE },
    'a shutdown script of no accepted form': { upfrontShutdownScript: Uint8Array.of(0x6a, 1, 2) },
  }
  for (const [name, change] of Object.entries(bad)) {
    test(`open_channel with ${name} is refused in words`, async () => {
      villain.tamper = replacing('open_channel', (m) => [{ ...m, ...change }])
      const before = villain.errors.length
      await opensToUs()
      expect(villain.errors.length).toBe(before + 1)
      expect(villain.all('accept_channel')).toEqual([])
    })
  }
  test('open_channel without a channel type is refused in words', async () => {
    villain.tamper = replacing('open_channel', ({ channelType: _, ...m }) => [m])
    await opensToUs()
    expect(villain.errors.at(-1)).toBe('unsupported channel_type')
  })

  test('a thousand open_channel at once cost us no more than a few openings, and end with the connection', async () => {
    const opened: Message[] = []
    villain.tamper = replacing('open_channel', (m) => {
      opened.push(m)
      return []
    })
    await opensToUs()
    const [first] = opened
    if (first?.type !== 'open_channel') throw new Error('no open_channel')
    villain.tamper = undefined
    const before = villain.all('accept_channel').length
    const id = (i: number) => Uint8Array.of(i >> 8, i & 0xff, ...new Uint8Array(30))
    villain.deaf = () => true
    villain.say(...Array.from({ length: 1000 }, (_, i) => ({ ...first, temporaryChannelId: id(i + 1) })))
    await bench.rest()
    expect(villain.all('accept_channel').length - before).toBeLessThanOrEqual(8)
    expect(Object.keys(bench.state().openings).length).toBeLessThanOrEqual(8)
    villain.hangUp()
    await bench.rest()
  })

  test('the same temporary id twice: the second is refused, the first ends in its time', async () => {
    villain.tamper = replacing('open_channel', (m) => [m, m])
    villain.deaf = (m) => m.type === 'accept_channel'
    const before = villain.errors.length
    await opensToUs()
    expect(villain.errors.length).toBe(before + 1)
    await bench.pass(70_000)
  })

  test('funding_created with a wrong signature is refused, and there is no channel', async () => {
    villain.tamper = replacing('funding_created', (m) => [{ ...m, signature: flip(m.signature, 10) }])
    await opensToUs()
    expect(villain.errors.at(-1)).toContain('BOLT 2')
    expect(villain.all('funding_signed')).toEqual([])
  })

  test('funding_created for an opening that is not', async () => {
    villain.tamper = replacing('funding_created', (m) => [
      { ...m, temporaryChannelId: flip(m.temporaryChannelId, 9) },
    ])
    await opensToUs()
    expect(villain.errors.at(-1)).toBe('unknown channel')
    await bench.pass(70_000)
  })

  test('the peer disappears after each of its messages up to funding_created', async () => {
    for (const last of ['open_channel', 'funding_created'] as const) {
      if (!villain.connected) await bench.call(villain)
      villain.tamper = replacing(last, (m) => (last === 'open_channel' ? [m, 'hangUp'] : ['hangUp']))
      await opensToUs()
      expect(villain.connected).toBe(false)
    }
  })

  test('the peer stalls after accept_channel: the opening ends by itself', async () => {
    villain.deaf = (m) => m.type === 'accept_channel'
    await opensToUs()
    expect(Object.keys(bench.state().openings)).toHaveLength(1)
    await bench.pass(70_000)
    expect(bench.state().openings).toEqual({})
  })

  test('all of these together used up no more addresses than there were openings at a time', () => {
    const [receive] = bench.state().wallet.branches
    expect(receive?.handedOut).toBeLessThanOrEqual(8)
    expect(receive?.handedOut).toBeGreaterThan(0)
  })
})

test('a peer that never funds its channels gets no more than a few', async () => {
  const bench = await createBench()
  const villain = bench.villain()
  await bench.call(villain)
  await bench.equip(villain, 3_000_000)
  bench.chain.holdBack = true
  for (let i = 0; i < 18; i++) {
    const request = { amountSat: sat(20_000), pushMsat: msat(0) }
    await villain.command({ type: 'openChannel', nodeId: bench.nodeId, ...request })
    await bench.rest()
  }
  expect((await bench.app()).channels).toHaveLength(16)
  expect(villain.errors.at(-1)).toBe('too many channels wait for their funding transaction')
  // Once they are in a block it may go on.
  bench.chain.holdBack = false
  await bench.mine()
  await bench.until('open', (s) => s.channels.every((c) => c.status === 'open'), 120_000)
  await villain.command({
    type: 'openChannel',
    nodeId: bench.nodeId,
    amountSat: sat(20_000),
    pushMsat: msat(0),
  })
  await bench.rest()
  expect((await bench.app()).channels).toHaveLength(17)
  await bench.stop()
})

describe('a funding transaction that is not what was promised', () => {
  const wrong: Record<string, (script: Uint8Array) => TxOutput> = {
    'pays the channel too little': (script) => ({ valueSat: sat(1_000), script }),
    'pays the channel too much': (script) => ({ valueSat: sat(AMOUNT + 1), script }),
    'pays somebody else': (script) => ({ valueSat: sat(AMOUNT), script: flip(script, 20) }),
  }
  for (const [name, output] of Object.entries(wrong)) {
    test(`it ${name}: there is no channel once it is mined, and the peer is told`, async () => {
      const bench = await createBench()
      const villain = bench.villain()
      await bench.call(villain)
      await bench.equip(villain, 3_000_000)
      // Its engine would fund honestly: from here on its part is played by hand, with its keys.
      villain.deaf = (m) => m.type === 'accept_channel' || m.type === 'funding_signed'
      const request = { amountSat: sat(AMOUNT), pushMsat: msat(100_000_000) }
      await villain.command({ type: 'openChannel', nodeId: bench.nodeId, ...request })
      await bench.rest()
      const [pending] = Object.values(villain.state.openings)
      const accept = villain.all('accept_channel').at(-1)
      if (pending === undefined || accept === undefined) throw new Error('no opening')
      const ctx = handContext(villain, pending.opening)
      const accepted = unwrap(openingMessage(pending.opening, accept, ctx), 'accept_channel')
      const need = accepted.effects.find((e) => e.type === 'needFunding')
      if (need?.type !== 'needFunding' || accepted.opening === undefined) throw new Error('no funding wanted')
      const txid = bench.chain.fund([output(need.script)])
      const tx = bench.chain.find(txid)?.tx
      if (tx === undefined) throw new Error('no transaction')
      const funded = unwrap(provideFunding(accepted.opening, tx, 0, ctx), 'funding')
      for (const effect of funded.effects) if (effect.type === 'send') villain.say(effect.message)
      await bench.rest()
      expect(villain.all('funding_signed')).toHaveLength(1)
      expect((await bench.channel()).status).toBe('confirming')
      await bench.mine(3)
      await bench.pass(5_000)
      expect(villain.errors.at(-1)).toBe('the funding output is not what open_channel promised')
      const { channels, balances, phase } = await bench.app()
      expect({ channels, phase, opening: balances.openingSat }).toEqual({
        channels: [],
        phase: 'running',
        opening: '0',
      })
      expect(villain.all('channel_ready')).toEqual([])
      // Nothing of it is left after a restart either.
      await bench.crash()
      expect((await bench.app()).channels).toEqual([])
      await bench.stop()
    })
  }

  test('it is never mined: forgotten after 2016 blocks, not one earlier', async () => {
    const bench = await createBench()
    const villain = bench.villain()
    await bench.call(villain)
    await bench.equip(villain, 3_000_000)
    bench.chain.holdBack = true
    const request = { amountSat: sat(AMOUNT), pushMsat: msat(100_000_000) }
    await villain.command({ type: 'openChannel', nodeId: bench.nodeId, ...request })
    await bench.rest()
    const height = bench.chain.tip.height
    bench.chain.mine(2016)
    await bench.until('the tip', (s) => s.chain.height === height + 2016, 300_000)
    await bench.pass(10_000)
    expect((await bench.channel()).status).toBe('confirming')
    // What is in no block and in no mempool any more can be forgotten.
    bench.chain.mempool = []
    await bench.mine()
    await bench.until('forgotten', (s) => s.channels.length === 0, 120_000)
    expect(bench.sent).toEqual([])
    await bench.stop()
  })
})

/** What the engine's opening functions need to play this villain. */
function handContext(villain: Villain, opening: Opening): OpeningContext {
  const format = formatNamed(opening.formatName)
  const { setup } = villain.node
  return {
    now: opening.startedAt,
    height: 10,
    network: 'regtest',
    entropy: entropyFrom(new Uint8Array(32).fill(7)),
    signer: createChannelSigner(
      deriveChannelSecrets(setup.nodeKeys.channelSeed(opening.salt), format),
      format,
    ),
    feeratePerKw: 1000,
    anysegwit: true,
    upfrontShutdown: true,
    policy: setup.policy,
  }
}
