import { equalBytes, toHex } from '../base/bytes.ts'
import { invariant, unwrap } from '../base/result.ts'
import { type Msat, msat, sat } from '../base/units.ts'
import { p2wpkh, p2wpkhScriptCode, p2wsh } from '../bitcoin/script.ts'
import {
  decodeTx,
  encodeTx,
  outputSumSat,
  SEQUENCE_RBF,
  SIGHASH_ALL,
  sighashSegwitV0,
  txidOf,
  vsizeOf,
  withWitness,
} from '../bitcoin/tx.ts'
import { type OutPoint, outPointKey, type Tx, type TxOutput } from '../bitcoin/types.ts'
import { buildCommitment, fundingScriptOf } from '../commitment/build.ts'
import { type ChannelSigner, INITIAL_SIGNER_STATE } from '../commitment/signer.ts'
import type { ClosingSnapshot, RevokedRecord } from '../commitment/snapshot.ts'
import { weightFeeSat } from '../commitment/fees.ts'
import { testChannel } from '../commitment/testing.ts'
import {
  type BuiltCommitment,
  type CommitmentFormat,
  type CommitmentParams,
  type CommitmentView,
  otherRole,
  type Role,
  type ViewHtlc,
} from '../commitment/types.ts'
import { outputWeight } from '../commitment/weights.ts'
import { scriptSignature } from '../commitment/witness.ts'
import { publicKey, signatureFromDer, signEcdsa, verifyEcdsa } from '../crypto/curve.ts'
import { sha256 } from '../crypto/hash.ts'
import { emptySecretStore, receiverInsert } from '../revocation/secrets.ts'
import { onchainStep, resumeOnchain } from './step.ts'
import type {
  FeePayer,
  OnchainContext,
  OnchainEffect,
  OnchainEvent,
  OnchainInput,
  OnchainState,
  OnchainStep,
  Spend,
} from './types.ts'

/** For tests only: channels with a history, a chain to close them on, and a driver that stands for the node. */

export const WALLET_KEY = new Uint8Array(32).fill(0x77)
export const WALLET_SCRIPT = p2wpkh(publicKey(WALLET_KEY))
export const PREIMAGE = new Uint8Array(32).fill(0x55)
export const UNKNOWN_HASH = sha256(new Uint8Array(32).fill(0x66))
export const FEERATE = 1000

// ---- a chain -------------------------------------------------------------------------------------------------------

/** A chain as the driver needs it: the made-up one below, or Bitcoin Core in interop tests. */
export interface TestChain {
  height(): Promise<number>
  /** Rejects with the reason when the transaction is refused. */
  broadcast(tx: Tx): Promise<void>
  mine(blocks?: number): Promise<void>
  spendOf(outpoint: OutPoint): Promise<Spend | undefined>
}

export interface FakeChain extends TestChain {
  /** Makes a confirmed output out of nothing. */
  fund(script: Uint8Array, valueSat: bigint): OutPoint
  /** Takes the last blocks away; their transactions wait again, except those that are `lost`. */
  reorg(depth: number, lost?: (tx: Tx) => boolean): void
  mempool(): readonly Tx[]
}

interface Placed {
  readonly tx: Tx
  readonly txid: string
  readonly height: number | null
}

/**
 * A chain without scripts' full meaning: it enforces amounts, double spends, replacement, locktimes, BIP 68, that witness scripts
 * hash to what was paid and that every signature verifies for a key in the script. Interop tests put the same claims to Bitcoin Core.
 */
