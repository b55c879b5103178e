import { describe, expect, it } from 'vitest'
import { unwrap } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { decodeTx, encodeTx, outputSumSat, txidOf } from '../bitcoin/tx.ts'
import { outPointKey, type Tx } from '../bitcoin/types.ts'
import { ANCHORS, LCP, STATIC_REMOTEKEY } from '../commitment/formats.ts'
import type { ClosingSnapshot } from '../commitment/snapshot.ts'
import { type CommitmentFormat, otherRole, type Role } from '../commitment/types.ts'
import { sha256 } from '../crypto/hash.ts'
import { closingOutputs } from './project.ts'
import { createOnchain, resumeOnchain } from './step.ts'
import {
  drive,
  type Driver,
  fakeChain,
  type FakeChain,
  FEERATE,
  PREIMAGE,
  type Scene,
  scene,
  type SceneOptions,
  sceneFundingScript,
  testPayer,
  UNKNOWN_HASH,
  WALLET_SCRIPT,
} from './testing.ts'
import type { OnchainEvent } from './types.ts'

const FORMATS = [STATIC_REMOTEKEY, ANCHORS, LCP]
const EXPIRY = 515

interface World {
  readonly chain: FakeChain
  readonly format: CommitmentFormat
  readonly options: SceneOptions
  readonly s: Scene
}

function world(format: CommitmentFormat, more: Partial<SceneOptions> = {}): World {
  const chain = fakeChain()
  const fundingOutpoint = chain.fund(sceneFundingScript(format), 1_000_000n)
  const options: SceneOptions = { format, fundingOutpoint, expiry: EXPIRY, ...more }
  return { chain, format, options, s: scene(options) }
}

/** A machine with coins for fees, if the format needs them. */
function machine(w: World, role: Role, snapshot: ClosingSnapshot, publish?: Tx, court = true): Driver {
  const coins = [1, 2, 3, 4, 5, 6].map(() => ({
    outpoint: w.chain.fund(WALLET_SCRIPT, 20_000n),
    valueSat: 20_000n,
  }))
  const ctx = { signer: w.s.signers[role], feeratePerKw: FEERATE, feePayer: testPayer(coins) }
  const first = createOnchain(snapshot, 500, ctx, publish)
  return drive(w.chain, first, ctx, (n) => (court ? w.s.court(otherRole(role), n) : null))
}

const withPreimage = (snapshot: ClosingSnapshot): ClosingSnapshot => ({ ...snapshot, preimages: [PREIMAGE] })

async function mineAll(w: World, drivers: readonly Driver[], blocks: number): Promise<void> {
  for (let i = 0; i < blocks; i++) {
    await w.chain.mine(1)
    for (const d of drivers) await d.sync()
    for (const d of drivers) await d.sync()
  }
}

const htlcEvents = (d: Driver): string[] =>
  d.events.flatMap((e) =>
    e.type === 'htlcFailed' || e.type === 'htlcFulfilled' ? [`${e.type} ${e.offerer} ${e.id}`] : [],
  )
const types = (events: readonly OnchainEvent[]): string[] => events.map((e) => e.type)

/** What one side's claims brought of the close's money: what is spent by its claims and pays its wallet. */
const swept = (d: Driver): bigint =>
  closingOutputs(d.state).reduce((n, o) => (o.state === 'swept' ? n + o.amountSat : n), 0n)

