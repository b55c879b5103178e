import { describe, expect, it } from 'vitest'
import { equalBytes, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { msat, sat } from '../base/units.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { sighashSegwitV0 } from '../bitcoin/tx.ts'
import { publicKey, signatureFromDer, verifyEcdsa } from '../crypto/curve.ts'
import { revocationPublicKey } from '../revocation/keys.ts'
import { revocationPrivateKey } from '../revocation/penalty-key.ts'
import { verifyKeyProof } from '../revocation/proofs.ts'
import { commitmentSecret } from '../revocation/secrets.ts'
import { buildCommitment } from './build.ts'
import { buildLegacyClosing } from './closing.ts'
import { ANCHORS, LCP, STATIC_REMOTEKEY } from './formats.ts'
import { createChannelSigner, INITIAL_SIGNER_STATE, type SignerState } from './signer.ts'
import { deriveChannelSecrets, deriveChannelSeed } from './secrets.ts'
import { testChannel } from './testing.ts'
import type { Role } from './types.ts'
import { verifyRemoteSignature } from './verify.ts'

const refusal = (error: string) => ({ ok: false, error })

describe.each([STATIC_REMOTEKEY, ANCHORS, LCP])('signer of $name', (format) => {
  const { params, signers } = testChannel(format)
  // We are the opener; `toAccepter` msat moved over tells contents apart.
  const built = (owner: Role, number: bigint, toAccepter = 0n) =>
    buildCommitment(params, owner, number, signers[owner].commitmentPoint(number), {
      feeratePerKw: 253,
      openerMsat: msat(600_000_000n - toAccepter),
      accepterMsat: msat(300_000_000n + toAccepter),
      htlcs: (['opener', 'accepter'] as const).map((offerer) => ({
        offerer,
        id: 0n,
        amountMsat: msat(50_000_000),
        paymentHash: new Uint8Array(32).fill(5),
        cltvExpiry: 500,
      })),
    })
  const signRemote = (state: SignerState, number: bigint, toAccepter = 0n) =>
    signers.opener.signRemoteCommitment(state, built('accepter', number, toAccepter))
  /** The state after signing the peer's commitments 0 … n. */
  const signedThrough = (n: bigint): SignerState => {
    let state = INITIAL_SIGNER_STATE
    for (let i = 0n; i <= n; i++) state = unwrap(signRemote(state, i)).state
    return state
  }

  it('signs the peer’s commitments one after the other, and the peer finds them valid', () => {
    let state = INITIAL_SIGNER_STATE
    for (const number of [0n, 1n, 2n]) {
      const signed = unwrap(signRemote(state, number))
      state = signed.state
      const theirs = built('accepter', number)
      const { fundingPubkey } = params.opener.keys
      expect(theirs.htlcs).toHaveLength(2)
      expect(
        verifyRemoteSignature(theirs, signed.signature, signed.htlcSignatures, { fundingPubkey }).ok,
      ).toBe(true)
    }
  })

  it('refuses skipped numbers, the first included', () => {
    expect(signRemote(INITIAL_SIGNER_STATE, 1n)).toEqual(refusal('number_skipped'))
    expect(signRemote(signedThrough(1n), 3n)).toEqual(refusal('number_skipped'))
  })

  it('signs a number again with the same content only, giving the same bytes', () => {
    const state = signedThrough(1n)
    const first = unwrap(signRemote(state, 2n))
    const again = unwrap(signRemote(first.state, 2n))
    expect(again.signature).toEqual(first.signature)
    expect(again.htlcSignatures).toEqual(first.htlcSignatures)
    expect(again.state).toBe(first.state)
    expect(signRemote(first.state, 2n, 1000n)).toEqual(refusal('number_repeated'))
    expect(signRemote(first.state, 1n)).toEqual(refusal('number_repeated'))
  })

  it('takes another expiry for other content, though the commitment transaction may not show it', () => {
    const state = signedThrough(0n)
    const once = built('accepter', 1n)
    const { state: after } = unwrap(signers.opener.signRemoteCommitment(state, once))
    const [first, ...rest] = once.htlcs
    if (first === undefined) throw new Error('two HTLCs')
    const other = { ...once, htlcs: [{ ...first, sighash: new Uint8Array(32).fill(1) }, ...rest] }
    expect(signers.opener.signRemoteCommitment(after, other)).toEqual(refusal('number_repeated'))
  })

  it('refuses our own commitment under the name of the peer’s', () => {
    expect(signers.opener.signRemoteCommitment(INITIAL_SIGNER_STATE, built('opener', 0n))).toEqual(
      refusal('not_ours'),
    )
  })

  it('refuses a digest that is not the transaction’s', () => {
    const forged = { ...built('accepter', 0n), sighash: built('opener', 0n).sighash }
    expect(signers.opener.signRemoteCommitment(INITIAL_SIGNER_STATE, forged)).toEqual(
      refusal('digest_mismatch'),
    )
  })

  const theirSignature = (number: bigint) => {
    let state = INITIAL_SIGNER_STATE
    for (let i = 0n; i < number; i++)
      state = unwrap(signers.accepter.signRemoteCommitment(state, built('opener', i))).state
    return unwrap(signers.accepter.signRemoteCommitment(state, built('opener', number)))
  }

  it('signs our own commitment for broadcast only while it is not revoked', () => {
    const ours = built('opener', 1n)
    const { signature } = theirSignature(1n)
    const good = unwrap(signers.opener.signLocalCommitment({ localRevoked: 1n }, ours, signature))
    expect(good.state.localSigned).toBe(1n)
    const stack = good.tx.inputs[0]?.witness ?? []
    expect(stack.map((w) => w.length)[0]).toBe(0)
    expect(stack).toHaveLength(4)
    expect(signers.opener.signLocalCommitment({ localRevoked: 2n }, ours, signature)).toEqual(
      refusal('number_revoked'),
    )
  })

  it('never broadcasts with a signature that is not the peer’s for this transaction', () => {
    const { signature } = theirSignature(0n)
    expect(signers.opener.signLocalCommitment(INITIAL_SIGNER_STATE, built('opener', 1n), signature)).toEqual(
      refusal('bad_remote_signature'),
    )
    expect(
      signers.opener.signLocalCommitment(INITIAL_SIGNER_STATE, built('accepter', 0n), signature),
    ).toEqual(refusal('not_ours'))
  })

  it('reveals a secret only when its successor is accepted, in order, and again as often as asked', () => {
    const s = signers.opener
    expect(s.revealSecret(INITIAL_SIGNER_STATE, 0n, 0n)).toEqual(refusal('successor_not_accepted'))
    expect(s.revealSecret(INITIAL_SIGNER_STATE, 1n, 2n)).toEqual(refusal('number_skipped'))
    const first = unwrap(s.revealSecret(INITIAL_SIGNER_STATE, 0n, 1n))
    expect(first.state.localRevoked).toBe(1n)
    expect(s.proveSecret(0n, first.secret)).toBe(true)
    const again = unwrap(s.revealSecret(first.state, 0n, 1n))
    expect(again.state).toBe(first.state)
    expect(again.secret).toEqual(first.secret)
    expect(s.secretIfRevoked(first.state, 0n)).toEqual(first.secret)
    expect(s.secretIfRevoked(first.state, 1n)).toBeUndefined()
    expect(s.secretIfRevoked(first.state, -1n)).toBeUndefined()
  })

  it('never reveals the secret of a commitment that it signed for broadcast', () => {
    const { state } = unwrap(
      signers.opener.signLocalCommitment(
        { localRevoked: 1n },
        built('opener', 1n),
        theirSignature(1n).signature,
      ),
    )
    expect(signers.opener.revealSecret(state, 1n, 2n)).toEqual(refusal('signed_for_broadcast'))
    expect(signers.opener.revealSecret(state, 0n, 2n).ok).toBe(true)
  })

  it('tells a secret of ours from others, whatever number the peer names', () => {
    const s = signers.opener
    expect(s.proveSecret(3n, new Uint8Array(32))).toBe(false)
    expect(s.proveSecret((1n << 64n) - 1n, new Uint8Array(32))).toBe(false)
    expect(s.proveSecret(-1n, new Uint8Array(32))).toBe(false)
  })

  it('signs closing transactions and nothing that looks like a commitment', () => {
    const terms = {
      openerMsat: msat(600_000_000),
      accepterMsat: msat(400_000_000),
      openerScript: new Uint8Array([0, 20, ...new Uint8Array(20)]),
      accepterScript: new Uint8Array([0, 20, ...new Uint8Array(20).fill(1)]),
    }
    const closing = unwrap(buildLegacyClosing(params, terms, sat(500), sat(354)))
    const signature = unwrap(signers.opener.signClosing(closing))
    expect(verifyEcdsa(signature, closing.sighash, params.opener.keys.fundingPubkey)).toBe(true)
    const disguised = { ...built('opener', 0n), pays: [], hasDust: false }
    expect(signers.opener.signClosing(disguised)).toEqual(refusal('not_ours'))
    const forged = { ...closing, sighash: built('opener', 0n).sighash }
    expect(signers.opener.signClosing(forged)).toEqual(refusal('digest_mismatch'))
  })

  it('signs a second stage of our own unrevoked commitment, with the peer’s good signature only', () => {
    const ours = built('opener', 1n)
    const { htlcSignatures } = theirSignature(1n)
    for (const [i, output] of ours.htlcs.entries()) {
      const theirs = htlcSignatures[i] as Uint8Array
      const sign = (state: SignerState, commitment = ours, signature = theirs) =>
        signers.opener.signSecondStage(state, commitment, output, signature)
      expect(unwrap(sign({ localRevoked: 1n }))).toHaveLength(5)
      expect(sign({ localRevoked: 2n })).toEqual(refusal('number_revoked'))
      expect(sign({ localRevoked: 1n }, built('accepter', 1n))).toEqual(refusal('not_ours'))
      expect(sign({ localRevoked: 1n }, ours, new Uint8Array(64).fill(1))).toEqual(
        refusal('bad_remote_signature'),
      )
    }
  })

  it('proves its keys', () => {
    const context = {
      chainHash: NETWORKS.regtest.chainHash,
      temporaryChannelId: new Uint8Array(32).fill(3),
      fundingPubkey: params.opener.keys.fundingPubkey,
      role: 'opener' as const,
    }
    const s = signers.opener
    const { revocationBasepoint } = params.opener.keys
    expect(
      verifyKeyProof(context, { kind: 'basepoint' }, revocationBasepoint, s.proveBasepoint(context)),
    ).toBe(true)
    const proof = s.provePoint(context, 7n)
    expect(verifyKeyProof(context, { kind: 'point', number: 7n }, s.commitmentPoint(7n), proof)).toBe(true)
    expect(s.provePoint(context, 7n)).toEqual(proof)
  })
})

describe('verifyRemoteSignature', () => {
  const { params, signers } = testChannel(ANCHORS)
  const ours = buildCommitment(params, 'opener', 0n, signers.opener.commitmentPoint(0n), {
    feeratePerKw: 253,
    openerMsat: msat(900_000_000),
    accepterMsat: msat(0),
    htlcs: [0n, 1n].map((id) => ({
      offerer: 'opener',
      id,
      amountMsat: msat(50_000_000),
      paymentHash: new Uint8Array(32).fill(Number(id)),
      cltvExpiry: 500,
    })),
  })
  const good = unwrap(signers.accepter.signRemoteCommitment(INITIAL_SIGNER_STATE, ours))
  const peer = { fundingPubkey: params.accepter.keys.fundingPubkey }
  const [first, second] = good.htlcSignatures as [Uint8Array, Uint8Array]
  it('names which signature is bad', () => {
    expect(verifyRemoteSignature(ours, good.signature, [first, second], peer).ok).toBe(true)
    expect(verifyRemoteSignature(ours, first, [first, second], peer)).toEqual(
      refusal('the commitment signature is not valid'),
    )
    expect(verifyRemoteSignature(ours, good.signature, [second, second], peer)).toEqual(
      refusal('HTLC signature 0 is not valid'),
    )
    expect(verifyRemoteSignature(ours, good.signature, [first, first], peer)).toEqual(
      refusal('HTLC signature 1 is not valid'),
    )
    expect(verifyRemoteSignature(ours, good.signature, [first], peer)).toEqual(
      refusal('1 HTLC signatures instead of 2'),
    )
  })
  it('does not throw on bytes that are no signature', () => {
    expect(verifyRemoteSignature(ours, new Uint8Array(64), [first, second], peer).ok).toBe(false)
    expect(verifyRemoteSignature(ours, new Uint8Array(3), [first, second], peer).ok).toBe(false)
  })
})

describe.each([ANCHORS, LCP])('a penalty in $name', (format) => {
  const { params, secrets, signers } = testChannel(format)
  const number = 3n
  const view = {
    feeratePerKw: 253,
    openerMsat: msat(600_000_000),
    accepterMsat: msat(400_000_000),
    htlcs: [],
  }
  const revoked = buildCommitment(params, 'accepter', number, signers.accepter.commitmentPoint(number), view)
  const perCommitmentSecret = commitmentSecret(format.secrets, secrets.accepter.commitmentRoot, number)
  const C = params.opener.keys.revocationBasepoint
  const R = revocationPublicKey(format.revocationKey, C, publicKey(perCommitmentSecret)) as Uint8Array
  const r = revocationPrivateKey(
    format.revocationKey,
    secrets.opener.revocationBasepoint,
    perCommitmentSecret,
  ) as Uint8Array
  const claim = {
    version: 2,
    inputs: [
      {
        outpoint: { txid: revoked.txid, vout: 0 },
        scriptSig: new Uint8Array(0),
        sequence: 0xfffffffd,
        witness: [],
      },
    ],
    outputs: [{ valueSat: sat(1_000), script: Uint8Array.of(0, 20, ...new Uint8Array(20)) }],
    locktime: 0,
  }
  const script = Uint8Array.of(0x51)

  it('is signed under R with SIGHASH_ALL, and r is in nothing that comes out', () => {
    expect(revoked.keys.revocationKey).toEqual(R)
    expect(publicKey(r)).toEqual(R)
    for (const kind of ['penalty', 'htlc_penalty'] as const) {
      const output = { kind, valueSat: sat(5_000), script, perCommitmentSecret }
      const witness = signers.opener.signSweep(claim, 0, output)
      const signature = witness[0] as Uint8Array
      expect(signature.at(-1)).toBe(1)
      const compact = signatureFromDer(signature.slice(0, -1)) as Uint8Array
      const digest = sighashSegwitV0(claim, 0, script, sat(5_000), 1)
      expect(verifyEcdsa(compact, digest, R)).toBe(true)
      // SIGHASH_ALL: another output, and the signature is for nothing.
      const other = { ...claim, outputs: [{ ...claim.outputs[0], valueSat: sat(999) }] } as typeof claim
      expect(verifyEcdsa(compact, sighashSegwitV0(other, 0, script, sat(5_000), 1), R)).toBe(false)
      for (const item of witness) expect(toHex(item)).not.toContain(toHex(r))
    }
  })
  it('is not to be had from the signer in any other way: it has methods and public keys, and no secret', () => {
    const values = Object.values(signers.opener).filter((value) => typeof value !== 'function')
    expect(values).toEqual([params.opener.keys])
  })
})

describe('channel secrets', () => {
  const wallet = new Uint8Array(32).fill(1)
  it('differ for another salt and in each of their parts', () => {
    const all = [1, 2].flatMap((salt) =>
      Object.values(deriveChannelSecrets(deriveChannelSeed(wallet, new Uint8Array(32).fill(salt)), LCP)),
    )
    expect(all).toHaveLength(12)
    for (const [i, a] of all.entries())
      for (const b of all.slice(i + 1)) expect(equalBytes(a as Uint8Array, b as Uint8Array)).toBe(false)
  })
  it('take the wallet’s own payment key where it wants one', () => {
    const secrets = deriveChannelSecrets(wallet, ANCHORS, new Uint8Array(32).fill(9))
    expect(secrets.paymentBasepoint).toEqual(new Uint8Array(32).fill(9))
    expect(createChannelSigner(secrets, ANCHORS).publicKeys.paymentBasepoint).not.toEqual(
      createChannelSigner(deriveChannelSecrets(wallet, ANCHORS), ANCHORS).publicKeys.paymentBasepoint,
    )
  })
})
