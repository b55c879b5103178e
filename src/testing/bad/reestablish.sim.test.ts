import { afterEach, describe, expect, test } from 'vitest'
import { txidOf } from '../../engine/bitcoin/tx.ts'
import type { ChannelReestablish } from '../../engine/wire/messages.ts'
import {
  CAPACITY,
  follow,
  FUNDS,
  openChannel,
  PUSH_MSAT,
  type Ready,
  villainInvoice,
  villainPays,
} from './bench.ts'
import { flip, replacing } from './villain.ts'

/** What a peer may say when it comes back (BOLT 2 §Message Retransmission), and what we do when one of us has lost state. */

let ready: Ready
afterEach(() => ready.bench.stop())

const OURS = CAPACITY * 1000 - PUSH_MSAT

async function wePay(amountMsat: number): Promise<void> {
  const { bench, villain } = ready
  const paying = follow(bench.client.sendPayment({ invoice: await villainInvoice(villain, amountMsat) }))
  await bench.until('paid', () => paying.over)
  await bench.until('settled', (s) => s.channels[0]?.htlcs === 0)
  await bench.rest()
}

/** The connection ends and comes back. */
async function again(): Promise<void> {
  const { bench, villain } = ready
  const before = villain.all('channel_reestablish').length
  villain.hangUp()
  await bench.until(
    'back',
    () => villain.all('channel_reestablish').length > before || villain.errors.length > 0,
    120_000,
  )
  await bench.rest()
}

const spends = () => {
  const { bench, channelId } = ready
  const { outpoint } = bench.state().channels[channelId]?.funding ?? {}
  return bench.sent.filter((tx) =>
    tx.inputs.some((i) => i.outpoint.txid === outpoint?.txid && i.outpoint.vout === outpoint.vout),
  )
}

const failure = () => ready.bench.state().channels[ready.channelId]?.failure

describe('after payments both ways', () => {
  const cases: Record<string, [(m: ChannelReestablish) => Partial<ChannelReestablish>, code: string]> = {
    'the secret we gave is told wrong': [
      (m) => ({ yourLastPerCommitmentSecret: flip(m.yourLastPerCommitmentSecret) }),
      'badSecret',
    ],
    'the secret we gave is told as zeros': [
      () => ({ yourLastPerCommitmentSecret: new Uint8Array(32) }),
      'badSecret',
    ],
    'it claims revocations that we never made, without a secret to show': [
      (m) => ({ nextRevocationNumber: m.nextRevocationNumber + 1n }),
      'badSecret',
    ],
    'it claims more than all revocations there can be': [
      () => ({ nextRevocationNumber: 2n ** 64n - 1n }),
      'badSecret',
    ],
    'it claims signatures that we never made': [
      (m) => ({ nextCommitmentNumber: m.nextCommitmentNumber + 1n }),
      'lostSignatures',
    ],
    'it claims more than all commitments there can be': [
      () => ({ nextCommitmentNumber: 2n ** 64n - 1n }),
      'lostSignatures',
    ],
    'it claims to know of no commitment at all': [() => ({ nextCommitmentNumber: 0n }), 'peerIsBehind'],
    'it claims to have lost a commitment': [
      (m) => ({ nextCommitmentNumber: m.nextCommitmentNumber - 1n }),
      'peerIsBehind',
    ],
  }
  for (const [name, [change, code]] of Object.entries(cases)) {
    test(`${name}: our newest commitment goes to the chain`, async () => {
      ready = await openChannel()
      const { bench, villain, channelId } = ready
      await wePay(10_000_000)
      await villainPays(ready, 4_000_000)
      await bench.until('settled', (s) => s.channels[0]?.htlcs === 0)
      villain.tamper = replacing('channel_reestablish', (m) => [{ ...m, ...change(m) }])
      await again()
      expect(failure()).toMatchObject({ code, remedy: 'broadcast' })
      expect(spends()).toHaveLength(1)
      // The newest one: it pays us what we have now.
      const channel = bench.state().channels[channelId]
      const [tx] = spends()
      const fee = tx === undefined ? 0n : bench.chain.feeOf(txidOf(tx))
      const toUs = BigInt(OURS - 6_000_000) / 1000n - fee - 660n
      expect(tx?.outputs.map((o) => o.valueSat)).toContain(toUs)
      expect(channel?.localTip.number).toBeGreaterThan(2)
      expect(villain.errors.length).toBeGreaterThan(0)
      expect((await bench.app()).phase).toBe('running')
    })
  }

  test('a channel_reestablish twice ends the connection; nothing is failed', async () => {
    ready = await openChannel()
    const { bench, villain } = ready
    await wePay(10_000_000)
    villain.tamper = replacing('channel_reestablish', (m) => [m, m])
    await again()
    expect(villain.connected).toBe(false)
    villain.tamper = undefined
    await bench.until('back', (s) => s.channels[0]?.connected === true, 120_000)
    await wePay(1_000_000)
    expect(failure()).toBeUndefined()
    expect(spends()).toEqual([])
  })

  test('a peer that never says channel_reestablish: the channel waits, pays nothing, and is not failed', async () => {
    ready = await openChannel()
    const { bench, villain } = ready
    await wePay(10_000_000)
    villain.tamper = replacing('channel_reestablish', () => [])
    await again()
    const paying = follow(bench.client.sendPayment({ invoice: await villainInvoice(villain, 1_000_000) }))
    await bench.rest()
    expect(paying).toMatchObject({ over: true, error: 'peerNotConnected' })
    expect(failure()).toBeUndefined()
    // Whatever it says of the channel before that counts for nothing.
    villain.say({
      type: 'revoke_and_ack',
      channelId: ready.id,
      perCommitmentSecret: new Uint8Array(32),
      nextPerCommitmentPoint: Uint8Array.of(2, ...new Uint8Array(31), 1),
    })
    await bench.rest()
    expect(failure()).toBeUndefined()
    villain.tamper = undefined
    await again()
    await wePay(1_000_000)
  })

  test('a channel_reestablish for a channel that is not is answered with an error', async () => {
    ready = await openChannel()
    const { bench, villain } = ready
    villain.say({
      type: 'channel_reestablish',
      channelId: flip(ready.id, 1),
      nextCommitmentNumber: 5n,
      nextRevocationNumber: 4n,
      yourLastPerCommitmentSecret: new Uint8Array(32).fill(3),
      myCurrentPerCommitmentPoint: Uint8Array.of(2, ...new Uint8Array(31), 1),
    })
    await bench.rest()
    expect(villain.errors).toEqual(['unknown channel'])
    expect(failure()).toBeUndefined()
  })
})

