import { equalBytes, toHex } from '../base/bytes.ts'
import { toSatFloor } from '../base/units.ts'
import { p2wpkh, p2wsh } from '../bitcoin/script.ts'
import { SEQUENCE_FINAL, SEQUENCE_RBF, SIGHASH_ALL, sighashSegwitV0 } from '../bitcoin/tx.ts'
import type { Tx, Txid } from '../bitcoin/types.ts'
import { buildCommitment, commitmentNumberOf, fundingScriptOf, obscuringFactor } from '../commitment/build.ts'
import { deriveCommitmentKeys } from '../commitment/keys.ts'
import { anchorScript, delayedScript, htlcScripts, toRemoteAnchorsScript } from '../commitment/scripts.ts'
import type { ChannelSigner } from '../commitment/signer.ts'
import { type ClosingSnapshot, type RevokedRecord, snapshotParams } from '../commitment/snapshot.ts'
import {
  type BuiltCommitment,
  type CommitmentKeys,
  type CommitmentParams,
  otherRole,
  type Role,
  type ViewHtlc,
} from '../commitment/types.ts'
import { fundingKeys } from '../commitment/witness.ts'
import { signatureFromDer, verifyEcdsa } from '../crypto/curve.ts'
import { perCommitmentPoint } from '../revocation/keys.ts'
import { MAX_COMMITMENT_NUMBER, receiverLookup } from '../revocation/secrets.ts'
import type { Close, KnownOutput } from './types.ts'

/** What spent the funding output, and what its outputs are to us (BOLT 5). */

type Explained = Omit<KnownOutput, 'vout' | 'valueSat' | 'script'>
const FOREIGN: Explained = { kind: 'unknown', ours: false }

/**
 * Whether a spend of the funding output carries both parties' signatures: then one of the two has put it out, or will. A spend
 * that is only in a mempool, as one server says, is worth nothing without.
 */
export function isGenuineFundingSpend(snapshot: ClosingSnapshot, tx: Tx): boolean {
  const params = snapshotParams(snapshot)
  const { fundingOutpoint: funding } = params
  const vin = tx.inputs.findIndex((i) => i.outpoint.txid === funding.txid && i.outpoint.vout === funding.vout)
  const [, a, b, script] = tx.inputs[vin]?.witness ?? []
  const expected = fundingScriptOf(params)
  if (a === undefined || b === undefined || script === undefined || !equalBytes(script, expected))
    return false
  const digest = sighashSegwitV0(tx, vin, expected, params.fundingSat, SIGHASH_ALL)
  const signedBy = (signature: Uint8Array, key: Uint8Array): boolean => {
    const compact = signature.at(-1) === SIGHASH_ALL ? signatureFromDer(signature.subarray(0, -1)) : undefined
    return compact !== undefined && verifyEcdsa(compact, digest, key)
  }
  const [first, second] = fundingKeys(expected)
  return signedBy(a, first) && signedBy(b, second)
}

const localCache = new WeakMap<ClosingSnapshot, BuiltCommitment>()

/** Our newest commitment, built anew once a session. */
export function buildSnapshotLocal(snapshot: ClosingSnapshot, signer: ChannelSigner): BuiltCommitment {
  const cached = localCache.get(snapshot)
  if (cached !== undefined) return cached
  const { number, view } = snapshot.local
  const point = signer.commitmentPoint(number)
  const built = buildCommitment(snapshotParams(snapshot), snapshot.role, number, point, view)
  localCache.set(snapshot, built)
  return built
}

/** A commitment as far as its owner and its point tell: every script that it may pay to. */
interface Scripts {
  readonly delayedScript: Uint8Array
  readonly explain: (script: Uint8Array, valueSat: bigint) => Explained | undefined
}

/** BIP 69 leaves equal outputs in this order (BOLT 3 §Transaction Output Ordering, and ids in `commitment/build.ts`). */
const inOutputOrder = (a: ViewHtlc, b: ViewHtlc): number =>
  a.cltvExpiry !== b.cltvExpiry ? a.cltvExpiry - b.cltvExpiry : a.id < b.id ? -1 : 1

/** Recognises the outputs of a commitment by their scripts alone, so that an incomplete record still finds what it can. */
function scriptsOf(
  params: CommitmentParams,
  us: Role,
  owner: Role,
  keys: CommitmentKeys,
  htlcs: readonly ViewHtlc[],
  punishable: boolean,
): Scripts {
  const delayed = delayedScript(
    keys.revocationKey,
    params[otherRole(owner)].toSelfDelay,
    keys.ownerDelayedKey,
  )
  const known = new Map<string, Explained>()
  known.set(toHex(p2wsh(delayed)), {
    kind: 'toLocal',
    ours: owner === us || punishable,
    witnessScript: delayed,
  })
  for (const [key, value] of toRemoteScripts(params, us, otherRole(owner))) known.set(key, value)
  for (const [key, value] of anchorScripts(params, us)) known.set(key, value)
  const scripts = htlcScripts(keys, params.format.anchors)
  const waiting = htlcs.toSorted(inOutputOrder).map((htlc) => {
    const witnessScript =
      htlc.offerer === owner
        ? scripts.offered(htlc.paymentHash)
        : scripts.received(htlc.paymentHash, htlc.cltvExpiry)
    return { htlc, witnessScript, script: p2wsh(witnessScript) }
  })
  return {
    delayedScript: delayed,
    explain: (script, valueSat) => {
      const found = known.get(toHex(script))
      if (found !== undefined) return found
      const i = waiting.findIndex(
        (w) => toSatFloor(w.htlc.amountMsat) === valueSat && equalBytes(w.script, script),
      )
      const taken = i < 0 ? undefined : waiting.splice(i, 1)[0]
      return taken && { kind: 'htlc', ours: true, witnessScript: taken.witnessScript, htlc: taken.htlc }
    },
  }
}

