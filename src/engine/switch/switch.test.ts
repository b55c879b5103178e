import { describe, expect, it } from 'vitest'
import { msat } from '../base/units.ts'
import { sha256 } from '../crypto/hash.ts'
import { encodeFailure, FAILURE_CODES, type FailureName } from '../onion/failure.ts'
import { failurePacket, readFailure } from '../onion/failure-packet.ts'
import { LONGEST_ATTRIBUTED, withAttribution } from '../onion/attributed.ts'
import { encodeMessage } from '../wire/encode.ts'
import {
  beginForward,
  circuitResumed,
  circuitTick,
  downstreamLost,
  downstreamRefused,
  downstreamRemoved,
  failHeld,
  type ForwardContext,
  MAX_HOLD_MS,
  MAX_WAIT_MS,
  preimageKnown,
  resumeHeld,
  upstreamOver,
} from './circuit.ts'
import { DEFAULT_FORWARD_POLICY, forwardFeeMsat } from './policy.ts'
import {
  isFull,
  MAX_IN_BUCKET,
  onionId,
  type SeenOnions,
  wasSeen,
  withoutExpired,
  withSeen,
} from './replay.ts'
import type { Circuit, ForwardAsk, Link, SwitchEffect, SwitchTurn } from './types.ts'

const A = 'aa'.repeat(32)
const B = 'bb'.repeat(32)
const C = 'cc'.repeat(32)
const SECRET = new Uint8Array(32).fill(7)
const PREIMAGE = new Uint8Array(32).fill(9)

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

const ASK: ForwardAsk = {
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
}

const CTX: ForwardContext = {
  now: 5_000,
  height: 1_000,
  links: [link(A, 'alice'), link(B, 'bob')],
  allowed: true,
  intercept: false,
}

/** What the sender would read. */
function failureIn(effects: readonly SwitchEffect[], hops = 1) {
  const removal = effects.flatMap((e) => (e.type === 'remove' ? [e.removal] : []))[0]
  if (removal?.type !== 'fail') throw new Error('not failed')
  const secrets = Array.from({ length: hops }, (_, i) => new Uint8Array(32).fill(7 + i))
  return readFailure({ sharedSecrets: secrets, reason: removal.reason }).source
}

const nameOf = (turn: SwitchTurn): string | undefined => failureIn(turn.effects)?.failure.failure.name

const begun = (ask: Partial<ForwardAsk> = {}, ctx: Partial<ForwardContext> = {}): SwitchTurn =>
  beginForward({ ...ASK, ...ask }, { ...CTX, ...ctx })

const circuit = (): Circuit => begun().circuit as Circuit

describe('a forward that keeps our terms to the msat and the block', () => {
  it('is offered through the channel that the onion names, with what the onion says', () => {
    const { circuit: made, effects } = begun()
    expect(made).toMatchObject({ state: 'offered', outgoingChannel: B, incomingChannel: A, incomingId: 4n })
    expect(effects).toEqual([
      {
        type: 'offer',
        channelId: B,
        add: {
          type: 'add',
          amountMsat: 1_000_000n,
          paymentHash: ASK.paymentHash,
          cltvExpiry: 1_100,
          onion: ASK.next,
          token: `fwd/${A}/4`,
        },
      },
    ])
  })

  it('goes through another channel with the same peer where the named one cannot bear it, and never back through its own', () => {
    const full = link(B, 'bob', { bears: () => false })
    expect(begun({}, { links: [full, link(C, 'bob')] }).circuit?.outgoingChannel).toBe(C)
    expect(nameOf(begun({}, { links: [full, link(C, 'carol')] }))).toBe('temporary_channel_failure')
    expect(nameOf(begun({ shortChannelId: 0xaaaan }))).toBe('temporary_channel_failure')
  })

  it('goes where there is room now before it waits for room in the channel that was named', () => {
    const full = link(B, 'bob', { waits: () => true })
    expect(begun({}, { links: [full, link(C, 'bob')] }).circuit?.outgoingChannel).toBe(C)
    expect(begun({}, { links: [full] }).circuit?.outgoingChannel).toBe(B)
  })

  it('fees are rounded down, as BOLT 7 has them', () => {
    expect(forwardFeeMsat({ feeBaseMsat: 1, feeProportionalMillionths: 1 }, msat(1_999_999))).toBe(2n)
  })
})

