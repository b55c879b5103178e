import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toHex } from '../../engine/base/bytes.ts'
import { unwrap } from '../../engine/base/result.ts'
import { sat } from '../../engine/base/units.ts'
import { p2wsh } from '../../engine/bitcoin/script.ts'
import { decodeTx, encodeTx, txidOf } from '../../engine/bitcoin/tx.ts'
import { chainConfig } from '../../engine/chain/config.ts'
import { chainRecords, loadChain } from '../../engine/chain/records.ts'
import type { HeaderChain } from '../../engine/chain/headers.ts'
import { chainStep, initialChain } from '../../engine/chain/step.ts'
import type { ChainEvent, ChainInput, ChainState } from '../../engine/chain/types.ts'
import { type Bitcoind, startBitcoind } from '../../playground/bitcoind.ts'
import { createEsplora, type Esplora } from '../../playground/esplora.ts'
import { createMiner, type Miner } from '../../playground/miner.ts'
import { createEsploraClient } from './client.ts'

/** A script that needs no key, so that the test can spend it. */
const OP_TRUE = Uint8Array.of(0x51)
const ANYONE = p2wsh(OP_TRUE)

let node: Bitcoind
let miner: Miner
const esploras: Esplora[] = []
const servers: { readonly url: string; close(): Promise<void> }[] = []

beforeAll(async () => {
  node = await startBitcoind()
  miner = createMiner({ rpc: node.rpc, key: new Uint8Array(32).fill(3) })
  await miner.ready()
  // Two servers of the same node: what money depends on is asked twice.
  for (let i = 0; i < 2; i++) {
    const esplora = createEsplora({ rpc: node.rpc })
    esploras.push(esplora)
    servers.push(await esplora.listen())
  }
})
afterAll(async () => {
  for (const server of servers) await server.close()
  await node?.stop()
})

/** The machine with a real clock and real requests: what a worker's shell does, in small. */
class Shell {
  state: ChainState
  readonly events: ChainEvent[] = []
  private timer: NodeJS.Timeout | undefined
  private readonly open = new Map<number, AbortController>()
  private readonly client = createEsploraClient({ fetch })
  private closed = false

  constructor(headers?: HeaderChain) {
    this.state = initialChain(
      { ...chainConfig('regtest'), pollMs: 200, fastPollMs: 200, spendPollMs: 200 },
      headers,
    )
    for (const { url } of servers) this.input({ type: 'addServer', url })
    this.input({ type: 'start' })
  }

  input(input: ChainInput): void {
    if (this.closed) return
    const step = chainStep(this.state, input, { now: Date.now() })
    this.state = step.state
    this.events.push(...step.events)
    for (const effect of step.effects) {
      if (effect.type === 'wakeAt') {
        clearTimeout(this.timer)
        this.timer = setTimeout(() => this.input({ type: 'tick' }), Math.max(0, effect.ms - Date.now()))
      } else if (effect.type === 'cancel') this.open.get(effect.id)?.abort()
      else {
        const controller = new AbortController()
        this.open.set(effect.id, controller)
        void this.client.request(effect.server, effect.request, controller.signal).then((result) => {
          this.open.delete(effect.id)
          this.input({ type: 'response', id: effect.id, result })
        })
      }
    }
  }

  close(): void {
    this.closed = true
    clearTimeout(this.timer)
    for (const controller of this.open.values()) controller.abort()
  }

  of<T extends ChainEvent['type']>(type: T) {
    return this.events.filter((e): e is Extract<ChainEvent, { readonly type: T }> => e.type === type)
  }
}

const until = async (what: () => boolean) => expect.poll(what, { timeout: 20_000, interval: 20 }).toBe(true)
const tip = () => node.rpc.call<string>('getbestblockhash')

