import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, uintBE } from '../base/bytes.ts'
import type { Msat, Sat } from '../base/units.ts'
import { MAX_SAT, msat, sat } from '../base/units.ts'
import { publicKey } from '../crypto/curve.ts'
import { decodeMessage } from './decode.ts'
import { encodeMessage, messageNumber } from './encode.ts'
import type { Message, MessageOf, MessageType } from './messages.ts'
import { invalidPoints } from './points.ts'
import { CODECS, CODECS_BY_NUMBER } from './table.ts'
import { encodeTlvRecords } from './tlv.ts'

// ---- random messages of every type ----

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const upTo = (maxLength: number) => fc.uint8Array({ maxLength })
const b32 = bytesOf(32)
const sig = bytesOf(64)
const point = fc.tuple(fc.constantFrom(2, 3), b32).map(([p, x]) => concat(Uint8Array.of(p), x))
const u8 = fc.integer({ min: 0, max: 0xff })
const u16 = fc.integer({ min: 0, max: 0xffff })
const u32 = fc.integer({ min: 0, max: 0xffff_ffff })
const u64 = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn })
const satAmount = fc.bigInt({ min: 0n, max: MAX_SAT }).map((n) => n as Sat)
const msatAmount = fc.bigInt({ min: 0n, max: MAX_SAT * 1000n }).map((n) => n as Msat)
const msatLimit = u64.map((n) => n as Msat)
const blob = upTo(300)

const points = (min: number, max: number) =>
  fc.record({
    firstNumber: u64,
    points: fc.array(fc.record({ point, proof: sig }), { minLength: min, maxLength: max }),
  })
const lcpParameters = fc.record({
  revocationWindow: fc.integer({ min: 1, max: 64 }),
  maxTrimmedHtlcs: u16,
  maxDustInFlightMsat: msatLimit,
  basepointProof: sig,
  firstPointProof: sig,
})
const opening = {
  temporaryChannelId: b32,
  dustLimitSatoshis: satAmount,
  maxHtlcValueInFlightMsat: msatLimit,
  channelReserveSatoshis: satAmount,
  htlcMinimumMsat: msatLimit,
  toSelfDelay: u16,
  maxAcceptedHtlcs: u16,
  fundingPubkey: point,
  revocationBasepoint: point,
  paymentBasepoint: point,
  delayedPaymentBasepoint: point,
  htlcBasepoint: point,
  firstPerCommitmentPoint: point,
}
const closing = {
  channelId: b32,
  closerScriptpubkey: blob,
  closeeScriptpubkey: blob,
  feeSatoshis: satAmount,
  locktime: u32,
}
const htlc = { channelId: b32, id: u64 }
const extra = { extra: fc.uint8Array({ minLength: 1, maxLength: 50 }) }

/** `required` and each of `optional` or not, as the message type `T`. */
const make = <T extends MessageType>(
  type: T,
  required: Record<string, fc.Arbitrary<unknown>>,
  optional: Record<string, fc.Arbitrary<unknown>> = {},
): fc.Arbitrary<MessageOf<T>> =>
  fc.record(
    { type: fc.constant(type), ...required, ...optional },
    { requiredKeys: ['type', ...Object.keys(required)] as never[] },
  ) as unknown as fc.Arbitrary<MessageOf<T>>

const queried = fc.array(u64, { maxLength: 20 }).chain((shortChannelIds) => {
  const each = <T>(item: fc.Arbitrary<T>) =>
    fc.array(item, { minLength: shortChannelIds.length, maxLength: shortChannelIds.length })
  return fc.record({
    shortChannelIds: fc.constant(shortChannelIds),
    queryFlags: each(u64),
    timestamps: each(fc.record({ timestampNodeId1: u32, timestampNodeId2: u32 })),
    checksums: each(fc.record({ checksumNodeId1: u32, checksumNodeId2: u32 })),
  })
})