describe('a forward is failed with', () => {
  const offline = [link(B, 'bob', { state: 'offline' })]
  const cases: readonly (readonly [string, Partial<ForwardAsk>, Partial<ForwardContext>])[] = [
    ['unknown_next_peer', { shortChannelId: 99n }, {}],
    ['unknown_next_peer', {}, { allowed: false }],
    ['permanent_channel_failure', {}, { links: [link(B, 'bob', { state: 'closing' })] }],
    ['temporary_node_failure', {}, { height: 0 }],
    ['amount_below_minimum', { amtToForward: msat(0) }, {}],
    ['fee_insufficient', { amountMsat: msat(1_001_099) }, {}],
    ['fee_insufficient', { amountMsat: msat(999_999) }, {}],
    ['incorrect_cltv_expiry', { cltvExpiry: 1_179 }, {}],
    ['expiry_too_soon', { outgoingCltvValue: 1_005 }, {}],
    ['expiry_too_far', { cltvExpiry: 3_017 }, {}],
    ['temporary_channel_failure', {}, { links: offline }],
    ['temporary_channel_failure', {}, { links: [link(B, 'bob', { htlcMaximumMsat: msat(999_999) })] }],
  ]
  it.each(cases)('%s (%#)', (name, ask, ctx) => {
    const turn = begun(ask, ctx)
    expect(turn.circuit).toBeUndefined()
    expect(nameOf(turn)).toBe(name)
    expect(turn.effects.some((e) => e.type === 'offer')).toBe(false)
  })

  it('every failure of BOLT 4 has its case: here, where onions are read, at the recipient; or a reason why it is never said', () => {
    const elsewhere: Partial<Record<FailureName, string>> = {
      invalid_onion_version: 'payment/read-onion.ts, incoming.test.ts',
      invalid_onion_hmac: 'payment/read-onion.ts; an onion that came before: node/forwards.ts',
      invalid_onion_key: 'payment/read-onion.ts, incoming.test.ts',
      invalid_onion_payload: 'payment/read-onion.ts, incoming.test.ts',
      invalid_onion_blinding: 'onion/blinded-failure.ts, blinded.test.ts',
      incorrect_or_unknown_payment_details: 'payment/incoming.ts',
      final_incorrect_cltv_expiry: 'payment/incoming.ts',
      final_incorrect_htlc_amount: 'payment/incoming.ts',
      mpp_timeout: 'payment/parts.ts',
      permanent_node_failure: 'never: a node that stops for good says nothing any more',
      required_node_feature_missing: 'never: we demand none of senders',
      required_channel_feature_missing: 'never: our channels demand none of senders',
      channel_disabled:
        'never: a peer that is away is told as temporary_channel_failure, which needs no update',
    }
    const here = new Set<string>(cases.map(([name]) => name))
    expect(Object.keys(elsewhere).filter((name) => here.has(name))).toEqual([])
    expect([...here, ...Object.keys(elsewhere)].sort()).toEqual(Object.keys(FAILURE_CODES).sort())
  })

  it('the amount or expiry that BOLT 4 wants reported: the outgoing one, and the incoming one where the fee is too low', () => {
    const dear = [link(B, 'bob', { policy: { ...DEFAULT_FORWARD_POLICY, htlcMinimumMsat: msat(2_000_000) } })]
    const told = (turn: SwitchTurn) => failureIn(turn.effects)?.failure.failure
    expect(told(begun({}, { links: dear }))).toMatchObject({
      name: 'amount_below_minimum',
      htlcMsat: 1_000_000n,
    })
    expect(told(begun({ amountMsat: msat(1_001_099) }))).toMatchObject({ htlcMsat: 1_001_099n })
    expect(told(begun({ cltvExpiry: 1_179 }))).toMatchObject({ cltvExpiry: 1_100 })
  })

  it('temporary_channel_failure where its channel holds more in trimmed HTLCs than we let (BOLT 2)', () => {
    const turn = begun({ overDust: true })
    expect(turn.circuit).toBeUndefined()
    expect(nameOf(turn)).toBe('temporary_channel_failure')
  })

  it('no channel_update, which would tell who asked (BOLT 4)', () => {
    const failure = failureIn(begun({}, { links: offline }).effects)?.failure.failure
    expect(failure).toEqual({ name: 'temporary_channel_failure', channelUpdate: new Uint8Array(0) })
  })

  it('exactly at each limit it passes', () => {
    expect(begun({ outgoingCltvValue: 1_006, cltvExpiry: 3_016 }).circuit?.state).toBe('offered')
  })
})

