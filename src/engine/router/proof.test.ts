import { describe, expect, test } from 'vitest'
import { keysOf, signTogether } from '../../testing/network/signed.ts'
import { seeded } from '../../testing/random.ts'
import { compareBytes } from '../base/bytes.ts'
import { sat } from '../base/units.ts'
import { merkleBranch, merkleRoot } from '../bitcoin/merkle.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { encodeTx, txidOf } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { addPoints, negatePoint, publicKey, signSchnorr, verifySchnorr } from '../crypto/curve.ts'
import { aggregateKeys } from '../crypto/musig2.ts'
import type { ProvenChannelAnnouncement } from '../wire/messages.ts'
import { keysOfWords, provenDigest } from '../wire/proven.ts'
import { checkProven, MAX_FUNDING_TX, provenMessage } from './aggregate.ts'
import { fundingProgram } from './announcement.ts'
import { createGraph } from './graph.ts'
import { CHANNEL } from './graph-terms.ts'
import { applyProof, checkFunding, fundingScriptOf } from './proof.ts'

const chainHash = NETWORKS.regtest.chainHash
const [nodeA, nodeB] = [keysOf(1), keysOf(2)].sort((a, b) => compareBytes(a.id, b.id)) as [
  ReturnType<typeof keysOf>,
  ReturnType<typeof keysOf>,
]
const [coinA, coinB] = [keysOf(3), keysOf(4)]
const program = fundingProgram(coinA.id, coinB.id)
const HEIGHT = 144
const POSITION = 5

/** A block of nine transactions, the funding transaction at index 5 with the channel at output 1. */
function block() {
  const random = seeded(9)
  const other = (): Tx => ({
    version: 2,
    inputs: [
      {
        outpoint: { txid: '11'.repeat(32), vout: 0 },
        scriptSig: random.bytes(3),
        sequence: 0,
        witness: [random.bytes(64)],
      },
    ],
    outputs: [{ valueSat: sat(1000), script: random.bytes(22) }],
    locktime: 0,
  })
  const funding: Tx = {
    ...other(),
    outputs: [
      { valueSat: sat(7_000), script: random.bytes(22) },
      { valueSat: sat(1_234_567), script: fundingScriptOf(program) },
    ],
  }
  const txs = Array.from({ length: 9 }, (_, i) => (i === POSITION ? funding : other()))
  const txids = txs.map(txidOf)
  return {
    header: { merkleRoot: merkleRoot(txids) },
    proofOf: (i: number) => ({
      rawTx: encodeTx(txs[i] as Tx, { witness: true }),
      merkle: merkleBranch(txids, i),
    }),
  }
}

const scidAt = (pos: number, vout: number): bigint =>
  (BigInt(HEIGHT) << 40n) | (BigInt(pos) << 16n) | BigInt(vout)

describe('the funding output of an announced channel', () => {
  const { header, proofOf } = block()
  const channel = { scid: scidAt(POSITION, 1), witnessProgram: program }

  test('is believed where a proof leads to our header: place, keys, capacity', () => {
    const checked = checkFunding(channel, proofOf(POSITION), header)
    expect(checked).toMatchObject({ ok: true, value: { capacitySat: 1_234_567, vout: 1 } })
  })

  test('is refused with another header, place, output, key, or branch', () => {
    const fault = (change: Partial<typeof channel>, proof = proofOf(POSITION), at = header) => {
      const checked = checkFunding({ ...channel, ...change }, proof, at)
      return checked.ok ? 'ok' : checked.error
    }
    expect(fault({})).toBe('ok')
    expect(fault({}, proofOf(POSITION), { merkleRoot: '00'.repeat(32) })).toBe('merkle')
    expect(fault({}, { ...proofOf(POSITION), merkle: proofOf(4).merkle })).toBe('merkle')
    expect(fault({ scid: scidAt(4, 1) })).toBe('position')
    expect(fault({ scid: scidAt(4, 1) }, proofOf(4))).toBe('output')
    expect(fault({ scid: scidAt(POSITION, 0) })).toBe('output')
    expect(fault({ witnessProgram: fundingProgram(coinA.id, nodeB.id) })).toBe('output')
  })

  test('in the graph: proven with its capacity; taken out where the chain tells another story; untouched by bad proofs', () => {
    const graph = createGraph()
    const add = (scid: bigint) =>
      graph.addChannel({
        scid,
        nodeId1: nodeA.id,
        nodeId2: nodeB.id,
        capacitySat: 0,
        witnessProgram: program,
        flags: CHANNEL.signed,
      })
    const slot = add(channel.scid)
    add(scidAt(POSITION, 0))
    const wrong = checkFunding(channel, proofOf(3), header)
    expect(applyProof(graph, channel.scid, wrong)).toBe('nothing')
    expect(graph.has(slot, CHANNEL.proven)).toBe(false)
    const good = checkFunding(channel, proofOf(POSITION), header)
    expect(applyProof(graph, channel.scid, good)).toBe('proven')
    expect([graph.has(slot, CHANNEL.proven), graph.capacity[slot]]).toEqual([true, 1_234_567])
    const lie = checkFunding({ ...channel, scid: scidAt(POSITION, 0) }, proofOf(POSITION), header)
    expect(applyProof(graph, scidAt(POSITION, 0), lie)).toBe('removed')
    expect(graph.channelAt(scidAt(POSITION, 0))).toBe(-1)
    expect(graph.channelAt(channel.scid)).toBe(slot)
  })
})

