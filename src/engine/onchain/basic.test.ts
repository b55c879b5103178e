import { describe, expect, it } from 'vitest'
import { unwrap } from '../base/result.ts'
import { msat, sat } from '../base/units.ts'
import { p2wpkh } from '../bitcoin/script.ts'
import { encodeTx, txidOf } from '../bitcoin/tx.ts'
import { buildLegacyClosing } from '../commitment/closing.ts'
import { ANCHORS, LCP, STATIC_REMOTEKEY } from '../commitment/formats.ts'
import type { CommitmentFormat, Role } from '../commitment/types.ts'
import { otherRole } from '../commitment/types.ts'
import { withFundingWitness } from '../commitment/witness.ts'
import { publicKey } from '../crypto/curve.ts'
import { decodeRecord, encodeRecord } from '../records/codec.ts'
import { closingOutputs } from './project.ts'
import { createOnchain } from './step.ts'
import {
  drive,
  type Driver,
  fakeChain,
  type FakeChain,
  FEERATE,
  type Scene,
  scene,
  sceneFundingScript,
  WALLET_SCRIPT,
} from './testing.ts'
import type { OnchainEvent } from './types.ts'

const FORMATS = [STATIC_REMOTEKEY, ANCHORS, LCP]
const DELAY = 6

interface World {
  readonly chain: FakeChain
  readonly s: Scene
}

function world(format: CommitmentFormat, htlcs = false): World {
  const chain = fakeChain()
  const fundingOutpoint = chain.fund(sceneFundingScript(format), 1_000_000n)
  const s = scene({ format, fundingOutpoint, delay: DELAY, expiry: 520, ...(htlcs ? {} : { htlcs: [] }) })
  return { chain, s }
}

const machine = (w: World, role: Role, publish?: Parameters<typeof createOnchain>[3]): Driver => {
  const ctx = { signer: w.s.signers[role], feeratePerKw: FEERATE }
  return drive(w.chain, createOnchain(w.s.snapshots[role], 500, ctx, publish), ctx, (n) =>
    w.s.court(otherRole(role), n),
  )
}
const types = (events: readonly OnchainEvent[]): string[] => events.map((e) => e.type)
const of = (d: Driver, kind: string) => closingOutputs(d.state).find((o) => o.kind === kind)