describe('what comes back from the next hop', () => {
  it('a preimage goes upstream at once and once, and counts', () => {
    const first = preimageKnown(circuit(), PREIMAGE)
    expect(first.circuit?.state).toBe('settling')
    expect(first.effects[0]).toEqual({
      type: 'remove',
      channelId: A,
      removal: { type: 'fulfill', id: 4n, preimage: PREIMAGE },
      attribute: { sharedSecret: SECRET, since: expect.any(Number) as number },
    })
    expect(first.effects[1]).toMatchObject({ event: { type: 'htlcForwarded', feeMsat: 1_100n } })
    const again = downstreamRemoved(first.circuit as Circuit, { type: 'fulfill', id: 0n, preimage: PREIMAGE })
    expect(again.effects).toEqual([])
    expect(upstreamOver(again.circuit as Circuit).circuit).toBeUndefined()
    // The other way round: what is paid for upstream waits for the end downstream.
    const early = upstreamOver(first.circuit as Circuit).circuit as Circuit
    expect(early.state).toBe('settling')
    expect(downstreamRemoved(early, { type: 'fulfill', id: 0n, preimage: PREIMAGE }).circuit).toBeUndefined()
  })

  it('upstream hears how long we had it, for any amount, and what came from downstream where something came (BOLT 2)', () => {
    const attributionData = new Uint8Array(920).fill(3)
    for (const amountMsat of [1n, 1_000n, 1_001_100n].map(msat)) {
      const small = { ...circuit(), incomingMsat: amountMsat, outgoingMsat: amountMsat }
      const ask = { sharedSecret: SECRET, since: small.receivedAt }
      expect(preimageKnown(small, PREIMAGE).effects[0]).toHaveProperty('attribute', ask)
      expect(preimageKnown(small, PREIMAGE, attributionData).effects[0]).toHaveProperty('attribute', {
        ...ask,
        received: attributionData,
      })
    }
  })

  it('a preimage of something else is a defect', () => {
    expect(() => preimageKnown(circuit(), SECRET)).toThrow()
  })

  it('a failure is wrapped, so that the sender reads it as the next hop’s', () => {
    const secret = new Uint8Array(32).fill(8)
    const reason = failurePacket(secret, encodeFailure({ name: 'mpp_timeout' }))
    const turn = downstreamRemoved(circuit(), { type: 'fail', id: 0n, reason })
    expect(turn.circuit?.state).toBe('failing')
    expect(failureIn(turn.effects, 2)).toMatchObject({
      hop: 1,
      failure: { failure: { name: 'mpp_timeout' } },
    })
  })

  it('a failure of any length that fits a message is passed on whole: where attribution has no room beside it, without', () => {
    for (const length of [292, LONGEST_ATTRIBUTED, LONGEST_ATTRIBUTED + 1, 65_535 - 44]) {
      const turn = downstreamRemoved(circuit(), { type: 'fail', id: 0n, reason: new Uint8Array(length) })
      const [told] = turn.effects.flatMap((e) => (e.type === 'remove' ? [e] : []))
      if (told?.removal.type !== 'fail' || told.attribute === undefined) throw new Error('not failed')
      const { id, reason, attributionData } = withAttribution(told.removal, told.attribute, 9_000)
      expect(reason.length).toBe(length)
      expect(attributionData !== undefined).toBe(length <= LONGEST_ATTRIBUTED)
      // Throws, which stops the node, where it does not fit.
      encodeMessage({
        type: 'update_fail_htlc',
        channelId: new Uint8Array(32),
        id,
        reason,
        ...(attributionData === undefined ? {} : { attributionData }),
      })
    }
  })

  it('a malformed onion becomes a failure of ours that names it (BOLT 2)', () => {
    const sha256OfOnion = sha256(ASK.next)
    const turn = downstreamRemoved(circuit(), {
      type: 'malformed',
      id: 0n,
      sha256OfOnion,
      failureCode: 0xc005,
    })
    expect(failureIn(turn.effects)?.failure.failure).toEqual({ name: 'invalid_onion_hmac', sha256OfOnion })
    const odd = downstreamRemoved(circuit(), {
      type: 'malformed',
      id: 0n,
      sha256OfOnion,
      failureCode: 0x8099,
    })
    expect(failureIn(odd.effects)?.failure.code).toBe(0x8099)
  })

  it('an add that never entered a log, and an HTLC lost on chain, are told apart', () => {
    expect(nameOf(downstreamRefused(circuit()))).toBe('temporary_channel_failure')
    expect(nameOf(downstreamLost(circuit()))).toBe('permanent_channel_failure')
  })
})

