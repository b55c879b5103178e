import { afterEach, describe, expect, test } from 'vitest'
import { sat } from '../../engine/base/units.ts'
import { txidOf } from '../../engine/bitcoin/tx.ts'
import { CAPACITY, follow, openChannel, PUSH_MSAT, type Ready, villainInvoice } from './bench.ts'
import { flip, replacing, type Tamper } from './villain.ts'

/** Peers that misbehave while a channel is closed by agreement. */

let ready: Ready
afterEach(() => ready.bench.stop())

const OURS = BigInt(CAPACITY * 1000 - PUSH_MSAT)

const close = () => follow(ready.bench.client.closeChannel({ channelId: ready.channelId }))

const closings = () => {
  const { bench, channelId } = ready
  const { outpoint } = bench.state().channels[channelId]?.funding ?? {}
  return bench.sent.filter((tx) =>
    tx.inputs.some((i) => i.outpoint.txid === outpoint?.txid && i.outpoint.vout === outpoint.vout),
  )
}

/** The channel is closed by agreement, once, and we have what is ours. */
async function expectClosed(opener: 'we' | 'villain' = 'we'): Promise<void> {
  const { bench } = ready
  await bench.until('broadcast', () => closings().length > 0, 180_000)
  await bench.mine()
  await bench.until('closed', (s) => s.channels[0]?.status === 'closed')
  expect(await bench.channel()).toMatchObject({ closedBy: 'mutual' })
  expect(closings()).toHaveLength(1)
  const [tx] = closings()
  if (tx === undefined) throw new Error('no closing')
  const fee = bench.chain.feeOf(txidOf(tx))
  const expected = opener === 'we' ? OURS / 1000n - fee : BigInt(PUSH_MSAT / 1000)
  expect(tx.outputs.map((o) => o.valueSat)).toContain(expected)
}

describe('the peer’s part of it is wrong', () => {
  const cases: Record<string, Tamper> = {
    'a shutdown to another script than it committed to': replacing('shutdown', (m) => [
      { ...m, scriptpubkey: flip(m.scriptpubkey, 5) },
    ]),
    'a shutdown to a script of no accepted form': replacing('shutdown', (m) => [
      { ...m, scriptpubkey: Uint8Array.of(0x51) },
    ]),
    'a closing signature that is none': replacing('closing_signed', (m) => [
      { ...m, signature: flip(m.signature, 7) },
    ]),
    'a closing signature for another fee': replacing('closing_signed', (m) => [
      { ...m, feeSatoshis: sat(m.feeSatoshis + 1n) },
    ]),
    'a closing signature before the shutdown': replacing('shutdown', (m) => [
      {
        type: 'closing_signed',
        channelId: m.channelId,
        feeSatoshis: sat(500),
        signature: new Uint8Array(64).fill(1),
      },
      m,
    ]),
  }
  for (const [name, tamper] of Object.entries(cases)) {
    test(`${name}: the connection ends, nothing is broadcast, and the close goes on when the peer behaves`, async () => {
      ready = await openChannel()
      const { bench, villain } = ready
      villain.tamper = tamper
      const closing = close()
      await bench.rest()
      expect(villain.connected).toBe(false)
      expect(closings()).toEqual([])
      expect(bench.state().channels[ready.channelId]?.failure).toBeUndefined()
      expect((await bench.channel()).status).toBe('closing')
      villain.tamper = undefined
      await expectClosed()
      await bench.rest()
      expect(closing.updates.at(-1)).toMatchObject({ status: 'confirmed' })
    })
  }

  test('it adds an HTLC after its shutdown: the channel fails', async () => {
    ready = await openChannel()
    const { bench, villain } = ready
    villain.tamper = replacing('closing_signed', (m) => [
      {
        type: 'update_add_htlc',
        channelId: m.channelId,
        id: 0n,
        amountMsat: 1_000_000n as never,
        paymentHash: new Uint8Array(32),
        cltvExpiry: 500,
        onionRoutingPacket: new Uint8Array(1366),
      },
    ])
    close()
    await bench.rest()
    expect(bench.state().channels[ready.channelId]?.failure).toMatchObject({ code: 'addAfterShutdown' })
    expect(closings()).toHaveLength(1)
  })

  test('it never answers: the user may close on chain instead', async () => {
    ready = await openChannel()
    const { bench, villain } = ready
    villain.deaf = () => true
    close()
    await bench.pass(20_000)
    expect((await bench.channel()).status).toBe('closing')
    expect(closings()).toEqual([])
    const forced = follow(bench.client.closeChannel({ channelId: ready.channelId, force: true }))
    await bench.rest()
    expect(closings()).toHaveLength(1)
    await bench.mine()
    await bench.rest()
    expect(forced.updates.at(-1)).toMatchObject({ status: 'confirmed' })
    expect(await bench.channel()).toMatchObject({ status: 'forceClosing', closedBy: 'local' })
  })

  test('it publishes an agreed close itself before we can', async () => {
    ready = await openChannel()
    const { bench, villain } = ready
    // Its own signature never reaches us, though it has ours.
    villain.tamper = replacing('closing_signed', () => ['hangUp'])
    close()
    await bench.rest()
    expect(closings()).toEqual([])
    villain.down = true
    await bench.mine()
    await bench.until('closed', (s) => s.channels[0]?.status === 'closed', 60_000)
    expect(await bench.channel()).toMatchObject({ closedBy: 'mutual' })
    // No commitment of ours went out.
    expect(closings()).toEqual([])
  })
})