describe.each(FORMATS)('$name: a close with HTLCs in both directions', (format) => {
  it('every HTLC ends where it belongs, and every output of the close is claimed by one side', async () => {
    const w = world(format)
    const commitment = w.s.signed('opener', 3n)
    // Both know the preimage of the HTLC that was offered to them.
    const opener = machine(w, 'opener', withPreimage(w.s.snapshots.opener), commitment.tx)
    const accepter = machine(w, 'accepter', withPreimage(w.s.snapshots.accepter))
    const both = [opener, accepter]
    await opener.sync()
    await mineAll(w, both, 40)
    expect(types(opener.events).filter((t) => t === 'done')).toHaveLength(1)
    expect(types(accepter.events).filter((t) => t === 'done')).toHaveLength(1)
    expect(htlcEvents(opener).toSorted()).toEqual([
      'htlcFailed accepter 1',
      'htlcFailed opener 1',
      'htlcFulfilled accepter 0',
      'htlcFulfilled opener 0',
    ])
    expect(htlcEvents(accepter).toSorted()).toEqual(htlcEvents(opener).toSorted())
    // Nothing is left over: what one does not sweep the other does, second-stage fees and anchors apart.
    const { built } = commitment
    const anchors = format.anchors ? 660n : 0n
    const stageFees = format.anchors ? 0n : 663n + 703n
    expect(swept(opener) + swept(accepter)).toBe(outputSumSat(built.tx) - anchors - stageFees)
    expect(
      closingOutputs(opener.state).filter((o) => o.state === 'waiting' || o.state === 'sweeping'),
    ).toEqual([])
  })

  it('the preimage that the peer shows on chain is learnt from its unconfirmed transaction', async () => {
    const w = world(format)
    const opener = machine(w, 'opener', w.s.snapshots.opener, w.s.signed('opener', 3n).tx)
    const accepter = machine(w, 'accepter', withPreimage(w.s.snapshots.accepter))
    await opener.sync()
    await mineAll(w, [opener, accepter], 1)
    const paymentHash = sha256(PREIMAGE)
    expect(opener.events).toContainEqual({ type: 'preimageLearnt', paymentHash, preimage: PREIMAGE })
    expect(htlcEvents(opener)).toContain('htlcFulfilled opener 0')
    // The same hash was offered by the peer: what was learnt claims that one too.
    await mineAll(w, [opener, accepter], 10)
    expect(htlcEvents(opener)).toContain('htlcFulfilled accepter 0')
  })

  it('a claim whose preimage a server left out is asked of all, and its other bytes are taken in', async () => {
    const w = world(format)
    const opener = machine(w, 'opener', w.s.snapshots.opener, w.s.signed('opener', 3n).tx)
    const accepter = machine(w, 'accepter', withPreimage(w.s.snapshots.accepter))
    await opener.sync()
    await mineAll(w, [opener], 1)
    await accepter.sync()
    await w.chain.mine(1)
    const htlc = opener.state.close?.outputs.find((o) => o.htlc?.offerer === 'opener' && o.htlc.id === 0n)
    const outpoint = { txid: opener.state.close?.txid ?? '', vout: htlc?.vout ?? 0 }
    const spend = await w.chain.spendOf(outpoint)
    const whole = unwrap(decodeTx(spend?.tx ?? new Uint8Array(0)), 'the claim')
    const bare: Tx = { ...whole, inputs: whole.inputs.map((i) => ({ ...i, witness: [] })) }
    const { txid = '', confirmed = null } = spend ?? {}
    const told = (tx: Tx) => opener.input({ type: 'spent', outpoint, txid, tx: encodeTx(tx), confirmed })
    told(bare)
    expect(types(opener.events)).not.toContain('preimageLearnt')
    expect(opener.witnesses).toEqual([{ type: 'askEveryone', txid }])
    expect(resumeOnchain(opener.state)).toContainEqual({ type: 'askEveryone', txid })
    told(bare)
    expect(opener.witnesses).toHaveLength(1)
    told(whole)
    expect(types(opener.events)).toContain('preimageLearnt')
    expect(htlcEvents(opener)).toContain('htlcFulfilled opener 0')
    expect(opener.witnesses.at(-1)).toEqual({ type: 'witnessHolds', txid, tx: encodeTx(whole) })
    expect(resumeOnchain(opener.state).map((e) => e.type)).not.toContain('askEveryone')
  })

  it('an HTLC is timed out at its expiry and not a block before, and failed upstream only six blocks deep', async () => {
    const w = world(format)
    const accepter = machine(w, 'accepter', w.s.snapshots.accepter)
    await w.chain.broadcast(w.s.signed('opener', 3n).tx)
    await mineAll(w, [accepter], EXPIRY - 500 - 1)
    const early = accepter.accepted.length
    expect(htlcEvents(accepter)).toEqual([])
    await mineAll(w, [accepter], 1)
    expect(await w.chain.height()).toBe(EXPIRY)
    expect(accepter.accepted.length).toBeGreaterThan(early)
    expect(accepter.refusals).toEqual([])
    await mineAll(w, [accepter], 5)
    expect(htlcEvents(accepter)).toEqual([])
    await mineAll(w, [accepter], 1)
    expect(htlcEvents(accepter).filter((e) => e.includes('accepter'))).toEqual([
      'htlcFailed accepter 0',
      'htlcFailed accepter 1',
    ])
  })

  it('a preimage that arrives after the close claims the HTLC', async () => {
    const w = world(format)
    const accepter = machine(w, 'accepter', w.s.snapshots.accepter)
    await w.chain.broadcast(w.s.signed('opener', 3n).tx)
    await mineAll(w, [accepter], 3)
    expect(closingOutputs(accepter.state).filter((o) => o.state === 'unresolved')).toHaveLength(2)
    accepter.input({ type: 'preimage', preimage: PREIMAGE })
    await accepter.sync()
    await mineAll(w, [accepter], 6)
    expect(htlcEvents(accepter)).toContain('htlcFulfilled opener 0')
    expect(types(accepter.events)).not.toContain('preimageLearnt')
  })

  it.each([1, 3, 6, 10])(
    'a reorganisation of %i blocks in the middle of HTLC claims changes nothing in the end',
    async (depth) => {
      const w = world(format)
      const opener = machine(w, 'opener', withPreimage(w.s.snapshots.opener), w.s.signed('opener', 3n).tx)
      const accepter = machine(w, 'accepter', withPreimage(w.s.snapshots.accepter))
      const both = [opener, accepter]
      await opener.sync()
      await mineAll(w, both, 18)
      let n = 0
      w.chain.reorg(depth, () => n++ % 2 === 0)
      for (const d of [...both, ...both]) await d.sync()
      await mineAll(w, both, 45)
      for (const d of both) expect(types(d.events).at(-1)).toBe('done')
      for (const d of both) expect(new Set(htlcEvents(d)).size).toBe(4)
      for (const d of both) expect(htlcEvents(d)).toHaveLength(4)
      expect(swept(opener) + swept(accepter)).toBeGreaterThan(990_000n)
    },
  )
})

