import { afterAll, beforeAll, expect, test } from 'vitest'
import { toHex } from '../../engine/base/bytes.ts'
import { unwrap } from '../../engine/base/result.ts'
import { p2wpkh } from '../../engine/bitcoin/script.ts'
import { encodeTx } from '../../engine/bitcoin/tx.ts'
import { publicKey } from '../../engine/crypto/curve.ts'
import { readFacts, withFacts } from '../../engine/exit/facts.ts'
import { openExit } from '../../engine/exit/open.ts'
import { closeByCopy, planExit } from '../../engine/exit/plan.ts'
import type { Exit, ExitChannel } from '../../engine/exit/types.ts'
import { readBackup } from '../../host/vault/container.ts'
import { createStage, pay, type Stage, until, walletSat } from './stage.ts'

/** A wallet is lost but for its exit file: what that makes is put to Bitcoin Core, and every satoshi has to arrive. */

const PASSWORD = 'battery staple'
const CAPACITY = 1_500_000n
const PUSH = 300_000n
const HELD = 800_000n
const HOME = p2wpkh(publicKey(new Uint8Array(32).fill(0x42)))
/** Fundings, two commitments with their anchors, a second stage, sweeps: at two sat/vB. */
const FEES = 15_000n

let stage: Stage
beforeAll(async () => {
  stage = await createStage()
})
afterAll(() => stage.close())

interface Checked {
  readonly allowed: boolean
  readonly 'reject-reason'?: string
}

test('LDK closes one channel, the copy another with a payment in it: all of it comes home, each in the first block that may hold it', async () => {
  const { rpc, miner } = stage
  const ldk = await stage.startLdk('anchors_zero_fee_htlc_tx')
  const ours = await stage.startOurs(stage.folder(), 'anchors_zero_fee_htlc_tx')
  let exit: Exit
  let before: bigint
  try {
    await stage.fund(ours, 4_000_000n)
    before = await walletSat(ours)
    const peer = `${ldk.nodeId}@127.0.0.1:${await ldk.listen()}`
    for (const n of [1, 2]) {
      const input = { peer, amountSat: String(CAPACITY), pushMsat: String(PUSH * 1000n) }
      for await (const update of ours.client.openChannel(input)) if (update.status === 'pending') break
      await stage.mineUntil(
        ours,
        'open',
        ({ channels }) => channels.filter((c) => c.status === 'open').length === n,
      )
      await ldk.until(() => ldk.listChannels().filter((c) => c.usable).length === n, 'LDK can use it')
    }
    ldk.setPolicy('hold')
    const { bolt11, paymentHash } = ldk.createInvoice(HELD * 1000n, '')
    void pay(ours, bolt11).catch(() => {})
    await ldk.waitFor('paymentClaimable', (e) => e.paymentHash === paymentHash)
    await until(ours, 'the payment is in a channel', (s) => s.channels.some((c) => c.htlcs === 1))
    const { file } = await ours.client.exportExitFile({ password: PASSWORD })
    exit = unwrap(openExit(unwrap(await readBackup(file, PASSWORD)).records))
  } finally {
    // The device is lost.
    await ours.stop()
  }
  expect(exit.problems).toEqual([])
  expect(exit.channels).toHaveLength(2)
  const [descriptor = ''] = exit.descriptors[0]?.watch ?? []
  const [derived] = await rpc.call<string[]>('deriveaddresses', descriptor, [3, 3])
  expect(derived).toBe(exit.keys.address({ purpose: 84, change: 0, index: 3 }))

  const holds = (entry: ExitChannel): boolean => entry.state.snapshot.local.view.htlcs.length > 0
  const first = exit.channels.find((entry) => !holds(entry))
  const second = exit.channels.find(holds)
  if (first === undefined || second === undefined) throw new Error('two channels, a payment in one')
  ldk.forceClose(first.state.snapshot.channelId)
  const { txid, vout } = first.state.snapshot.fundingOutpoint
  let theirs: string | undefined
  while (theirs === undefined)
    theirs = (await rpc.call<{ spendingtxid?: string }[]>('gettxspendingprevout', [{ txid, vout }]))[0]
      ?.spendingtxid
  const mine = unwrap(closeByCopy(second))
  await rpc.call('sendrawtransaction', toHex(encodeTx(mine)))
  const raw = await rpc.call<string>('getrawtransaction', theirs)
  await miner.mine(1)
  await ldk.stop()

  const height = await rpc.call<number>('getblockcount')
  const lines = `${height} ${raw}\n${height} ${toHex(encodeTx(mine))}`
  const told = withFacts(exit, readFacts(lines), height)
  expect(told.uses).toEqual(['close', 'close'])
  const plan = planExit(told.exit, { script: HOME, feeratePerKw: 500, leaveOut: new Set() })
  expect(new Set(plan.channels.map((c) => c.close?.kind))).toEqual(new Set(['local', 'remote']))
  const outputs = plan.channels.flatMap((c) => c.outputs)
  expect(outputs.map((o) => o.kind).sort()).toEqual(['htlc', 'toLocal', 'toRemote'])
  expect(outputs.every((o) => o.fate === 'claimable')).toBe(true)
  const txs = [
    ...plan.channels.flatMap((c) => c.txs),
    ...(plan.coins.tx === undefined ? [] : [plan.coins.tx]),
  ]
  expect(txs.map((t) => t.kind).sort()).toEqual(['stage', 'sweep', 'sweep', 'sweep'])
  let arrived = 0n
  for (const t of txs.toSorted((a, b) => a.first - b.first)) {
    const hex = toHex(encodeTx(t.tx))
    const check = async () => (await rpc.call<Checked[]>('testmempoolaccept', [hex]))[0]
    const short = t.first - 1 - (await rpc.call<number>('getblockcount'))
    if (short > 0) {
      if (short > 1) await miner.mine(short - 1)
      expect((await check())?.['reject-reason']).toMatch(/non-final|non-BIP68-final/)
      await miner.mine(1)
    }
    expect(await rpc.call<string>('sendrawtransaction', hex)).toBe(t.txid)
    const { fees } = await rpc.call<{ fees: { base: number } }>('getmempoolentry', t.txid)
    expect(BigInt(Math.round(fees.base * 1e8))).toBe(t.feeSat)
    arrived += t.paysSat
  }
  await miner.mine(1)
  const scan = await rpc.call<{ total_amount: number }>('scantxoutset', 'start', [`raw(${toHex(HOME)})`])
  expect(BigInt(Math.round(scan.total_amount * 1e8))).toBe(arrived)
  const missing = before - 2n * PUSH - arrived
  expect(missing, `${missing} sat are missing`).toBeGreaterThan(0n)
  expect(missing, `${missing} sat are missing`).toBeLessThan(FEES)
}, 60_000)
