import { type Miner, scriptOf } from './miner.ts'

/** The least and the most that one request gets: above dust, below a tenth of what a new chain has ready. */
export const FAUCET_MIN_SAT = 1_000
export const FAUCET_MAX_SAT = 100_000_000

export type FaucetAnswer =
  | { readonly ok: true; readonly txid: string }
  | { readonly ok: false; readonly message: string }

/** Pays regtest coins to whoever asks; checks what comes from outside and says in words what is wrong with it. */
export async function drip(miner: Miner, address: unknown, sat: unknown): Promise<FaucetAnswer> {
  if (typeof address !== 'string' || address.length > 100)
    return { ok: false, message: 'address: a regtest address (bcrt1…) is needed' }
  if (typeof sat !== 'number' || !Number.isSafeInteger(sat) || sat < FAUCET_MIN_SAT || sat > FAUCET_MAX_SAT)
    return { ok: false, message: `sat: a whole number from ${FAUCET_MIN_SAT} to ${FAUCET_MAX_SAT} is needed` }
  try {
    scriptOf(address)
  } catch {
    return { ok: false, message: `address: ${address} is not a regtest address` }
  }
  return { ok: true, txid: await miner.fund(address, sat) }
}
