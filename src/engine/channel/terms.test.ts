import { describe, expect, test } from 'vitest'
import {
  apply,
  cut,
  deliver,
  deliverAll,
  inFlight,
  openPair,
  type PairOptions,
  type Party,
  preimageOf,
  reconnect,
  settledProblem,
  tamper,
} from '../../testing/sim/channel-pair.ts'
import { msat } from '../base/units.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { addPoints, negatePoint, publicKey, signSchnorr } from '../crypto/curve.ts'
import { sha256 } from '../crypto/hash.ts'
import { proveKey } from '../revocation/proofs.ts'
import type { LcpParameters, LcpPoint, Message } from '../wire/messages.ts'
import { proofContext } from './build.ts'

/**
 * A peer that keeps half of the lcp terms, or sends keys that it does not own, is refused with the reason, and nothing has changed.
 * Everything else about it is right: the same engine plays it, and one thing is altered on the way.
 */

/** Few points, since each costs a proof. */
const SMALL: NonNullable<PairOptions['policy']> = { alice: { window: 2 }, bob: { window: 3 } }
const lcpPair = (options: PairOptions = {}) => openPair('lcp', { policy: SMALL, ...options })

type OpeningMessage = Extract<Message, { type: 'open_channel' | 'accept_channel' }>
type Change = (message: OpeningMessage) => OpeningMessage

/** Opens while one of the two messages is changed; what the receiver says of it. */
function opening(
  type: OpeningMessage['type'],
  change: Change,
  format = 'lcp',
): { code: string; text: string } | undefined {
  try {
    openPair(format, {
      policy: SMALL,
      unready: true,
      tamper: (message) => (message.type === type ? change(message as OpeningMessage) : message),
    })
    return undefined
  } catch (error) {
    return JSON.parse((error as Error).message)
  }
}

const without = <K extends string>(message: object, key: K): never => {
  const { [key]: _, ...rest } = message as Record<string, unknown>
  return rest as never
}

const changed =
  (change: (lcp: LcpParameters, message: OpeningMessage) => Partial<LcpParameters>): Change =>
  (message) => {
    const lcp = message.lcpParameters as LcpParameters
    return { ...message, lcpParameters: { ...lcp, ...change(lcp, message) } }
  }

describe.each(['open_channel', 'accept_channel'] as const)('%s', (type) => {
  test('with all its terms is taken', () => {
    expect(opening(type, (m) => m)).toBeUndefined()
    expect(opening(type, (m) => m, 'anchors_zero_fee_htlc_tx')).toBeUndefined()
  })
  test('of the lcp type without lcp_parameters is refused', () => {
    expect(opening(type, (m) => without(m, 'lcpParameters'))).toMatchObject({
      code: 'lcpTerms',
      text: expect.stringContaining('both or neither'),
    })
  })
  test('of a bolt type with lcp_parameters is refused', () => {
    let lcp: LcpParameters | undefined
    opening(type, (m) => {
      lcp = m.lcpParameters
      return m
    })
    const half = (m: OpeningMessage): OpeningMessage => ({ ...m, lcpParameters: lcp as LcpParameters })
    expect(opening(type, half, 'anchors_zero_fee_htlc_tx')).toMatchObject({ code: 'lcpTerms' })
  })
  test('whose channel type lost its lcp bit is refused', () => {
    expect(opening(type, (m) => ({ ...m, channelType: Uint8Array.of(0x40, 0x10, 0x00) }))).toMatchObject({
      code: 'channelType',
    })
    expect(opening(type, (m) => without(m, 'channelType'))).toMatchObject({ code: 'channelType' })
  })
  test.each([0, 65, 0xffff])('with a window of %i cannot even be read', (revocationWindow) => {
    expect(() =>
      openPair('lcp', {
        policy: SMALL,
        tamper: (m) => (m.type === type ? changed(() => ({ revocationWindow }))(m as OpeningMessage) : m),
      }),
    ).toThrow(/window/)
  })

  const refused = { code: 'keyProof' }
  const zeros = new Uint8Array(64)
  test('with a proof missing, or one in place of the other (kind), is refused', () => {
    expect(
      opening(
        type,
        changed(() => ({ basepointProof: zeros })),
      ),
    ).toMatchObject(refused)
    expect(
      opening(
        type,
        changed(() => ({ firstPointProof: zeros })),
      ),
    ).toMatchObject(refused)
    const swapped = changed((lcp) => ({
      basepointProof: lcp.firstPointProof,
      firstPointProof: lcp.basepointProof,
    }))
    expect(opening(type, swapped)).toMatchObject(refused)
  })
  test('with the proofs and keys of another channel, or the other role, is refused', () => {
    const { alice, bob } = lcpPair({ unready: true })
    const owner = type === 'open_channel' ? alice : bob
    const context = proofContext(owner.channel, 'local', 'regtest')
    const { signer } = owner.context
    const replay = (by: Partial<typeof context>): Change =>
      changed(() => ({
        basepointProof: signer.proveBasepoint({ ...context, ...by }),
        firstPointProof: signer.provePoint({ ...context, ...by }, 0n),
      }))
    // temporary_channel_id is drawn anew for the opening that these proofs are replayed in.
    expect(opening(type, replay({}))).toMatchObject(refused)
    const inIt =
      (by: Partial<typeof context>): Change =>
      (m) =>
        replay({ temporaryChannelId: m.temporaryChannelId, ...by })(m)
    expect(opening(type, inIt({}))).toBeUndefined()
    expect(opening(type, inIt({ role: context.role === 'opener' ? 'accepter' : 'opener' }))).toMatchObject(
      refused,
    )
    expect(opening(type, inIt({ fundingPubkey: publicKey(sha256(zeros)) }))).toMatchObject(refused)
    expect(opening(type, inIt({ chainHash: sha256(zeros) }))).toMatchObject(refused)
  })
  test('with a key negated under the proof of the other sign is refused', () => {
    for (const key of ['revocationBasepoint', 'firstPerCommitmentPoint'] as const)
      expect(opening(type, (m) => ({ ...m, [key]: negatePoint(m[key]) }))).toMatchObject(refused)
  })
})

