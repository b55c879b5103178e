import { afterEach, describe, expect, test } from 'vitest'
import type { AppState } from '../../contract/schemas.ts'
import { fromHex, toHex } from '../../engine/base/bytes.ts'
import { sat } from '../../engine/base/units.ts'
import { decodeTx, encodeTx, txidOf } from '../../engine/bitcoin/tx.ts'
import type { Tx } from '../../engine/bitcoin/types.ts'
import type { EsploraRequest, EsploraResult } from '../../engine/chain/esplora.ts'
import { createEsploraClient } from '../../host/esplora/client.ts'
import {
  type Bench,
  CAPACITY,
  createBench,
  follow,
  FUNDS,
  openChannel,
  type Ready,
  SERVER,
  villainInvoice,
} from './bench.ts'
import { fetchOver, type Mood } from './http.ts'

/** Esplora servers that fail and lie, against the whole node: nothing false is believed, people are told, and it recovers by itself. */

const HONEST = 'http://honest.test/api'

let bench: Bench
afterEach(() => bench.stop())

const serverOf = (state: AppState, url = SERVER) => state.chain.servers.find((s) => s.url === url)
const notice = (state: AppState, code: string) => state.notices.find((n) => n.code === code)

/** Changes what the server says in answer to some requests. */
function lying(change: (request: EsploraRequest, honest: unknown) => unknown): void {
  bench.esplora = (server, request) => {
    if (server !== SERVER) return undefined
    const honest = bench.chain.answer(request)
    if (!honest.ok) return undefined
    const changed = change(request, honest.value)
    return changed === undefined ? undefined : ({ ok: true, value: changed } satisfies EsploraResult)
  }
}

describe('the server fails', () => {
  const moods: readonly Mood[] = [
    'html',
    'tooMany',
    'notice',
    'error500',
    'otherJson',
    'empty',
    'cut',
    'silence',
  ]
  for (const mood of moods) {
    test(`${mood}: it is told, nothing is believed, and all is well when it is over`, async () => {
      bench = await createBench()
      await bench.fund(FUNDS)
      let now: Mood | undefined
      const client = createEsploraClient({ fetch: fetchOver(bench.chain, () => now) })
      bench.esplora = (server, request) => client.request(server, request)
      await bench.mine()

      now = mood
      // Coins arrive and a block is found while nobody can say so.
      const { address } = await bench.client.newAddress()
      expect(address).toBeDefined()
      bench.chain.mine(2)
      const before = bench.chain.tip.height - 2
      await bench.pass(45_000)
      const bad = await bench.app()
      expect(bad.phase).toBe('running')
      expect(bad.chain).toMatchObject({ height: before, synced: false })
      expect(serverOf(bad)?.state).toBe('backingOff')
      expect(serverOf(bad)?.lastError).toBeTruthy()
      expect(notice(bad, 'serversUnreachable')).toBeDefined()
      expect(bad.balances.onchainConfirmedSat).toBe(String(FUNDS))

      now = undefined
      await bench.until(
        'recovered',
        (s) => s.chain.synced && s.chain.height === bench.chain.tip.height,
        120_000,
      )
      await bench.rest()
      const good = await bench.app()
      expect(serverOf(good)?.state).toBe('ok')
      expect(notice(good, 'serversUnreachable')).toBeUndefined()
    })
  }

  test('one of two fails: the other carries on, and the user is not alarmed', async () => {
    bench = await createBench({ servers: [SERVER, HONEST] })
    await bench.fund(FUNDS)
    const client = createEsploraClient({
      fetch: fetchOver(bench.chain, (url) => (url.host === 'bench.test' ? 'html' : undefined)),
    })
    bench.esplora = (server, request) => client.request(server, request)
    await bench.mine(3)
    await bench.pass(30_000)
    const state = await bench.app()
    expect(state.chain).toMatchObject({ synced: true, height: bench.chain.tip.height })
    expect(serverOf(state)?.state).toBe('backingOff')
    expect(serverOf(state, HONEST)?.state).toBe('ok')
    expect(notice(state, 'serversUnreachable')).toBeUndefined()
  })

  test('it falls silent in the middle of an opening: the funding transaction is sent when it is back', async () => {
    bench = await createBench()
    const villain = bench.villain()
    await bench.fund(FUNDS)
    bench.esplora = () => new Promise(() => {})
    const opening = follow(bench.client.openChannel({ peer: villain.address, amountSat: String(CAPACITY) }))
    await bench.rest()
    expect(opening.updates.at(-1)).toMatchObject({ status: 'confirming' })
    await bench.pass(30_000)
    expect(bench.sent).toEqual([])
    bench.esplora = undefined
    await bench.until('sent', () => bench.sent.length > 0, 60_000)
    await bench.mine()
    await bench.until('open', (s) => s.channels[0]?.status === 'open')
    expect(bench.sent).toHaveLength(1)
  })

  test('it takes transactions and loses them: they are sent again', async () => {
    bench = await createBench()
    const villain = bench.villain()
    await bench.fund(FUNDS)
    bench.esplora = (_, request) => {
      if (request.kind !== 'broadcast') return undefined
      const tx = decodeTx(fromHex(request.hex))
      return { ok: true, value: tx.ok ? txidOf(tx.value) : '' }
    }
    follow(bench.client.openChannel({ peer: villain.address, amountSat: String(CAPACITY) }))
    await bench.pass(20_000)
    expect(bench.chain.mempool).toEqual([])
    bench.esplora = undefined
    await bench.until('sent', () => bench.chain.mempool.length > 0, 60_000)
    await bench.mine()
    await bench.until('open', (s) => s.channels[0]?.status === 'open')
  })

  test('it refuses transactions with a web page: tried again until it takes them', async () => {
    bench = await createBench()
    const villain = bench.villain()
    await bench.fund(FUNDS)
    bench.esplora = (_, request) =>
      request.kind === 'broadcast'
        ? { ok: false, error: { kind: 'http', status: 403, message: '<html>blocked</html>' } }
        : undefined
    follow(bench.client.openChannel({ peer: villain.address, amountSat: String(CAPACITY) }))
    await bench.pass(20_000)
    expect(bench.chain.mempool).toEqual([])
    bench.esplora = undefined
    await bench.until('sent', () => bench.chain.mempool.length > 0, 60_000)
  })
})

