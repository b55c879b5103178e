import { expect, test } from 'vitest'
import { msat, sat } from '../../engine/base/units.ts'
import { txidOf } from '../../engine/bitcoin/tx.ts'
import { outPointKey } from '../../engine/bitcoin/types.ts'
import { encodeMessage } from '../../engine/wire/encode.ts'
import type { Message } from '../../engine/wire/messages.ts'
import { seeded, type Random } from '../random.ts'
import { createBench, follow, FUNDS, openChannel, villainInvoice } from './bench.ts'
import { OFF_CURVE } from './villain.ts'

/**
 * A peer that says its lines with random words: fields changed, messages doubled, dropped, swapped, repeated later. Whatever it says, the
 * node neither stops nor publishes anything but its newest commitment or an agreed close, and never two spends of one channel.
 */

const SEEDS = Number(process.env.BAD_SEEDS ?? 10)

/** The same message with one field changed to something that still fits on the wire. */
function mutate(message: Message, random: Random): Message {
  const fields = Object.entries(message).filter(([key]) => key !== 'type' && key !== 'channelId')
  const picked = fields[random.int(Math.max(1, fields.length))]
  if (picked === undefined) return message
  const [key, value] = picked
  const changed = { ...message, [key]: other(value, random) } as Message
  try {
    encodeMessage(changed)
    return changed
  } catch {
    return message
  }
}

function other(value: unknown, random: Random): unknown {
  if (typeof value === 'bigint') {
    return random.pick([
      0n,
      1n,
      value + 1n,
      value - 1n,
      value * 2n,
      2n ** 32n,
      2n ** 48n,
      2n ** 53n,
      2n ** 63n,
      2n ** 64n - 1n,
    ])
  }
  if (typeof value === 'number')
    return random.pick([0, 1, value + 1, value - 1, 253, 500_000_000, 0xffff, 0xffffffff])
  if (value instanceof Uint8Array) {
    if (value.length === 33 && random.bool(0.5)) return OFF_CURVE
    if (random.bool(0.3)) return new Uint8Array(value.length)
    const at = random.int(Math.max(1, value.length))
    return value.map((b, i) => (i === at ? b ^ (1 << random.int(8)) : b))
  }
  if (Array.isArray(value)) return random.bool(0.5) ? [] : [...(value as unknown[]), ...(value as unknown[])]
  return value
}

for (let seed = 1; seed <= SEEDS; seed++) {
  test(`an open channel, seed ${seed}`, async () => {
    const random = seeded(seed)
    const { bench, villain, channelId } = await openChannel(
      random.bool(0.5) ? 'we' : 'villain',
      random.pick(['anchors_zero_fee_htlc_tx', 'static_remotekey'] as const),
    )
    villain.deaf = (m) => m.type === 'error' || random.bool(0.02)
    const spoken: Message[] = []
    const wild = 0.05 + random.next() * 0.3
    villain.tamper = (message) => {
      spoken.push(message)
      if (!random.bool(wild)) return undefined
      switch (random.int(6)) {
        case 0:
          return []
        case 1:
          return [message, message]
        case 2:
          return [message, random.pick(spoken)]
        case 3:
          return [random.pick(spoken), message]
        case 4:
          return ['hangUp']
        default:
          return [mutate(message, random)]
      }
    }
    for (let round = 0; round < 12; round++) {
      switch (random.int(7)) {
        case 0:
        case 1: {
          const invoice = await villainInvoice(villain, 1 + random.int(90_000_000))
          follow(bench.client.sendPayment({ invoice }))
          break
        }
        case 2:
        case 3: {
          const made = await bench.client.addInvoice({ amountMsat: String(1 + random.int(90_000_000)) })
          await villain
            .command({ type: 'sendPayment', invoice: made.invoice, timeoutSeconds: 60 })
            .catch(() => {})
          break
        }
        case 4:
          if (spoken.length > 0) villain.say(mutate(random.pick(spoken), random))
          break
        case 5:
          if (random.bool(0.3)) follow(bench.client.closeChannel({ channelId, force: random.bool(0.3) }))
          else villain.hangUp()
          break
        default:
          await bench.crash()
      }
      await bench.rest()
      await bench.pass(random.pick([0, 1_000, 5_000]))
      if (!villain.connected) await bench.call(villain)
      if (random.bool(0.2)) await bench.mine()
    }
    const { phase, error } = await bench.app()
    expect({ phase, error }).toEqual({ phase: 'running', error: undefined })
    const channel = bench.state().channels[channelId]
    const funding = channel?.funding.outpoint
    if (channel === undefined || funding === undefined) throw new Error('the channel is gone')
    const spends = bench.sent.filter((tx) =>
      tx.inputs.some((i) => outPointKey(i.outpoint) === outPointKey(funding)),
    )
    expect(spends.length).toBeLessThanOrEqual(channel.closing?.tx === undefined ? 1 : 2)
    if (channel.failure?.remedy === 'broadcast') expect(bench.chain.spenderOf(funding)).toBeDefined()
    await bench.stop()
  })
}

for (let seed = 1; seed <= Math.ceil(SEEDS / 5); seed++) {
  test(`openings both ways, seed ${seed}`, async () => {
    const random = seeded(1000 + seed)
    const bench = await createBench()
    const villain = bench.villain()
    await bench.fund(FUNDS)
    await bench.call(villain)
    await bench.equip(villain, FUNDS)
    for (let round = 0; round < 25; round++) {
      if (!villain.connected) await bench.call(villain)
      // One message of every opening is not what it should be, in one field or two.
      const turn = random.int(3)
      let said = 0
      villain.tamper = (message) => {
        if (message.type === 'init' || message.type === 'error') return undefined
        if (said++ !== turn) return undefined
        const changed = mutate(message, random)
        return [random.bool(0.3) ? mutate(changed, random) : changed]
      }
      const amountSat = 20_000 + random.int(100_000)
      if (random.bool(0.5)) {
        follow(bench.client.openChannel({ peer: villain.address, amountSat: String(amountSat) }))
      } else {
        const terms = { amountSat: sat(amountSat), pushMsat: msat(random.int(amountSat * 900)) }
        await villain.command({ type: 'openChannel', nodeId: bench.nodeId, ...terms }).catch(() => {})
      }
      await bench.pass(random.pick([0, 65_000]))
      if (random.bool(0.2)) await bench.mine()
    }
    villain.tamper = undefined
    await bench.pass(70_000)
    await bench.mine()
    const { phase, error } = await bench.app()
    expect({ phase, error }).toEqual({ phase: 'running', error: undefined })
    expect(bench.state().openings).toEqual({})
    expect(bench.state().wallet.reservations).toEqual({})
    // Whatever went out made a channel that we hold a signature for, closes a channel, or brings home what a close left.
    const channels = Object.values(bench.state().channels)
    const funded = channels.filter((c) => c.role === 'opener').map((c) => c.funding.outpoint.txid)
    const fundings = channels.map((c) => outPointKey(c.funding.outpoint))
    const closes = bench.chain
      .transactions()
      .filter(({ tx }) => tx.inputs.some((i) => fundings.includes(outPointKey(i.outpoint))))
      .map(({ txid }) => txid)
    for (const tx of bench.sent) {
      const txid = txidOf(tx)
      const known =
        funded.includes(txid) ||
        tx.inputs.some((i) => fundings.includes(outPointKey(i.outpoint)) || closes.includes(i.outpoint.txid))
      expect(known, txid).toBe(true)
    }
    await bench.stop()
  })
}
