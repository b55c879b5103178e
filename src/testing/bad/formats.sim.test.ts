import { afterEach, expect, test } from 'vitest'
import { msat, sat } from '../../engine/base/units.ts'
import { toHex } from '../../engine/base/bytes.ts'
import { encodeFeatures, featureBits } from '../../engine/wire/features.ts'
import type { LcpParameters, OpenChannel } from '../../engine/wire/messages.ts'
import { type Bench, createBench, follow } from './bench.ts'
import { replacing, type Villain } from './villain.ts'

/** Which format a channel gets, from what the two sides say of themselves; and that no two channels share a key. */

const LCP = 267
const LCP_TYPE = encodeFeatures([12, 22, 266])
const ANCHORS_TYPE = encodeFeatures([12, 22])
const BOTH = ['lcp', 'anchors_zero_fee_htlc_tx']

let bench: Bench
afterEach(() => bench.stop())

const openFromUs = (address: string) =>
  follow(bench.client.openChannel({ peer: address, amountSat: '200000', pushMsat: '50000000' }))

const withoutLcp = replacing('init', (m) => [
  { ...m, features: encodeFeatures(featureBits(m.features).filter((bit) => bit !== LCP)) },
])

test('lcp is proposed to a peer whose init shows it, never required, and not to one whose init does not', async () => {
  bench = await createBench({ formats: BOTH })
  await bench.fund(1_000_000)
  const ben = bench.villain('ben')
  const cal = bench.villain('cal')
  cal.tamper = withoutLcp
  for (const [villain, type] of [
    [ben, LCP_TYPE],
    [cal, ANCHORS_TYPE],
  ] as const) {
    const outcome = openFromUs(villain.address)
    await bench.rest()
    expect(outcome.error).toBeUndefined()
    const [init] = villain.all('init')
    expect(featureBits(init?.features ?? new Uint8Array())).toContain(LCP)
    expect(featureBits(init?.features ?? new Uint8Array())).not.toContain(266)
    const [open] = villain.all('open_channel')
    expect(open?.channelType).toEqual(type)
    expect(open?.lcpParameters === undefined).toBe(villain === cal)
  }
  await bench.mine()
  await bench.until('both open', (s) => s.channels.every((c) => c.status === 'open'))
  expect((await bench.client.listChannels()).map((c) => c.format).sort()).toEqual([
    'anchors_zero_fee_htlc_tx',
    'lcp',
  ])
})

test('a peer that proposes lcp without having said so in init, or half of it, hears why not, and nothing is left of it', async () => {
  bench = await createBench({ formats: BOTH })
  const villain = bench.villain()
  await bench.call(villain)
  await bench.equip(villain, 1_000_000)
  const open = async (): Promise<string | undefined> => {
    const heard = villain.errors.length
    const request = { amountSat: sat(200_000), pushMsat: msat(0) }
    await villain.command({ type: 'openChannel', nodeId: bench.nodeId, ...request })
    await bench.rest()
    return villain.errors.slice(heard).at(-1)
  }
  let terms: LcpParameters | undefined
  const half = (change: (m: OpenChannel) => OpenChannel) => {
    villain.tamper = replacing('open_channel', (m) => {
      terms ??= m.lcpParameters
      return [change(m)]
    })
  }
  half(({ lcpParameters: _, ...m }) => m)
  expect(await open()).toContain('both or neither')
  half((m) => ({ ...m, channelType: ANCHORS_TYPE }))
  expect(await open()).toContain('both or neither')
  half((m) => ({ ...m, lcpParameters: { ...(terms as LcpParameters), basepointProof: new Uint8Array(64) } }))
  expect(await open()).toContain('proof of possession')
  expect(bench.state().openings).toEqual({})

  // The connection is made anew, and this time its init says nothing of lcp.
  villain.hangUp()
  await bench.rest()
  villain.tamper = withoutLcp
  await bench.call(villain)
  expect((await bench.app()).channels).toEqual([])
  expect(await open()).toContain('not negotiated')
  expect(bench.state().openings).toEqual({})
  // It has asked once more, for what both have.
  expect((await bench.app()).channels.map((c) => c.format)).toEqual(['anchors_zero_fee_htlc_tx'])
})

