import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../base/bytes.ts'
import { addPoints, negatePoint, publicKey, signSchnorr } from '../crypto/curve.ts'
import { elkremSecret } from './elkrem.ts'
import { perCommitmentPoint, revocationPublicKey, secretMatchesPoint } from './keys.ts'
import { revocationPrivateKey } from './penalty-key.ts'
import { type ProofContext, type ProofSubject, proveKey, verifyKeyProof } from './proofs.ts'

const fill = (n: number, length = 32) => new Uint8Array(length).fill(n)
const aux = fill(9)
const context: ProofContext = {
  chainHash: fill(1),
  temporaryChannelId: fill(2),
  fundingPubkey: publicKey(fill(3)),
  role: 'opener',
}
const point: ProofSubject = { kind: 'point', number: 7n }
const basepoint: ProofSubject = { kind: 'basepoint' }

const c = fill(0x11)
const C = publicKey(c)
const p = elkremSecret(fromHex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'), 0n)
const P = perCommitmentPoint(p)

describe('additive revocation keys', () => {
  it('R = C + P and r = c + p', () => {
    const r = revocationPrivateKey('additive', c, p) as Uint8Array
    expect(toHex(r)).toBe('b7facd3f24793d4c9a435e9a617a2cdc1ead51f0084134e570a3a369064c79cb')
    const R = revocationPublicKey('additive', C, P) as Uint8Array
    expect(toHex(R)).toBe('023ed1e40b5d4b3930cd8cbb8b49a12be7d96f6fff08387d11ebd69945a38b1e14')
    expect(toHex(publicKey(r))).toBe(toHex(R))
  })
  it('has no key when the two cancel out', () => {
    expect(revocationPublicKey('additive', C, negatePoint(C))).toBeUndefined()
  })
  it('takes a revealed secret only if it is the one behind the point', () => {
    expect(secretMatchesPoint(p, P)).toBe(true)
    expect(secretMatchesPoint(c, P)).toBe(false)
    expect(secretMatchesPoint(fill(0), P)).toBe(false)
    expect(secretMatchesPoint(fill(0xff), P)).toBe(false)
  })
})

describe('proofs of possession', () => {
  // Both parities of Y: the signer negates for odd ones, the verifier uses the last 32 bytes.
  const secrets = [1, 2, 3, 4, 5, 6].map((n) => fill(n))
  it('holds for keys of either parity', () => {
    expect(new Set(secrets.map((s) => publicKey(s)[0])).size).toBe(2)
    for (const s of secrets) {
      expect(verifyKeyProof(context, point, publicKey(s), proveKey(context, point, s, aux))).toBe(true)
      expect(verifyKeyProof(context, basepoint, publicKey(s), proveKey(context, basepoint, s, aux))).toBe(
        true,
      )
    }
  })
  it('is refused for the same key in another role, kind, number, channel, chain or under another funding key', () => {
    const proof = proveKey(context, point, p, aux)
    const elsewhere: readonly (readonly [ProofContext, ProofSubject])[] = [
      [{ ...context, role: 'accepter' }, point],
      [context, basepoint],
      [context, { kind: 'point', number: 8n }],
      [context, { kind: 'point', number: 0n }],
      [{ ...context, temporaryChannelId: fill(4) }, point],
      [{ ...context, chainHash: fill(4) }, point],
      [{ ...context, fundingPubkey: publicKey(fill(5)) }, point],
    ]
    for (const [ctx, subject] of elsewhere) expect(verifyKeyProof(ctx, subject, P, proof)).toBe(false)
    expect(verifyKeyProof(context, point, P, proof)).toBe(true)
  })
  it('tells a basepoint from point 0, whose other fields are equal', () => {
    const proof = proveKey(context, basepoint, p, aux)
    expect(verifyKeyProof(context, { kind: 'point', number: 0n }, P, proof)).toBe(false)
  })
  it('is refused for the negated key', () => {
    expect(verifyKeyProof(context, point, negatePoint(P), proveKey(context, point, p, aux))).toBe(false)
  })
  it('is refused when malformed, without throwing', () => {
    const proof = proveKey(context, point, p, aux)
    expect(verifyKeyProof(context, point, P, proof.slice(1))).toBe(false)
    expect(verifyKeyProof(context, point, fill(0, 33), proof)).toBe(false)
    expect(verifyKeyProof(context, point, P.slice(1), proof)).toBe(false)
    expect(verifyKeyProof(context, point, P, fill(0xff, 64))).toBe(false)
  })
})

describe('rogue keys', () => {
  const x = fill(0x42)
  const X = publicKey(x)
  /** Everything the attacker can sign with: x, under the rogue key's name or its own. */
  const forgeries = (subject: ProofSubject, rogue: Uint8Array) => [
    proveKey(context, subject, x, aux),
    signSchnorr(rogue.slice(1), x, aux),
  ]

  it('an owner that forms P from the peer’s basepoint would own its own penalty key, and has no proof', () => {
    const rogueP = addPoints(X, negatePoint(C)) as Uint8Array
    // The attack itself works: the owner knows the secret of R.
    expect(revocationPublicKey('additive', C, rogueP)).toEqual(X)
    for (const forged of forgeries(point, rogueP))
      expect(verifyKeyProof(context, point, rogueP, forged)).toBe(false)
  })
  it('a peer that forms C from the owner’s point would own the penalty key without a revocation, and has no proof', () => {
    const rogueC = addPoints(X, negatePoint(P)) as Uint8Array
    expect(revocationPublicKey('additive', rogueC, P)).toEqual(X)
    for (const forged of forgeries(basepoint, rogueC))
      expect(verifyKeyProof(context, basepoint, rogueC, forged)).toBe(false)
  })
  it('the blinded form withstands both without proofs', () => {
    const rogueP = addPoints(X, negatePoint(C)) as Uint8Array
    const rogueC = addPoints(X, negatePoint(P)) as Uint8Array
    expect(revocationPublicKey('blinded', C, rogueP)).not.toEqual(X)
    expect(revocationPublicKey('blinded', rogueC, P)).not.toEqual(X)
  })
})
