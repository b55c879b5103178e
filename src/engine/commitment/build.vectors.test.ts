import { describe, expect, it } from 'vitest'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import { fromHex, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { msat, sat } from '../base/units.ts'
import { decodeTx, encodeTx, outputSumSat, SIGHASH_ALL, sighashSegwitV0 } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { publicKey, signatureToDer, signEcdsa } from '../crypto/curve.ts'
import { sha256 } from '../crypto/hash.ts'
import { derivePrivateKey } from '../revocation/keys.ts'
import { buildCommitment, commitmentNumberOf, obscuringFactor } from './build.ts'
import { commitmentFeeSat } from './fees.ts'
import { ANCHORS, STATIC_REMOTEKEY } from './formats.ts'
import type { CommitmentFormat, CommitmentParams, CommitmentView, ViewHtlc } from './types.ts'

interface Htlc {
  readonly direction: 'remote->local' | 'local->remote'
  readonly amount_msat: number
  readonly expiry: number
  readonly payment_preimage: string
}
interface Case {
  readonly name: string
  readonly to_local_msat: number
  readonly to_remote_msat: number
  readonly local_feerate_per_kw?: number
  readonly feerate_per_kw?: number
  readonly dust_limit_satoshis?: number
  readonly base_fee?: number
  readonly actual_fee?: number
  readonly htlcs_in_commitment: readonly number[]
  readonly commit_tx: string
  readonly remote_signature: string
  readonly local_signature?: string
  readonly htlc_txs: readonly { readonly tx: string; readonly remote_htlc_signature: string }[]
}
interface Legacy {
  readonly common: Record<string, string> & { readonly commitment_number: number }
  readonly internal: Record<string, string>
  readonly htlcs: readonly Htlc[]
  readonly cases: readonly Case[]
}

const legacy = loadVectors<Partial<Legacy>>('bolt03-commitment-legacy.json')
const anchors = loadVectors<{ readonly cases?: readonly Case[] }>('bolt03-commitment-anchors.json')
const hex = (name: string): Uint8Array => fromHex(legacy.common?.[name] ?? legacy.internal?.[name] ?? '')

/** In the appendices local opened the channel, holds commitment 42, and remote signs it. */
function paramsOf(format: CommitmentFormat, dust: number): CommitmentParams {
  const unused = publicKey(new Uint8Array(32).fill(7))
  return {
    format,
    fundingOutpoint: { txid: legacy.common?.funding_tx_id ?? '', vout: 0 },
    fundingSat: sat(10_000_000),
    opener: {
      keys: {
        fundingPubkey: hex('local_funding_pubkey'),
        revocationBasepoint: unused,
        paymentBasepoint: hex('local_payment_basepoint'),
        delayedPaymentBasepoint: hex('local_delayed_payment_basepoint'),
        htlcBasepoint: hex('local_htlc_basepoint'),
      },
      dustLimitSat: sat(dust),
      toSelfDelay: 2016,
    },
    accepter: {
      keys: {
        fundingPubkey: hex('remote_funding_pubkey'),
        revocationBasepoint: hex('remote_revocation_basepoint'),
        paymentBasepoint: hex('remote_payment_basepoint'),
        delayedPaymentBasepoint: unused,
        htlcBasepoint: hex('remote_htlc_basepoint'),
      },
      dustLimitSat: sat(1),
      toSelfDelay: 144,
    },
  }
}

function viewOf(c: Case): CommitmentView {
  return {
    feeratePerKw: c.local_feerate_per_kw ?? c.feerate_per_kw ?? 0,
    openerMsat: msat(c.to_local_msat),
    accepterMsat: msat(c.to_remote_msat),
    htlcs: c.htlcs_in_commitment.map((i): ViewHtlc => {
      const h = legacy.htlcs?.[i] as Htlc
      return {
        offerer: h.direction === 'local->remote' ? 'opener' : 'accepter',
        id: BigInt(i),
        amountMsat: msat(h.amount_msat),
        paymentHash: sha256(fromHex(h.payment_preimage)),
        cltvExpiry: h.expiry,
      }
    }),
  }
}

const bare = (tx: Tx): string => toHex(encodeTx(tx, { witness: false }))
const signature = (digest: Uint8Array, secret: Uint8Array): string =>
  toHex(signatureToDer(signEcdsa(digest, secret)))

function check(format: CommitmentFormat, c: Case): void {
  const params = paramsOf(format, c.dust_limit_satoshis ?? 546)
  const view = viewOf(c)
  const point = hex('local_per_commitment_point')
  const built = buildCommitment(params, 'opener', 42n, point, view)

  const expected = unwrap(decodeTx(fromHex(c.commit_tx)))
  expect(bare(built.tx)).toBe(bare(expected))
  expect(commitmentNumberOf(built.tx, obscuringFactor(params))).toBe(42n)
  expect(built.feeSat).toBe(params.fundingSat - outputSumSat(expected))
  if (c.actual_fee !== undefined) expect(built.feeSat).toBe(BigInt(c.actual_fee))
  if (c.base_fee !== undefined)
    expect(commitmentFeeSat(format, view.feeratePerKw, built.htlcs.length)).toBe(BigInt(c.base_fee))
  expect(signature(built.sighash, hex('remote_funding_privkey'))).toBe(c.remote_signature)
  const witness = expected.inputs[0]?.witness ?? []
  expect(toHex(witness[3] ?? new Uint8Array())).toBe(toHex(built.fundingScript))
  const ours = `${signature(built.sighash, hex('local_funding_privkey'))}01`
  expect(witness.slice(1, 3).map(toHex)).toContain(ours)
  if (c.local_signature !== undefined) expect(`${c.local_signature}01`).toBe(ours)

  expect(built.htlcs).toHaveLength(c.htlc_txs.length)
  const remoteHtlcKey = derivePrivateKey(hex('remote_payment_basepoint_secret'), point)
  const localHtlcKey = derivePrivateKey(hex('local_payment_basepoint_secret'), point)
  for (const [i, v] of c.htlc_txs.entries()) {
    const h = built.htlcs[i]
    if (h === undefined) throw new Error('an HTLC output is missing')
    const tx = unwrap(decodeTx(fromHex(v.tx)))
    expect(bare(h.secondStage)).toBe(bare(tx))
    const stack = tx.inputs[0]?.witness ?? []
    expect(toHex(stack[4] ?? new Uint8Array())).toBe(toHex(h.script))
    expect(signature(h.sighash, remoteHtlcKey)).toBe(v.remote_htlc_signature)
    const value = built.tx.outputs[h.outputIndex]?.valueSat ?? sat(0)
    const digest = sighashSegwitV0(h.secondStage, 0, h.script, value, SIGHASH_ALL)
    expect(`${signature(digest, localHtlcKey)}01`).toBe(toHex(stack[2] ?? new Uint8Array()))
  }
}

describe.skipIf(!vectorsPresent)('BOLT 3 appendix C: commitments without anchors', () => {
  it.each(legacy.cases ?? [])('$name', (c) => {
    check(STATIC_REMOTEKEY, c)
  })
  it('hides the commitment number with the stated factor', () => {
    const factor = obscuringFactor(paramsOf(STATIC_REMOTEKEY, 546))
    expect(factor.toString(16)).toBe(legacy.common?.obscuring_factor)
  })
})

describe.skipIf(!vectorsPresent)('BOLT 3 appendix F: commitments with anchors', () => {
  it.each(anchors.cases ?? [])('$name', (c) => {
    check(ANCHORS, c)
  })
})