describe('the chain machine against Bitcoin Core', () => {
  test('headers, a funding transaction with proof, a reorganisation, its spend, a restart from records', async () => {
    const shell = new Shell()
    const best = await tip()
    await until(() => shell.state.headers.tip.hash === best)
    await until(() => shell.of('health').at(-1)?.synced === true)

    const built = await miner.build([{ script: ANYONE, amountSat: 1_000_000n }])
    const raw = Uint8Array.from(Buffer.from(built.hex, 'hex'))
    const tx = unwrap(decodeTx(raw))
    const vout = tx.outputs.findIndex((o) => o.valueSat === 1_000_000n)
    const outpoint = { txid: built.txid, vout }
    expect(txidOf(tx)).toBe(built.txid)
    const scriptPubKey = ANYONE
    shell.input({ type: 'watchTx', token: 'funding', txid: built.txid, scriptPubKey, minDepth: 2, upTo: 3 })
    shell.input({ type: 'watchSpend', token: 'spend', outpoint, scriptPubKey })
    shell.input({ type: 'broadcast', token: 'send', tx: raw })
    await until(() => shell.of('broadcastResult').length === 1)
    expect(shell.of('broadcastResult')[0]).toMatchObject({ accepted: true, txid: built.txid })

    await miner.mine(1)
    await until(() => shell.of('depth').length === 1)
    await miner.mine(2)
    await until(() => shell.of('confirmed').length === 1)
    const confirmed = shell.of('confirmed')[0]
    const mined = await node.rpc.call<{ blockhash: string }>('getrawtransaction', built.txid, true)
    const block = await node.rpc.call<{ height: number; tx: string[] }>('getblock', mined.blockhash)
    expect(confirmed).toMatchObject({
      token: 'funding',
      height: block.height,
      blockHash: mined.blockhash,
      index: block.tx.indexOf(built.txid),
    })
    expect(toHex(confirmed?.tx ?? raw)).toBe(built.hex)

    // The block goes away and the transaction stays in the mempool; then it is mined elsewhere.
    await node.rpc.call('invalidateblock', mined.blockhash)
    await node.rpc.call('generateblock', miner.address, [])
    await miner.mine(4)
    await until(() => shell.of('confirmed').length === 2)
    const types = shell.events
      .map((e) => e.type)
      .filter((t) => ['confirmed', 'unconfirmed', 'reorg'].includes(t))
    expect(types).toEqual(['confirmed', 'unconfirmed', 'reorg', 'confirmed'])
    expect(shell.of('confirmed')[1]?.height).toBe(block.height + 1)
    expect(shell.of('spent')).toEqual([])

    // Its spend, seen in the mempool and then proved, although one of the servers conceals it.
    const first = esploras[0] as Esplora
    first.faults.hideSpends = new Set([`${built.txid}:${vout}`])
    const spender = encodeTx({
      version: 2,
      inputs: [{ outpoint, scriptSig: new Uint8Array(), sequence: 0xffffffff, witness: [OP_TRUE] }],
      outputs: [{ valueSat: sat(990_000), script: miner.script }],
      locktime: 0,
    })
    await miner.send(toHex(spender))
    await until(() => shell.of('spent').length === 1)
    expect(shell.of('spent')[0]?.confirmed).toBeNull()
    await miner.mine(1)
    await until(() => shell.of('spent').some((e) => e.confirmed !== null))
    expect(shell.of('spent').at(-1)).toMatchObject({ token: 'spend', tx: spender, vin: 0 })
    await until(() =>
      shell.of('alarm').some((e) => e.alarm.kind === 'serverLies' && e.alarm.server === servers[0]?.url),
    )
    first.faults.hideSpends = undefined
    shell.close()

    // A new start from what was stored has little to ask.
    const saved = chainRecords(undefined, shell.state.headers).puts
    await miner.mine(1)
    const asked = esploras.reduce((n, e) => n + e.requests.count, 0)
    const again = new Shell(unwrap(loadChain('regtest', saved)))
    const now = await tip()
    await until(() => again.state.headers.tip.hash === now)
    again.input({ type: 'watchScripts', token: 'wallet', scriptPubKeys: [miner.script] })
    expect(esploras.reduce((n, e) => n + e.requests.count, 0) - asked).toBeLessThan(12)
    again.close()
  })

  test('a wallet’s script: what Bitcoin Core mined to it, with proofs', async () => {
    const script = Uint8Array.of(0x00, 0x14, ...new Uint8Array(20).fill(0x55))
    const shell = new Shell()
    shell.input({ type: 'watchScripts', token: 'wallet', scriptPubKeys: [script] })
    await until(() => shell.of('scriptHistory').length === 1)
    const { txid } = await miner.build([{ script, amountSat: 50_000n }]).then(async (b) => {
      await miner.send(b.hex)
      return b
    })
    await until(() => shell.of('scriptHistory').at(-1)?.txs[0]?.txid === txid)
    expect(shell.of('scriptHistory').at(-1)?.txs[0]?.confirmed).toBeNull()
    const [hash] = await miner.mine(1)
    await until(() => shell.of('scriptHistory').at(-1)?.txs[0]?.confirmed?.blockHash === hash)
    shell.close()
  })
})