const ARBITRARY: { readonly [T in MessageType]: fc.Arbitrary<MessageOf<T>> } = {
  init: make(
    'init',
    { globalfeatures: upTo(4), features: upTo(40) },
    { networks: fc.array(b32, { maxLength: 5 }), remoteAddr: upTo(40) },
  ),
  error: make('error', { channelId: b32, data: blob }),
  warning: make('warning', { channelId: b32, data: blob }),
  ping: make('ping', { numPongBytes: u16, ignored: blob }),
  pong: make('pong', { ignored: blob }),
  peer_storage: make('peer_storage', { blob }),
  peer_storage_retrieval: make('peer_storage_retrieval', { blob }),
  onion_message: make('onion_message', { pathKey: point, onionMessagePacket: blob }),
  open_channel: make(
    'open_channel',
    {
      ...opening,
      chainHash: b32,
      fundingSatoshis: satAmount,
      pushMsat: msatAmount,
      feeratePerKw: u32,
      channelFlags: u8,
    },
    { upfrontShutdownScript: upTo(34), channelType: upTo(34), lcpParameters },
  ),
  accept_channel: make(
    'accept_channel',
    { ...opening, minimumDepth: u32 },
    { upfrontShutdownScript: upTo(34), channelType: upTo(34), lcpParameters },
  ),
  funding_created: make('funding_created', {
    temporaryChannelId: b32,
    fundingTxid: b32,
    fundingOutputIndex: u16,
    signature: sig,
  }),
  funding_signed: make('funding_signed', { channelId: b32, signature: sig }),
  channel_ready: make(
    'channel_ready',
    { channelId: b32, secondPerCommitmentPoint: point },
    { shortChannelId: u64, lcpPoints: points(1, 64) },
  ),
  announcement_signatures: make('announcement_signatures', {
    channelId: b32,
    shortChannelId: u64,
    nodeSignature: sig,
    bitcoinSignature: sig,
  }),
  shutdown: make('shutdown', { channelId: b32, scriptpubkey: blob }),
  closing_signed: make(
    'closing_signed',
    { channelId: b32, feeSatoshis: satAmount, signature: sig },
    { feeRange: fc.record({ minFeeSatoshis: satAmount, maxFeeSatoshis: satAmount }) },
  ),
  closing_complete: make('closing_complete', closing, {
    closerOutputOnly: sig,
    closeeOutputOnly: sig,
    closerAndCloseeOutputs: sig,
  }),
  closing_sig: make('closing_sig', closing, {
    closerOutputOnly: sig,
    closeeOutputOnly: sig,
    closerAndCloseeOutputs: sig,
  }),
  update_add_htlc: make(
    'update_add_htlc',
    { ...htlc, amountMsat: msatAmount, paymentHash: b32, cltvExpiry: u32, onionRoutingPacket: bytesOf(1366) },
    { pathKey: point },
  ),
  update_fulfill_htlc: make(
    'update_fulfill_htlc',
    { ...htlc, paymentPreimage: b32 },
    { attributionData: bytesOf(920) },
  ),
  update_fail_htlc: make('update_fail_htlc', { ...htlc, reason: blob }, { attributionData: bytesOf(920) }),
  update_fail_malformed_htlc: make('update_fail_malformed_htlc', {
    ...htlc,
    sha256OfOnion: b32,
    failureCode: u16,
  }),
  update_fee: make('update_fee', { channelId: b32, feeratePerKw: u32 }),
  commitment_signed: make(
    'commitment_signed',
    { channelId: b32, signature: sig, htlcSignatures: fc.array(sig, { maxLength: 20 }) },
    { lcpIndexes: fc.record({ commitmentNumber: u64, openerIndex: u64, accepterIndex: u64 }) },
  ),
  revoke_and_ack: make(
    'revoke_and_ack',
    { channelId: b32, perCommitmentSecret: b32, nextPerCommitmentPoint: point },
    { lcpPoints: points(0, 2) },
  ),
  channel_reestablish: make(
    'channel_reestablish',
    {
      channelId: b32,
      nextCommitmentNumber: u64,
      nextRevocationNumber: u64,
      yourLastPerCommitmentSecret: b32,
      myCurrentPerCommitmentPoint: point,
    },
    { lcpState: fc.record({ openerIndex: u64, accepterIndex: u64 }) },
  ),
  stfu: make('stfu', { channelId: b32, initiator: u8 }),
  channel_announcement: make(
    'channel_announcement',
    {
      nodeSignature1: sig,
      nodeSignature2: sig,
      bitcoinSignature1: sig,
      bitcoinSignature2: sig,
      features: blob,
      chainHash: b32,
      shortChannelId: u64,
      nodeId1: point,
      nodeId2: point,
      bitcoinKey1: point,
      bitcoinKey2: point,
    },
    extra,
  ),
  node_announcement: make(
    'node_announcement',
    {
      signature: sig,
      features: blob,
      timestamp: u32,
      nodeId: point,
      rgbColor: bytesOf(3),
      alias: b32,
      addresses: blob,
    },
    extra,
  ),
  channel_update: make(
    'channel_update',
    {
      signature: sig,
      chainHash: b32,
      shortChannelId: u64,
      timestamp: u32,
      messageFlags: u8,
      channelFlags: u8,
      cltvExpiryDelta: u16,
      htlcMinimumMsat: msatLimit,
      feeBaseMsat: u32,
      feeProportionalMillionths: u32,
      htlcMaximumMsat: msatLimit,
    },
    extra,
  ),
  announcement_nonces: make('announcement_nonces', {
    channelId: b32,
    shortChannelId: u64,
    nodeNonce: bytesOf(66),
    bitcoinNonce: bytesOf(66),
  }),
  announcement_partial_signatures: make('announcement_partial_signatures', {
    channelId: b32,
    shortChannelId: u64,
    nodePartial: b32,
    bitcoinPartial: b32,
  }),
  proven_channel_announcement: make('proven_channel_announcement', {
    signature: sig,
    features: blob,
    chainHash: b32,
    shortChannelId: u64,
    nodeId1: point,
    nodeId2: point,
    bitcoinKey1: point,
    bitcoinKey2: point,
    branch: fc.array(b32, { maxLength: 14 }),
    fundingTx: blob,
  }),
  gossip_timestamp_filter: make('gossip_timestamp_filter', {
    chainHash: b32,
    firstTimestamp: u32,
    timestampRange: u32,
  }),
  query_short_channel_ids: fc
    .tuple(b32, queried, fc.boolean())
    .map(([chainHash, { shortChannelIds, queryFlags }, flags]) => ({
      type: 'query_short_channel_ids',
      chainHash,
      shortChannelIds,
      ...(flags ? { queryFlags } : {}),
    })),
  reply_short_channel_ids_end: make('reply_short_channel_ids_end', { chainHash: b32, fullInformation: u8 }),
  query_channel_range: make(
    'query_channel_range',
    { chainHash: b32, firstBlocknum: u32, numberOfBlocks: u32 },
    { queryOption: u64 },
  ),
  reply_channel_range: fc
    .tuple(
      fc.record({ chainHash: b32, firstBlocknum: u32, numberOfBlocks: u32, syncComplete: u8 }),
      queried,
      fc.boolean(),
      fc.boolean(),
    )
    .map(([head, { shortChannelIds, timestamps, checksums }, times, sums]) => ({
      type: 'reply_channel_range',
      ...head,
      shortChannelIds,
      ...(times ? { timestamps } : {}),
      ...(sums ? { checksums } : {}),
    })),
}

