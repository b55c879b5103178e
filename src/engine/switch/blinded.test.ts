import { describe, expect, it } from 'vitest'
import { msat } from '../base/units.ts'
import { publicKey } from '../crypto/curve.ts'
import { sha256 } from '../crypto/hash.ts'
import type { BlindedPlace } from '../onion/blinded-failure.ts'
import { encodeFailure, FAILURE_CODES } from '../onion/failure.ts'
import { failurePacket, readFailure } from '../onion/failure-packet.ts'
import {
  beginForward,
  circuitResumed,
  circuitTick,
  downstreamLost,
  downstreamRefused,
  downstreamRemoved,
  failHeld,
  type ForwardContext,
  preimageKnown,
  resumeHeld,
} from './circuit.ts'
import { DEFAULT_FORWARD_POLICY } from './policy.ts'
import type { Circuit, ForwardAsk, Link, SwitchEffect, SwitchTurn } from './types.ts'

const A = 'aa'.repeat(32)
const B = 'bb'.repeat(32)
const C = 'cc'.repeat(32)
const SECRET = new Uint8Array(32).fill(7)
const PREIMAGE = new Uint8Array(32).fill(9)
const HASH_OF_ONION = sha256(SECRET)
const PATH_KEY = publicKey(PREIMAGE)
const RELAY = { feeBaseMsat: 1000, feeProportionalMillionths: 100, cltvExpiryDelta: 80 }

const link = (channelId: string, peer: string, over: Partial<Link> = {}): Link => ({
  channelId,
  peer,
  scids: [BigInt(`0x${channelId.slice(0, 4)}`)],
  state: 'usable',
  policy: DEFAULT_FORWARD_POLICY,
  htlcMaximumMsat: msat(1_000_000_000),
  bears: () => true,
  ...over,
})

const ask = (place: BlindedPlace, change: Partial<ForwardAsk> = {}): ForwardAsk => ({
  channelId: A,
  id: 4n,
  amountMsat: msat(1_001_100),
  paymentHash: sha256(PREIMAGE),
  cltvExpiry: 1_180,
  shortChannelId: 0xbbbbn,
  amtToForward: msat(1_000_000),
  outgoingCltvValue: 1_100,
  sharedSecret: SECRET,
  next: new Uint8Array(1366).fill(3),
  blinded: { place, sha256OfOnion: HASH_OF_ONION, nextPathKey: PATH_KEY, relay: RELAY },
  ...change,
})

const CTX: ForwardContext = {
  now: 5_000,
  height: 1_000,
  links: [link(A, 'alice'), link(B, 'bob')],
  allowed: true,
  intercept: false,
}

const removalIn = (effects: readonly SwitchEffect[]) =>
  effects.flatMap((e) => (e.type === 'remove' ? [e.removal] : []))[0]

/** BOLT 4 §Failure Messages: the only two things that a node of a blinded path says. */
function expectBlinded(place: BlindedPlace, effects: readonly SwitchEffect[]): void {
  const removal = removalIn(effects)
  if (place === 'inside') {
    expect(removal).toEqual({
      type: 'malformed',
      id: 4n,
      sha256OfOnion: HASH_OF_ONION,
      failureCode: FAILURE_CODES.invalid_onion_blinding,
    })
    return
  }
  if (removal?.type !== 'fail') throw new Error(`not failed but ${removal?.type}`)
  expect(readFailure({ sharedSecrets: [SECRET], reason: removal.reason }).source?.failure.failure).toEqual({
    name: 'invalid_onion_blinding',
    sha256OfOnion: HASH_OF_ONION,
  })
}

const circuitOf = (place: BlindedPlace): Circuit => beginForward(ask(place), CTX).circuit as Circuit