describe.each(FORMATS)('$name: a close without HTLCs', (format) => {
  it('our own commitment: broadcast, and to_local swept as soon as its delay allows, not a block before', async () => {
    const w = world(format)
    const d = machine(w, 'opener', w.s.signed('opener', 3n).tx)
    await d.sync()
    expect(d.events[0]).toMatchObject({ type: 'closeSeen', kind: 'local', height: null })
    await d.mine()
    expect(d.events[1]).toMatchObject({ type: 'closeSeen', kind: 'local', height: 501 })
    // The accepter imposes DELAY + 2.
    const spendableAtHeight = 501 + DELAY + 2
    expect(of(d, 'toLocal')).toMatchObject({ state: 'waiting', spendableAtHeight })
    await d.mine(DELAY)
    expect(of(d, 'toLocal')).toMatchObject({ state: 'waiting' })
    expect(d.accepted).toHaveLength(1)
    await d.mine(1)
    const sweep = d.accepted[1]
    expect(sweep?.outputs).toMatchObject([{ script: WALLET_SCRIPT }])
    expect(of(d, 'toLocal')).toMatchObject({ state: 'sweeping', sweepTxid: sweep && txidOf(sweep) })
    await d.mine(1)
    expect(await w.chain.height()).toBe(spendableAtHeight)
    expect(of(d, 'toLocal')).toMatchObject({ state: 'swept' })
    expect(of(d, 'toRemote')).toMatchObject({ state: 'notOurs' })
    expect(d.refusals).toEqual([])
    await d.mine(4)
    expect(types(d.events)).not.toContain('done')
    await d.mine(1)
    expect(types(d.events)).toEqual(['closeSeen', 'closeSeen', 'outputSwept', 'done'])
  })

  it('the one block too early that the machine avoids is refused by the chain', async () => {
    const w = world(format)
    const d = machine(w, 'opener', w.s.signed('opener', 3n).tx)
    await d.sync()
    await d.mine()
    // The machine is told of a block that does not exist yet.
    d.input({ type: 'tip', height: 501 + DELAY + 2 })
    await w.chain.mine(DELAY)
    const claim = d.state.claims[0]
    if (claim === undefined) throw new Error('claims')
    await expect(w.chain.broadcast(claim.tx)).rejects.toThrow('non-BIP68-final')
    await w.chain.mine(1)
    await w.chain.broadcast(claim.tx)
  })

  it("the peer's commitment: to_remote swept at once", async () => {
    const w = world(format)
    const d = machine(w, 'accepter')
    await w.chain.broadcast(w.s.signed('opener', 3n).tx)
    await d.sync()
    expect(d.events).toMatchObject([{ type: 'closeSeen', kind: 'remote', height: null }])
    // Nothing is claimed while the close itself may vanish.
    expect(d.state.claims).toEqual([])
    await d.mine()
    expect(of(d, 'toRemote')).toMatchObject({ state: 'sweeping' })
    await d.mine()
    expect(of(d, 'toRemote')).toMatchObject({ state: 'swept' })
    expect(of(d, 'toLocal')).toMatchObject({ state: 'notOurs' })
    expect(d.refusals).toEqual([])
    await d.mine(5)
    expect(types(d.events).at(-1)).toBe('done')
  })

  it('the next commitment of the peer, signed and never acknowledged, counts as well', async () => {
    const w = world(format)
    const d = machine(w, 'accepter')
    await w.chain.broadcast(w.s.signed('opener', 4n).tx)
    await d.sync()
    await d.mine(2)
    expect(d.events[0]).toMatchObject({ kind: 'remoteNext' })
    expect(of(d, 'toRemote')).toMatchObject({ state: 'swept' })
  })

  it('a revoked commitment: both balances are ours', async () => {
    const w = world(format)
    const d = machine(w, 'accepter')
    await w.chain.broadcast(w.s.signed('opener', 1n).tx)
    await d.sync()
    await d.mine(2)
    expect(d.events[0]).toMatchObject({ kind: 'revoked' })
    expect(of(d, 'toLocal')).toMatchObject({ state: 'swept' })
    expect(of(d, 'toRemote')).toMatchObject({ state: 'swept' })
    expect(d.refusals).toEqual([])
  })

  it("a commitment that is newer than our records: to_remote is still ours, the user is warned by 'unknown'", async () => {
    const w = world(format)
    const d = machine(w, 'accepter')
    await w.chain.broadcast(w.s.signed('opener', 9n).tx)
    await d.sync()
    await d.mine(2)
    expect(d.events[0]).toMatchObject({ kind: 'unknown' })
    expect(of(d, 'toRemote')).toMatchObject({ state: 'swept' })
  })

  it('an old commitment of our own, put out by a copy of this wallet: what the peer leaves is swept', async () => {
    const w = world(format)
    const d = machine(w, 'opener')
    await w.chain.broadcast(w.s.signed('opener', 1n).tx)
    await d.sync()
    await d.mine(1 + DELAY + 2)
    expect(d.events[0]).toMatchObject({ kind: 'unknown' })
    expect(of(d, 'toLocal')).toMatchObject({ state: 'swept' })
  })

  it('a newer commitment of our own, when what we have is an old copy: its balance is swept after the delay', async () => {
    const w = world(format)
    const d = machine(w, 'opener')
    await w.chain.broadcast(w.s.signed('opener', 9n).tx)
    await d.sync()
    await d.mine(DELAY + 1)
    expect(of(d, 'toLocal')).toMatchObject({ state: 'waiting' })
    await d.mine(2)
    expect(d.events[0]).toMatchObject({ kind: 'unknown' })
    expect(of(d, 'toLocal')).toMatchObject({ state: 'swept' })
    expect(d.refusals).toEqual([])
  })

  it('a mutual close pays the wallet by itself', async () => {
    const w = world(format)
    const terms = {
      openerMsat: msat(600_000_000),
      accepterMsat: msat(400_000_000),
      openerScript: WALLET_SCRIPT,
      accepterScript: p2wpkh(publicKey(new Uint8Array(32).fill(0x78))),
    }
    const closing = unwrap(buildLegacyClosing(w.s.params, terms, sat(500), sat(546)))
    const side = (role: Role) => ({
      key: w.s.params[role].keys.fundingPubkey,
      signature: unwrap(w.s.signers[role].signClosing(closing)),
    })
    const tx = withFundingWitness(closing.tx, closing.fundingScript, side('opener'), side('accepter'))
    const d = machine(w, 'opener', tx)
    await d.sync()
    expect(closingOutputs(d.state)).toMatchObject([
      { kind: 'mutualClose', amountSat: 400_000n, state: 'notOurs' },
      { kind: 'mutualClose', amountSat: 599_500n, state: 'sweeping', sweepTxid: txidOf(tx) },
    ])
    await d.mine(6)
    expect(closingOutputs(d.state)[1]).toMatchObject({ state: 'swept' })
    expect(types(d.events)).toEqual(['closeSeen', 'closeSeen', 'done'])
    expect(d.accepted).toHaveLength(1)
  })
})