const anyMessage: fc.Arbitrary<Message> = fc.oneof(...Object.values<fc.Arbitrary<Message>>(ARBITRARY))

const decoded = (bytes: Uint8Array): Message => {
  const result = decodeMessage(bytes)
  if (!result.ok) throw new Error(`${result.error.code}: ${result.error.message}`)
  return result.value
}

describe('every message', () => {
  it.each(Object.entries<fc.Arbitrary<Message>>(ARBITRARY))(
    '%s survives the wire unchanged',
    (type, arbitrary) => {
      fc.assert(
        fc.property(arbitrary, (message) => {
          const wire = encodeMessage(message)
          expect(decoded(wire)).toEqual(message)
          expect(wire[0]! * 256 + wire[1]!).toBe(messageNumber(message))
        }),
        { numRuns: 50 },
      )
      expect(type in CODECS).toBe(true)
    },
  )

  it('ignores unknown odd TLVs and refuses unknown even ones', () => {
    fc.assert(
      fc.property(anyMessage, fc.boolean(), (message, even) => {
        fc.pre(message.type !== 'unknown' && !('extra' in message))
        const number = messageNumber(message)
        const tail = encodeTlvRecords([{ type: (1n << 60n) + (even ? 0n : 1n), value: new Uint8Array(3) }])
        const result = decodeMessage(concat(encodeMessage(message), tail))
        if (!even) expect(result).toEqual({ ok: true, value: withTail(message, tail) })
        else if (!result.ok)
          expect(result.error).toMatchObject({
            code: 'tlv_unknown_even',
            tlvType: 1n << 60n,
            messageType: number,
          })
        else expect(PLAIN.has(message.type) || SIGNED.has(message.type)).toBe(true)
      }),
      { numRuns: 400 },
    )
  })
})