describe('a forward by a blinded path', () => {
  it('is offered with the path key for the next hop, named by channel or by node', () => {
    const byChannel = beginForward(ask('introduction'), CTX)
    const { shortChannelId: _, ...rest } = ask('inside')
    const byNode = beginForward({ ...rest, nextNodeId: 'bob' }, CTX)
    for (const { effects } of [byChannel, byNode]) {
      expect(effects[0]).toMatchObject({
        type: 'offer',
        channelId: B,
        add: { pathKey: PATH_KEY, amountMsat: 1_000_000n, cltvExpiry: 1_100 },
      })
    }
  })

  it('to a node goes by whichever of its channels can be used', () => {
    const { shortChannelId: _, ...rest } = ask('inside')
    const to = (links: readonly Link[]) => beginForward({ ...rest, nextNodeId: 'bob' }, { ...CTX, links })
    const closing = link(B, 'bob', { state: 'closing' })
    const offline = link(B, 'bob', { state: 'offline' })
    for (const other of [closing, offline])
      expect(to([other, link(C, 'bob')]).circuit?.outgoingChannel).toBe(C)
    expect(to([closing]).circuit).toBeUndefined()
    expect(to([link(C, 'carol')]).circuit).toBeUndefined()
  })

  it('whose fee is a millisatoshi short by BOLT 4’s own rounding is taken where the path has our terms, and not where it has less', () => {
    // 10,000 · 10⁶ / 1,000,100 is 9,999.0001, so 10,000 goes on, for which BOLT 7 would ask 1,001.
    const short = { amountMsat: msat(11_000), amtToForward: msat(10_000) }
    const relay = (change: Partial<typeof RELAY>) => ({
      blinded: {
        ...(ask('inside').blinded as NonNullable<ForwardAsk['blinded']>),
        relay: { ...RELAY, ...change },
      },
    })
    expect(beginForward(ask('inside', short), CTX).circuit?.state).toBe('offered')
    for (const less of [{ feeBaseMsat: 999 }, { feeProportionalMillionths: 99 }])
      expect(beginForward(ask('inside', { ...short, ...relay(less) }), CTX).circuit).toBeUndefined()
  })

  describe.each<BlindedPlace>(['introduction', 'inside'])('%s: every failure is the same', (place) => {
    it.each<[string, Partial<ForwardAsk>, Partial<ForwardContext>]>([
      ['no forwarding', {}, { allowed: false }],
      ['unknown channel', { shortChannelId: 99n }, {}],
      ['closing channel', {}, { links: [link(B, 'bob', { state: 'closing' })] }],
      ['no height', {}, { height: 0 }],
      ['too little', { amtToForward: msat(0) }, {}],
      [
        'less fee than ours',
        {
          amountMsat: msat(1_000_500),
          blinded: {
            place,
            sha256OfOnion: HASH_OF_ONION,
            nextPathKey: PATH_KEY,
            relay: { ...RELAY, feeBaseMsat: 500 },
          },
        },
        {},
      ],
      ['less delta than ours', { cltvExpiry: 1_179 }, {}],
      ['too soon', { outgoingCltvValue: 1_003, cltvExpiry: 1_090 }, {}],
      ['too far', { cltvExpiry: 9_000 }, {}],
      ['no room', {}, { links: [link(B, 'bob', { bears: () => false })] }],
      ['offline', {}, { links: [link(B, 'bob', { state: 'offline' })] }],
    ])('judged: %s', (_, change, ctx) => {
      const turn = beginForward(ask(place, change), { ...CTX, ...ctx })
      expect(turn.circuit).toBeUndefined()
      expectBlinded(place, turn.effects)
    })

    it('told by the next hop, in whatever words', () => {
      const incorrect = encodeFailure({
        name: 'incorrect_or_unknown_payment_details',
        htlcMsat: msat(1),
        height: 5,
      })
      for (const removal of [
        { type: 'fail', id: 0n, reason: failurePacket(PREIMAGE, incorrect) },
        {
          type: 'malformed',
          id: 0n,
          sha256OfOnion: PREIMAGE,
          failureCode: FAILURE_CODES.invalid_onion_blinding,
        },
        { type: 'malformed', id: 0n, sha256OfOnion: PREIMAGE, failureCode: FAILURE_CODES.invalid_onion_hmac },
      ] as const)
        expectBlinded(place, downstreamRemoved(circuitOf(place), removal).effects)
    })

    it('of our own: refused, lost on chain, waited too long, and said again after a restart', () => {
      const turns: readonly SwitchTurn[] = [
        downstreamRefused(circuitOf(place)),
        downstreamLost(circuitOf(place)),
        circuitTick(circuitOf(place), { time: 9e9, height: 1_000, place: 'waiting', ready: true }),
      ]
      for (const turn of turns) {
        expectBlinded(place, turn.effects)
        expectBlinded(place, circuitResumed(turn.circuit as Circuit))
      }
    })

    it('held: resumed with its path key, or failed', () => {
      const held = beginForward(ask(place), { ...CTX, intercept: true }).circuit as Circuit
      expect(resumeHeld(held, CTX).effects[0]).toMatchObject({ add: { pathKey: PATH_KEY } })
      expectBlinded(place, resumeHeld(held, { ...CTX, links: [] }).effects)
      expectBlinded(place, failHeld(held).effects)
    })

    it('a preimage goes upstream as ever', () => {
      expect(removalIn(preimageKnown(circuitOf(place), PREIMAGE).effects)).toEqual({
        type: 'fulfill',
        id: 4n,
        preimage: PREIMAGE,
      })
    })
  })
})