describe('one signature under four keys', () => {
  const { header, proofOf } = block()
  const words = {
    chainHash,
    shortChannelId: scidAt(POSITION, 1),
    features: new Uint8Array(0),
    nodeId1: nodeA.id,
    nodeId2: nodeB.id,
    bitcoinKey1: coinA.id,
    bitcoinKey2: coinB.id,
  }
  const signers = [nodeA, nodeB, coinA, coinB]

  const message = (): ProvenChannelAnnouncement => {
    const { rawTx, merkle } = proofOf(POSITION)
    const made = provenMessage(words, signTogether(words, signers), rawTx, merkle)
    if (made === undefined) throw new Error('too large')
    return made
  }

  test('convinces with its proof, and nothing else is asked', () => {
    const checked = checkProven(message(), chainHash, header)
    expect(checked).toMatchObject({
      ok: true,
      value: { capacitySat: 1_234_567, flags: CHANNEL.signed | CHANNEL.proven },
    })
  })

  test('of other words, keys or places is refused', () => {
    const good = message()
    const fault = (change: Partial<ProvenChannelAnnouncement>) => {
      const checked = checkProven({ ...good, ...change }, chainHash, header)
      return checked.ok ? 'ok' : checked.error
    }
    expect(fault({ features: Uint8Array.of(1) })).toBe('signature')
    expect(fault({ nodeId2: keysOf(77).id, nodeId1: Uint8Array.of(2, ...new Uint8Array(32)) })).toBe('keys')
    expect(fault({ nodeId1: good.nodeId2, nodeId2: good.nodeId1 })).toBe('keys')
    expect(fault({ shortChannelId: scidAt(POSITION, 0) })).toBe('output')
    expect(fault({ branch: good.branch.slice(1) })).toBe('merkle')
    expect(fault({ shortChannelId: scidAt(POSITION - 1, 1) })).toBe('merkle')
    // The same transaction in another form, as it would be passed on: one form only.
    expect(proofOf(POSITION).rawTx.length).toBeGreaterThan(good.fundingTx.length)
    expect(fault({ fundingTx: proofOf(POSITION).rawTx })).toBe('merkle')
    expect(fault({ chainHash: new Uint8Array(32) })).toBe('chain')
    expect(fault({ bitcoinKey1: good.bitcoinKey2, bitcoinKey2: good.bitcoinKey1 })).toBe('signature')
    expect(fault({ signature: good.signature.map((b, i) => (i === 50 ? b ^ 1 : b)) })).toBe('signature')
  })

  test('of a block below the headers that are kept counts for its signature alone', () => {
    const checked = checkProven(message(), chainHash, undefined)
    expect(checked).toMatchObject({ ok: true, value: { capacitySat: 0, flags: CHANNEL.signed } })
    const signature = message().signature.map((b, i) => (i === 3 ? b ^ 1 : b))
    expect(checkProven({ ...message(), signature }, chainHash, undefined)).toMatchObject({
      error: 'signature',
    })
  })

  test('is not made of a transaction that does not fit a message', () => {
    const { merkle } = proofOf(POSITION)
    const large: Tx = {
      version: 2,
      inputs: [],
      outputs: Array.from({ length: 2000 }, () => ({ valueSat: sat(1), script: new Uint8Array(34) })),
      locktime: 0,
    }
    const raw = encodeTx({
      ...large,
      inputs: [
        {
          outpoint: { txid: '11'.repeat(32), vout: 0 },
          scriptSig: new Uint8Array(0),
          sequence: 0,
          witness: [],
        },
      ],
    })
    expect(raw.length).toBeGreaterThan(MAX_FUNDING_TX)
    expect(provenMessage(words, new Uint8Array(64), raw, merkle)).toBeUndefined()
    expect(provenMessage(words, new Uint8Array(64), Uint8Array.of(1, 2), merkle)).toBeUndefined()
  })

  test('the plain sum of keys can be forged by one of the four, the aggregate cannot', () => {
    // Mallory has the victims' keys, three of the four, and no secret of theirs. As the last one she announces k·G less the others.
    const k = keysOf(666)
    const victims = [nodeA.id, coinA.id, coinB.id]
    const others = victims.reduce((sum, key) => addPoints(sum, key) as Uint8Array)
    const rogue = addPoints(k.id, negatePoint(others)) as Uint8Array
    const inOrder = compareBytes(nodeA.id, rogue) < 0
    const forged = {
      ...words,
      nodeId1: inOrder ? nodeA.id : rogue,
      nodeId2: inOrder ? rogue : nodeA.id,
    }
    const digest = provenDigest(forged)
    const signature = signSchnorr(digest, k.secret, new Uint8Array(32))
    // Under the plain sum her signature alone is everybody's.
    const sum = keysOfWords(forged).reduce((a, b) => addPoints(a, b) as Uint8Array)
    expect(sum).toEqual(publicKey(k.secret))
    expect(verifySchnorr(signature, digest, sum.subarray(1))).toBe(true)
    // Here it is nobody's.
    const { branch, fundingTx } = message()
    const checked = checkProven(
      { type: 'proven_channel_announcement', ...forged, signature, branch, fundingTx },
      chainHash,
      header,
    )
    expect(checked).toEqual({ ok: false, error: 'signature' })
    expect(aggregateKeys(keysOfWords(forged))).not.toEqual(sum)
  })
})