export function fakeChain(start = 500): FakeChain {
  let height = start
  let coinbases = 0
  let txs: readonly Placed[] = []
  const find = (txid: string): Placed | undefined => txs.find((t) => t.txid === txid)
  const spenderOf = (outpoint: OutPoint): Placed | undefined =>
    txs.find((t) =>
      t.tx.inputs.some((i) => i.outpoint.txid === outpoint.txid && i.outpoint.vout === outpoint.vout),
    )
  const feeOf = (tx: Tx): bigint =>
    tx.inputs.reduce((n, i) => n + (find(i.outpoint.txid)?.tx.outputs[i.outpoint.vout]?.valueSat ?? 0n), 0n) -
    outputSumSat(tx)

  function check(tx: Tx): void {
    if (tx.locktime > height && tx.locktime < 500_000_000) throw new Error('non-final')
    tx.inputs.forEach((input, vin) => {
      const parent = find(input.outpoint.txid)
      const output = parent?.tx.outputs[input.outpoint.vout]
      if (parent === undefined || output === undefined) throw new Error('bad-txns-inputs-missingorspent')
      if (spenderOf(input.outpoint)?.height) throw new Error('bad-txns-inputs-missingorspent')
      const relative = input.sequence >>> 31 === 0 ? input.sequence & 0xffff : 0
      if (relative > 0 && (parent.height === null || height + 1 < parent.height + relative))
        throw new Error('non-BIP68-final')
      checkWitness(tx, vin, output)
    })
    const fee = feeOf(tx)
    if (fee < 0n) throw new Error('bad-txns-in-belowout')
    if (fee < BigInt(vsizeOf(tx))) throw new Error('min relay fee not met')
  }

  /** Takes a transaction out of the mempool with all that spends it. */
  function evict(txid: string): void {
    txs = txs.filter((t) => t.txid !== txid)
    for (const t of txs)
      if (t.height === null && t.tx.inputs.some((i) => i.outpoint.txid === txid)) evict(t.txid)
  }

  return {
    height: async () => height,
    broadcast: async (tx) => {
      const txid = txidOf(tx)
      if (find(txid) !== undefined) return
      check(tx)
      const rivals = [...new Set(tx.inputs.flatMap((i) => spenderOf(i.outpoint) ?? []))]
      for (const r of rivals)
        if (feeOf(tx) < feeOf(r.tx) + BigInt(vsizeOf(tx))) throw new Error('insufficient fee')
      for (const r of rivals) evict(r.txid)
      txs = [...txs, { tx, txid, height: null }]
    },
    mine: async (blocks = 1) => {
      for (let i = 0; i < blocks; i++) {
        height += 1
        txs = txs.map((t) => (t.height === null ? { ...t, height } : t))
      }
    },
    spendOf: async (outpoint) => {
      const found = spenderOf(outpoint)
      if (found === undefined) return undefined
      const confirmed =
        found.height === null ? null : { height: found.height, blockHash: `block ${found.height}`, index: 1 }
      return { txid: found.txid, tx: encodeTx(found.tx), confirmed }
    },
    fund: (script, valueSat) => {
      const tx: Tx = {
        version: 2,
        inputs: [],
        outputs: [{ valueSat: sat(valueSat), script }],
        locktime: coinbases++,
      }
      const txid = toHex(sha256(Uint8Array.of(coinbases)))
      txs = [...txs, { tx, txid, height }]
      return { txid, vout: 0 }
    },
    reorg: (depth, lost = () => false) => {
      height -= depth
      const undone = txs.filter((t) => t.height !== null && t.height > height && t.tx.inputs.length > 0)
      txs = txs.map((t) => (undone.includes(t) ? { ...t, height: null } : t))
      for (const t of undone) if (lost(t.tx)) evict(t.txid)
    },
    mempool: () => txs.filter((t) => t.height === null).map((t) => t.tx),
  }
}

/** Pushes of 33 bytes in a script: its keys. */
function keysIn(script: Uint8Array): Uint8Array[] {
  const keys: Uint8Array[] = []
  for (let i = 0; i < script.length; i++) {
    const op = script[i] ?? 0
    if (op === 33) keys.push(script.slice(i + 1, i + 34))
    if (op > 0 && op < 0x4c) i += op
  }
  return keys
}

function checkWitness(tx: Tx, vin: number, output: TxOutput): void {
  const witness = tx.inputs[vin]?.witness ?? []
  const last = witness.at(-1)
  if (last === undefined) throw new Error('no witness')
  const byKey = output.script.length === 22
  if (!equalBytes(byKey ? p2wpkh(last) : p2wsh(last), output.script))
    throw new Error('witness program mismatch')
  const keys = byKey ? [last] : [...keysIn(last), ...witness.filter((item) => item.length === 33)]
  const signatures = witness.slice(0, -1).filter((item) => item.length > 66)
  if (signatures.length === 0) throw new Error('no signature')
  for (const item of signatures) {
    const compact = signatureFromDer(item.subarray(0, -1))
    const code = byKey ? p2wpkhScriptCode(last) : last
    const digest = sighashSegwitV0(tx, vin, code, output.valueSat, item.at(-1) ?? 0)
    if (compact === undefined || !keys.some((key) => verifyEcdsa(compact, digest, key)))
      throw new Error('signature does not verify')
  }
}