test('accept_channel with a basepoint made to cancel the opener’s first point is refused: it would own that commitment’s to_local', () => {
  const x = sha256(Uint8Array.of(7))
  let P: Uint8Array | undefined
  const rogue = (forge: (message: OpeningMessage, key: Uint8Array) => Uint8Array) =>
    openPair('lcp', {
      policy: SMALL,
      unready: true,
      tamper: (m) => {
        if (m.type === 'open_channel') P = m.firstPerCommitmentPoint
        if (m.type !== 'accept_channel' || P === undefined) return m
        const key = addPoints(publicKey(x), negatePoint(P)) as Uint8Array
        return changed(() => ({ basepointProof: forge(m, key) }))({ ...m, revocationBasepoint: key })
      },
    })
  const context = (m: OpeningMessage) => ({
    chainHash: NETWORKS.regtest.chainHash,
    temporaryChannelId: m.temporaryChannelId,
    fundingPubkey: m.fundingPubkey,
    role: 'accepter' as const,
  })
  expect(() => rogue((m) => proveKey(context(m), { kind: 'basepoint' }, x, x))).toThrow('keyProof')
  expect(() => rogue((_, key) => signSchnorr(key.slice(1), x, x))).toThrow('keyProof')
})

const add = (party: Party, n: number) =>
  apply(party, {
    type: 'propose',
    proposal: {
      type: 'add',
      amountMsat: msat(2_000_000),
      paymentHash: sha256(preimageOf(n)),
      cltvExpiry: 500,
      onion: new Uint8Array(1366),
    },
  })

/** Delivers everything to `to`, which must refuse something with this code and keep its commitments. */
function refuses(from: Party, to: Party, code: string): void {
  const before = to.channel
  while (deliver(from, to));
  expect(to.faults.map((f) => f.code)).toEqual([code])
  expect(to.channel.failure).toMatchObject({ code, remedy: 'broadcast' })
  expect(to.channel.localTip).toEqual(before.localTip)
  expect(to.channel.remoteTail).toEqual(before.remoteTail)
  expect(to.channel.remoteSecrets).toEqual(before.remoteSecrets)
  expect(inFlight(to).at(-1)?.type).toBe('error')
}

describe('channel_ready', () => {
  const half = (code: string, change: Parameters<typeof tamper<'channel_ready'>>[2], format = 'lcp') => {
    const { alice, bob } = openPair(format, { policy: SMALL, unready: true })
    tamper(bob, 'channel_ready', change)
    refuses(bob, alice, code)
  }
  test('without lcp_points in an lcp channel, or with them in a bolt one, is refused', () => {
    half('lcpTerms', (m) => without(m, 'lcpPoints'))
    const points = [{ point: publicKey(sha256(new Uint8Array(1))), proof: new Uint8Array(64) }]
    half('lcpTerms', (m) => ({ ...m, lcpPoints: { firstNumber: 1n, points } }), 'anchors_zero_fee_htlc_tx')
  })
  test('with fewer points than the window announced, from another number, or with another second point, is refused', () => {
    const points = (change: (points: readonly LcpPoint[]) => readonly LcpPoint[], first = 1n) =>
      half('lcpTerms', (m) => ({
        ...m,
        lcpPoints: { firstNumber: first, points: change(m.lcpPoints?.points ?? []) },
      }))
    points((p) => p.slice(0, -1))
    points((p) => p, 2n)
    points((p) => p.slice().reverse())
  })
  test('with a proof of another number is refused, though the point is the peer’s own', () => {
    half('pointProof', (m) => {
      const points = m.lcpPoints?.points ?? []
      const proof = points[0]?.proof ?? new Uint8Array(64)
      return { ...m, lcpPoints: { firstNumber: 1n, points: points.map((p) => ({ ...p, proof })) } }
    })
  })
})

