import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bitcoind, startBitcoind } from '../../playground/bitcoind.ts'
import { fromHex, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { sat } from '../base/units.ts'
import { addressFromScript } from '../bitcoin/address.ts'
import { decodeTx, encodeTx, weightOf } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { bumpFee } from './bump.ts'
import { emptyWallet } from './coins.ts'
import { fakeChain, foreignScript, fundingScript, NOW, REGTEST, testKeys } from './fixture.ts'
import { balanceOf } from './ledger.ts'
import { commit } from './reservations.ts'
import { signSpend } from './sign.ts'
import { buildFunding, buildSend, DEFAULT_POLICY, type Built } from './spend.ts'
import type { WalletState } from './types.ts'

/** Bitcoin Core judges what the wallet signs: consensus, standardness, fees and replacement rules. */

interface Verdict {
  readonly allowed?: boolean
  readonly 'reject-reason'?: string
  readonly vsize?: number
  readonly fees?: { readonly base: number }
}

describe('transactions of the wallet before Bitcoin Core', () => {
  const keys = testKeys(3)
  let node: Bitcoind
  beforeAll(async () => {
    node = await startBitcoind()
  })
  afterAll(() => node.stop())

  /** The wallet as it finds itself on Core's chain. */
  async function scan(state: WalletState): Promise<{ state: WalletState; tip: number }> {
    const chain = fakeChain()
    const tip = await node.rpc.call<number>('getblockcount')
    for (let height = 1; height <= tip; height++) {
      const hash = await node.rpc.call<string>('getblockhash', height)
      const block = await node.rpc.call<{ tx: readonly { hex: string }[] }>('getblock', hash, 2)
      for (const { hex } of block.tx) chain.add(unwrap(decodeTx(fromHex(hex))), height)
    }
    for (const txid of await node.rpc.call<readonly string[]>('getrawmempool'))
      chain.add(unwrap(decodeTx(fromHex(await node.rpc.call<string>('getrawtransaction', txid)))))
    return { state: chain.sync(state, keys), tip }
  }

  /** Signs, asks Core, and sends when Core agrees. */
  async function accept(
    built: Built,
    id: string,
    feeratePerKw: number,
  ): Promise<{ state: WalletState; tx: Tx }> {
    const tx = signSpend(built.spend, keys)
    const hex = toHex(encodeTx(tx))
    const [verdict] = await node.rpc.call<readonly Verdict[]>('testmempoolaccept', [hex])
    expect(verdict?.['reject-reason']).toBeUndefined()
    expect(verdict?.vsize).toBe(Math.ceil(weightOf(tx) / 4))
    expect(BigInt(Math.round((verdict?.fees?.base ?? 0) * 1e8))).toBe(built.spend.feeSat)
    expect(Number(built.spend.feeSat) / weightOf(tx)).toBeGreaterThanOrEqual(feeratePerKw / 1000)
    await node.rpc.call('sendrawtransaction', hex)
    return { state: unwrap(commit(built.state, keys, id, tx, { label: '', nowSec: NOW })).state, tx }
  }

  it('accepts sends from both kinds of address, a funding on unconfirmed change, a replacement, and Max at 0.1 sat/vB', async () => {
    const elsewhere = addressFromScript(foreignScript(), REGTEST) ?? ''
    for (const path of [
      { purpose: 84, change: 0, index: 2 },
      { purpose: 86, change: 0, index: 19 },
    ] as const)
      await node.rpc.call('generatetoaddress', 2, keys.address(path))
    await node.rpc.call('generatetoaddress', 101, elsewhere)
    let { state, tip } = await scan(emptyWallet('regtest', [84, 86]))
    expect(balanceOf(state, tip)).toMatchObject({ confirmedSat: 20_000_000_000n, immatureSat: 0n })
    const context = () => ({ tipHeight: tip, policy: DEFAULT_POLICY })

    const both = sat(14_000_000_000n)
    const send = unwrap(
      buildSend(state, [{ script: foreignScript(1), amountSat: both }], 250, 's', context()),
    )
    expect(new Set(send.spend.inputs.map((i) => i.path.purpose))).toEqual(new Set([84, 86]))
    const sent = await accept(send, 's', 250)

    const raised = unwrap(
      bumpFee(sent.state, (await node.rpc.call<string[]>('getrawmempool'))[0] ?? '', 600, 'b', context()),
    )
    state = (await accept(raised, 'b', 600)).state

    // While the replaced transaction may confirm instead, the replacement's change is nothing to build on.
    const policy = { ...DEFAULT_POLICY, spendUnconfirmedChange: true }
    const large = sat(5_500_000_000n)
    const early = buildFunding(state, fundingScript, large, 1000, 'e', { tipHeight: tip, policy })
    expect(early).toMatchObject({ ok: false, error: { code: 'insufficient_funds' } })
    await node.rpc.call('generatetoaddress', 1, elsewhere)
    ;({ state, tip } = await scan(state))
    const small = buildSend(
      state,
      [{ script: foreignScript(3), amountSat: sat(100_000_000n) }],
      250,
      'c',
      context(),
    )
    state = (await accept(unwrap(small), 'c', 250)).state
    const funding = unwrap(buildFunding(state, fundingScript, large, 1000, 'f', { tipHeight: tip, policy }))
    expect(funding.spend.inputs.some((i) => i.path.change === 1)).toBe(true)
    state = (await accept(funding, 'f', 1000)).state

    await node.rpc.call('generatetoaddress', 1, elsewhere)
    ;({ state, tip } = await scan(state))
    expect(balanceOf(state, tip)).toMatchObject({ trustedSat: 0n, untrustedSat: 0n })
    const max = unwrap(buildSend(state, [{ script: foreignScript(2), amountSat: 'max' }], 25, 'm', context()))
    expect(max.spend.feeSat).toBeLessThan(60n)
    state = (await accept(max, 'm', 25)).state
    expect(balanceOf(state, tip).totalSat).toBe(0n)
  })
})