describe('time', () => {
  const now = { time: 5_000 + MAX_WAIT_MS, height: 1_000, place: 'waiting', ready: true } as const

  it('an add that waits for room is taken back when its time is up, or when its peer is gone', () => {
    expect(circuitTick(circuit(), now).effects).toEqual([])
    const late = circuitTick(circuit(), { ...now, time: now.time + 1 })
    expect(late.effects[0]).toEqual({ type: 'withdraw', channelId: B, token: `fwd/${A}/4` })
    expect(nameOf(late)).toBe('temporary_channel_failure')
    expect(circuitTick(circuit(), { ...now, time: 5_000, ready: false }).effects[0]?.type).toBe('withdraw')
  })

  it('an HTLC that was offered waits for its removal, whatever the clock says', () => {
    const ever = { ...now, place: 'offered', time: 1e15, ready: false, height: 9_999 } as const
    expect(circuitTick(circuit(), ever)).toEqual({ circuit: circuit(), effects: [] })
    expect(circuitTick(circuit(), { ...ever, place: 'unknown' }).effects).toEqual([])
  })

  it('an HTLC that upstream took back on chain still waits for downstream; paid there, it is a loss and said so', () => {
    const orphan = upstreamOver(circuit()).circuit as Circuit
    expect(orphan.upstreamOver).toBe(true)
    expect(preimageKnown(orphan, PREIMAGE)).toEqual({
      circuit: undefined,
      effects: [
        { type: 'event', event: { type: 'forwardLost', outgoingChannel: B, amountMsat: 1_000_000n } },
      ],
    })
    expect(downstreamLost(orphan)).toEqual({ circuit: undefined, effects: [] })
  })

  it('after a start the answer that is due upstream is given again, and never a failure for a preimage', () => {
    const settling = preimageKnown(circuit(), PREIMAGE).circuit as Circuit
    expect(circuitResumed(settling)).toMatchObject([{ removal: { type: 'fulfill', preimage: PREIMAGE } }])
    const failing = downstreamRefused(circuit()).circuit as Circuit
    expect(circuitResumed(failing)).toMatchObject([{ removal: { type: 'fail' } }])
    expect(circuitResumed(circuit())).toEqual([])
  })
})

describe('a held HTLC', () => {
  const held = (): Circuit => begun({}, { intercept: true }).circuit as Circuit

  it('offers nothing until the user says so, and is then judged anew', () => {
    expect(begun({}, { intercept: true }).effects.map((e) => e.type)).toEqual(['event'])
    expect(resumeHeld(held(), CTX).circuit?.state).toBe('offered')
    expect(nameOf(resumeHeld(held(), { ...CTX, height: 1_095 }))).toBe('expiry_too_soon')
  })

  it('is failed by the user, by time, and before what it needs is gone', () => {
    expect(nameOf(failHeld(held()))).toBe('temporary_channel_failure')
    const at = (time: number, height: number): SwitchTurn =>
      circuitTick(held(), { time, height, place: 'unknown', ready: false })
    expect(at(5_000 + MAX_HOLD_MS, 1_000).effects).toEqual([])
    expect(nameOf(at(5_001 + MAX_HOLD_MS, 1_000))).toBe('temporary_channel_failure')
    expect(nameOf(at(5_000, 1_095))).toBe('temporary_channel_failure')
  })
})

describe('onions seen before', () => {
  it('are known until the HTLC that brought them has expired', () => {
    const id = onionId(SECRET)
    const seen = withSeen(withSeen({}, id, 700), onionId(PREIMAGE), 800)
    expect(wasSeen(seen, id)).toBe(true)
    expect(withoutExpired(seen, 700)).toEqual({ seen, expired: [] })
    const later = withoutExpired(seen, 701)
    expect(later.expired).toEqual([id])
    expect(wasSeen(later.seen, id)).toBe(false)
    expect(wasSeen(later.seen, onionId(PREIMAGE))).toBe(true)
  })

  it('are bounded in number, whoever sends them, and have room again when some have expired', () => {
    const idOf = (n: number) => `00${n.toString(16).padStart(30, '0')}`
    let seen: SeenOnions = {}
    const owned = new Set<object>()
    for (let n = 0; n < MAX_IN_BUCKET - 1; n++) seen = withSeen(seen, idOf(n), 700 + n, owned)
    // The same again counts once.
    seen = withSeen(seen, idOf(0), 700)
    expect(isFull(seen, idOf(5_000))).toBe(false)
    seen = withSeen(seen, idOf(5_000), 5_000)
    expect(isFull(seen, idOf(5_001))).toBe(true)
    expect(isFull(seen, `01${idOf(1).slice(2)}`)).toBe(false)
    expect(isFull(withoutExpired(seen, 701).seen, idOf(5_001))).toBe(false)
  })
})
