import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { publicKey } from '../crypto/curve.ts'
import { hmacSha256, sha256 } from '../crypto/hash.ts'
import { constructOnion, PAYLOADS_LENGTH, payloadSpace } from './construct.ts'
import { decodeFailure, encodeFailure } from './failure.ts'
import { createFailurePacket, failurePacket, readFailure, wrapFailurePacket } from './failure-packet.ts'
import { instructionOf } from './instruction.ts'
import { deriveKey, streamOf, xorInto } from './keys.ts'
import { decodeHopPayload, encodeHopPayload, type HopPayload, PAYLOAD_TYPE } from './payload.ts'
import { peelOnion } from './peel.ts'
import { decodeRecipientData, relayBlinded } from './recipient-data.ts'

const SECRETS = Array.from({ length: 38 }, (_, i) => new Uint8Array(32).fill(i + 1))
const PUBKEYS = SECRETS.map(publicKey)
const SESSION = new Uint8Array(32).fill(0x77)
const HASH = new Uint8Array(32).fill(0x42)
const pubkeyOf = (i: number): Uint8Array => PUBKEYS[i] as Uint8Array
const secretOf = (i: number): Uint8Array => SECRETS[i] as Uint8Array

function build(payloads: readonly Uint8Array[]) {
  return constructOnion({
    sessionKey: SESSION,
    associatedData: HASH,
    hops: payloads.map((payload, i) => ({ pubkey: pubkeyOf(i), payload })),
  })
}

const peel = (packet: Uint8Array, i = 0) =>
  peelOnion({ packet, associatedData: HASH, nodeSecret: secretOf(i) })

describe('onion packets', () => {
  it('come apart as they were put together, for any number and size of payloads that fit', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 2, maxLength: 400 }), { minLength: 1, maxLength: 12 }),
        (payloads) => {
          const built = build(payloads)
          const space = payloads.reduce((n, p) => n + payloadSpace(p.length), 0)
          expect(built.ok).toBe(space <= PAYLOADS_LENGTH)
          if (!built.ok) return
          let packet: Uint8Array | undefined = built.value.packet
          payloads.forEach((payload, i) => {
            expect(packet?.length).toBe(1366)
            const peeled = unwrap(peel(packet as Uint8Array, i))
            expect(peeled.payload).toEqual(payload)
            expect(peeled.sharedSecret).toEqual(built.value.sharedSecrets[i])
            packet = peeled.next
          })
          expect(packet).toBeUndefined()
        },
      ),
      { numRuns: 40 },
    )
  })

  it('hold 37 of the smallest payloads, or one of 1265 bytes, and no more', () => {
    const small = new Uint8Array(2)
    const full = unwrap(build(Array.from({ length: 37 }, () => small)))
    expect(full.sharedSecrets.length).toBe(37)
    expect(unwrap(peel(full.packet)).payload).toEqual(small)
    expect(build(Array.from({ length: 38 }, () => small))).toMatchObject({ error: 'too_large' })
    expect(unwrap(peel(unwrap(build([new Uint8Array(1265)])).packet)).payload.length).toBe(1265)
    expect(build([new Uint8Array(1266)])).toMatchObject({ error: 'too_large' })
  })

  it('refuse what cannot be built', () => {
    expect(build([])).toMatchObject({ error: 'no_hops' })
    expect(build([new Uint8Array(1)])).toMatchObject({ error: 'bad_payload' })
    const hops = [{ pubkey: new Uint8Array(33), payload: new Uint8Array(2) }]
    expect(constructOnion({ sessionKey: SESSION, associatedData: HASH, hops })).toMatchObject({
      error: 'bad_pubkey',
    })
  })

  it('that were altered get the code of BOLT 4 and the hash of the onion', () => {
    const { packet } = unwrap(build([new Uint8Array(20), new Uint8Array(30)]))
    const altered = (at: number, value: number): Uint8Array => {
      const copy = packet.slice()
      copy[at] = value
      return copy
    }
    const cases = [
      [altered(0, 1), 'invalid_onion_version'],
      [altered(1, 4), 'invalid_onion_key'],
      [altered(500, (packet[500] as number) ^ 1), 'invalid_onion_hmac'],
      [altered(1365, (packet[1365] as number) ^ 1), 'invalid_onion_hmac'],
      [packet.subarray(0, 1000), 'invalid_onion_hmac'],
    ] as const
    for (const [bad, name] of cases) {
      expect(peel(bad)).toEqual({
        ok: false,
        error: { action: 'malformed', name, sha256OfOnion: sha256(bad) },
      })
    }
    const otherHash = peelOnion({ packet, associatedData: new Uint8Array(32), nodeSecret: secretOf(0) })
    expect(otherHash).toMatchObject({ error: { name: 'invalid_onion_hmac' } })
  })

  it('that are genuine but hold nonsense are failed under the shared secret', () => {
    const { sharedSecrets, packet } = unwrap(build([new Uint8Array(20)]))
    const secret = sharedSecrets[0] as Uint8Array
    // A sender can authenticate anything: lengths 0 and 1, a length beyond the packet, one that is not canonical.
    for (const start of [[0], [1], [0xfd, 0x05, 0x14], [0xfd, 0x00, 0x10], [0xff, 1, 2, 3, 4, 5, 6, 7, 8]]) {
      const payloads = new Uint8Array(PAYLOADS_LENGTH)
      payloads.set(start)
      xorInto(payloads, streamOf('rho', secret, PAYLOADS_LENGTH))
      const hmac = hmacSha256(deriveKey('mu', secret), concat(payloads, HASH))
      const bad = concat(packet.subarray(0, 34), payloads, hmac)
      expect(peel(bad)).toEqual({ ok: false, error: { action: 'fail', sharedSecret: secret } })
    }
  })

  it('of random bytes never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 1400 }), (bytes) => {
        expect(peel(bytes).ok).toBe(false)
      }),
    )
    const { packet } = unwrap(build([new Uint8Array(20)]))
    fc.assert(
      fc.property(fc.nat(1365), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const copy = packet.slice()
        copy[at] = (copy[at] as number) ^ mask
        expect(peel(copy).ok).toBe(false)
      }),
      { numRuns: 60 },
    )
  })
})