/** Answers an lcp open_channel with an error in these words; other types are accepted. */
const refusingLcp = (villain: Villain, words: string): void => {
  villain.tamper = replacing('accept_channel', (m) =>
    m.lcpParameters === undefined
      ? [m]
      : [{ type: 'error', channelId: m.temporaryChannelId, data: new TextEncoder().encode(words) }],
  )
}

test('a peer that shows lcp and then refuses the type is asked for anchors, in the same opening as the user sees it', async () => {
  bench = await createBench({ formats: BOTH })
  await bench.fund(1_000_000)
  const villain = bench.villain()
  refusingLcp(villain, 'unsupported channel_type')
  const outcome = openFromUs(villain.address)
  await bench.rest()
  expect(outcome.error).toBeUndefined()
  expect(villain.all('open_channel').map((m) => m.channelType)).toEqual([LCP_TYPE, ANCHORS_TYPE])
  const [first, second] = villain.all('open_channel')
  // Another temporary id and other keys: the proofs of the first are bound to its own, and no key serves twice.
  expect(first?.temporaryChannelId).not.toEqual(second?.temporaryChannelId)
  expect(first?.fundingPubkey).not.toEqual(second?.fundingPubkey)
  expect(second?.lcpParameters).toBeUndefined()
  expect(bench.state().openings).toEqual({})
  await bench.mine()
  await bench.until('the channel is open', (s) => s.channels.some((c) => c.status === 'open'))
  expect((await bench.client.listChannels()).map((c) => c.format)).toEqual(['anchors_zero_fee_htlc_tx'])
})

test('a refusal for another reason, of the other type as well, or where no other format is to be had, ends the opening', async () => {
  bench = await createBench({ formats: BOTH })
  await bench.fund(1_000_000)
  const villain = bench.villain()
  refusingLcp(villain, 'the channel is below 1000000 sat')
  const small = openFromUs(villain.address)
  await bench.rest()
  expect(small).toMatchObject({ over: true, error: 'openRefused' })
  expect(villain.all('open_channel')).toHaveLength(1)

  villain.tamper = replacing('accept_channel', (m) => [
    {
      type: 'error',
      channelId: m.temporaryChannelId,
      data: new TextEncoder().encode('Channel Type was not understood'),
    },
  ])
  const neither = openFromUs(villain.address)
  await bench.rest()
  expect(neither).toMatchObject({ over: true, error: 'openRefused' })
  expect(villain.all('open_channel')).toHaveLength(3)
  expect(bench.state().openings).toEqual({})
  expect(bench.state().wallet.reservations).toEqual({})
  await bench.stop()

  bench = await createBench({ formats: ['lcp'] })
  await bench.fund(1_000_000)
  const other = bench.villain()
  refusingLcp(other, 'unsupported channel_type')
  const only = openFromUs(other.address)
  await bench.rest()
  expect(only).toMatchObject({ over: true, error: 'openRefused' })
  expect(other.all('open_channel')).toHaveLength(1)
})

test('keys are never used twice: failed openings, restarts, a wallet restored from words, and randomness that repeats itself', async () => {
  // The worst platform: the same 32 bytes whenever it is asked.
  bench = await createBench({ formats: BOTH, entropy: () => new Uint8Array(32).fill(7) })
  await bench.fund(1_000_000)
  const villain = bench.villain()
  villain.tamper = replacing('accept_channel', (m) => [
    { type: 'error', channelId: m.temporaryChannelId, data: new TextEncoder().encode('no') },
  ])
  const words = new Map([...bench.copy()].filter(([key]) => key === 'seed'))
  const tries = async (n: number): Promise<void> => {
    for (let i = 0; i < n; i++) {
      const outcome = openFromUs(villain.address)
      await bench.rest()
      expect(outcome).toMatchObject({ over: true, error: 'openRefused' })
      await bench.pass(1_000)
    }
  }
  await tries(3)
  await bench.crash()
  await tries(2)
  await bench.rewind(words)
  await bench.until('coins are found again', (s) => BigInt(s.balances.onchainConfirmedSat) >= 1_000_000n)
  await tries(3)
  const opens = villain.all('open_channel')
  expect(opens).toHaveLength(8)
  for (const key of [
    'fundingPubkey',
    'revocationBasepoint',
    'paymentBasepoint',
    'delayedPaymentBasepoint',
    'htlcBasepoint',
    'firstPerCommitmentPoint',
  ] as const)
    expect(new Set(opens.map((m) => toHex(m[key]))).size, key).toBe(8)
})
