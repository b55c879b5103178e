import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bitcoind, startBitcoind } from '../../playground/bitcoind.ts'
import { createMiner, type Miner } from '../../playground/miner.ts'
import { toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { msat, sat } from '../base/units.ts'
import { p2wpkh, p2wpkhScriptCode, p2wsh } from '../bitcoin/script.ts'
import {
  encodeTx,
  SEQUENCE_RBF,
  SIGHASH_ALL,
  sighashMidstate,
  sighashSegwitV0,
  txidOf,
  weightOf,
  withWitness,
} from '../bitcoin/tx.ts'
import type { OutPoint, Tx } from '../bitcoin/types.ts'
import { publicKey, signEcdsa } from '../crypto/curve.ts'
import { sha256 } from '../crypto/hash.ts'
import { buildCommitment, fundingScriptOf } from './build.ts'
import { buildLegacyClosing, buildSimpleClosing, type BuiltClosing } from './closing.ts'
import { ANCHORS, LCP, STATIC_REMOTEKEY } from './formats.ts'
import { type ChannelSigner, INITIAL_SIGNER_STATE, type SignerState } from './signer.ts'
import { type SweepOutput, sweepInputWeight, sweepSequence } from './sweeps.ts'
import { testChannel } from './testing.ts'
import type {
  BuiltCommitment,
  CommitmentFormat,
  CommitmentParams,
  HtlcOutput,
  Role,
  ViewHtlc,
} from './types.ts'
import { outputWeight, TX_OVERHEAD_WEIGHT } from './weights.ts'
import { scriptSignature, withFundingWitness } from './witness.ts'

/** Every script and witness of a channel, judged by Bitcoin Core: what it refuses, a real network would refuse. */

const DELAY = 6
const FUNDING = 1_000_000n
const FEE = 2_000n
const walletKey = new Uint8Array(32).fill(0x77)
const walletScript = p2wpkh(publicKey(walletKey))
const preimage = new Uint8Array(32).fill(0x55)
const EMPTY = new Uint8Array(0)

let node: Bitcoind
let miner: Miner

beforeAll(async () => {
  node = await startBitcoind()
  miner = createMiner({ rpc: node.rpc })
  await miner.ready()
})
afterAll(async () => {
  await node?.stop()
})

const send = (tx: Tx): Promise<string> => node.rpc.call<string>('sendrawtransaction', toHex(encodeTx(tx)))
const refused = async (tx: Tx, reason: RegExp): Promise<void> => {
  await expect(send(tx)).rejects.toThrow(reason)
}
const height = (): Promise<number> => node.rpc.call<number>('getblockcount')
const mineTo = async (target: number): Promise<void> => {
  const now = await height()
  if (target > now) await miner.mine(target - now)
}

/** Pays an output and returns where it is; confirmed. */
async function fund(script: Uint8Array, amountSat: bigint): Promise<OutPoint> {
  const { txid, hex } = await miner.build([{ script, amountSat }])
  await miner.send(hex)
  await miner.mine()
  const tx = await node.rpc.call<{ vout: { n: number; scriptPubKey: { hex: string } }[] }>(
    'getrawtransaction',
    txid,
    1,
  )
  const vout = tx.vout.find((o) => o.scriptPubKey.hex === toHex(script))?.n
  if (vout === undefined) throw new Error('the funding transaction does not pay')
  return { txid, vout }
}

interface Coin {
  readonly outpoint: OutPoint
  readonly output: SweepOutput
}

/** One transaction that claims coins with a signer, checked to weigh what `sweepInputWeight` says. */
function sweep(signer: ChannelSigner, coins: readonly Coin[], locktime = 0): Tx {
  const total = coins.reduce((n, c) => n + c.output.valueSat, 0n)
  const unsigned: Tx = {
    version: 2,
    inputs: coins.map((c) => ({
      outpoint: c.outpoint,
      scriptSig: EMPTY,
      sequence: sweepSequence(c.output),
      witness: [],
    })),
    outputs: [{ valueSat: sat(total - FEE), script: walletScript }],
    locktime,
  }
  const midstate = sighashMidstate(unsigned)
  let tx = unsigned
  for (const [i, c] of coins.entries())
    tx = withWitness(tx, i, signer.signSweep(unsigned, i, c.output, midstate))
  const expected = coins.reduce(
    (n, c) => n + sweepInputWeight(c.output),
    TX_OVERHEAD_WEIGHT + outputWeight(walletScript.length),
  )
  expect(weightOf(tx)).toBeLessThanOrEqual(expected)
  expect(weightOf(tx)).toBeGreaterThanOrEqual(expected - 4 * coins.length)
  return tx
}

interface Scene {
  readonly params: CommitmentParams
  readonly signers: { readonly opener: ChannelSigner; readonly accepter: ChannelSigner }
  /** The opener's commitment, signed and broadcast. */
  readonly built: BuiltCommitment
  readonly remoteHtlcSignatures: readonly Uint8Array[]
  readonly state: SignerState
  readonly expiry: number
}

/** A funded channel whose opener broadcasts its commitment with two HTLCs in each direction. */
async function scene(format: CommitmentFormat): Promise<Scene> {
  const made = testChannel(format, { fundingSat: sat(FUNDING) })
  const fundingOutpoint = await fund(p2wsh(fundingScriptOf(made.params)), FUNDING)
  const params: CommitmentParams = {
    ...made.params,
    fundingOutpoint,
    opener: { ...made.params.opener, toSelfDelay: DELAY },
    accepter: { ...made.params.accepter, toSelfDelay: DELAY },
  }
  const expiry = (await height()) + 10
  const htlc = (offerer: Role, id: bigint, paymentHash: Uint8Array, amount: bigint): ViewHtlc => ({
    offerer,
    id,
    amountMsat: msat(amount * 1000n),
    paymentHash,
    cltvExpiry: expiry,
  })
  const unknown = sha256(new Uint8Array(32).fill(0x66))
  const built = buildCommitment(params, 'opener', 0n, made.signers.opener.commitmentPoint(0n), {
    feeratePerKw: 1000,
    openerMsat: msat(500_000_000),
    accepterMsat: msat(300_000_000),
    htlcs: [
      htlc('opener', 0n, sha256(preimage), 40_000n),
      htlc('opener', 1n, unknown, 50_000n),
      htlc('accepter', 0n, sha256(preimage), 60_000n),
      htlc('accepter', 1n, unknown, 50_000n),
    ],
  })
  const signed = unwrap(made.signers.accepter.signRemoteCommitment(INITIAL_SIGNER_STATE, built))
  const local = unwrap(made.signers.opener.signLocalCommitment(INITIAL_SIGNER_STATE, built, signed.signature))
  expect(await send(local.tx)).toBe(built.txid)
  await miner.mine()
  return {
    params,
    signers: made.signers,
    built,
    remoteHtlcSignatures: signed.htlcSignatures,
    state: local.state,
    expiry,
  }
}

const htlcOf = (s: Scene, offerer: Role, id: bigint): HtlcOutput => {
  const found = s.built.htlcs.find((h) => h.htlc.offerer === offerer && h.htlc.id === id)
  if (found === undefined) throw new Error('no such HTLC')
  return found
}
const valueOf = (s: Scene, index: number) => s.built.tx.outputs[index]?.valueSat ?? sat(0)
const at = (s: Scene, vout: number): OutPoint => ({ txid: s.built.txid, vout })

/** The opener's second stage of an HTLC, with a wallet coin for its fee where the format has none of its own. */
async function secondStage(s: Scene, output: HtlcOutput, known?: Uint8Array): Promise<Tx> {
  const remote = s.remoteHtlcSignatures[s.built.htlcs.indexOf(output)] as Uint8Array
  const sign = (combined?: { tx: Tx; inputIndex: number }) =>
    unwrap(s.signers.opener.signSecondStage(s.state, s.built, output, remote, known, combined))
  if (!s.params.format.anchors) return withWitness(output.secondStage, 0, sign())
  const coin = await fund(walletScript, 10_000n)
  const tx: Tx = {
    ...output.secondStage,
    inputs: [
      ...output.secondStage.inputs,
      { outpoint: coin, scriptSig: EMPTY, sequence: SEQUENCE_RBF, witness: [] },
    ],
    outputs: [...output.secondStage.outputs, { valueSat: sat(10_000n - FEE), script: walletScript }],
  }
  const pubkey = publicKey(walletKey)
  const digest = sighashSegwitV0(tx, 1, p2wpkhScriptCode(pubkey), sat(10_000), SIGHASH_ALL)
  const own = [scriptSignature(signEcdsa(digest, walletKey), SIGHASH_ALL), pubkey]
  return withWitness(withWitness(tx, 0, sign({ tx, inputIndex: 0 })), 1, own)
}

const delayed = (s: Scene, tx: Tx, output: HtlcOutput): Coin => ({
  outpoint: { txid: txidOf(tx), vout: 0 },
  output: {
    kind: 'delayed',
    valueSat: output.secondStage.outputs[0]?.valueSat ?? sat(0),
    script: output.secondStageScript,
    toSelfDelay: DELAY,
    point: s.built.keys.point,
  },
})

describe.each([STATIC_REMOTEKEY, ANCHORS, LCP])('$name, judged by Bitcoin Core', (format) => {
  const { anchors } = format

  it('the owner gets its balance after the delay and its HTLCs through their second stages', async () => {
    const s = await scene(format)
    const { opener } = s.signers
    const success = htlcOf(s, 'accepter', 0n)
    const timeout = htlcOf(s, 'opener', 1n)
    const successTx = await secondStage(s, success, preimage)
    const timeoutTx = await secondStage(s, timeout)
    await send(successTx)
    await refused(timeoutTx, /non-final/)
    await mineTo(s.expiry)
    await send(timeoutTx)
    await miner.mine()

    const { toLocal } = s.built
    if (toLocal === undefined) throw new Error('to_local exists')
    const coins: Coin[] = [
      {
        outpoint: at(s, toLocal.outputIndex),
        output: {
          kind: 'delayed',
          valueSat: toLocal.valueSat,
          script: toLocal.script,
          toSelfDelay: DELAY,
          point: s.built.keys.point,
        },
      },
      delayed(s, successTx, success),
      delayed(s, timeoutTx, timeout),
    ]
    await refused(sweep(opener, coins), /non-BIP68-final/)
    await miner.mine(DELAY)
    await send(sweep(opener, coins))
    await miner.mine()
  })

  it('the other side claims its balance, HTLCs with the preimage and its own after their expiry', async () => {
    const s = await scene(format)
    const { accepter } = s.signers
    const point = s.built.keys.point
    const paid = htlcOf(s, 'opener', 0n)
    const expired = htlcOf(s, 'accepter', 1n)
    const { toRemote } = s.built
    if (toRemote === undefined) throw new Error('to_remote exists')
    await send(
      sweep(accepter, [
        {
          outpoint: at(s, toRemote.outputIndex),
          output: {
            kind: 'to_remote',
            valueSat: toRemote.valueSat,
            ...(toRemote.script && { script: toRemote.script }),
          },
        },
        {
          outpoint: at(s, paid.outputIndex),
          output: {
            kind: 'htlc_preimage',
            valueSat: valueOf(s, paid.outputIndex),
            script: paid.script,
            anchors,
            point,
            preimage,
          },
        },
      ]),
    )
    const back: Coin = {
      outpoint: at(s, expired.outputIndex),
      output: {
        kind: 'htlc_timeout',
        valueSat: valueOf(s, expired.outputIndex),
        script: expired.script,
        anchors,
        point,
      },
    }
    await refused(sweep(accepter, [back], s.expiry), /non-final/)
    await refused(sweep(accepter, [back]), /Locktime requirement not satisfied/)
    await mineTo(s.expiry)
    await send(sweep(accepter, [back], s.expiry))
    await miner.mine()
  })

  it('a revoked commitment is punished whole, second stages included, and by nobody without the secret', async () => {
    const s = await scene(format)
    const { opener, accepter } = s.signers
    // The opener had revoked commitment 0, so the accepter holds its secret.
    const { secret } = unwrap(opener.revealSecret(INITIAL_SIGNER_STATE, 0n, 1n))
    const cheated = htlcOf(s, 'accepter', 0n)
    const cheat = await secondStage(s, cheated, preimage)
    await send(cheat)
    await miner.mine()
    const { toLocal } = s.built
    if (toLocal === undefined) throw new Error('to_local exists')
    const penalties = (perCommitmentSecret: Uint8Array): Coin[] => [
      {
        outpoint: at(s, toLocal.outputIndex),
        output: { kind: 'penalty', valueSat: toLocal.valueSat, script: toLocal.script, perCommitmentSecret },
      },
      {
        outpoint: { txid: txidOf(cheat), vout: 0 },
        output: {
          kind: 'penalty',
          valueSat: cheat.outputs[0]?.valueSat ?? sat(0),
          script: cheated.secondStageScript,
          perCommitmentSecret,
        },
      },
      ...s.built.htlcs
        .filter((h) => h !== cheated)
        .map(
          (h): Coin => ({
            outpoint: at(s, h.outputIndex),
            output: {
              kind: 'htlc_penalty',
              valueSat: valueOf(s, h.outputIndex),
              script: h.script,
              perCommitmentSecret,
            },
          }),
        ),
    ]
    await refused(
      sweep(accepter, penalties(new Uint8Array(32).fill(9))),
      /mandatory-script-verify|mempool-script-verify/,
    )
    await send(sweep(accepter, penalties(secret)))
    await miner.mine()
  })

  it.runIf(anchors)('each side spends its own anchor at once, and anybody does after 16 blocks', async () => {
    const s = await scene(format)
    const { ownerAnchor, otherAnchor } = s.built
    if (ownerAnchor === undefined || otherAnchor === undefined) throw new Error('both anchors exist')
    const coin = (vout: number): Coin => ({
      outpoint: at(s, vout),
      output: { kind: 'anchor', valueSat: sat(330) },
    })
    /** An anchor pays no fee by itself: a wallet coin comes along, as it does when a commitment is bumped. */
    const spend = async (signer: ChannelSigner, vout: number): Promise<Tx> => {
      const wallet = await fund(walletScript, 10_000n)
      const input = (outpoint: OutPoint) => ({
        outpoint,
        scriptSig: EMPTY,
        sequence: SEQUENCE_RBF,
        witness: [],
      })
      const tx: Tx = {
        version: 2,
        inputs: [input(at(s, vout)), input(wallet)],
        outputs: [{ valueSat: sat(8_000), script: walletScript }],
        locktime: 0,
      }
      const pubkey = publicKey(walletKey)
      const digest = sighashSegwitV0(tx, 1, p2wpkhScriptCode(pubkey), sat(10_000), SIGHASH_ALL)
      const own = [scriptSignature(signEcdsa(digest, walletKey), SIGHASH_ALL), pubkey]
      return withWitness(withWitness(tx, 0, signer.signSweep(tx, 0, coin(vout).output)), 1, own)
    }
    await refused(await spend(s.signers.accepter, ownerAnchor), /script-verify/)
    await send(await spend(s.signers.opener, ownerAnchor))
    await send(await spend(s.signers.accepter, otherAnchor))
    await miner.mine()
  })

  it('both kinds of mutual close', async () => {
    const terms = {
      openerMsat: msat(600_000_000),
      accepterMsat: msat(400_000_000),
      openerScript: walletScript,
      accepterScript: p2wpkh(publicKey(new Uint8Array(32).fill(0x78))),
    }
    const builders: readonly ((params: CommitmentParams) => BuiltClosing)[] = [
      (params) => unwrap(buildLegacyClosing(params, terms, sat(500), sat(546))),
      (params) =>
        unwrap(buildSimpleClosing(params, 'accepter', terms, sat(500), 0, 'closer_and_closee_outputs')),
    ]
    for (const build of builders) {
      const made = testChannel(format, { fundingSat: sat(FUNDING) })
      const params = {
        ...made.params,
        fundingOutpoint: await fund(p2wsh(fundingScriptOf(made.params)), FUNDING),
      }
      const closing = build(params)
      await send(
        withFundingWitness(
          closing.tx,
          closing.fundingScript,
          {
            key: params.opener.keys.fundingPubkey,
            signature: unwrap(made.signers.opener.signClosing(closing)),
          },
          {
            key: params.accepter.keys.fundingPubkey,
            signature: unwrap(made.signers.accepter.signClosing(closing)),
          },
        ),
      )
      await miner.mine()
    }
  })
})