describe('hop payloads', () => {
  const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
  const amount = fc.bigInt({ min: 0n, max: 2_100_000_000_000_000_000n }).map(msat)
  const payload: fc.Arbitrary<HopPayload> = fc.record(
    {
      amtToForward: amount,
      outgoingCltvValue: fc.nat(),
      shortChannelId: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      paymentData: fc.record({ paymentSecret: bytes32, totalMsat: amount }),
      encryptedRecipientData: fc.uint8Array({ maxLength: 80 }),
      currentPathKey: fc.constant(pubkeyOf(3)),
      paymentMetadata: fc.uint8Array({ maxLength: 300 }),
      totalAmountMsat: amount,
      keysendPreimage: bytes32,
      custom: fc
        .bigInt({ min: 32768n, max: 1n << 40n })
        .map((t) => [{ type: t * 2n + 1n, value: Uint8Array.of(1, 2, 3) }]),
    },
    { requiredKeys: [] },
  )

  it('are read as they were written', () => {
    fc.assert(
      fc.property(payload, (p) => {
        expect(unwrap(decodeHopPayload(encodeHopPayload(p)))).toEqual(p)
      }),
    )
  })

  it('never throw on random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const decoded = decodeHopPayload(bytes)
        if (decoded.ok) expect(encodeHopPayload(decoded.value)).toEqual(bytes)
        decodeRecipientData(bytes)
      }),
      { numRuns: 500 },
    )
  })

  it('name the unknown even record and where it stands', () => {
    const known = encodeHopPayload({ amtToForward: msat(1000), outgoingCltvValue: 5 })
    const bad = concat(known, Uint8Array.of(0x16, 1, 0))
    expect(decodeHopPayload(bad)).toEqual({ ok: false, error: { type: 0x16n, offset: known.length } })
    // total_msat with a leading zero
    const padded = concat(Uint8Array.of(8, 34), new Uint8Array(32), Uint8Array.of(0, 1))
    expect(decodeHopPayload(padded)).toEqual({ ok: false, error: { type: 8n, offset: 0 } })
  })

  it('ask for one thing only', () => {
    const pathKey = pubkeyOf(1)
    const base = { amtToForward: msat(7), outgoingCltvValue: 9 }
    const blob = new Uint8Array(4)
    const fault = (p: HopPayload, final: boolean, key?: Uint8Array): bigint | string => {
      const asked = instructionOf(p, final, key)
      return asked.ok ? asked.value.kind : asked.error.type
    }
    expect(fault({ ...base, shortChannelId: 1n }, false)).toBe('forward')
    expect(fault(base, true)).toBe('receive')
    expect(fault({ encryptedRecipientData: blob }, false, pathKey)).toBe('forward_blinded')
    expect(fault({ encryptedRecipientData: blob, currentPathKey: pathKey }, false)).toBe('forward_blinded')
    const finalBlinded = { ...base, totalAmountMsat: msat(7), encryptedRecipientData: blob }
    expect(fault(finalBlinded, true, pathKey)).toBe('receive_blinded')

    expect(fault(base, false)).toBe(PAYLOAD_TYPE.shortChannelId)
    expect(fault({ outgoingCltvValue: 9 }, true)).toBe(PAYLOAD_TYPE.amtToForward)
    expect(fault({ amtToForward: msat(7) }, true)).toBe(PAYLOAD_TYPE.outgoingCltvValue)
    expect(fault(base, true, pathKey)).toBe(PAYLOAD_TYPE.encryptedRecipientData)
    expect(fault({ ...base, currentPathKey: pathKey }, true)).toBe(PAYLOAD_TYPE.currentPathKey)
    expect(fault({ encryptedRecipientData: blob }, false)).toBe(PAYLOAD_TYPE.currentPathKey)
    expect(fault({ encryptedRecipientData: blob, currentPathKey: pathKey }, false, pathKey)).toBe(
      PAYLOAD_TYPE.currentPathKey,
    )
    expect(fault({ ...base, encryptedRecipientData: blob }, false, pathKey)).toBe(PAYLOAD_TYPE.amtToForward)
    expect(fault({ ...base, encryptedRecipientData: blob }, true, pathKey)).toBe(PAYLOAD_TYPE.totalAmountMsat)
    const secret = { paymentSecret: new Uint8Array(32), totalMsat: msat(7) }
    expect(fault({ ...base, shortChannelId: 1n, paymentData: secret }, false)).toBe(PAYLOAD_TYPE.paymentData)
    expect(fault({ ...finalBlinded, paymentData: secret }, true, pathKey)).toBe(PAYLOAD_TYPE.paymentData)
  })

  it('of a blinded hop keep to the limits that the recipient set', () => {
    const data = {
      shortChannelId: 1n,
      paymentRelay: { cltvExpiryDelta: 10, feeProportionalMillionths: 1000, feeBaseMsat: 100 },
      paymentConstraints: { maxCltvExpiry: 500, htlcMinimumMsat: msat(1000) },
    }
    expect(relayBlinded(data, msat(10_110), 500)).toEqual({
      ok: true,
      value: { next: { shortChannelId: 1n }, amtToForward: 10_000n, outgoingCltvValue: 490 },
    })
    const error = (...args: Parameters<typeof relayBlinded>): unknown => {
      const r = relayBlinded(...args)
      return r.ok ? 'none' : r.error
    }
    expect(error(data, msat(10_110), 501)).toBe('expiry')
    expect(error(data, msat(999), 500)).toBe('amount')
    expect(error({ ...data, nextNodeId: pubkeyOf(1) }, msat(10_110), 500)).toBe('next_hop')
    expect(error({ ...data, allowedFeatures: Uint8Array.of(2) }, msat(10_110), 500)).toBe('features')
    expect(error({ paymentRelay: data.paymentRelay }, msat(99), 500)).toBe('next_hop')
    expect(error({ shortChannelId: 1n }, msat(99), 500)).toBe('no_relay')
    expect(error({ shortChannelId: 1n, paymentRelay: data.paymentRelay }, msat(99), 500)).toBe('fee')
    expect(error({ shortChannelId: 1n, paymentRelay: data.paymentRelay }, msat(100), 9)).toBe('cltv_delta')
  })
})

