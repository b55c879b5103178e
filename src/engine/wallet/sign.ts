import { concat, equalBytes } from '../base/bytes.ts'
import { invariant } from '../base/result.ts'
import { p2wpkhScriptCode } from '../bitcoin/script.ts'
import { taprootSighashes } from '../bitcoin/taproot.ts'
import { SIGHASH_ALL, sighashMidstate, sighashSegwitV0, withWitness } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { signatureToDer, signEcdsa, signSchnorr, verifyEcdsa, verifySchnorr } from '../crypto/curve.ts'
import type { WalletKeys } from './keys.ts'
import type { Spend, SpendInput } from './types.ts'

/**
 * Signs every input: the same bytes each time (RFC 6979; BIP 340 with zero auxiliary data), so that signing again after a
 * restart gives the same transaction. Each signature is checked before it leaves: a fault must not leak a key. Signatures
 * commit to the amounts of the inputs (BIP 143, BIP 341), so a wrong amount in a record makes an invalid transaction and
 * never a larger fee. Throws (a defect) when the keys are not those of the inputs.
 */
export function signSpend(spend: Spend, keys: WalletKeys): Tx {
  const { tx, inputs } = spend
  invariant(tx.inputs.length === inputs.length, 'what every input spends is known')
  const midstate = sighashMidstate(tx)
  const taproot = inputs.some((i) => i.path.purpose === 86) ? taprootSighashes(tx, inputs) : undefined
  return inputs.reduce((signed, input, i) => {
    invariant(equalBytes(keys.script(input.path), input.script), 'the key of each input')
    const publicKey = keys.publicKey(input.path)
    const secret = keys.secret(input.path)
    if (taproot !== undefined && input.path.purpose === 86) {
      const digest = taproot(i)
      const signature = signSchnorr(digest, secret, new Uint8Array(32))
      invariant(verifySchnorr(signature, digest, publicKey), 'a signature that verifies')
      return withWitness(signed, i, [signature])
    }
    return signInput(signed, i, input, keys, midstate)
  }, tx)
}

/** Signs one P2WPKH input; the digest leaves witnesses aside, so those of other inputs stay as they are. Throws on a wrong key. */
export function signInput(
  tx: Tx,
  index: number,
  input: SpendInput,
  keys: WalletKeys,
  midstate = sighashMidstate(tx),
): Tx {
  invariant(input.path.purpose === 84, 'a P2WPKH input')
  invariant(equalBytes(keys.script(input.path), input.script), 'the key of each input')
  const publicKey = keys.publicKey(input.path)
  const digest = sighashSegwitV0(
    tx,
    index,
    p2wpkhScriptCode(publicKey),
    input.valueSat,
    SIGHASH_ALL,
    midstate,
  )
  const signature = signEcdsa(digest, keys.secret(input.path))
  invariant(verifyEcdsa(signature, digest, publicKey), 'a signature that verifies')
  return withWitness(tx, index, [concat(signatureToDer(signature), Uint8Array.of(SIGHASH_ALL)), publicKey])
}
