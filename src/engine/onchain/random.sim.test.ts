import { describe, expect, it } from 'vitest'
import { type Random, seeded } from '../../testing/random.ts'
import { toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { txidOf } from '../bitcoin/tx.ts'
import { ANCHORS, LCP, STATIC_REMOTEKEY } from '../commitment/formats.ts'
import { otherRole, type Role, type ViewHtlc } from '../commitment/types.ts'
import { sha256 } from '../crypto/hash.ts'
import { decodeRecord, encodeRecord } from '../records/codec.ts'
import { closingOutputs } from './project.ts'
import { createOnchain } from './step.ts'
import {
  drive,
  type Driver,
  fakeChain,
  scene,
  type SceneOptions,
  sceneFundingScript,
  testPayer,
  WALLET_SCRIPT,
} from './testing.ts'

/**
 * Closes of every kind with random HTLCs, feerates, restarts and reorganisations, both sides running this machine. In the end
 * everything is settled, told once, and every output is with the side it belongs to.
 */

const NEWEST = 6n

interface Secret {
  readonly htlc: ViewHtlc
  readonly preimage: Uint8Array
  /** Whether the side that was offered it knows the preimage. */
  readonly known: boolean
}

function randomHtlcs(random: Random, start: number): Secret[] {
  const next: Record<Role, bigint> = { opener: 0n, accepter: 0n }
  return Array.from({ length: random.int(7) }, () => {
    const offerer = random.pick(['opener', 'accepter'] as const)
    const preimage = random.bytes(32)
    const amountMsat = msat(random.pick([200_000, 400_000, 1_500_000, 30_000_000, 60_000_001]))
    const cltvExpiry = start + 3 + random.int(40)
    const htlc = { offerer, id: next[offerer], amountMsat, paymentHash: sha256(preimage), cltvExpiry }
    next[offerer] += 1n
    return { htlc, preimage, known: random.bool(0.5) }
  })
}

async function run(seed: number): Promise<void> {
  const random = seeded(seed)
  const format = random.pick([STATIC_REMOTEKEY, ANCHORS, LCP])
  const chain = fakeChain()
  const start = await chain.height()
  const secrets = randomHtlcs(random, start)
  const options: SceneOptions = {
    format,
    fundingOutpoint: chain.fund(sceneFundingScript(format), 1_000_000n),
    delay: 12 + random.int(30),
    expiry: 0,
    htlcs: secrets.map((x) => x.htlc),
    number: NEWEST,
  }
  const s = scene(options)
  const owner = random.pick(['opener', 'accepter'] as const)
  const other = otherRole(owner)
  /** Newest, next, or one of those revoked. */
  const number = random.pick([NEWEST, NEWEST + 1n, 1n, 2n, 3n, 4n, 5n])
  const revoked = number < NEWEST

  const fees: { feeratePerKw: number; urgentFeeratePerKw: number }[] = []
  const machine = (
    role: Role,
    snapshots = s.snapshots,
    publish?: Parameters<typeof createOnchain>[3],
  ): Driver => {
    const coins = Array.from({ length: 10 }, () => ({
      outpoint: chain.fund(WALLET_SCRIPT, 100_000n),
      valueSat: 100_000n,
    }))
    const ctx = {
      signer: s.signers[role],
      feeratePerKw: 253 + random.int(3000),
      urgentFeeratePerKw: 1000 + random.int(4000),
      feePayer: testPayer(coins),
    }
    fees.push(ctx)
    const preimages = secrets.filter((x) => x.known && x.htlc.offerer !== role).map((x) => x.preimage)
    const snapshot = { ...snapshots[role], preimages }
    return drive(chain, createOnchain(snapshot, start, ctx, publish), ctx, (n) => s.court(otherRole(role), n))
  }
  const honest = machine(other)
  const theirs = scene({ ...options, number })
  const closer = machine(owner, theirs.snapshots, s.signed(owner, number).tx)
  const drivers = random.bool(0.5) ? [honest, closer] : [closer, honest]
  // The honest side may have been away; never as long as the delay lasts.
  const away = revoked ? random.int(8) : random.int(20)
  await closer.sync()
  for (let block = 0; block < 70; block++) {
    await chain.mine(1)
    const awake = block < away ? drivers.filter((d) => d !== honest) : drivers
    for (const d of awake) await d.sync()
    if (random.bool(0.1)) {
      const d = random.pick(awake)
      const stored = unwrap(decodeRecord(encodeRecord(1, d.state)))
      expect(stored.value).toEqual(d.state)
      d.restart()
    }
    // Once, and not where it would take the close back below a revoked one's delay.
    if (block === 22 && random.bool(0.6)) {
      const depth = 1 + random.int(10)
      const keep = s.signed(owner, number).built.txid
      chain.reorg(depth, (tx) => txidOf(tx) !== keep && random.bool(0.4))
      for (const d of drivers) await d.sync()
    }
  }
  // The day on which what was too dear before is worth it.
  for (const ctx of fees) ctx.feeratePerKw = ctx.urgentFeeratePerKw = 253
  for (let block = 0; block < 170; block++) {
    await chain.mine(1)
    for (const d of drivers) await d.sync()
  }

  for (const d of drivers) {
    const ends = d.events.flatMap((e) =>
      e.type === 'htlcFailed' || e.type === 'htlcFulfilled' ? [`${e.offerer} ${e.id}`] : [],
    )
    expect(new Set(ends).size).toBe(ends.length)
    const open = closingOutputs(d.state).filter((o) => o.state === 'waiting' || o.state === 'sweeping')
    expect(open).toEqual([])
    expect(d.events.at(-1)).toMatchObject({ type: 'forget' })
    expect(d.state.tokens).toEqual([])
  }
  const live = number === 0n ? 0 : secrets.length
  const fates = honest.events.filter((e) => e.type === 'htlcFailed' || e.type === 'htlcFulfilled')
  expect(fates).toHaveLength(live)
  const outputs = closingOutputs(honest.state)
  const kind = honest.events.find((e) => e.type === 'closeSeen')
  const left = outputs.filter((o) => o.kind !== 'anchor' && o.state !== 'swept' && o.amountSat > 1_500n)
  if (revoked) {
    expect(kind).toMatchObject({ kind: 'revoked' })
    expect(left).toEqual([])
    return
  }
  expect(kind).toMatchObject({ kind: number === NEWEST ? 'remote' : 'remoteNext' })
  // What is not ours is the other side's, and it took it.
  const mine = outputs.filter((o) => o.state === 'swept').length
  const its = closingOutputs(closer.state).filter((o) => o.state === 'swept').length
  const all = outputs.filter((o) => o.kind !== 'anchor' && o.amountSat > 1_500n).length
  expect(mine + its).toBeGreaterThanOrEqual(all)
  for (const e of fates) {
    const secret = secrets.find((x) => x.htlc.offerer === e.offerer && x.htlc.id === e.id)
    if (secret === undefined) throw new Error('an HTLC that there was')
    // A preimage that its holder had in time settles what was offered to it by others.
    if (e.type === 'htlcFulfilled') expect(toHex(e.preimage)).toBe(toHex(secret.preimage))
    if (e.type === 'htlcFulfilled') expect(secret.known).toBe(true)
  }
}

describe('random closes', () => {
  it.each(Array.from({ length: 40 }, (_, i) => i + 1))('seed %i', run, 60_000)
})
