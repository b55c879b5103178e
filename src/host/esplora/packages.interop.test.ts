import { afterAll, beforeAll, expect, test } from 'vitest'
import { toHex } from '../../engine/base/bytes.ts'
import { sat } from '../../engine/base/units.ts'
import { p2wsh } from '../../engine/bitcoin/script.ts'
import { decodeTx, encodeTx, txidOf } from '../../engine/bitcoin/tx.ts'
import { chainConfig } from '../../engine/chain/config.ts'
import { chainStep, initialChain } from '../../engine/chain/step.ts'
import type { ChainEvent, ChainInput, ChainState } from '../../engine/chain/types.ts'
import { ANCHORS } from '../../engine/commitment/formats.ts'
import { createOnchain } from '../../engine/onchain/step.ts'
import { scene, sceneFundingScript, testPayer, WALLET_SCRIPT } from '../../engine/onchain/testing.ts'
import { type Bitcoind, startBitcoind } from '../../playground/bitcoind.ts'
import { createEsplora, type Esplora } from '../../playground/esplora.ts'
import { createMiner, type Miner } from '../../playground/miner.ts'
import { createEsploraClient } from './client.ts'

/** A mempool so full that our commitment is below its floor: it gets in with its anchor's child, as a package, and not otherwise. */

const OP_TRUE = Uint8Array.of(0x51)
const ANYONE = p2wsh(OP_TRUE)
/** Of a mempool of 5 MB, in pieces of 95 kB that pay 6 sat/vB; the commitment pays 4. */
const PIECES = 60
const PIECE_BYTES = 95_000
const PIECE_FEE = 6n * BigInt(PIECE_BYTES + 300)

let node: Bitcoind
let miner: Miner
let packages: Esplora
let none: Esplora
const servers: { readonly url: string; close(): Promise<void> }[] = []

beforeAll(async () => {
  node = await startBitcoind({ args: ['-maxmempool=5', '-datacarriersize=100000'] })
  miner = createMiner({ rpc: node.rpc })
  await miner.ready()
  packages = createEsplora({ rpc: node.rpc })
  // As many public servers: it does not know packages.
  none = createEsplora({
    rpc: node.rpc,
    faults: {
      answer: ({ path }) =>
        path === '/txs/package'
          ? { kind: 'status', status: 404, body: 'endpoint does not exist' }
          : undefined,
    },
  })
  servers.push(await none.listen(), await packages.listen())
})
afterAll(async () => {
  for (const server of servers) await server.close()
  await node?.stop()
})

/** The chain machine with a real clock and real requests. */
function shell(urls: readonly string[]) {
  let state: ChainState = initialChain({
    ...chainConfig('regtest'),
    pollMs: 200,
    fastPollMs: 200,
    rebroadcastMs: 60_000,
  })
  const events: ChainEvent[] = []
  const client = createEsploraClient({ fetch })
  let timer: NodeJS.Timeout | undefined
  let closed = false
  const input = (given: ChainInput): void => {
    if (closed) return
    const step = chainStep(state, given, { now: Date.now() })
    state = step.state
    events.push(...step.events)
    for (const effect of step.effects) {
      if (effect.type === 'wakeAt') {
        clearTimeout(timer)
        timer = setTimeout(() => input({ type: 'tick' }), Math.max(0, effect.ms - Date.now()))
      } else if (effect.type === 'request') {
        void client
          .request(effect.server, effect.request)
          .then((result) => input({ type: 'response', id: effect.id, result }))
      }
    }
  }
  for (const url of urls) input({ type: 'addServer', url })
  input({ type: 'start' })
  return {
    input,
    events,
    state: () => state,
    close: () => {
      closed = true
      clearTimeout(timer)
    },
  }
}