describe('the server lies', () => {
  const headers: Record<string, (block: Record<string, unknown>) => Record<string, unknown>> = {
    'a nonce without work': (b) => ({ ...b, nonce: (Number(b.nonce) ^ 1) >>> 0 }),
    'another merkle root': (b) => ({ ...b, merkle_root: '11'.repeat(32) }),
    'another parent': (b) => ({ ...b, previousblockhash: '22'.repeat(32) }),
    'less difficulty': (b) => ({ ...b, bits: 0x217fffff }),
    'a time in the future': (b) => ({ ...b, timestamp: 4_000_000_000 }),
  }
  for (const [name, change] of Object.entries(headers)) {
    test(`headers with ${name} are not followed; the truth is when it comes`, async () => {
      bench = await createBench()
      const height = bench.chain.tip.height
      lying((r, honest) =>
        r.kind === 'blocks'
          ? (honest as Record<string, unknown>[]).map((b) => (Number(b.height) > height ? change(b) : b))
          : undefined,
      )
      bench.chain.mine(2)
      await bench.client.refresh()
      await bench.pass(20_000)
      const bad = await bench.app()
      expect(bad.chain).toMatchObject({ height, synced: false })
      expect(['lying', 'backingOff']).toContain(serverOf(bad)?.state)
      if (serverOf(bad)?.state === 'lying') expect(notice(bad, 'serverLies')?.message).toBeTruthy()
      bench.esplora = undefined
      await bench.until(
        'the truth',
        (s) => s.chain.synced && s.chain.height === bench.chain.tip.height,
        300_000,
      )
      await bench.rest()
      const good = await bench.app()
      expect(serverOf(good)?.state).toBe('ok')
      expect(notice(good, 'serverLies')).toBeUndefined()
    })
  }

  const proofs: Record<string, (p: { block_height: number; merkle: string[]; pos: number }) => unknown> = {
    'a changed branch': (p) => ({ ...p, merkle: ['33'.repeat(32), ...p.merkle.slice(1)] }),
    'another position': (p) => ({ ...p, pos: p.pos + 1 }),
    'another height': (p) => ({ ...p, block_height: p.block_height - 1 }),
    'a height that is not yet': (p) => ({ ...p, block_height: p.block_height + 1_000 }),
    'an endless branch': (p) => ({ ...p, merkle: Array.from({ length: 1_000 }, () => '44'.repeat(32)) }),
    'no branch at all': (p) => ({ ...p, merkle: [] }),
    nonsense: () => ({ merkle: 'yes' }),
  }
  for (const [name, change] of Object.entries(proofs)) {
    test(`proofs with ${name} confirm nothing: no coins, no channel, until they hold`, async () => {
      bench = await createBench()
      const villain = bench.villain()
      await bench.fund(FUNDS)
      follow(bench.client.openChannel({ peer: villain.address, amountSat: String(CAPACITY) }))
      await bench.rest()
      const confirmed = (await bench.app()).balances.onchainConfirmedSat
      lying((r, honest) =>
        r.kind === 'merkleProof' ? change(honest as Parameters<typeof change>[0]) : undefined,
      )
      bench.chain.mine(6)
      await bench.client.refresh()
      await bench.pass(20_000)
      const bad = await bench.app()
      expect(bad.channels[0]).toMatchObject({ status: 'confirming' })
      expect(bad.balances.onchainConfirmedSat).toBe(confirmed)
      // Nothing was said to the peer on the strength of it.
      expect(villain.all('channel_ready')).toEqual([])
      bench.esplora = undefined
      await bench.until('open', (s) => s.channels[0]?.status === 'open', 300_000)
      await bench.until('ok', (s) => serverOf(s)?.state === 'ok', 300_000)
    })
  }

  test('another transaction than asked for, one that would pay us more, is not believed', async () => {
    bench = await createBench()
    const { address } = await bench.client.newAddress()
    expect(address).toBeDefined()
    lying((r, honest) => {
      if (r.kind !== 'tx') return undefined
      const tx = decodeTx(fromHex(String(honest)))
      if (!tx.ok) return undefined
      const richer: Tx = {
        ...tx.value,
        outputs: tx.value.outputs.map((o) => ({ ...o, valueSat: sat(o.valueSat * 10n) })),
      }
      return toHex(encodeTx(richer))
    })
    await bench.fund(FUNDS).catch(() => {})
    expect((await bench.app()).balances).toMatchObject({ onchainConfirmedSat: '0' })
    bench.esplora = undefined
    await bench.until('coins', (s) => s.balances.onchainConfirmedSat === String(FUNDS), 300_000)
  })

  describe('about a channel that is open', () => {
    let ready: Ready
    const begin = async (): Promise<void> => {
      ready = await openChannel()
      bench = ready.bench
    }

    /** A transaction that spends the funding output to nobody, as a server could make it up. */
    const forged = (): Tx => {
      const { outpoint, sat: amount } = bench.state().channels[ready.channelId]?.funding ?? {}
      if (outpoint === undefined || amount === undefined) throw new Error('no funding')
      const signature = Uint8Array.of(0x30, ...new Uint8Array(70).fill(1), 1)
      return {
        version: 2,
        inputs: [
          {
            outpoint,
            scriptSig: new Uint8Array(0),
            sequence: 0x80112233,
            witness: [new Uint8Array(0), signature, signature, new Uint8Array(71).fill(2)],
          },
        ],
        outputs: [
          { valueSat: sat(amount - 1_000n), script: Uint8Array.of(0, 20, ...new Uint8Array(20).fill(9)) },
        ],
        locktime: 0x20aabbcc,
      }
    }

    for (const status of ['unconfirmed', 'confirmed'] as const) {
      test(`it claims an ${status} spend that never was: the channel is not given up, and goes on`, async () => {
        await begin()
        const tx = forged()
        const at = bench.chain.tip
        bench.esplora = (_, r) => {
          if (r.kind === 'outspend' && r.txid === tx.inputs[0]?.outpoint.txid) {
            const where =
              status === 'unconfirmed'
                ? { confirmed: false }
                : {
                    confirmed: true,
                    block_height: at.height,
                    block_hash: at.hash,
                    block_time: at.header.time,
                  }
            return { ok: true, value: { spent: true, txid: txidOf(tx), vin: 0, status: where } }
          }
          if (r.kind === 'tx' && r.txid === txidOf(tx)) return { ok: true, value: toHex(encodeTx(tx)) }
          return undefined
        }
        await bench.mine()
        await bench.pass(30_000)
        const lied = bench.state().channels[ready.channelId]
        expect(lied?.failure).toBeUndefined()
        expect((await bench.app()).phase).toBe('running')
        expect(
          bench.sent.filter((t) => t.inputs.some((i) => i.outpoint.txid === tx.inputs[0]?.outpoint.txid)),
        ).toEqual([])
        bench.esplora = undefined
        await bench.mine()
        await bench.until('the truth', (s) => s.chain.synced && s.channels[0]?.status === 'open', 300_000)
        const paying = follow(
          bench.client.sendPayment({ invoice: await villainInvoice(ready.villain, 1_000_000) }),
        )
        await bench.until('paid', () => paying.over, 120_000)
        expect(paying.updates.at(-1)).toMatchObject({ status: 'succeeded' })
      })
    }

    test('it hides that the peer has closed, and a second server does not: the close is seen', async () => {
      ready = await openChannel()
      bench = ready.bench
      await bench.client.updateSettings({ servers: [SERVER, HONEST] })
      await bench.rest()
      lying((r) => (r.kind === 'outspend' ? { spent: false } : undefined))
      ready.villain.hangUp()
      ready.villain.down = true
      await ready.villain.command({ type: 'closeChannel', channelId: ready.channelId, force: true })
      await bench.mine()
      await bench.until('seen', (s) => s.channels[0]?.closedBy === 'remote', 60_000)
      for (let i = 0; i < 3; i++) {
        await bench.mine()
        await bench.pass(10_000)
      }
      const state = await bench.app()
      expect(serverOf(state)?.state).toBe('lying')
      expect(notice(state, 'serverLies')).toBeDefined()
      expect(serverOf(state, HONEST)?.state).toBe('ok')
    })

    test('it claims that the funding transaction is gone: the channel stays, and no channel_ready is taken back', async () => {
      await begin()
      const txid = (await bench.channel()).fundingTxid
      bench.esplora = (_, r) => {
        if ((r.kind === 'tx' || r.kind === 'merkleProof') && r.txid === txid)
          return { ok: false, error: { kind: 'http', status: 404, message: 'Transaction not found' } }
        if (r.kind === 'history') return { ok: true, value: [] }
        return undefined
      }
      await bench.mine(2)
      await bench.pass(60_000)
      expect(await bench.channel()).toMatchObject({ status: 'open' })
      // Coins with a proof stay, whatever the server says now.
      expect(BigInt((await bench.app()).balances.onchainConfirmedSat)).toBeGreaterThan(0n)
    })
  })
})