describe('what a server may say', () => {
  it('a spend of the funding output in a mempool without both signatures is no close', async () => {
    const w = world(ANCHORS)
    const d = machine(w, 'accepter')
    const { tx } = w.s.signed('opener', 1n)
    const input = tx.inputs[0]
    if (input === undefined) throw new Error('an input')
    const [zero, a, b, script] = input.witness
    if (!zero || !a || !b || !script) throw new Error('a witness')
    const forge = (witness: readonly Uint8Array[]) => ({ ...tx, inputs: [{ ...input, witness }] })
    for (const witness of [
      [],
      [zero, a, a, script],
      [zero, b, a, script],
      [zero, a, new Uint8Array(71), script],
    ]) {
      d.input({
        type: 'spent',
        outpoint: input.outpoint,
        txid: txidOf(tx),
        tx: encodeTx(forge(witness)),
        confirmed: null,
      })
      expect(d.events).toEqual([])
    }
    d.input({ type: 'spent', outpoint: input.outpoint, txid: txidOf(tx), tx: encodeTx(tx), confirmed: null })
    expect(d.events).toMatchObject([{ type: 'closeSeen', kind: 'revoked' }])
  })
})

describe.each(FORMATS)('$name: reorganisations', (format) => {
  it.each([1, 2, 3, 5, 8, 10])(
    '%i blocks taken back during a local close are redone, nothing is lost or told twice',
    async (depth) => {
      const w = world(format)
      const d = machine(w, 'opener', w.s.signed('opener', 3n).tx)
      await d.sync()
      await d.mine(10)
      expect(of(d, 'toLocal')).toMatchObject({ state: 'swept' })
      w.chain.reorg(depth, () => true)
      await d.sync()
      await d.mine(20)
      expect(of(d, 'toLocal')).toMatchObject({ state: 'swept' })
      expect(types(d.events).at(-1)).toBe('done')
      expect(types(d.events).filter((t) => t === 'done')).toHaveLength(1)
    },
  )

  it("our commitment is replaced by the peer's after a reorganisation", async () => {
    const w = world(format)
    const ours = w.s.signed('opener', 3n).tx
    const d = machine(w, 'opener', ours)
    await d.sync()
    await d.mine(3)
    w.chain.reorg(3, () => true)
    await w.chain.broadcast(w.s.signed('accepter', 3n).tx)
    await d.sync()
    await d.mine(3)
    expect(d.events.filter((e) => e.type === 'closeSeen').at(-1)).toMatchObject({ kind: 'remote' })
    expect(of(d, 'toRemote')).toMatchObject({ state: 'swept' })
    // Our own is not put up against it any more.
    expect(d.state.tokens.filter((t) => t.includes('/tx/'))).toEqual([])
  })

  it('a close that vanishes is said to be gone', async () => {
    const w = world(format)
    const d = machine(w, 'accepter')
    await w.chain.broadcast(w.s.signed('opener', 3n).tx)
    await d.mine(2)
    w.chain.reorg(2, () => true)
    await d.sync()
    expect(types(d.events).at(-1)).toBe('closeGone')
    expect(closingOutputs(d.state)).toEqual([])
    expect(d.state.claims).toEqual([])
  })
})