async function outputTo(script: Uint8Array, amounts: readonly bigint[]) {
  const { hex, txid } = await miner.build(amounts.map((amountSat) => ({ script, amountSat })))
  await miner.send(hex)
  const tx = decodeTx(Uint8Array.from(Buffer.from(hex, 'hex')))
  if (!tx.ok) throw new Error(tx.error)
  return tx.value.outputs.flatMap((o, vout) =>
    toHex(o.script) === toHex(script) ? [{ outpoint: { txid, vout }, valueSat: o.valueSat }] : [],
  )
}

async function fillMempool(): Promise<void> {
  const coins = await outputTo(
    ANYONE,
    Array.from({ length: PIECES }, () => PIECE_FEE),
  )
  await miner.mine(1)
  // OP_RETURN OP_PUSHDATA4
  const script = new Uint8Array(PIECE_BYTES + 6)
  script.set([0x6a, 0x4e, PIECE_BYTES & 0xff, (PIECE_BYTES >> 8) & 0xff, (PIECE_BYTES >> 16) & 0xff, 0])
  for (const { outpoint } of coins) {
    const tx = {
      version: 2,
      inputs: [{ outpoint, scriptSig: new Uint8Array(0), sequence: 0xfffffffd, witness: [OP_TRUE] }],
      outputs: [{ valueSat: sat(0n), script }],
      locktime: 0,
    }
    const full = await node.rpc.call('sendrawtransaction', toHex(encodeTx(tx)), 0).then(
      () => false,
      () => true,
    )
    // From here on only what pays more gets in.
    if (full) return
  }
}

test('a commitment below the floor of a full mempool gets in with its child where a server takes packages', async () => {
  const [funding] = await outputTo(sceneFundingScript(ANCHORS), [1_000_000n])
  const [coin] = await outputTo(WALLET_SCRIPT, [50_000n])
  if (funding === undefined || coin === undefined) throw new Error('coins')
  await miner.mine(1)
  const s = scene({ format: ANCHORS, fundingOutpoint: funding.outpoint, expiry: 600, htlcs: [] })
  const commitment = s.signed('opener', 3n).tx
  await fillMempool()
  const { mempoolminfee } = await node.rpc.call<{ mempoolminfee: number }>('getmempoolinfo')
  expect(mempoolminfee * 1e5).toBeGreaterThan(4)

  const ctx = { signer: s.signers.opener, feeratePerKw: 5_000, feePayer: testPayer([coin]) }
  const height = await node.rpc.call<number>('getblockcount')
  const { effects } = createOnchain(s.snapshots.opener, height, ctx, commitment)
  const sent = effects.filter((e) => e.type === 'broadcast')
  expect(sent).toHaveLength(2)

  // Where no server takes packages both are refused, and said to be; nothing else comes of it.
  const alone = shell([servers[0]?.url ?? ''])
  for (const { token, tx } of sent) alone.input({ type: 'broadcast', token, tx, keep: true })
  await expect
    .poll(() => alone.events.filter((e) => e.type === 'broadcastResult').map((e) => e.accepted), {
      timeout: 20_000,
    })
    .toEqual([false, false])
  expect(alone.state().servers[0]?.status).toBe('ok')
  alone.close()

  const both = shell(servers.map(({ url }) => url))
  for (const { token, tx } of sent) both.input({ type: 'broadcast', token, tx, keep: true })
  await expect
    .poll(async () => (await node.rpc.call<string[]>('getrawmempool')).includes(txidOf(commitment)), {
      timeout: 20_000,
    })
    .toBe(true)
  await expect
    .poll(() => both.events.filter((e) => e.type === 'broadcastResult' && e.accepted).length, {
      timeout: 20_000,
    })
    .toBe(2)
  both.close()
  // The two are worth more to a miner than what fills the mempool.
  await miner.mine(1)
  const best = await node.rpc.call<string>('getbestblockhash')
  const block = await node.rpc.call<{ tx: string[] }>('getblock', best, 1)
  expect(block.tx).toContain(txidOf(commitment))
})
