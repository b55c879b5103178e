import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../base/bytes.ts'
import { msat } from '../base/units.ts'
import { encodeTx, MAX_STANDARD_TX_WEIGHT, outputSumSat, weightOf } from '../bitcoin/tx.ts'
import { buildCommitment, commitmentNumberOf, obscuringFactor } from './build.ts'
import { anchorsCostSat, commitmentFeeSat, dustExposureMsat, isHtlcTrimmed } from './fees.ts'
import { ANCHORS, LCP, STATIC_REMOTEKEY } from './formats.ts'
import { deriveCommitmentKeys } from './keys.ts'
import { testChannel } from './testing.ts'
import { type CommitmentParams, type CommitmentView, otherRole, type Role, type ViewHtlc } from './types.ts'
import { withFundingWitness } from './witness.ts'

const FUNDING = 1_000_000_000n
const channels = [STATIC_REMOTEKEY, ANCHORS, LCP].map((format) => testChannel(format))
const roles: readonly Role[] = ['opener', 'accepter']

/** Views that conserve the channel's value to the msat, shortfalls of the opener included. */
const anyView: fc.Arbitrary<CommitmentView> = fc
  .record({
    feeratePerKw: fc.oneof(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: 3_000_000 })),
    parts: fc.array(
      fc.record({
        offerer: fc.constantFrom(...roles),
        // Close to the dust limits as often as not, and few distinct values, so that outputs tie.
        amount: fc.oneof(
          fc.bigInt(1n, 3_000_000n),
          fc.constantFrom(546_000n, 546_999n, 1_000_000n, 40_000_000n),
        ),
        hash: fc.nat(2),
        cltvExpiry: fc.integer({ min: 500, max: 503 }),
      }),
      { maxLength: 20 },
    ),
    split: fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 1, 0.0000005)),
  })
  .map(({ feeratePerKw, parts, split }) => {
    const htlcs: ViewHtlc[] = parts.map((p, i) => ({
      offerer: p.offerer,
      id: BigInt(i),
      amountMsat: msat(p.amount),
      paymentHash: new Uint8Array(32).fill(p.hash),
      cltvExpiry: p.cltvExpiry,
    }))
    const rest = FUNDING - htlcs.reduce((n, h) => n + h.amountMsat, 0n)
    const openerMsat = (rest * BigInt(Math.floor(split * 1e9))) / 1_000_000_000n
    return { feeratePerKw, openerMsat: msat(openerMsat), accepterMsat: msat(rest - openerMsat), htlcs }
  })

const anyCase = fc.record({
  channel: fc.constantFrom(...channels),
  owner: fc.constantFrom(...roles),
  number: fc.bigInt(0n, (1n << 48n) - 1n),
  view: anyView,
})

const point = channels[0]?.signers.opener.commitmentPoint(5n) as Uint8Array

// Keys of the six (channel, owner) pairs: deriving them would be most of the time these tests take.
const keysOf = new Map(
  channels.flatMap(({ params }) =>
    roles.map(
      (owner) => [`${params.format.name} ${owner}`, deriveCommitmentKeys(params, owner, point)] as const,
    ),
  ),
)
const build = (params: CommitmentParams, owner: Role, number: bigint, view: CommitmentView) =>
  buildCommitment(params, owner, number, point, view, keysOf.get(`${params.format.name} ${owner}`))