const SIGNED = new Set<string>(['channel_announcement', 'node_announcement', 'channel_update'])
/** Messages for which BOLT defines no TLVs and neither do we: what follows is ignored. */
const PLAIN = new Set<string>([
  'error',
  'warning',
  'ping',
  'pong',
  'peer_storage',
  'peer_storage_retrieval',
  'onion_message',
  'funding_created',
  'funding_signed',
  'announcement_signatures',
  'announcement_nonces',
  'announcement_partial_signatures',
  'shutdown',
  'update_fail_malformed_htlc',
  'update_fee',
  'stfu',
  'reply_short_channel_ids_end',
  'gossip_timestamp_filter',
])
/** Signed gossip keeps what follows its fields, all else drops an unknown odd record. */
const withTail = (message: Message, tail: Uint8Array): Message =>
  SIGNED.has(message.type) ? ({ ...message, extra: tail } as Message) : message

describe('decodeMessage on anything', () => {
  const numbers = [...CODECS_BY_NUMBER.keys()]

  it('returns a result for random bytes of every message type', () => {
    fc.assert(
      fc.property(fc.constantFrom(...numbers), upTo(2000), (number, body) => {
        const result = decodeMessage(concat(uintBE(number, 2), body))
        // What it accepts, it also writes, and reads back the same.
        if (result.ok) expect(decoded(encodeMessage(result.value))).toEqual(result.value)
      }),
      { numRuns: 3000 },
    )
  })

  it('returns a result for random bytes', () => {
    fc.assert(
      fc.property(upTo(200), (bytes) => {
        expect(typeof decodeMessage(bytes).ok).toBe('boolean')
      }),
      { numRuns: 2000 },
    )
  })

  it('returns a result for valid messages that were cut, flipped, lengthened or spliced', () => {
    const mutation = fc.record({
      at: fc.nat(3000),
      byte: u8,
      kind: fc.constantFrom('flip', 'cut', 'insert', 'set'),
    })
    fc.assert(
      fc.property(anyMessage, fc.array(mutation, { minLength: 1, maxLength: 4 }), (message, mutations) => {
        let wire = encodeMessage(message)
        for (const { at, byte, kind } of mutations) {
          const i = 2 + (at % Math.max(1, wire.length - 2))
          if (kind === 'cut') wire = wire.slice(0, i)
          else if (kind === 'insert') wire = concat(wire.slice(0, i), Uint8Array.of(byte), wire.slice(i))
          else if (i < wire.length) wire[i] = kind === 'flip' ? wire[i]! ^ (1 << (byte % 8)) : byte
        }
        const result = decodeMessage(wire)
        if (result.ok) expect(decoded(encodeMessage(result.value))).toEqual(result.value)
      }),
      { numRuns: 3000 },
    )
  })

  it('cutting a message anywhere inside its fixed fields is refused', () => {
    fc.assert(
      fc.property(anyMessage, fc.double({ min: 0, max: 1, noNaN: true }), (message, where) => {
        const bare = encodeMessage(bareOf(message))
        const result = decodeMessage(bare.subarray(0, Math.floor(where * (bare.length - 1))))
        expect(result.ok).toBe(false)
      }),
      { numRuns: 500 },
    )
  })

  it('takes 65,535 bytes of the worst of every type in a moment, and nothing longer', () => {
    const worst: Uint8Array[] = []
    for (const number of numbers)
      for (const fill of [0x00, 0x01, 0x02, 0xfc, 0xff])
        worst.push(concat(uintBE(number, 2), new Uint8Array(65_533).fill(fill)))
    // As many TLV records as fit: odd types in ascending order, empty.
    const many = Array.from({ length: 10_000 }, (_, i) => ({
      type: BigInt(2 * i + 1001),
      value: new Uint8Array(0),
    }))
    worst.push(concat(uintBE(16, 2), uintBE(0, 4), encodeTlvRecords(many)))
    const ids = Array.from({ length: 6_000 }, (_, i) => BigInt(i))
    const list = {
      type: 'query_short_channel_ids',
      chainHash: new Uint8Array(32),
      shortChannelIds: ids,
    } as const
    worst.push(encodeMessage({ ...list, queryFlags: ids.map(() => 1n) }))
    const start = performance.now()
    const taken = worst.map((wire) => decodeMessage(wire).ok)
    // Some 180 messages in well under 100 ms; anything quadratic would take minutes.
    expect(performance.now() - start).toBeLessThan(5_000)
    expect(taken.slice(-2)).toEqual([true, true])
    expect(decodeMessage(new Uint8Array(65_536))).toMatchObject({ ok: false, error: { code: 'too_long' } })
  })

  it('tells unknown even types (disconnect) from unknown odd ones (ignore)', () => {
    expect(decodeMessage(uintBE(32_768, 2))).toMatchObject({
      ok: false,
      error: { code: 'unknown_even_message', messageType: 32_768 },
    })
    expect(decodeMessage(uintBE(32_769, 2))).toEqual({
      ok: true,
      value: { type: 'unknown', number: 32_769, payload: new Uint8Array(0) },
    })
    expect(decodeMessage(new Uint8Array(1))).toMatchObject({ ok: false, error: { code: 'truncated' } })
  })
})