// ---- a channel -----------------------------------------------------------------------------------------------------

export interface SceneOptions {
  readonly format: CommitmentFormat
  readonly fundingOutpoint: OutPoint
  readonly fundingSat?: bigint
  readonly delay?: number
  /** Expiry of the HTLCs. */
  readonly expiry: number
  /** Offered and received HTLCs in the commitments; default: two in each direction, one of whose preimage exists. */
  readonly htlcs?: readonly ViewHtlc[]
  /** Number of the newest commitments; all below are revoked. */
  readonly number?: bigint
  readonly openerMsat?: bigint
}

/** A channel with both sides' commitments and all it takes to close it in any way. */
export interface Scene {
  readonly params: CommitmentParams
  readonly signers: Readonly<Record<Role, ChannelSigner>>
  readonly snapshots: Readonly<Record<Role, ClosingSnapshot>>
  readonly fundingScript: Uint8Array
  /** A side's commitment, complete, with its owner's signature and the peer's; old ones too, as a cheater has them. */
  signed(
    owner: Role,
    number: bigint,
  ): { built: BuiltCommitment; tx: Tx; htlcSignatures: readonly Uint8Array[] }
  court(owner: Role, number: bigint): RevokedRecord
}

export const testHtlcs = (expiry: number): readonly ViewHtlc[] => {
  const htlc = (offerer: Role, id: bigint, paymentHash: Uint8Array, amount: bigint): ViewHtlc => ({
    offerer,
    id,
    amountMsat: msat(amount * 1000n),
    paymentHash,
    cltvExpiry: expiry,
  })
  return [
    htlc('opener', 0n, sha256(PREIMAGE), 40_000n),
    htlc('opener', 1n, UNKNOWN_HASH, 50_000n),
    htlc('accepter', 0n, sha256(PREIMAGE), 60_000n),
    htlc('accepter', 1n, UNKNOWN_HASH, 50_000n),
  ]
}

/** The script that a scene's funding output must have: the keys do not depend on the outpoint. */
export const sceneFundingScript = (format: CommitmentFormat): Uint8Array =>
  p2wsh(fundingScriptOf(testChannel(format).params))

