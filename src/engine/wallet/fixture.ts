import { equalBytes, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { sat } from '../base/units.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { txidOf } from '../bitcoin/tx.ts'
import { outPointKey, type Tx, type Txid } from '../bitcoin/types.ts'
import { entropyFrom } from '../crypto/entropy.ts'
import { sha256 } from '../crypto/hash.ts'
import { applyScriptHistory, emptyWallet, extendWatch, watchedScripts } from './coins.ts'
import { type Purpose, type WalletKeys, walletKeys } from './keys.ts'
import { DEFAULT_POLICY, type SpendContext } from './spend.ts'
import type { HistoryEntry, WalletState } from './types.ts'
import { newWords, seedFromWords } from './words.ts'

/** For the tests of this room: a chain that only knows which transactions there are, and a wallet that asks it. */

export const NOW = 1_800_000_000
export const REGTEST = NETWORKS.regtest
/** A script of somebody else's: P2WPKH of a hash. */
export const foreignScript = (n = 0): Uint8Array =>
  Uint8Array.of(0x00, 0x14, ...sha256(Uint8Array.of(n)).slice(0, 20))
/** A funding output's script: P2WSH of a hash. */
export const fundingScript: Uint8Array = Uint8Array.of(0x00, 0x20, ...sha256(Uint8Array.of(7)))
export const context: SpendContext = { tipHeight: 1000, policy: DEFAULT_POLICY }

export interface FakeChain {
  /** A stranger's payment; returns its transaction, unconfirmed unless a height is given. */
  pay(script: Uint8Array, amountSat: number | bigint, height?: number | null): Tx
  mined(script: Uint8Array, amountSat: number, height: number): Tx
  add(tx: Tx, height?: number | null): Txid
  remove(txid: Txid): void
  history(script: Uint8Array): readonly HistoryEntry[]
  /** Asks the history of every watched script until no new script is to be watched. */
  sync(state: WalletState, keys: WalletKeys): WalletState
  readonly txs: ReadonlyMap<Txid, HistoryEntry>
}

export function fakeChain(): FakeChain {
  const txs = new Map<Txid, HistoryEntry>()
  let counter = 0
  const foreign = (amountSat: bigint, script: Uint8Array, coinbase: boolean): Tx => {
    counter += 1
    const txid = coinbase ? '0'.repeat(64) : toHex(sha256(Uint8Array.of(counter >> 8, counter & 255)))
    return {
      version: 2,
      inputs: [
        {
          outpoint: { txid, vout: coinbase ? 0xffffffff : 0 },
          scriptSig: coinbase ? Uint8Array.of(2, counter >> 8, counter & 255) : new Uint8Array(0),
          sequence: 0xffffffff,
          witness: [],
        },
      ],
      outputs: [{ valueSat: sat(amountSat), script }],
      locktime: 0,
    }
  }
  const chain: FakeChain = {
    txs,
    pay(script, amountSat, height = null) {
      const tx = foreign(BigInt(amountSat), script, false)
      chain.add(tx, height)
      return tx
    },
    mined(script, amountSat, height) {
      const tx = foreign(BigInt(amountSat), script, true)
      chain.add(tx, height)
      return tx
    },
    add(tx, height = null) {
      const txid = txidOf(tx)
      txs.set(txid, { tx, height })
      return txid
    },
    remove: (txid) => void txs.delete(txid),
    history(script) {
      const outputs = new Set<string>()
      for (const [txid, { tx }] of txs)
        tx.outputs.forEach((o, vout) => {
          if (equalBytes(o.script, script)) outputs.add(outPointKey({ txid, vout }))
        })
      return [...txs.values()].filter(
        ({ tx }) =>
          tx.outputs.some((o) => equalBytes(o.script, script)) ||
          tx.inputs.some((i) => outputs.has(outPointKey(i.outpoint))),
      )
    },
    sync(state, keys) {
      let current = extendWatch(state, keys).state
      let queue = [...watchedScripts(current)]
      while (queue.length > 0) {
        const next: Uint8Array[] = []
        for (const script of queue) {
          const change = unwrap(applyScriptHistory(current, keys, script, chain.history(script), NOW))
          current = change.state
          next.push(...change.watch)
        }
        queue = next
      }
      return current
    },
  }
  return chain
}

const known = new Map<number, WalletKeys>()

/** Keys of a fixed seed: without PBKDF2, and the same object each time, so that many tests derive each script once. */
export function testKeys(n = 0): WalletKeys {
  const keys = known.get(n) ?? walletKeys(sha256(Uint8Array.of(1, n)), REGTEST)
  known.set(n, keys)
  return keys
}

/** A watching, empty wallet with its keys and chain. */
export function testWallet(
  n = 0,
  purposes: readonly Purpose[] = [84],
): { state: WalletState; keys: WalletKeys; chain: FakeChain } {
  const keys = testKeys(n)
  return { state: extendWatch(emptyWallet('regtest', purposes), keys).state, keys, chain: fakeChain() }
}

/** A wallet that holds confirmed coins of these amounts on its first receive addresses. */
export function walletWith(
  amounts: readonly (number | bigint)[],
  n = 0,
): { state: WalletState; keys: WalletKeys; chain: FakeChain } {
  const { state, keys, chain } = testWallet(n)
  amounts.forEach((amountSat, i) =>
    chain.pay(keys.script({ purpose: 84, change: 0, index: i % 20 }), amountSat, 100 + i),
  )
  return { state: chain.sync(state, keys), keys, chain }
}

/** Words, and the keys that they give, from a fixed entropy. */
export function testWords(n = 0): { words: readonly string[]; keys: WalletKeys } {
  const words = newWords(entropyFrom(sha256(Uint8Array.of(2, n))), 12)
  return { words, keys: walletKeys(seedFromWords(words), REGTEST) }
}