/** The `to_remote` of a side does not depend on the commitment (option_static_remotekey). */
function toRemoteScripts(params: CommitmentParams, us: Role, payee: Role): [string, Explained][] {
  const key = params[payee].keys.paymentBasepoint
  const witnessScript = params.format.anchors ? toRemoteAnchorsScript(key) : undefined
  const script = witnessScript ? p2wsh(witnessScript) : p2wpkh(key)
  return [[toHex(script), { kind: 'toRemote', ours: payee === us, ...(witnessScript && { witnessScript }) }]]
}

const anchorScripts = (params: CommitmentParams, us: Role): [string, Explained][] =>
  params.format.anchors
    ? (['opener', 'accepter'] as const).map((role) => {
        const witnessScript = anchorScript(params[role].keys.fundingPubkey)
        return [toHex(p2wsh(witnessScript)), { kind: 'anchor', ours: role === us, witnessScript }]
      })
    : []

const outputsOf = (
  tx: Tx,
  explain: (script: Uint8Array, valueSat: bigint) => Explained | undefined,
): KnownOutput[] =>
  tx.outputs.map((o, vout) => ({
    vout,
    valueSat: o.valueSat,
    script: o.script,
    ...(explain(o.script, o.valueSat) ?? FOREIGN),
  }))

/**
 * Explains a spend of the funding output.
 * @param record the court's, when the commitment is revoked and the record has been loaded
 */
export function classify(
  snapshot: ClosingSnapshot,
  localTxid: Txid,
  signer: ChannelSigner,
  txid: Txid,
  tx: Tx,
  record?: RevokedRecord,
): Close {
  const params = snapshotParams(snapshot)
  const us = snapshot.role
  const them = otherRole(us)
  const commitment = (
    owner: Role,
    number: bigint,
    point: Uint8Array,
    htlcs: readonly ViewHtlc[],
    secret?: Uint8Array,
  ): Pick<Close, 'owner' | 'number' | 'point' | 'delayedScript' | 'outputs' | 'secret'> => {
    const keys = deriveCommitmentKeys(params, owner, point)
    const scripts = scriptsOf(params, us, owner, keys, htlcs, secret !== undefined)
    const { delayedScript: delayed } = scripts
    const outputs = outputsOf(tx, scripts.explain)
    return { owner, number, point, delayedScript: delayed, outputs, ...(secret && { secret }) }
  }

  if (txid === localTxid) {
    const { number, view } = snapshot.local
    return { txid, kind: 'local', ...commitment(us, number, signer.commitmentPoint(number), view.htlcs) }
  }
  const remote = snapshot.remote.findIndex((r) => r.txid === txid)
  const signed = snapshot.remote[remote]
  if (signed !== undefined) {
    const kind = remote === 0 ? 'remote' : 'remoteNext'
    return { txid, kind, ...commitment(them, signed.number, signed.point, signed.view.htlcs) }
  }

  const number = commitmentNumberOf(tx, obscuringFactor(params))
  if (number === undefined) return mutualOrUnknown(snapshot, txid, tx)
  if (number <= MAX_COMMITMENT_NUMBER) {
    // Another one of our own: an old one, out of a copy of this wallet, or a newer one, and what we have is the copy. What the peer
    // leaves is still ours.
    const own = commitment(us, number, signer.commitmentPoint(number), [])
    if (own.outputs.some((o) => o.kind === 'toLocal')) return { txid, kind: 'unknown', ...own }
  }
  const secret = number > MAX_COMMITMENT_NUMBER ? undefined : receiverLookup(snapshot.secrets, number)
  if (secret !== undefined) {
    const htlcs = record?.txid === txid ? record.htlcs : []
    return {
      txid,
      kind: 'revoked',
      ...commitment(them, number, perCommitmentPoint(secret), htlcs, secret),
    }
  }
  // The peer's, and newer than anything we know: our state is gone, our balance is not (option_static_remotekey).
  const scripts = new Map([...toRemoteScripts(params, us, us), ...anchorScripts(params, us)])
  return {
    txid,
    kind: 'unknown',
    owner: them,
    number,
    outputs: outputsOf(tx, (script) => scripts.get(toHex(script))),
  }
}

/** A closing transaction pays the `shutdown` scripts and has no commitment's sequence (BOLT 3 §Legacy Closing Transaction). */
function mutualOrUnknown(snapshot: ClosingSnapshot, txid: Txid, tx: Tx): Close {
  const { localShutdownScript, remoteShutdownScript, sweepScript } = snapshot
  const ours = [localShutdownScript, sweepScript].filter((s) => s !== undefined)
  const outputs = outputsOf(tx, (script) => {
    if (ours.some((s) => equalBytes(s, script))) return { kind: 'mutualClose', ours: true }
    const theirs = remoteShutdownScript !== undefined && equalBytes(remoteShutdownScript, script)
    return theirs ? { kind: 'mutualClose', ours: false } : undefined
  })
  const sequence = tx.inputs[0]?.sequence
  const form = tx.inputs.length === 1 && (sequence === SEQUENCE_FINAL || sequence === SEQUENCE_RBF)
  const kind = form && outputs.some((o) => o.kind === 'mutualClose') ? 'mutual' : 'unknown'
  return { txid, kind, outputs }
}