describe('commitment transactions of random views', () => {
  it('conserve value: no output below the owner’s dust limit, none negative, fee = inputs − outputs', () => {
    fc.assert(
      fc.property(anyCase, ({ channel: { params }, owner, number, view }) => {
        const built = build(params, owner, number, view)
        expect(built.feeSat).toBeGreaterThanOrEqual(0n)
        expect(outputSumSat(built.tx) + built.feeSat).toBe(params.fundingSat)
        const anchors = [built.ownerAnchor, built.otherAnchor]
        for (const [i, o] of built.tx.outputs.entries()) {
          if (!anchors.includes(i)) expect(o.valueSat).toBeGreaterThanOrEqual(params[owner].dustLimitSat)
          else expect(o.valueSat).toBe(330n)
        }
        for (const h of built.htlcs) expect(h.secondStage.outputs[0]?.valueSat).toBeGreaterThan(0n)
        expect(built.htlcs.length + built.trimmed.length).toBe(view.htlcs.length)
        expect(commitmentNumberOf(built.tx, obscuringFactor(params))).toBe(number)
      }),
      { numRuns: 300 },
    )
  })

  it('charge the opener exactly the base fee and the anchors when it can pay, and the accepter nothing', () => {
    fc.assert(
      fc.property(anyCase, ({ channel: { params }, owner, number, view }) => {
        const built = build(params, owner, number, view)
        const { format } = params
        const cost = commitmentFeeSat(format, view.feeratePerKw, built.htlcs.length) + anchorsCostSat(format)
        const dust = params[owner].dustLimitSat
        const paid: Record<Role, bigint | undefined> = {
          [owner]: built.toLocal?.valueSat,
          [otherRole(owner)]: built.toRemote?.valueSat,
        } as Record<Role, bigint | undefined>
        const accepter = view.accepterMsat / 1000n
        expect(paid.accepter).toBe(accepter >= dust ? accepter : undefined)
        const opener = view.openerMsat / 1000n - cost
        expect(paid.opener).toBe(opener >= dust ? opener : undefined)
      }),
      { numRuns: 200 },
    )
  })

  it('do not depend on the order of the view, nor on who builds them', () => {
    fc.assert(
      fc.property(anyCase, fc.infiniteStream(fc.nat()), ({ channel, owner, number, view }, keys) => {
        const { params } = channel
        const a = build(params, owner, number, view)
        const shuffled = view.htlcs
          .map((h) => ({ h, key: keys.next().value as number }))
          .sort((x, y) => x.key - y.key)
          .map((x) => x.h)
        const b = buildCommitment(params, owner, number, point, { ...view, htlcs: shuffled })
        expect(toHex(encodeTx(b.tx))).toBe(toHex(encodeTx(a.tx)))
        expect(b.htlcs).toEqual(a.htlcs)
      }),
      { numRuns: 50 },
    )
  })

  it('trim exactly what isHtlcTrimmed says, and expose that much', () => {
    fc.assert(
      fc.property(anyCase, ({ channel: { params }, owner, number, view }) => {
        const built = build(params, owner, number, view)
        const dust = params[owner].dustLimitSat
        const trimmed = view.htlcs.filter((h) =>
          isHtlcTrimmed(params.format, h.offerer === owner, h.amountMsat, view.feeratePerKw, dust),
        )
        expect(built.trimmed).toEqual(trimmed)
        const exposure = dustExposureMsat(params.format, owner, view.htlcs, view.feeratePerKw, dust)
        expect(exposure).toBe(trimmed.reduce((n, h) => n + h.amountMsat, 0n))
      }),
      { numRuns: 200 },
    )
  })
})

