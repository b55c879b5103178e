import { type Confirm, Option_ThirtyTwoBytesZ_Some, TwoTuple_usizeTransactionZ } from 'lightningdevkit'
import type { LdkChain, LdkTip } from './types.ts'
import { displayed, unhex } from './wasm.ts'

interface CoreBlock {
  readonly height: number
  readonly tx: readonly { readonly txid: string; readonly hex: string }[]
}

export interface Follower {
  readonly tip: () => LdkTip
  /** Resolves once LDK knows every block that bitcoind knew when this was called. */
  sync(): Promise<void>
  /** Follows new blocks until `stop`. */
  run(): void
  stop(): void
}

/** Gives LDK each block in order, and takes blocks back that a reorg put aside. */
export function createFollower(options: {
  readonly chain: LdkChain
  readonly listeners: readonly Confirm[]
  /** The last block that LDK has seen. */
  readonly from: LdkTip
  /** Called after each block with its raw transactions. */
  readonly onBlock: (height: number, transactions: readonly { txid: string; hex: string }[]) => void
  /** Called when LDK is up to date. */
  readonly onSynced: () => void
}): Follower {
  const { chain, listeners } = options
  let tip = options.from
  let stopped = false
  let running: Promise<void> | undefined
  let next: Promise<void> | undefined

  const inChain = async (hash: string): Promise<boolean> => {
    try {
      const { confirmations } = await chain.call<{ confirmations: number }>('getblockheader', hash)
      return confirmations >= 0
    } catch {
      return false
    }
  }

  /** Back to the last block that is still in the chain, telling LDK which transactions lost theirs. */
  async function rewind(): Promise<void> {
    while (!(await inChain(tip.hash))) {
      const header = await chain.call<{ previousblockhash: string }>('getblockheader', tip.hash)
      tip = { hash: header.previousblockhash, height: tip.height - 1 }
    }
    for (const listener of listeners)
      for (const entry of listener.get_relevant_txids()) {
        const block = entry.get_c()
        const gone = block instanceof Option_ThirtyTwoBytesZ_Some && !(await inChain(displayed(block.some)))
        if (gone) listener.transaction_unconfirmed(entry.get_a())
      }
    const header = unhex(await chain.call<string>('getblockheader', tip.hash, false))
    for (const listener of listeners) listener.best_block_updated(header, tip.height)
  }

  async function connect(hash: string): Promise<void> {
    const block = await chain.call<CoreBlock>('getblock', hash, 2)
    const header = unhex(await chain.call<string>('getblockheader', hash, false))
    const transactions = block.tx.map((tx, i) => TwoTuple_usizeTransactionZ.constructor_new(i, unhex(tx.hex)))
    for (const listener of listeners) {
      listener.transactions_confirmed(header, transactions, block.height)
      listener.best_block_updated(header, block.height)
    }
    tip = { hash, height: block.height }
    options.onBlock(block.height, block.tx)
  }

  async function catchUp(): Promise<void> {
    for (;;) {
      const best = await chain.call<string>('getbestblockhash')
      if (best === tip.hash || stopped) break
      if (!(await inChain(tip.hash))) await rewind()
      const { height } = await chain.call<{ height: number }>('getblockheader', best)
      for (let at = tip.height + 1; at <= height && !stopped; at++) {
        const hash = await chain.call<string>('getblockhash', at)
        const { previousblockhash } = await chain.call<{ previousblockhash: string }>('getblockheader', hash)
        // The chain moved while we walked it: start over.
        if (previousblockhash !== tip.hash) break
        await connect(hash)
      }
    }
    if (!stopped) options.onSynced()
  }

  const follower: Follower = {
    tip: () => tip,
    sync() {
      if (running === undefined) {
        running = catchUp().finally(() => {
          running = undefined
        })
        return running
      }
      next ??= running
        .catch(() => {})
        .then(() => {
          next = undefined
          return follower.sync()
        })
      return next
    },
    run() {
      void (async () => {
        while (!stopped) {
          const seen = tip.hash
          await chain.call('waitfornewblock', 10_000, seen)
          if (!stopped) await follower.sync()
        }
      })().catch(() => {
        // bitcoind is gone; whoever runs it notices first.
        stopped = true
      })
    },
    stop() {
      stopped = true
    },
  }
  return follower
}
