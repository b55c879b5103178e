import { describe, expect, it } from 'vitest'
import { toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { sat } from '../base/units.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { p2wpkh } from '../bitcoin/script.ts'
import { decodeTx, encodeTx, outputSumSat, txidOf } from '../bitcoin/tx.ts'
import { outPointKey, type Tx } from '../bitcoin/types.ts'
import { ANCHORS, LCP, STATIC_REMOTEKEY } from '../commitment/formats.ts'
import { type CommitmentFormat, otherRole, type Role } from '../commitment/types.ts'
import { publicKey } from '../crypto/curve.ts'
import { createOnchain } from '../onchain/step.ts'
import {
  fakeChain,
  type FakeChain,
  PREIMAGE,
  scene,
  sceneFundingScript,
  type Scene,
  type SceneOptions,
} from '../onchain/testing.ts'
import { emptyWallet, extendWatch } from '../wallet/coins.ts'
import { walletKeys } from '../wallet/keys.ts'
import type { WalletState } from '../wallet/types.ts'
import { readFacts, type Use, withFacts } from './facts.ts'
import { closeByCopy, planExit } from './plan.ts'
import type { Exit, ExitPlan, Terms } from './types.ts'

const FORMATS = [STATIC_REMOTEKEY, ANCHORS, LCP]
const DELAY = 6
/** What the scene's expiries are. */
const EXPIRY = 520
const HOME = p2wpkh(publicKey(new Uint8Array(32).fill(0x99)))
const TERMS: Terms = { script: HOME, feeratePerKw: 1000, leaveOut: new Set() }
const KEYS = walletKeys(new Uint8Array(64).fill(3), NETWORKS.regtest)

interface World {
  readonly chain: FakeChain
  readonly s: Scene
  readonly exit: Exit
  readonly options: SceneOptions
}

/** Coins of a wallet, which exist on the chain. */
function walletOf(chain: FakeChain, coins: readonly bigint[]): WalletState {
  const { state } = extendWatch(emptyWallet('regtest'), KEYS)
  const txs = coins.map((valueSat, seq) => {
    const script = KEYS.script({ purpose: 84, change: 0, index: seq })
    const tx: Tx = { version: 2, inputs: [], outputs: [{ valueSat: sat(valueSat), script }], locktime: 0 }
    const about = { height: 400, seenIn: [], own: false, seq, timeSec: 0, kind: null, label: '' }
    return [chain.fund(script, valueSat).txid, { tx, ...about }] as const
  })
  return extendWatch({ ...state, txs: Object.fromEntries(txs) }, KEYS).state
}

function world(
  format: CommitmentFormat,
  role: Role,
  more: Partial<SceneOptions> & { coins?: readonly bigint[]; preimage?: boolean } = {},
): World {
  const chain = fakeChain()
  const fundingOutpoint = chain.fund(sceneFundingScript(format), 1_000_000n)
  const options = { format, fundingOutpoint, delay: DELAY, expiry: EXPIRY, ...more }
  const s = scene(options)
  const copied = s.snapshots[role]
  const snapshot = more.preimage === false ? copied : { ...copied, preimages: [PREIMAGE] }
  const signer = s.signers[role]
  const state = createOnchain(snapshot, 500, { signer, feeratePerKw: 253 }).state
  const exit: Exit = {
    network: NETWORKS.regtest,
    keys: KEYS,
    about: { madeAt: 0, height: 500 },
    words: [],
    passphrase: '',
    descriptors: [],
    wallet: walletOf(chain, more.coins ?? [20_000n, 21_000n, 22_000n, 23_000n]),
    channels: [{ peer: '02'.repeat(33), signer, isWhole: true, state }],
    court: (_, number) => s.court(otherRole(role), number),
    problems: [],
  }
  return { chain, s, exit, options }
}

const hex = (tx: Tx): string => toHex(encodeTx(tx))

/** A close goes into a block; what the person then pastes. */
async function closed(w: World, tx: Tx): Promise<string> {
  await w.chain.broadcast(tx)
  await w.chain.mine()
  return `${await w.chain.height()} ${hex(tx)}`
}

async function told(w: World, text: string): Promise<{ plan: ExitPlan; uses: readonly Use[] }> {
  const { exit, uses } = withFacts(w.exit, readFacts(text), await w.chain.height())
  return { plan: planExit(exit, TERMS), uses }
}

/** Sends everything of a plan, each in the first block that may hold it and, where that is not the next, not one before. */
async function send(w: World, plan: ExitPlan): Promise<bigint> {
  const all = [
    ...plan.channels.flatMap((c) => c.txs),
    ...(plan.coins.tx === undefined ? [] : [plan.coins.tx]),
  ]
  let arrived = 0n
  for (const { tx, first, paysSat, feeSat, txid } of all.toSorted((a, b) => a.first - b.first)) {
    while ((await w.chain.height()) + 1 < first) {
      if ((await w.chain.height()) + 2 === first)
        await expect(w.chain.broadcast(tx)).rejects.toThrow(/non-final|non-BIP68-final|missingorspent/)
      await w.chain.mine()
    }
    await w.chain.broadcast(tx)
    expect(txidOf(tx)).toBe(txid)
    expect(feeSat).toBeGreaterThan(0n)
    arrived += paysSat
    const paid = tx.outputs.reduce((n, o) => (toHex(o.script) === toHex(HOME) ? n + o.valueSat : n), 0n)
    expect(paid).toBe(paysSat)
  }
  await w.chain.mine()
  expect(w.chain.mempool()).toEqual([])
  return arrived
}

/** Nothing is left or made: what came in is what arrives and the fees. */
const fees = (plan: ExitPlan): bigint =>
  plan.channels.flatMap((c) => c.txs).reduce((n, t) => n + t.feeSat, 0n) + (plan.coins.tx?.feeSat ?? 0n)
const COINS = 86_000n

describe.each(FORMATS)('$name: what the copy claims', (format) => {
  it('of a commitment of the peer: balance, payments with and without preimage, and every coin', async () => {
    const w = world(format, 'opener')
    const close = w.s.signed('accepter', 3n)
    const { plan, uses } = await told(w, await closed(w, close.tx))
    expect(uses).toEqual(['close'])
    const [channel] = plan.channels
    expect(channel?.close).toMatchObject({ kind: 'remote', height: 501 })
    const ours = channel?.outputs.filter((o) => o.fate === 'claimable') ?? []
    // Our balance, two payments of ours that come back, and one of theirs whose preimage is known.
    expect(ours.map((o) => o.kind).sort()).toEqual(['htlc', 'htlc', 'htlc', 'toRemote'])
    expect(channel?.outputs.filter((o) => o.fate === 'needsPreimage')).toHaveLength(1)
    expect(ours.filter((o) => o.first === EXPIRY + 1)).toHaveLength(2)
    const worth = ours.reduce((n, o) => n + o.amountSat, 0n)
    expect(await send(w, plan)).toBe(worth + COINS - fees(plan))
  })

  it('of our own commitment: second stages and their sweeps, all signed at once, and the balance after the delay', async () => {
    const w = world(format, 'opener')
    const { plan } = await told(w, await closed(w, w.s.signed('opener', 3n).tx))
    const [channel] = plan.channels
    expect(channel?.close).toMatchObject({ kind: 'local' })
    const txs = channel?.txs ?? []
    expect(txs.filter((t) => t.kind === 'stage')).toHaveLength(3)
    const after = txs.filter((t) => t.kind === 'sweep' && t.after !== undefined)
    expect(after).toHaveLength(3)
    for (const sweep of after) expect(sweep.after?.blocks).toBe(DELAY + 2)
    const worth = channel?.outputs.reduce((n, o) => (o.fate === 'claimable' ? n + o.amountSat : n), 0n) ?? 0n
    expect(await send(w, plan)).toBe(worth + COINS - fees(plan))
  })

  it.runIf(format.anchors)(
    'of our own commitment without a coin: says that a coin is missing, and the rest',
    async () => {
      const w = world(format, 'opener', { coins: [] })
      const { plan } = await told(w, await closed(w, w.s.signed('opener', 3n).tx))
      const fates = plan.channels[0]?.outputs.map((o) => o.fate) ?? []
      expect(fates.filter((fate) => fate === 'needsCoins')).toHaveLength(3)
      expect(fates.filter((fate) => fate === 'claimable')).toHaveLength(1)
      expect(plan.coins).toMatchObject({ problem: 'none' })
      await send(w, plan)
    },
  )

  it('of a revoked commitment: all of it, balances and payments', async () => {
    const w = world(format, 'accepter', { coins: [] })
    const { tx } = w.s.signed('opener', 1n)
    const { plan } = await told(w, await closed(w, tx))
    expect(plan.channels[0]?.close).toMatchObject({ kind: 'revoked' })
    const anchors = format.anchors ? 660n : 0n
    expect(await send(w, plan)).toBe(outputSumSat(tx) - anchors - fees(plan))
  })

  it('of a revoked commitment whose owner took his payments on: out of his second stages', async () => {
    const w = world(format, 'accepter', { coins: [] })
    // The cheat has a copy of his own, at the time of the old state.
    const old = scene({ ...w.options, number: 2n })
    const signer = old.signers.opener
    const snapshot = { ...old.snapshots.opener, preimages: [PREIMAGE] }
    const state = createOnchain(snapshot, 500, { signer, feeratePerKw: 253 }).state
    const coins = walletOf(w.chain, [30_000n, 31_000n, 32_000n])
    const his: Exit = { ...w.exit, wallet: coins, channels: [{ peer: '', signer, isWhole: true, state }] }
    const lines = [await closed(w, old.signed('opener', 2n).tx)]
    const away = p2wpkh(publicKey(new Uint8Array(32).fill(0x9a)))
    const { exit } = withFacts(his, readFacts(lines[0] ?? ''), 501)
    const plan = planExit(exit, { ...TERMS, script: away })
    for (const stage of plan.channels[0]?.txs.filter((t) => t.kind === 'stage') ?? [])
      if (stage.first === 502) lines.push(await closed(w, stage.tx))
    expect(lines).toHaveLength(2)
    const { plan: justice, uses } = await told(w, lines.join('\n'))
    expect(uses).toEqual(['close', 'spend'])
    const [channel] = justice.channels
    expect(channel?.close).toMatchObject({ kind: 'revoked' })
    const taken = channel?.outputs.filter((o) => o.fate === 'taken') ?? []
    const worth = channel?.outputs.reduce((n, o) => (o.fate === 'claimable' ? n + o.amountSat : n), 0n) ?? 0n
    expect(taken).toHaveLength(1)
    expect(channel?.outputs.filter((o) => o.fate === 'claimable')).toHaveLength(6)
    expect(await send(w, justice)).toBe(worth - fees(justice))
  })

  it('of a commitment newer than the copy: the peer’s for our balance, our own for it too, after the delay', async () => {
    for (const owner of ['accepter', 'opener'] as const) {
      const w = world(format, 'opener', { htlcs: [], coins: [] })
      const { plan } = await told(w, await closed(w, w.s.signed(owner, 9n).tx))
      expect(plan.channels[0]?.close).toMatchObject({ kind: 'unknown' })
      expect(plan.channels[0]?.txs).toHaveLength(1)
      expect(await send(w, plan)).toBeGreaterThan(480_000n)
    }
  })

  it('of a close that waits for a block: signed already, to be sent after it', async () => {
    const w = world(format, 'opener', { htlcs: [] })
    const { tx } = w.s.signed('accepter', 3n)
    await w.chain.broadcast(tx)
    const { plan } = await told(w, hex(tx))
    const [channel] = plan.channels
    expect(channel?.close).toMatchObject({ kind: 'remote', height: null })
    expect(channel?.txs).toMatchObject([
      { kind: 'sweep', after: { txid: txidOf(tx), blocks: 1 }, first: 502 },
    ])
    await w.chain.mine()
    expect(await send(w, plan)).toBeGreaterThan(480_000n)
  })

  it('by the copy’s own commitment, as the last resort, which is not signed before that is asked for', async () => {
    const w = world(format, 'opener', { htlcs: [] })
    const { plan } = await told(w, '')
    expect(plan.channels[0]).toMatchObject({ outputs: [], txs: [] })
    const [entry] = w.exit.channels
    if (entry === undefined) throw new Error('a channel')
    const tx = unwrap(closeByCopy(entry))
    expect(txidOf(tx)).toBe(txidOf(w.s.signed('opener', 3n).tx))
    const { plan: after } = await told(w, await closed(w, tx))
    expect(await send(w, after)).toBeGreaterThan(480_000n)
    expect(closeByCopy({ ...entry, isWhole: false })).toEqual({ ok: false, error: 'notPossible' })
    const revoked = { ...entry.state.snapshot, signer: { localRevoked: 4n } }
    expect(closeByCopy({ ...entry, state: { ...entry.state, snapshot: revoked } }).ok).toBe(false)
  })
})

describe('a person tells what happened', () => {
  it('in any order, with lines that are of no use named as such', async () => {
    const w = world(ANCHORS, 'opener', { preimage: false })
    const close = w.s.signed('accepter', 3n).tx
    const line = await closed(w, close)
    const text = `nonsense\n\n${'ab'.repeat(32)}\n${toHex(PREIMAGE)}\n${hex(w.s.signed('opener', 9n).tx).slice(0, 100)}\n${line}`
    const { uses, plan } = await told(w, text)
    expect(uses).toEqual(['unreadable', 'id', 'preimage', 'unreadable', 'close'])
    expect(plan.channels[0]?.outputs.filter((o) => o.fate === 'needsPreimage')).toHaveLength(1)
  })

  it('a sweep that is in a block is done; a coin that came since the copy is one of the coins', async () => {
    const w = world(ANCHORS, 'opener', { htlcs: [], coins: [] })
    const line = await closed(w, w.s.signed('accepter', 3n).tx)
    const { plan } = await told(w, line)
    const [sweep] = plan.channels[0]?.txs ?? []
    if (sweep === undefined) throw new Error('a sweep')
    const done = await closed(w, sweep.tx)
    // A payment to the wallet's own next address.
    const script = KEYS.script({ purpose: 84, change: 0, index: 5 })
    const payment: Tx = {
      version: 2,
      inputs: sweep.tx.inputs.map((i) => ({ ...i, outpoint: { txid: 'ab'.repeat(32), vout: 1 } })),
      outputs: [{ valueSat: sat(50_000), script }],
      locktime: 0,
    }
    const { plan: after, uses } = await told(w, `${line}\n${done}\n502 ${hex(payment)}`)
    expect(uses).toEqual(['close', 'spend', 'coins'])
    expect(after.channels[0]?.outputs).toMatchObject([
      { kind: 'toRemote', fate: 'claimed', txid: sweep.txid },
    ])
    expect(after.channels[0]?.txs).toEqual([])
    expect(after.coins.tx?.paysSat).toBe(50_000n - (after.coins.tx?.feeSat ?? 0n))
  })

  it('two transactions that take the same output: the one in the later block stands, and nothing hangs', async () => {
    const w = world(ANCHORS, 'opener', { htlcs: [] })
    const a = w.s.signed('accepter', 3n).tx
    const b = w.s.signed('opener', 3n).tx
    const { plan } = await told(w, `502 ${hex(a)}\n${hex(b)}\n501 ${hex(b)}`)
    expect(plan.channels[0]?.close).toMatchObject({ kind: 'remote', txid: txidOf(a) })
  })

  it('coins that are gone may be left out, and are then used for nothing', async () => {
    const w = world(ANCHORS, 'opener')
    const gone = Object.keys(w.exit.wallet.txs).map((txid) => outPointKey({ txid, vout: 0 }))
    const plan = planExit(w.exit, { ...TERMS, leaveOut: new Set(gone.slice(0, 3)) })
    expect(plan.coins.tx?.coins).toBe(1)
    expect(plan.coins.tx?.tx.inputs.map((i) => outPointKey(i.outpoint))).toEqual(gone.slice(3))
    expect(plan.coins.coins).toHaveLength(4)
  })

  it('an output that costs more than it brings is named, and claimed at a lower feerate', async () => {
    const w = world(ANCHORS, 'opener', { htlcs: [], openerMsat: 9_500_000n, coins: [] })
    const line = await closed(w, w.s.signed('accepter', 3n).tx)
    const { exit } = withFacts(w.exit, readFacts(line), 501)
    const dear = planExit(exit, { ...TERMS, feeratePerKw: 50_000 })
    expect(dear.channels[0]?.outputs).toMatchObject([{ kind: 'toRemote', fate: 'tooSmall' }])
    expect(planExit(exit, TERMS).channels[0]?.outputs).toMatchObject([{ fate: 'claimable' }])
  })
})

it('every transaction that it shows reads back as what it is', async () => {
  const w = world(LCP, 'opener')
  const { plan } = await told(w, await closed(w, w.s.signed('opener', 3n).tx))
  for (const { tx, txid } of plan.channels.flatMap((c) => c.txs))
    expect(txidOf(unwrap(decodeTx(encodeTx(tx))))).toBe(txid)
})
