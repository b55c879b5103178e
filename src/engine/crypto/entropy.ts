import { concat, uintBE, utf8 } from '../base/bytes.ts'
import { hkdfExpand, hkdfExtract } from './hash.ts'

/**
 * Randomness as an input (house law 1): the shell draws a fresh 32-byte seed from the platform's CSPRNG for each turn, and
 * everything random that the turn needs is expanded from it here. One instance lives for one turn and is never stored.
 */
export interface Entropy {
  /** The next `length` bytes; never the same twice. */
  bytes(length: number): Uint8Array
}

/** Expands a 32-byte seed with HKDF-SHA256, one counter a request. */
export function entropyFrom(seed: Uint8Array): Entropy {
  if (seed.length !== 32) throw new RangeError('entropyFrom: seed must be 32 bytes')
  const key = hkdfExtract(seed, new Uint8Array(0))
  const label = utf8('switchback entropy')
  let counter = 0
  return {
    bytes(length) {
      counter += 1
      return hkdfExpand(key, concat(label, uintBE(counter, 8)), length)
    },
  }
}
