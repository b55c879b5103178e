import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createLdkNode } from '../testing/ldk/node.ts'
import type { LdkNode } from '../testing/ldk/types.ts'
import type { Miner } from './miner.ts'
import type { PlaygroundPeer } from './peer-types.ts'
import { listenFrom } from './ports.ts'
import type { Rpc } from './rpc.ts'

function loadSeed(folder: string): Uint8Array {
  const file = join(folder, 'seed')
  mkdirSync(folder, { recursive: true })
  if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString('hex'), { mode: 0o600 })
  return Uint8Array.from(Buffer.from(readFileSync(file, 'utf8').trim(), 'hex'))
}

/** `lil`: the third-party node of the playground (LDK). */
export async function startLil(options: {
  readonly dataDir: string
  readonly rpc: Rpc
  readonly miner: Miner
  readonly port: number
}): Promise<{ readonly peer: PlaygroundPeer; readonly node: LdkNode }> {
  const node = await createLdkNode({
    chain: options.rpc,
    funder: options.miner,
    seed: loadSeed(options.dataDir),
    dataDir: join(options.dataDir, 'store'),
    maxAcceptedHtlcs: 483,
  })
  const port = await listenFrom(options.port, (port) => node.listen(port))
  /** Payment hashes of the invoices made in this run. */
  const hashes = new Map<string, string>()
  const addInvoice = (amountMsat: bigint | undefined, memo: string): string => {
    const { bolt11, paymentHash } = node.createInvoice(amountMsat, memo)
    hashes.set(bolt11, paymentHash)
    return bolt11
  }
  const peer: PlaygroundPeer = {
    name: 'lil',
    nodeId: node.nodeId,
    port,
    api: {
      addInvoice: (amountMsat, memo) => Promise.resolve(addInvoice(amountMsat, memo)),
      addInvoices: (count, amountMsat, memo) =>
        Promise.resolve(Array.from({ length: count }, () => addInvoice(amountMsat, memo))),
      payInvoice: (bolt11) => node.payInvoice(bolt11),
      isPaid: (bolt11) => {
        const hash = hashes.get(bolt11)
        return node.events.some((event) => event.type === 'paymentClaimed' && event.paymentHash === hash)
      },
      channels: () =>
        node.listChannels().map(({ peer, type, capacitySat, outboundMsat, inboundMsat, usable }) => ({
          peer,
          format: type === 'anchors' ? 'anchors_zero_fee_htlc_tx' : (type ?? 'unknown'),
          capacitySat,
          outboundMsat,
          inboundMsat,
          usable,
        })),
      async openChannel(to, sat, pushMsat, announced) {
        if (!node.peers().includes(to.nodeId)) {
          if (to.host === undefined || to.port === undefined)
            throw new Error(`lil is not connected to ${to.nodeId}: connect to lil first`)
          await node.connect(to.nodeId, to.host, to.port)
        }
        await node.openChannel(to.nodeId, sat, pushMsat, { announced })
      },
    },
    stop: () => node.stop(),
  }
  return { peer, node }
}