describe.each(FORMATS)('$name: an HTLC that is not in the confirmed commitment', (format) => {
  it('fails upstream six blocks deep, not earlier; with its preimage known it counts as paid at once', async () => {
    // Commitment 0 has no HTLCs, the next one, signed by us, has four.
    const w = world(format, { number: 0n })
    const accepter = machine(w, 'accepter', w.s.snapshots.accepter)
    await w.chain.broadcast(w.s.signed('opener', 0n).tx)
    await mineAll(w, [accepter], 5)
    expect(htlcEvents(accepter)).toEqual([])
    accepter.input({ type: 'preimage', preimage: PREIMAGE })
    expect(htlcEvents(accepter)).toEqual(['htlcFulfilled accepter 0'])
    await mineAll(w, [accepter], 1)
    expect(htlcEvents(accepter)).toContain('htlcFailed accepter 1')
  })
})

describe('HTLCs that nothing will be seen of', () => {
  it('one too small to be worth a claim fails upstream six blocks after its expiry', async () => {
    const htlc = {
      offerer: 'accepter',
      id: 0n,
      amountMsat: msat(400_000),
      paymentHash: UNKNOWN_HASH,
    } as const
    const w = world(ANCHORS, { htlcs: [{ ...htlc, cltvExpiry: EXPIRY }] })
    const d = machine(w, 'accepter', w.s.snapshots.accepter)
    await w.chain.broadcast(w.s.signed('opener', 3n).tx)
    await mineAll(w, [d], EXPIRY - 500 + 5)
    expect(closingOutputs(d.state).find((o) => o.kind === 'htlc')).toMatchObject({ state: 'tooSmall' })
    expect(htlcEvents(d)).toEqual([])
    // Over before the HTLC's end was told, its payment would be pending for ever.
    expect(types(d.events)).not.toContain('done')
    await mineAll(w, [d], 1)
    expect(htlcEvents(d)).toEqual(['htlcFailed accepter 0'])
    expect(types(d.events)).toContain('done')
  })

  it('in a commitment newer than our records an HTLC fails only after its expiry, and its preimage is still learnt', async () => {
    for (const paid of [false, true]) {
      const w = world(ANCHORS)
      const d = machine(w, 'accepter', w.s.snapshots.accepter)
      const later = scene({ ...w.options, number: 9n })
      const opener = machine(w, 'opener', withPreimage(later.snapshots.opener), w.s.signed('opener', 9n).tx)
      await opener.sync()
      const drivers = paid ? [opener, d] : [d]
      await mineAll(w, drivers, EXPIRY - 500 + 5)
      expect(d.events[0]).toMatchObject({ kind: 'unknown' })
      const offered = htlcEvents(d).filter((e) => e.includes('accepter'))
      expect(offered).toEqual(paid ? ['htlcFulfilled accepter 0'] : [])
      await mineAll(w, drivers, 1)
      expect(htlcEvents(d)).toContain('htlcFailed accepter 1')
      expect(types(d.events)).toContain('done')
    }
  })
})