describe('failures', () => {
  const message = encodeFailure({ name: 'temporary_channel_failure', channelUpdate: new Uint8Array(0) })

  it('are read at the sender for every place they can come from', () => {
    for (const length of [1, 2, 20]) {
      for (let erring = 0; erring < length; erring++) {
        let reason = failurePacket(secretOf(erring), message)
        expect(reason.length).toBe(292)
        for (let i = erring - 1; i >= 0; i--) reason = wrapFailurePacket(secretOf(i), reason)
        const report = readFailure({ sharedSecrets: SECRETS.slice(0, length), reason })
        expect(report.source?.hop).toBe(erring)
        expect(report.source?.failure.failure.name).toBe('temporary_channel_failure')
      }
    }
  })

  it('that are damaged or random have no source, and nothing throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.uint8Array({ maxLength: 1000 }), (reason, data) => {
        const report = readFailure({
          sharedSecrets: SECRETS.slice(0, 3),
          reason,
          attributionData: data,
        })
        expect(report).toEqual({ source: undefined, holdTimes: [], blamed: 0 })
        decodeFailure(reason)
      }),
      { numRuns: 50 },
    )
  })

  it('of a route longer than attribution can tell of blame nobody for it', () => {
    const report = readFailure({
      sharedSecrets: SECRETS.slice(0, 21),
      reason: new Uint8Array(292),
      attributionData: new Uint8Array(920),
    })
    expect(report).toEqual({ source: undefined, holdTimes: [], blamed: undefined })
  })

  it('with a code but no readable packet inside still end the search', () => {
    const secret = secretOf(0)
    const body = new Uint8Array(260).fill(0xff)
    const forged = concat(hmacSha256(deriveKey('um', secret), body), body)
    const report = readFailure({ sharedSecrets: [secret], reason: wrapFailurePacket(secret, forged) })
    expect(report.source).toBeUndefined()
    expect(createFailurePacket(secret, new Uint8Array(300)).length).toBe(32 + 2 + 300 + 2)
  })
})