describe('the record', () => {
  it('is plain data that survives storage at every block, and the machine goes on from it', async () => {
    const w = world(LCP, true)
    const d = machine(w, 'accepter')
    await w.chain.broadcast(w.s.signed('opener', 2n).tx)
    for (let i = 0; i < 12; i++) {
      await d.mine()
      const stored = unwrap(decodeRecord(encodeRecord(1, d.state)))
      expect(stored.value).toEqual(d.state)
      d.restart()
    }
    expect(types(d.events).filter((t) => t === 'done')).toHaveLength(1)
    expect(d.refusals).toEqual([])
  })

  it('is forgotten at a hundred blocks, with every watch ended', async () => {
    const w = world(ANCHORS)
    const d = machine(w, 'accepter')
    await w.chain.broadcast(w.s.signed('opener', 3n).tx)
    await d.mine(100)
    expect(types(d.events)).not.toContain('forget')
    await d.mine(1)
    expect(types(d.events).at(-1)).toBe('forget')
    expect(d.state.tokens).toEqual([])
    await d.mine(3)
    expect(types(d.events).filter((t) => t === 'forget')).toHaveLength(1)
  })
})

describe('fees', () => {
  /** A close that leaves the accepter so much, with a feerate that can be changed. */
  async function poor(accepterSat: bigint) {
    const chain = fakeChain()
    const fundingOutpoint = chain.fund(sceneFundingScript(ANCHORS), 1_000_000n)
    const openerMsat = (1_000_000n - accepterSat) * 1000n
    const s = scene({ format: ANCHORS, fundingOutpoint, htlcs: [], expiry: 0, number: 0n, openerMsat })
    await chain.broadcast(s.signed('opener', 0n).tx)
    await chain.mine(1)
    const ctx = { signer: s.signers.accepter, feeratePerKw: 10_000 }
    const d = drive(chain, createOnchain(s.snapshots.accepter, 500, ctx), ctx)
    await d.sync()
    return { d, ctx }
  }

  it('what is too dear now waits for a cheaper day', async () => {
    const { d, ctx } = await poor(2_000n)
    expect(of(d, 'toRemote')).toMatchObject({ state: 'waiting' })
    await d.mine(20)
    expect(d.state.claims).toEqual([])
    expect(types(d.events)).not.toContain('done')
    ctx.feeratePerKw = 300
    await d.mine(2)
    expect(of(d, 'toRemote')).toMatchObject({ state: 'swept' })
  })

  it('what costs more than it brings even at the least feerate is given up, and the close is done without it', async () => {
    const { d, ctx } = await poor(400n)
    ctx.feeratePerKw = 0
    await d.mine(6)
    expect(of(d, 'toRemote')).toMatchObject({ state: 'tooSmall' })
    expect(d.accepted).toEqual([])
    expect(types(d.events).at(-1)).toBe('done')
  })

  it('a sweep that is not mined is replaced once the feerate has risen by a quarter, and only after a while', async () => {
    const { d, ctx } = await poor(100_000n)
    expect(d.state.claims).toHaveLength(1)
    ctx.feeratePerKw = 12_000
    for (let i = 0; i < 20; i++) d.input({ type: 'tip', height: d.state.height + 1 })
    expect(d.state.ownTxids).toHaveLength(1)
    ctx.feeratePerKw = 13_000
    d.input({ type: 'tip', height: d.state.height + 1 })
    expect(d.state.ownTxids).toHaveLength(2)
    await d.sync()
    expect(d.accepted).toHaveLength(2)
    expect(d.refusals).toEqual([])
    for (let i = 0; i < 5; i++) d.input({ type: 'tip', height: d.state.height + 1 })
    expect(d.state.ownTxids).toHaveLength(2)
  })
})