export function scene(options: SceneOptions): Scene {
  const { format, delay = 6, number = 3n } = options
  const fundingSat = sat(options.fundingSat ?? 1_000_000n)
  const made = testChannel(format, { fundingSat, fundingOutpoint: options.fundingOutpoint })
  const params: CommitmentParams = {
    ...made.params,
    opener: { ...made.params.opener, toSelfDelay: delay },
    accepter: { ...made.params.accepter, toSelfDelay: delay + 2 },
  }
  const { signers } = made
  const viewOf = (n: bigint): CommitmentView => {
    const htlcs = n === 0n ? [] : (options.htlcs ?? testHtlcs(options.expiry))
    const rest = htlcs.reduce<bigint>((sum, h) => sum - h.amountMsat, fundingSat * 1000n)
    // Each commitment pays the opener a little less than the one before.
    const openerMsat = (options.openerMsat ?? 500_000_000n) - n * 1_000_000n
    return {
      feeratePerKw: FEERATE,
      openerMsat: msat(openerMsat),
      accepterMsat: (rest - openerMsat) as Msat,
      htlcs,
    }
  }
  const build = (owner: Role, n: bigint) =>
    buildCommitment(params, owner, n, signers[owner].commitmentPoint(n), viewOf(n))
  const signatures = (owner: Role, built: BuiltCommitment) => {
    const before =
      built.number === 0n
        ? INITIAL_SIGNER_STATE
        : { localRevoked: 0n, remoteSigned: { number: built.number - 1n, content: new Uint8Array(32) } }
    return unwrap(signers[otherRole(owner)].signRemoteCommitment(before, built), 'remote signature')
  }
  const signed = (owner: Role, n: bigint) => {
    const built = build(owner, n)
    const { signature, htlcSignatures } = signatures(owner, built)
    const local = unwrap(signers[owner].signLocalCommitment(INITIAL_SIGNER_STATE, built, signature), 'local')
    return { built, tx: local.tx, htlcSignatures }
  }
  const snapshot = (role: Role): ClosingSnapshot => {
    const them = otherRole(role)
    let secrets = emptySecretStore(format.secrets)
    for (let n = 0n; n < number; n++) {
      const state = { localRevoked: n }
      const { secret } = unwrap(signers[them].revealSecret(state, n, n + 1n), 'reveal')
      secrets = unwrap(receiverInsert(secrets, n, secret), 'insert')
    }
    const built = build(role, number)
    return {
      channelId: 'cd'.repeat(32),
      role,
      formatName: format.name,
      salt: new Uint8Array(32),
      fundingOutpoint: params.fundingOutpoint,
      fundingSat,
      opener: params.opener,
      accepter: params.accepter,
      local: { number, view: viewOf(number), ...signatures(role, built) },
      remote: [number, number + 1n].map((n) => ({
        number: n,
        point: signers[them].commitmentPoint(n),
        txid: build(them, n).txid,
        view: viewOf(n),
      })),
      localShutdownScript: WALLET_SCRIPT,
      remoteShutdownScript: p2wpkh(publicKey(new Uint8Array(32).fill(0x78))),
      preimages: [],
      secrets,
      signer: { localRevoked: number },
      sweepScript: WALLET_SCRIPT,
    }
  }
  return {
    params,
    signers,
    snapshots: { opener: snapshot('opener'), accepter: snapshot('accepter') },
    fundingScript: fundingScriptOf(params),
    signed,
    court: (owner, n) => {
      const built = build(owner, n)
      return { number: n, txid: built.txid, htlcs: built.htlcs.map((h) => h.htlc) }
    },
  }
}

/** Wallet coins for `FeePayer`: one a transaction, change back to the wallet. */
export function testPayer(
  coins: readonly { readonly outpoint: OutPoint; readonly valueSat: bigint }[],
): FeePayer {
  const held = new Map<string, (typeof coins)[number]>()
  let next = 0
  return {
    attach: ({ token, tx, weight, surplusSat, feeratePerKw, limitSat }) => {
      const coin = held.get(token) ?? coins[next]
      if (coin === undefined) return undefined
      const cost =
        weightFeeSat(feeratePerKw, weight + 4 * 41 + 110 + outputWeight(WALLET_SCRIPT.length) + 4) + 1n
      if (cost - surplusSat > limitSat) return undefined
      if (!held.has(token)) next += 1
      held.set(token, coin)
      const total = weight + 4 * 41 + 110 + outputWeight(WALLET_SCRIPT.length) + 4
      const change = coin.valueSat + surplusSat - weightFeeSat(feeratePerKw, total) - 1n
      if (change < 294n) return undefined
      const input = {
        outpoint: coin.outpoint,
        scriptSig: new Uint8Array(0),
        sequence: SEQUENCE_RBF,
        witness: [],
      }
      const whole: Tx = {
        ...tx,
        inputs: [...tx.inputs, input],
        outputs: [...tx.outputs, { valueSat: sat(change), script: WALLET_SCRIPT }],
      }
      const vin = whole.inputs.length - 1
      return {
        tx: whole,
        sign: (unsigned) => {
          const key = publicKey(WALLET_KEY)
          const digest = sighashSegwitV0(
            unsigned,
            vin,
            p2wpkhScriptCode(key),
            sat(coin.valueSat),
            SIGHASH_ALL,
          )
          const signature = scriptSignature(signEcdsa(digest, WALLET_KEY), SIGHASH_ALL)
          return withWitness(unsigned, vin, [signature, key])
        },
      }
    },
  }
}

// ---- a node --------------------------------------------------------------------------------------------------------