describe.each(FORMATS)('$name: justice', (format) => {
  /** The cheater runs this very machine, with the state it has revoked. */
  const cheater = (w: World, number: bigint): Driver => {
    const old = scene({ ...w.options, number })
    return machine(w, 'opener', withPreimage(old.snapshots.opener), old.signed('opener', number).tx)
  }
  /** Who has what of the close: every output ends in a claim of the honest side. */
  const punished = (d: Driver): void => {
    expect(d.events.find((e) => e.type === 'closeSeen')).toMatchObject({ kind: 'revoked' })
    const left = closingOutputs(d.state).filter((o) => o.state !== 'swept' && o.kind !== 'anchor')
    expect(left).toEqual([])
    expect(types(d.events).at(-1)).toBe('done')
  }

  it('takes everything when the cheater is slow', async () => {
    const w = world(format)
    const honest = machine(w, 'accepter', w.s.snapshots.accepter)
    await w.chain.broadcast(w.s.signed('opener', 1n).tx)
    await mineAll(w, [honest], 8)
    punished(honest)
    expect(honest.refusals).toEqual([])
    expect(swept(honest)).toBe(outputSumSat(w.s.signed('opener', 1n).tx) - (format.anchors ? 660n : 0n))
  })

  it.each([1, 2, 5, 9, 16, 20])(
    'takes everything when the cheater had %i blocks for its HTLC transactions',
    async (ahead) => {
      const w = world(format, { delay: 20, number: 3n })
      const cheat = cheater(w, 2n)
      await cheat.sync()
      await mineAll(w, [cheat], ahead)
      const honest = machine(w, 'accepter', w.s.snapshots.accepter)
      await honest.sync()
      await mineAll(w, [cheat, honest], 20)
      punished(honest)
      // The preimage that the cheater showed to take our offer settles it upstream.
      expect(htlcEvents(honest)).toContain('htlcFulfilled accepter 0')
    },
  )

  it('races the cheater block by block and takes everything', async () => {
    for (const order of ['first', 'last']) {
      const w = world(format)
      const cheat = cheater(w, 1n)
      const honest = machine(w, 'accepter', w.s.snapshots.accepter)
      await cheat.sync()
      await mineAll(w, order === 'first' ? [cheat, honest] : [honest, cheat], 40)
      punished(honest)
    }
  })

  it('without its record the balance is taken at once, and every HTLC as soon as the cheater moves it', async () => {
    const w = world(format, { delay: 20 })
    const cheat = cheater(w, 2n)
    const honest = machine(w, 'accepter', w.s.snapshots.accepter, undefined, false)
    await cheat.sync()
    await mineAll(w, [cheat, honest], 40)
    const outputs = closingOutputs(honest.state)
    expect(outputs.find((o) => o.kind === 'toLocal')).toMatchObject({ state: 'swept' })
    // Success of one, time-outs of two; the fourth is the one whose preimage nobody has.
    expect(outputs.filter((o) => o.kind === 'htlc' && o.state === 'swept')).toHaveLength(3)
  })
})