/** A message with its fixed fields only, and its counted fields as they are. */
function bareOf(message: Message): Message {
  const optional = [
    'networks',
    'remoteAddr',
    'upfrontShutdownScript',
    'channelType',
    'lcpParameters',
    'lcpPoints',
    'lcpIndexes',
    'lcpState',
    'feeRange',
    'closerOutputOnly',
    'closeeOutputOnly',
    'closerAndCloseeOutputs',
    'attributionData',
    'queryFlags',
    'queryOption',
    'timestamps',
    'checksums',
    'extra',
    ...(message.type === 'channel_ready' ? ['shortChannelId'] : []),
    ...(message.type === 'update_add_htlc' ? ['pathKey'] : []),
  ]
  return Object.fromEntries(
    Object.entries(message).filter(([k]) => !optional.includes(k)),
  ) as unknown as Message
}

describe('lcp', () => {
  const channelId = new Uint8Array(32)
  const signature = new Uint8Array(64).fill(1)
  const lcpIndexes = { commitmentNumber: 1n, openerIndex: 2n, accepterIndex: 3n }

  it('fits the largest commitment_signed, 967 signatures, into one message', () => {
    const message: Message = {
      type: 'commitment_signed',
      channelId,
      signature,
      htlcSignatures: Array.from({ length: 966 }, () => signature),
      lcpIndexes,
    }
    const wire = encodeMessage(message)
    expect(wire.length).toBe(2 + 32 + 64 + 2 + 966 * 64 + (5 + 1 + 24))
    expect(decoded(wire)).toEqual(message)
    const more = { ...message, htlcSignatures: [...message.htlcSignatures, signature] }
    expect(() => encodeMessage(more)).toThrow(RangeError)
    const head = concat(uintBE(132, 2), channelId, signature, uintBE(967, 2), new Uint8Array(967 * 64))
    expect(decodeMessage(head)).toMatchObject({ ok: false, error: { code: 'too_many' } })
  })

  it('writes its TLVs as the design lays them out', () => {
    const wire = encodeMessage({
      type: 'commitment_signed',
      channelId,
      signature,
      htlcSignatures: [],
      lcpIndexes,
    })
    // 780315 = 0x0be81b, 24 bytes.
    expect(wire.slice(100)).toEqual(
      concat(Uint8Array.of(0xfe, 0x00, 0x0b, 0xe8, 0x1b, 24), uintBE(1, 8), uintBE(2, 8), uintBE(3, 8)),
    )
  })

  it('bounds what a message grants: 1 to 64 points when ready, up to 2 a revocation, a window of 1 to 64', () => {
    const key = concat(Uint8Array.of(2), new Uint8Array(32).fill(1))
    const grant = (count: number) => ({
      firstNumber: 1n,
      points: Array.from({ length: count }, () => ({ point: key, proof: signature })),
    })
    const ready = (count: number) =>
      decodeMessage(
        encodeMessage({
          type: 'channel_ready',
          channelId,
          secondPerCommitmentPoint: key,
          lcpPoints: grant(count),
        }),
      ).ok
    expect([0, 1, 64, 65].map(ready)).toEqual([false, true, true, false])
    const revoke = (count: number) =>
      decodeMessage(
        encodeMessage({
          type: 'revoke_and_ack',
          channelId,
          perCommitmentSecret: channelId,
          nextPerCommitmentPoint: key,
          lcpPoints: grant(count),
        }),
      ).ok
    expect([0, 1, 2, 3].map(revoke)).toEqual([true, true, true, false])
    const window = (revocationWindow: number) => {
      const [sample] = fc.sample(ARBITRARY.accept_channel, { numRuns: 1, seed: 1 })
      const lcpParameters = {
        revocationWindow,
        maxTrimmedHtlcs: 0,
        maxDustInFlightMsat: msat(0),
        basepointProof: signature,
        firstPointProof: signature,
      }
      return decodeMessage(encodeMessage({ ...sample!, lcpParameters })).ok
    }
    expect([0, 1, 64, 65].map(window)).toEqual([false, true, true, false])
  })
})