describe('the peer has lost state', () => {
  test('it comes back with an older state and says so: we close with our newest', async () => {
    ready = await openChannel()
    const { bench, villain } = ready
    await wePay(10_000_000)
    const old = villain.snapshot()
    await wePay(20_000_000)
    villain.forgetSince(old)
    await bench.until('closed', () => failure() !== undefined, 120_000)
    await bench.rest()
    expect(failure()).toMatchObject({ remedy: 'broadcast' })
    expect(spends()).toHaveLength(1)
    expect((await bench.channel()).localMsat).toBe(String(OURS - 30_000_000))
    // The peer, which plays fair, does not broadcast: its state is old.
    expect(villain.state.channels[ready.channelId]?.failure).toMatchObject({ code: 'weAreBehind' })
  })
})

for (const format of ['anchors_zero_fee_htlc_tx', 'static_remotekey'] as const) {
  describe(`we have lost state (${format})`, () => {
    test('we never broadcast, not even when asked to; the peer closes, and our balance comes to the wallet', async () => {
      ready = await openChannel('we', format)
      const { bench, villain, channelId } = ready
      await wePay(10_000_000)
      const old = bench.copy()
      await wePay(20_000_000)
      await villainPays(ready, 7_000_000)
      await bench.until('settled', (s) => s.channels[0]?.htlcs === 0)

      await bench.rewind(old)
      // The peer hears our error but does not act on it yet.
      expect((await bench.channel()).localMsat).toBe(String(OURS - 10_000_000))
      await bench.until('known', () => failure() !== undefined, 120_000)
      await bench.rest()
      expect(failure()).toMatchObject({ code: 'weAreBehind', remedy: 'awaitRemote' })
      expect(spends()).toEqual([])
      expect(villain.errors.at(-1)).toMatch(/lost state/)
      const shown = await bench.channel()
      expect(shown.status).toBe('failed')
      expect(shown.reason).toMatch(/old state/)
      expect((await bench.app()).notices.find((n) => n.channelId === channelId)).toMatchObject({
        urgency: 'urgent',
      })

      // Neither the user nor the peer's errors nor a restart nor time make us broadcast what is revoked.
      const forced = follow(bench.client.closeChannel({ channelId, force: true }))
      await bench.rest()
      expect(forced).toMatchObject({ over: true, error: 'closeFailed' })
      villain.say({ type: 'error', channelId: ready.id, data: new Uint8Array(3).fill(65) })
      await bench.pass(60_000)
      await bench.crash()
      await bench.pass(60_000)
      await bench.mine(20)
      expect(spends()).toEqual([])

      // The peer closes with its newest commitment: it pays us what we really have.
      await villain.command({ type: 'closeChannel', channelId, force: true })
      await bench.mine()
      for (let i = 0; i < 10 && (await bench.channel()).status !== 'closed'; i++) {
        await bench.mine()
        await bench.pass(5_000)
      }
      const closed = await bench.channel()
      expect(closed).toMatchObject({ status: 'closed', closedBy: 'remote' })
      const output = closed.closingOutputs.find((o) => o.kind === 'toRemote')
      expect(output).toMatchObject({ state: 'swept' })
      const fee = bench.chain.feeOf(closed.closeTxid ?? '')
      const anchors = format === 'static_remotekey' ? 0n : 660n
      expect(BigInt(output?.amountSat ?? 0)).toBe(BigInt(OURS - 23_000_000) / 1000n - fee - anchors)
      const funding = bench.chain.feeOf(closed.fundingTxid ?? '')
      const sweep = bench.chain.feeOf(output?.sweepTxid ?? '')
      const { balances } = await bench.app()
      expect(BigInt(balances.onchainConfirmedSat)).toBe(
        BigInt(FUNDS - CAPACITY) - funding + BigInt(output?.amountSat ?? 0) - sweep,
      )
    })
  })
}