describe('in operation', () => {
  test('a point made to cancel our basepoint is refused: its owner would hold the penalty key of its own commitment', () => {
    const x = sha256(Uint8Array.of(8))
    const C = lcpPair().alice.channel.local.keys.revocationBasepoint
    const rogue = addPoints(publicKey(x), negatePoint(C)) as Uint8Array
    // The second one puts R at infinity.
    for (const key of [rogue, negatePoint(C)]) {
      const pair = lcpPair()
      add(pair.alice, 1)
      apply(pair.alice, { type: 'flush' })
      while (deliver(pair.alice, pair.bob));
      tamper(pair.bob, 'revoke_and_ack', (m) => {
        const number = m.lcpPoints?.firstNumber ?? 0n
        const context = proofContext(pair.bob.channel, 'local', 'regtest')
        const proof = proveKey(context, { kind: 'point', number }, x, x)
        return {
          ...m,
          nextPerCommitmentPoint: key,
          lcpPoints: { firstNumber: number, points: [{ point: key, proof }] },
        }
      })
      refuses(pair.bob, pair.alice, 'pointProof')
    }
  })

  const message = (
    code: string,
    type: 'commitment_signed' | 'revoke_and_ack',
    change: (m: never) => Message,
  ) => {
    const { alice, bob } = openPair('test_window_3')
    add(alice, 1)
    apply(alice, { type: 'flush' })
    if (type === 'commitment_signed') {
      tamper(alice, type, change as never)
      return refuses(alice, bob, code)
    }
    while (deliver(alice, bob));
    tamper(bob, type, change as never)
    refuses(bob, alice, code)
  }
  test('commitment_signed without lcp_indexes, or with others, is refused', () => {
    message('indexes', 'commitment_signed', (m) => without(m, 'lcpIndexes'))
    for (const key of ['commitmentNumber', 'openerIndex', 'accepterIndex'] as const) {
      message('indexes', 'commitment_signed', (m: Extract<Message, { type: 'commitment_signed' }>) => {
        const said = m.lcpIndexes ?? { commitmentNumber: 0n, openerIndex: 0n, accepterIndex: 0n }
        return { ...m, lcpIndexes: { ...said, [key]: said[key] + 1n } }
      })
    }
  })
  test('revoke_and_ack without lcp_points, or whose next point is not the highest granted, is refused', () => {
    message('lcpTerms', 'revoke_and_ack', (m) => without(m, 'lcpPoints'))
    message('lcpTerms', 'revoke_and_ack', (m: Extract<Message, { type: 'revoke_and_ack' }>) => ({
      ...m,
      nextPerCommitmentPoint: publicKey(sha256(new Uint8Array(2))),
    }))
  })
  test('channel_reestablish without lcp_state, or with indexes that we did not sign, is refused', () => {
    for (const change of [undefined, 'openerIndex', 'accepterIndex'] as const) {
      const { alice, bob } = openPair('test_window_3')
      add(alice, 1)
      deliverAll(alice, bob)
      cut(alice, bob)
      reconnect(alice, bob)
      tamper(bob, 'channel_reestablish', (m) => {
        if (change === undefined || m.lcpState === undefined) return without(m, 'lcpState')
        return { ...m, lcpState: { ...m.lcpState, [change]: m.lcpState[change] + 1n } }
      })
      refuses(bob, alice, change === undefined ? 'lcpTerms' : 'stateDiffers')
    }
  })
  test('a bolt channel passes over lcp TLVs, as over any odd one', () => {
    const { alice, bob } = openPair('anchors_zero_fee_htlc_tx')
    add(alice, 1)
    apply(alice, { type: 'flush' })
    tamper(alice, 'commitment_signed', (m) => ({
      ...m,
      lcpIndexes: { commitmentNumber: 9n, openerIndex: 9n, accepterIndex: 9n },
    }))
    deliverAll(alice, bob)
    expect(alice.faults.concat(bob.faults)).toEqual([])
    expect(settledProblem(alice, bob)).toBeUndefined()
  })
})
