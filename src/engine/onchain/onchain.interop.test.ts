import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bitcoind, startBitcoind } from '../../playground/bitcoind.ts'
import { createMiner, type Miner } from '../../playground/miner.ts'
import { fromHex, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { sat } from '../base/units.ts'
import { decodeTx, encodeTx, outputSumSat, sighashMidstate, txidOf, withWitness } from '../bitcoin/tx.ts'
import { type OutPoint, outPointKey, type Tx } from '../bitcoin/types.ts'
import { ANCHORS, LCP, STATIC_REMOTEKEY } from '../commitment/formats.ts'
import type { ClosingSnapshot } from '../commitment/snapshot.ts'
import { type SweepOutput, sweepInputWeight } from '../commitment/sweeps.ts'
import { type CommitmentFormat, otherRole, type Role } from '../commitment/types.ts'
import { BUMP_BLOCKS } from './constants.ts'
import { closingOutputs } from './project.ts'
import { createOnchain } from './step.ts'
import {
  drive,
  type Driver,
  FEERATE,
  PREIMAGE,
  type Scene,
  scene,
  type SceneOptions,
  sceneFundingScript,
  type TestChain,
  testPayer,
  WALLET_SCRIPT,
} from './testing.ts'
import type { OnchainEvent, Spend } from './types.ts'

/** The machine against Bitcoin Core: every claim it makes has to be one that a real node takes. */

const FUNDING = 1_000_000n
let node: Bitcoind
let miner: Miner

beforeAll(async () => {
  node = await startBitcoind()
  miner = createMiner({ rpc: node.rpc })
  await miner.ready()
})
afterAll(async () => {
  await node?.stop()
})

interface Block {
  readonly hash: string
  readonly height: number
  readonly previousblockhash: string
  readonly tx: readonly { readonly hex: string }[]
}

/** Bitcoin Core as the driver's chain: the spends of all blocks since `from`, and of the mempool. */
function coreChain(from: number): TestChain {
  const blocks = new Map<string, Block>()
  const read = async (hash: string): Promise<Block> => {
    const known = blocks.get(hash) ?? (await node.rpc.call<Block>('getblock', hash, 2))
    blocks.set(hash, known)
    return known
  }
  let at = ''
  let index = new Map<string, Spend>()
  async function refresh(): Promise<void> {
    const best = await node.rpc.call<string>('getbestblockhash')
    const pool = await node.rpc.call<string[]>('getrawmempool')
    const now = [best, ...pool].join()
    if (now === at) return
    at = now
    index = new Map()
    const note = (hex: string, confirmed: Spend['confirmed']) => {
      const bytes = fromHex(hex)
      const tx = unwrap(decodeTx(bytes))
      for (const i of tx.inputs)
        index.set(outPointKey(i.outpoint), { txid: txidOf(tx), tx: bytes, confirmed })
    }
    for (let block = await read(best); block.height >= from; block = await read(block.previousblockhash))
      for (const [i, tx] of block.tx.entries())
        note(tx.hex, { height: block.height, blockHash: block.hash, index: i })
    for (const txid of pool) note(await node.rpc.call<string>('getrawtransaction', txid), null)
  }
  return {
    height: () => node.rpc.call<number>('getblockcount'),
    broadcast: async (tx) => {
      try {
        await node.rpc.call('sendrawtransaction', toHex(encodeTx(tx)))
      } catch (e) {
        // Esplora servers answer so for what is in a block already.
        if (!(e instanceof Error) || !/already in (utxo|mempool|block)/.test(e.message)) throw e
      }
    },
    mine: async (n = 1) => {
      await miner.mine(n)
    },
    spendOf: async (outpoint) => {
      await refresh()
      return index.get(outPointKey(outpoint))
    },
  }
}

async function fund(script: Uint8Array, amountSat: bigint): Promise<OutPoint> {
  const { txid, hex } = await miner.build([{ script, amountSat }])
  await miner.send(hex)
  const vout = unwrap(decodeTx(fromHex(hex))).outputs.findIndex((o) => toHex(o.script) === toHex(script))
  return { txid, vout }
}

interface World {
  readonly chain: TestChain
  readonly options: SceneOptions
  readonly s: Scene
  readonly start: number
}

async function world(format: CommitmentFormat, more: Partial<SceneOptions> = {}): Promise<World> {
  const fundingOutpoint = await fund(sceneFundingScript(format), FUNDING)
  await miner.mine()
  const start = await node.rpc.call<number>('getblockcount')
  const options: SceneOptions = { format, fundingOutpoint, expiry: start + 12, ...more }
  return { chain: coreChain(start), options, s: scene(options), start }
}

async function machine(w: World, role: Role, snapshot: ClosingSnapshot, publish?: Tx): Promise<Driver> {
  const coins = []
  for (let i = 0; i < 4; i++) coins.push({ outpoint: await fund(WALLET_SCRIPT, 20_000n), valueSat: 20_000n })
  await miner.mine()
  const height = await w.chain.height()
  const ctx = { signer: w.s.signers[role], feeratePerKw: FEERATE, feePayer: testPayer(coins) }
  return drive(w.chain, createOnchain(snapshot, height, ctx, publish), ctx, (n) =>
    w.s.court(otherRole(role), n),
  )
}

const withPreimage = (snapshot: ClosingSnapshot): ClosingSnapshot => ({ ...snapshot, preimages: [PREIMAGE] })
const types = (events: readonly OnchainEvent[]): string[] => events.map((e) => e.type)
const swept = (d: Driver): bigint =>
  closingOutputs(d.state).reduce((n, o) => (o.state === 'swept' ? n + o.amountSat : n), 0n)

async function mineAll(w: World, drivers: readonly Driver[], blocks: number): Promise<void> {
  for (let i = 0; i < blocks; i++) {
    await w.chain.mine(1)
    for (const d of drivers) await d.sync()
    for (const d of drivers) await d.sync()
  }
}

describe.each([STATIC_REMOTEKEY, ANCHORS, LCP])('$name, judged by Bitcoin Core', (format) => {
  it('a close without HTLCs: both sides get their balance, to_local in the first block that may hold it', async () => {
    const w = await world(format, { htlcs: [] })
    const opener = await machine(w, 'opener', w.s.snapshots.opener, w.s.signed('opener', 3n).tx)
    const accepter = await machine(w, 'accepter', w.s.snapshots.accepter)
    await opener.sync()
    await mineAll(w, [opener, accepter], 1)
    const toLocal = () => closingOutputs(opener.state).find((o) => o.kind === 'toLocal')
    const spendableAt = toLocal()?.spendableAtHeight ?? 0
    const height = await w.chain.height()
    await mineAll(w, [opener, accepter], spendableAt - height - 2)
    expect(toLocal()).toMatchObject({ state: 'waiting' })
    // A machine that counts one block too many is refused, so the one that is right is not late.
    const hasty = createOnchain(w.s.snapshots.opener, spendableAt, {
      signer: w.s.signers.opener,
      feeratePerKw: FEERATE,
    })
    const d = drive({ ...w.chain, height: async () => spendableAt }, hasty, {
      signer: w.s.signers.opener,
      feeratePerKw: FEERATE,
    })
    await d.sync()
    expect(d.refusals).toMatchObject([{ reason: expect.stringMatching(/non-BIP68-final/) }])
    await mineAll(w, [opener, accepter], 2)
    expect(await w.chain.height()).toBe(spendableAt)
    expect(toLocal()).toMatchObject({ state: 'swept' })
    expect(closingOutputs(accepter.state).find((o) => o.kind === 'toRemote')).toMatchObject({
      state: 'swept',
    })
    expect([...opener.refusals, ...accepter.refusals]).toEqual([])
    await mineAll(w, [opener, accepter], 5)
    expect(types(opener.events).at(-1)).toBe('done')
    expect(types(accepter.events).at(-1)).toBe('done')
  })

  it('a close with HTLCs in both directions: all of it is claimed, through a reorganisation', async () => {
    const w = await world(format)
    const commitment = w.s.signed('opener', 3n)
    const opener = await machine(w, 'opener', withPreimage(w.s.snapshots.opener), commitment.tx)
    const accepter = await machine(w, 'accepter', withPreimage(w.s.snapshots.accepter))
    const both = [opener, accepter]
    await opener.sync()
    await mineAll(w, both, 12)
    await miner.reorg(4, 2)
    for (const d of [...both, ...both]) await d.sync()
    await mineAll(w, both, 30)
    for (const d of both) expect(types(d.events).at(-1)).toBe('done')
    const anchors = format.anchors ? 660n : 0n
    const stageFees = format.anchors ? 0n : 663n + 703n
    expect(swept(opener) + swept(accepter)).toBe(outputSumSat(commitment.built.tx) - anchors - stageFees)
  })

  it.each([0, 4, 14])(
    'a revoked commitment whose owner had %i blocks for its HTLCs is punished in full',
    async (ahead) => {
      const w = await world(format, { delay: 20 })
      const old = scene({ ...w.options, number: 2n })
      const cheat = await machine(
        w,
        'opener',
        withPreimage(old.snapshots.opener),
        old.signed('opener', 2n).tx,
      )
      const honest = await machine(w, 'accepter', w.s.snapshots.accepter)
      await cheat.sync()
      await mineAll(w, [cheat], ahead)
      await honest.sync()
      await mineAll(w, [honest, cheat], 12)
      expect(honest.events.find((e) => e.type === 'closeSeen')).toMatchObject({ kind: 'revoked' })
      const left = closingOutputs(honest.state).filter((o) => o.state !== 'swept' && o.kind !== 'anchor')
      expect(left).toEqual([])
      expect(types(honest.events).at(-1)).toBe('done')
    },
  )

  it.runIf(format.anchors)(
    'a commitment that pays too little is carried by a child on its anchor, and that is replaced',
    async () => {
      const w = await world(format, { htlcs: [] })
      const commitment = w.s.signed('opener', 3n).tx
      const coin = { outpoint: await fund(WALLET_SCRIPT, 50_000n), valueSat: 50_000n }
      await miner.mine()
      const height = await w.chain.height()
      const ctx = { signer: w.s.signers.opener, feeratePerKw: 5_000, feePayer: testPayer([coin]) }
      const d = drive(w.chain, createOnchain(w.s.snapshots.opener, height, ctx, commitment), ctx)
      await d.sync()
      interface Entry {
        readonly ancestorsize: number
        readonly fees: { readonly ancestor: number }
      }
      const feerate = async (): Promise<number> => {
        const child = d.accepted.at(-1)
        if (child === undefined || d.accepted.length < 2) throw new Error('a child')
        const entry = await node.rpc.call<Entry>('getmempoolentry', txidOf(child))
        return (entry.fees.ancestor * 1e8) / entry.ancestorsize
      }
      expect(await feerate()).toBeGreaterThanOrEqual(20)
      // Nothing of it can be taken by another, so it is in no haste: it follows the estimate, and not before its time.
      ctx.feeratePerKw = 6_250
      d.input({ type: 'tip', height: height + BUMP_BLOCKS - 1 })
      await d.sync()
      expect(await feerate()).toBeLessThan(25)
      d.input({ type: 'tip', height: height + BUMP_BLOCKS })
      await d.sync()
      expect(await feerate()).toBeGreaterThanOrEqual(25)
      expect(d.refusals).toEqual([])
      await d.mine(1)
      expect(d.events.at(-1)).toMatchObject({ type: 'closeSeen', kind: 'local', height: height + 1 })
    },
  )

  it.runIf(format.anchors)(
    'a commitment that the peer pins with a large, cheap child on its own anchor still gets our child, and its block',
    async () => {
      const w = await world(format, { htlcs: [] })
      const commitment = w.s.signed('opener', 3n).tx
      const ours = { outpoint: await fund(WALLET_SCRIPT, 50_000n), valueSat: 50_000n }
      const theirs = { outpoint: await fund(WALLET_SCRIPT, 200_000n), valueSat: 200_000n }
      await miner.mine()
      const height = await w.chain.height()
      await w.chain.broadcast(commitment)
      const pin = await pinned(w, commitment, theirs)
      const ctx = { signer: w.s.signers.opener, feeratePerKw: 5_000, feePayer: testPayer([ours]) }
      const d = drive(w.chain, createOnchain(w.s.snapshots.opener, height, ctx, commitment), ctx)
      await d.sync()
      const child = d.accepted.at(-1)
      if (child === undefined || txidOf(child) === txidOf(commitment)) throw new Error('no child got in')
      expect(d.refusals).toEqual([])
      const mempool = await node.rpc.call<string[]>('getrawmempool')
      expect(mempool).toEqual(expect.arrayContaining([txidOf(commitment), txidOf(pin), txidOf(child)]))
      await d.mine(1)
      expect(d.events.at(-1)).toMatchObject({ type: 'closeSeen', kind: 'local', height: height + 1 })
    },
  )
})

/** Fills what a commitment's descendants may weigh (BIP 125's limits: 101 kvB) with one child at 1 sat/vB, on the accepter's anchor. */
async function pinned(w: World, commitment: Tx, coin: { outpoint: OutPoint; valueSat: bigint }): Promise<Tx> {
  const data = new Uint8Array(97_000)
  const script = new Uint8Array([0x6a, 0x4e, ...new Uint8Array(Uint32Array.of(data.length).buffer), ...data])
  const anchors = commitment.outputs.flatMap(({ valueSat }, vout) => (valueSat === 330n ? [vout] : []))
  const output: SweepOutput = { kind: 'anchor', valueSat: sat(330n) }
  const failures: unknown[] = []
  for (const vout of anchors) {
    const outpoint = { txid: txidOf(commitment), vout }
    const bare: Tx = {
      version: 2,
      inputs: [{ outpoint, scriptSig: new Uint8Array(0), sequence: 0xffffffff, witness: [] }],
      outputs: [{ valueSat: sat(0n), script }],
      locktime: 0,
    }
    const paid = testPayer([coin]).attach({
      token: 'pin',
      tx: bare,
      weight: 4 * (script.length + 70) + sweepInputWeight(output),
      surplusSat: sat(330n),
      feeratePerKw: 250,
      limitSat: sat(coin.valueSat),
    })
    if (paid === undefined) throw new Error('the pin costs more than its coin')
    const unsigned = paid.sign(paid.tx)
    const pin = withWitness(
      unsigned,
      0,
      w.s.signers.accepter.signSweep(unsigned, 0, output, sighashMidstate(unsigned)),
    )
    try {
      // One anchor is the accepter's: the other one refuses its signature.
      await node.rpc.call('sendrawtransaction', toHex(encodeTx(pin)))
      return pin
    } catch (e) {
      failures.push(e)
    }
  }
  throw new Error(`no anchor can be pinned: ${failures.join('; ')}`)
}