describe('points', () => {
  it('are refused by prefix when decoded, and found off the curve by invalidPoints', () => {
    const good = publicKey(new Uint8Array(32).fill(1))
    const off = concat(Uint8Array.of(2), new Uint8Array(32).fill(0xff))
    const message: MessageOf<'channel_ready'> = {
      type: 'channel_ready',
      channelId: new Uint8Array(32),
      secondPerCommitmentPoint: good,
      lcpPoints: { firstNumber: 1n, points: [{ point: good, proof: new Uint8Array(64) }] },
    }
    expect(invalidPoints(message)).toEqual([])
    const bad = {
      ...message,
      secondPerCommitmentPoint: off,
      lcpPoints: { firstNumber: 1n, points: [{ point: off, proof: new Uint8Array(64) }] },
    }
    expect(decoded(encodeMessage(bad))).toEqual(bad)
    expect(invalidPoints(bad)).toEqual(['secondPerCommitmentPoint', 'lcpPoints'])
    const prefix = { ...message, secondPerCommitmentPoint: new Uint8Array(33).fill(4) }
    expect(decodeMessage(encodeMessage(prefix))).toMatchObject({ ok: false, error: { code: 'bad_value' } })
  })

  it('invalidPoints looks at every point that a message has', () => {
    // A random x is on the curve half of the time: 02 ‖ ff… never is.
    const off = concat(Uint8Array.of(2), new Uint8Array(32).fill(0xff))
    for (const [type, arbitrary] of Object.entries<fc.Arbitrary<Message>>(ARBITRARY)) {
      const [message] = fc.sample(arbitrary, { numRuns: 1, seed: 2 })
      if (message === undefined) throw new Error(type)
      const names = Object.entries(message)
        .filter(([, v]) => v instanceof Uint8Array && v.length === 33)
        .map(([k]) => k)
        .filter((k) => !['features', 'data', 'blob', 'ignored', 'scriptpubkey', 'channelType'].includes(k))
      const bad = { ...message, ...Object.fromEntries(names.map((k) => [k, off])) } as Message
      expect(invalidPoints(bad), type).toEqual(expect.arrayContaining(names))
    }
  })
})

describe('amounts', () => {
  it('above 21 million bitcoin are refused where money moves, not in limits', () => {
    const [sample] = fc.sample(ARBITRARY.update_add_htlc, { numRuns: 1, seed: 3 })
    const wire = encodeMessage({ ...sample!, amountMsat: msat(1) })
    wire.fill(0xff, 2 + 32 + 8, 2 + 32 + 16)
    expect(decodeMessage(wire)).toMatchObject({ ok: false, error: { code: 'bad_amount' } })
    const [open] = fc.sample(ARBITRARY.open_channel, { numRuns: 1, seed: 3 })
    const none = { ...open!, maxHtlcValueInFlightMsat: msat(2n ** 64n - 1n), fundingSatoshis: sat(5) }
    expect(decoded(encodeMessage(none))).toEqual(none)
  })
})