describe('commitment transactions at the edges', () => {
  const { params } = testChannel(ANCHORS)
  const htlc = (id: bigint, over: Partial<ViewHtlc> = {}): ViewHtlc => ({
    offerer: 'opener',
    id,
    amountMsat: msat(1_000_000),
    paymentHash: new Uint8Array(32).fill(1),
    cltvExpiry: 600,
    ...over,
  })
  const view = (openerMsat: bigint, htlcs: readonly ViewHtlc[]): CommitmentView => ({
    feeratePerKw: 253,
    openerMsat: msat(openerMsat),
    accepterMsat: msat(FUNDING - openerMsat - htlcs.reduce((n, h) => n + h.amountMsat, 0n)),
    htlcs,
  })

  it('an opener that cannot pay the anchors gets as many as it can pay, the owner’s first', () => {
    const withHtlc = (openerMsat: bigint, owner: Role) =>
      buildCommitment(params, owner, 1n, point, view(openerMsat, [htlc(0n)]))
    const none = withHtlc(0n, 'opener')
    expect([none.ownerAnchor, none.otherAnchor, none.feeSat]).toEqual([undefined, undefined, 0n])
    const one = withHtlc(400_000n, 'opener')
    expect(one.ownerAnchor).toBeDefined()
    expect([one.otherAnchor, one.feeSat]).toEqual([undefined, 70n])
    const both = withHtlc(660_000n, 'accepter')
    expect(both.ownerAnchor).toBeDefined()
    expect(both.otherAnchor).toBeDefined()
    expect(both.feeSat).toBe(0n)
  })

  it('equal outputs go by expiry and then by id, however the view lists them', () => {
    const htlcs = [htlc(3n), htlc(1n), htlc(2n, { cltvExpiry: 599 }), htlc(0n, { cltvExpiry: 601 })]
    const built = buildCommitment(params, 'opener', 1n, point, view(500_000_000n, htlcs))
    expect(built.htlcs.map((h) => h.htlc.id)).toEqual([2n, 1n, 3n, 0n])
    expect(built.htlcs.map((h) => h.secondStage.locktime)).toEqual([599, 600, 600, 601])
  })

  it('966 HTLCs fit half the weight limit once signed, and take well under a second', () => {
    const htlcs = Array.from({ length: 966 }, (_, i) =>
      htlc(BigInt(i), {
        offerer: i % 2 === 0 ? 'opener' : 'accepter',
        paymentHash: new Uint8Array(32).fill(i % 256).fill(i >> 8, 0, 1),
        amountMsat: msat(600_000 + (i % 7)),
      }),
    )
    const started = performance.now()
    const built = buildCommitment(params, 'opener', 1n, point, view(200_000_000n, htlcs))
    expect(performance.now() - started).toBeLessThan(1000)
    expect(built.htlcs).toHaveLength(966)
    const longest = new Uint8Array(64).fill(0x7f)
    const signed = withFundingWitness(
      built.tx,
      built.fundingScript,
      { key: params.opener.keys.fundingPubkey, signature: longest },
      { key: params.accepter.keys.fundingPubkey, signature: longest },
    )
    expect(weightOf(signed)).toBeLessThan(MAX_STANDARD_TX_WEIGHT / 2)
  })

  it('refuses, as a defect, a view that creates or loses money or has a negative balance', () => {
    const more = { feeratePerKw: 0, openerMsat: msat(FUNDING), accepterMsat: msat(546_000n), htlcs: [] }
    expect(() => buildCommitment(params, 'opener', 1n, point, more)).toThrow(/adds up/)
    const less = { ...more, openerMsat: msat(FUNDING - 1n), accepterMsat: msat(0) }
    expect(() => buildCommitment(params, 'opener', 1n, point, less)).toThrow(/adds up/)
    const negative = { ...more, openerMsat: msat(-1n), accepterMsat: msat(FUNDING + 1n) }
    expect(() => buildCommitment(params, 'opener', 1n, point, negative)).toThrow(/negative/)
  })

  it('refuses keys cached for another point', () => {
    const other = channels[0]?.signers.opener.commitmentPoint(6n) as Uint8Array
    const keys = deriveCommitmentKeys(params, 'opener', other)
    expect(() => buildCommitment(params, 'opener', 1n, point, view(0n, []), keys)).toThrow(/cached keys/)
  })

  it('knows no commitment number in other transactions', () => {
    const { tx } = buildCommitment(params, 'opener', 1n, point, view(500_000_000n, []))
    const first = tx.inputs[0] as (typeof tx.inputs)[0]
    expect(commitmentNumberOf({ ...tx, locktime: 0 }, 0n)).toBeUndefined()
    expect(commitmentNumberOf({ ...tx, inputs: [{ ...first, sequence: 0xfffffffd }] }, 0n)).toBeUndefined()
  })
})