export interface Driver {
  readonly state: OnchainState
  readonly events: readonly OnchainEvent[]
  /** Why broadcasts were refused, with what was refused. */
  readonly refusals: readonly { readonly txid: string; readonly reason: string }[]
  /** Everything broadcast that the chain took, in order, once each. */
  readonly accepted: readonly Tx[]
  readonly released: readonly string[]
  /** What it asked and told of witnesses: `askEveryone`, `witnessHolds`. */
  readonly witnesses: readonly OnchainEffect[]
  input(input: OnchainInput): void
  /** Reports what changed on the chain and broadcasts what is to be broadcast, until nothing changes. */
  sync(): Promise<void>
  /** Mines blocks one by one, with a `sync` after each. */
  mine(blocks?: number): Promise<void>
  /** Loses everything but the stored state. */
  restart(): void
}

/** Runs a machine against a chain as the node would. */
export function drive(
  chain: TestChain,
  first: OnchainStep,
  ctx: OnchainContext,
  court: (number: bigint) => RevokedRecord | null = () => null,
): Driver {
  let state = first.state
  const events: OnchainEvent[] = []
  const refusals: { txid: string; reason: string }[] = []
  const accepted: Tx[] = []
  const released: string[] = []
  const witnesses: OnchainEffect[] = []
  const watches = new Map<string, { outpoint: OutPoint; reported: Spend | undefined }>()
  const broadcasts = new Map<string, Tx>()

  const obey = (effects: readonly OnchainEffect[]): void => {
    for (const effect of effects) {
      switch (effect.type) {
        case 'watchSpend':
          watches.set(effect.token, { outpoint: effect.outpoint, reported: undefined })
          break
        case 'unwatch':
          invariant(
            watches.delete(effect.token) || broadcasts.delete(effect.token),
            `unwatch ${effect.token}`,
          )
          break
        case 'broadcast':
          broadcasts.set(effect.token, unwrap(decodeTx(effect.tx)))
          break
        case 'event':
          events.push(effect.event)
          break
        case 'releaseCoins':
          released.push(effect.token)
          break
        case 'askEveryone':
        case 'witnessHolds':
          witnesses.push(effect)
          break
        case 'loadCourtRecord':
          input({ type: 'courtRecord', number: effect.number, record: court(effect.number) })
          break
      }
    }
  }
  const input = (i: OnchainInput): void => {
    const step = onchainStep(state, i, ctx)
    state = step.state
    obey(step.effects)
  }

  async function report(): Promise<boolean> {
    let changed = false
    for (const [token, watch] of watches) {
      const now = await chain.spendOf(watch.outpoint)
      const { reported } = watch
      if (now?.txid === reported?.txid && now?.confirmed?.blockHash === reported?.confirmed?.blockHash)
        continue
      changed = true
      watches.set(token, { ...watch, reported: now })
      if (reported?.confirmed && now?.confirmed?.blockHash !== reported.confirmed.blockHash)
        input({ type: 'unconfirmed', txid: reported.txid })
      if (now !== undefined) input({ type: 'spent', outpoint: watch.outpoint, ...now })
      else input({ type: 'unspent', outpoint: watch.outpoint })
    }
    const height = await chain.height()
    if (height !== state.height) input({ type: 'tip', height })
    return changed
  }

  async function publish(): Promise<void> {
    for (const tx of broadcasts.values()) {
      const txid = txidOf(tx)
      try {
        await chain.broadcast(tx)
        if (!accepted.some((t) => txidOf(t) === txid)) accepted.push(tx)
      } catch (e) {
        const reason = e instanceof Error ? e.message : String(e)
        if (!refusals.some((r) => r.txid === txid && r.reason === reason)) refusals.push({ txid, reason })
      }
    }
  }

  async function sync(): Promise<void> {
    do {
      await report()
      await publish()
    } while (await report())
  }

  obey(first.effects)
  return {
    get state() {
      return state
    },
    events,
    refusals,
    accepted,
    released,
    witnesses,
    input,
    sync,
    mine: async (blocks = 1) => {
      for (let i = 0; i < blocks; i++) {
        await chain.mine(1)
        await sync()
      }
    },
    restart: () => {
      watches.clear()
      broadcasts.clear()
      obey(resumeOnchain(state))
    },
  }
}

export const outKey = outPointKey