describe('gone', () => {
  for (const opener of ['we', 'villain'] as const) {
    for (const asks of ['we', 'villain'] as const) {
      test(`${opener} opened, ${asks} close: the peer disappears after each single message it sends`, async () => {
        for (let nth = 1; ; nth++) {
          ready = await openChannel(opener)
          const { bench, villain, channelId } = ready
          let said = 0
          let gone = false
          villain.tamper = (m) => {
            if (m.type !== 'shutdown' && m.type !== 'closing_signed') return undefined
            said += 1
            if (said !== nth) return undefined
            gone = true
            return [m, 'hangUp']
          }
          if (asks === 'we') close()
          else await villain.command({ type: 'closeChannel', channelId, force: false })
          await bench.rest()
          villain.tamper = undefined
          if (opener === 'villain' && !villain.connected) await bench.call(villain)
          await expectClosed(opener)
          if (!gone) {
            expect(nth).toBeGreaterThan(2)
            return
          }
          await bench.stop()
        }
      })
    }
  }

  test('an HTLC on its way delays the close until it is settled', async () => {
    ready = await openChannel()
    const { bench, villain, channelId } = ready
    const invoice = await villainInvoice(villain, 30_000_000)
    const order: string[] = []
    villain.deaf = (m) => {
      order.push(m.type)
      return false
    }
    const paying = follow(bench.client.sendPayment({ invoice }))
    // As soon as the HTLC is offered, and long before it is settled.
    while (paying.updates.length === 0) await Promise.resolve()
    close()
    await bench.until('broadcast', () => closings().length > 0, 60_000)
    expect(paying.updates.at(-1)).toMatchObject({ status: 'succeeded' })
    expect(order.indexOf('shutdown')).toBeGreaterThan(order.indexOf('update_add_htlc'))
    // The closing offer came last of all, when both commitments were empty.
    expect(order.indexOf('closing_signed')).toBeGreaterThan(order.lastIndexOf('revoke_and_ack'))
    expect(bench.state().channels[channelId]?.failure).toBeUndefined()
    const [tx] = closings()
    if (tx === undefined) throw new Error('no closing')
    expect(tx.outputs.map((o) => o.valueSat)).toContain(
      OURS / 1000n - 30_000n - bench.chain.feeOf(txidOf(tx)),
    )
  })
})