describe('second stages with anchors', () => {
  it('wait while the wallet has no coins for their fee, and hold their coins until they are irrevocable', async () => {
    const w = world(ANCHORS)
    const snapshot = withPreimage(w.s.snapshots.opener)
    const coins: { outpoint: ReturnType<FakeChain['fund']>; valueSat: bigint }[] = []
    const ctx = { signer: w.s.signers.opener, feeratePerKw: FEERATE, feePayer: testPayer(coins) }
    const d = drive(w.chain, createOnchain(snapshot, 500, ctx, w.s.signed('opener', 3n).tx), ctx)
    await d.sync()
    await mineAll(w, [d], 3)
    expect(d.state.claims).toEqual([])
    coins.push({ outpoint: w.chain.fund(WALLET_SCRIPT, 20_000n), valueSat: 20_000n })
    await mineAll(w, [d], 1)
    expect(d.state.claims).toHaveLength(1)
    const token = d.state.claims[0]?.coins
    expect(token).toMatch(/^claim:[0-9a-f]{64}:\d+$/)
    await mineAll(w, [d], 5)
    expect(d.released).toEqual([])
    await mineAll(w, [d], 1)
    expect(d.released).toEqual([token])
  })

  it('release their coins when the peer was faster', async () => {
    const w = world(ANCHORS)
    const commitment = w.s.signed('opener', 3n)
    const opener = machine(w, 'opener', withPreimage(w.s.snapshots.opener), commitment.tx)
    await opener.sync()
    await w.chain.mine(1)
    await opener.sync()
    const claim = opener.state.claims[0]
    const key = claim?.claims[0]
    const input = claim?.tx.inputs[0]
    if (claim === undefined || input === undefined || key === undefined) throw new Error('a claim')
    expect(key).toBe(outPointKey(input.outpoint))
    // Told of another spend in a block.
    const other: Tx = {
      ...claim.tx,
      inputs: [input],
      outputs: [{ ...claim.tx.outputs[0]!, script: WALLET_SCRIPT }],
    }
    const confirmed = { height: 502, blockHash: 'b', index: 1 }
    opener.input({
      type: 'spent',
      outpoint: input.outpoint,
      txid: txidOf(other),
      tx: encodeTx(other),
      confirmed,
    })
    expect(opener.released).toEqual([claim.coins])
    expect(opener.state.claims).toEqual([])
  })
})

describe('preimages from outside', () => {
  it('are believed by their hash alone: 32 bytes that hash to something else teach nothing', async () => {
    const w = world(ANCHORS)
    const d = machine(w, 'opener', w.s.snapshots.opener)
    const { tx } = w.s.signed('opener', 3n)
    await w.chain.broadcast(tx)
    await mineAll(w, [d], 1)
    const output = closingOutputs(d.state).findIndex((o) => o.kind === 'htlc')
    const outpoint = { txid: txidOf(tx), vout: output }
    const spender = (preimage: Uint8Array): Tx => ({
      version: 2,
      inputs: [{ outpoint, scriptSig: new Uint8Array(0), sequence: 0, witness: [preimage] }],
      outputs: tx.outputs.slice(0, 1),
      locktime: 0,
    })
    const report = (preimage: Uint8Array) =>
      d.input({
        type: 'spent',
        outpoint,
        txid: txidOf(spender(preimage)),
        tx: encodeTx(spender(preimage)),
        confirmed: null,
      })
    report(UNKNOWN_HASH)
    expect(types(d.events)).not.toContain('preimageLearnt')
    const lie = spender(PREIMAGE)
    d.input({
      type: 'spent',
      outpoint,
      txid: 'ee'.repeat(32),
      tx: encodeTx(lie),
      confirmed: null,
    })
    expect(types(d.events)).toContain('preimageLearnt')
  })
})
