import { concat, readUintBE, reversed, uintBE } from '../base/bytes.ts'
import { invariant } from '../base/result.ts'
import { addScalars, CURVE_ORDER, isSecretKey, publicKey, tweakPublic } from '../crypto/curve.ts'
import { sha256, taggedHash } from '../crypto/hash.ts'
import { compactSizeLength, txidToBytes } from './tx.ts'
import type { Tx, TxOutput } from './types.ts'

/** Key path spends of taproot (BIP 341), as far as a wallet needs them: no scripts, the default sighash type. */

const EVEN = 0x02
const ODD = 0x03

const u32 = (n: number): Uint8Array => reversed(uintBE(n, 4))
const u64 = (n: bigint): Uint8Array => reversed(uintBE(n, 8))

function withLength(bytes: Uint8Array): Uint8Array {
  const n = bytes.length
  const size = compactSizeLength(n)
  invariant(size <= 3, 'a script of at most 65,535 bytes')
  return concat(size === 1 ? Uint8Array.of(n) : Uint8Array.of(0xfd, n & 0xff, n >> 8), bytes)
}

/**
 * The 32-byte digests that signatures for key path spends with the default sighash type commit to (BIP 341 §Common signature message):
 * by index of the input. What all inputs share is hashed once.
 * @param spent the outputs being spent, in the order of the inputs
 */
export function taprootSighashes(tx: Tx, spent: readonly TxOutput[]): (index: number) => Uint8Array {
  invariant(spent.length === tx.inputs.length, 'what every input spends is known')
  const outputs = tx.outputs.map((o) => concat(u64(o.valueSat), withLength(o.script)))
  const shared = concat(
    // The epoch, and the sighash type: default.
    Uint8Array.of(0, 0),
    // As two's complement.
    u32(tx.version >>> 0),
    u32(tx.locktime),
    sha256(...tx.inputs.flatMap((i) => [txidToBytes(i.outpoint.txid), u32(i.outpoint.vout)])),
    sha256(...spent.map((o) => u64(o.valueSat))),
    sha256(...spent.map((o) => withLength(o.script))),
    sha256(...tx.inputs.map((i) => u32(i.sequence))),
    sha256(...outputs),
    // Spend type: key path, no annex.
    Uint8Array.of(0),
  )
  return (index) => {
    invariant(index >= 0 && index < tx.inputs.length, 'sighash of an input that exists')
    return taggedHash('TapSighash', shared, u32(index))
  }
}

/** BIP 341's tweak for an output key that commits to no script (BIP 86). */
function tweakOf(internalKey: Uint8Array): Uint8Array {
  invariant(internalKey.length === 32, 'an x-only key of 32 bytes')
  const tweak = taggedHash('TapTweak', internalKey)
  invariant(isSecretKey(tweak), 'a tweak below the order of the curve')
  return tweak
}

/** The 32-byte output key over a 32-byte internal key, without scripts (BIP 86). Throws when the internal key is no point's x. */
export function taprootOutputKey(internalKey: Uint8Array): Uint8Array {
  const point = tweakPublic(concat(Uint8Array.of(EVEN), internalKey), tweakOf(internalKey))
  invariant(point !== undefined, 'an output key')
  return point.slice(1)
}

/** The 32-byte secret of `taprootOutputKey` over the key of this 32-byte secret. */
export function taprootOutputSecret(secret: Uint8Array): Uint8Array {
  const point = publicKey(secret)
  const even = point[0] === ODD ? uintBE(CURVE_ORDER - readUintBE(secret), 32) : secret
  const tweaked = addScalars(even, tweakOf(point.slice(1)))
  invariant(tweaked !== undefined, 'a secret that is not zero')
  return tweaked
}
