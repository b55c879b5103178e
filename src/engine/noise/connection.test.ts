import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, fromHex } from '../base/bytes.ts'
import { publicKey } from '../crypto/curve.ts'
import { NoiseConnection } from './connection.ts'

const secret = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const ADA = secret(0x11)
const BEN = secret(0x21)

function pair(): { ada: NoiseConnection; ben: NoiseConnection; toBen: Uint8Array } {
  const { connection, act1 } = NoiseConnection.initiate({
    localSecret: ADA,
    ephemeralSecret: secret(0x12),
    remotePubkey: publicKey(BEN),
  })
  return {
    ada: connection,
    ben: NoiseConnection.respond({ localSecret: BEN, ephemeralSecret: secret(0x22) }),
    toBen: act1,
  }
}

function connected(): { ada: NoiseConnection; ben: NoiseConnection } {
  const { ada, ben, toBen } = pair()
  const act2 = ben.receive(toBen).toSend
  const act3 = ada.receive(concat(...act2)).toSend
  ben.receive(concat(...act3))
  return { ada, ben }
}

/** Cuts bytes at random places. */
function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const parts: Uint8Array[] = []
  let at = 0
  for (const size of sizes) {
    parts.push(bytes.slice(at, at + size))
    at += size
  }
  parts.push(bytes.slice(at))
  return parts
}

describe('a connection', () => {
  it('tells each side once whom it talks to', () => {
    const { ada, ben, toBen } = pair()
    expect(ben.ready).toBe(false)
    const one = ben.receive(toBen)
    expect(one.remotePubkey).toBeUndefined()
    const two = ada.receive(concat(...one.toSend))
    expect(two.remotePubkey).toEqual(publicKey(BEN))
    const three = ben.receive(concat(...two.toSend))
    expect(three.remotePubkey).toEqual(publicKey(ADA))
    expect(ben.receive(ada.encrypt(fromHex('0010'))).remotePubkey).toBeUndefined()
    expect([ada.ready, ben.ready]).toEqual([true, true])
  })

  it('gives back what was said, however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }),
        fc.array(fc.integer({ min: 0, max: 70 }), { maxLength: 60 }),
        (messages, sizes) => {
          const { ada, ben, toBen } = pair()
          const act2 = concat(...cut(toBen, sizes).flatMap((p) => [...ben.receive(p).toSend]))
          const act3 = concat(...cut(act2, sizes).flatMap((p) => [...ada.receive(p).toSend]))
          // Act three and the first messages may arrive in one piece.
          const stream = concat(act3, ada.encryptMany(messages))
          const got = cut(stream, sizes).flatMap((p) => [...ben.receive(p).messages])
          expect(got).toEqual(messages)
        },
      ),
      { numRuns: 30 },
    )
  })

  it('carries the largest message, byte by byte, and refuses a larger one without using a nonce', () => {
    const { ada, ben } = connected()
    expect(() => ada.encryptMany([new Uint8Array(1), new Uint8Array(65536)])).toThrow(RangeError)
    const large = new Uint8Array(65535).fill(7)
    const frame = ada.encrypt(large)
    expect(frame.length).toBe(65569)
    const got: Uint8Array[] = []
    for (let i = 0; i < frame.length; i++) got.push(...ben.receive(frame.subarray(i, i + 1)).messages)
    expect(got).toEqual([large])
  })

  it('stays in step over key rotations in both directions', () => {
    const { ada, ben } = connected()
    const messages = Array.from({ length: 1203 }, (_, i) => Uint8Array.of(i >> 8, i & 255))
    expect(ben.receive(ada.encryptMany(messages)).messages).toEqual(messages)
    expect(ada.receive(ben.encryptMany(messages)).messages).toEqual(messages)
  })

  it('hands over what arrived before an altered frame, then fails for good', () => {
    const { ada, ben } = connected()
    const stream = ada.encryptMany([Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)])
    stream[35 + 18] = (stream[35 + 18] as number) ^ 1
    const out = ben.receive(stream)
    expect(out.messages).toEqual([Uint8Array.of(1)])
    expect(out.error).toEqual({ act: 'transport', code: 'bad_message_tag' })
    expect(ben.ready).toBe(false)
    expect(ben.receive(ada.encrypt(Uint8Array.of(4)))).toEqual({
      toSend: [],
      messages: [],
      error: { act: 'transport', code: 'bad_message_tag' },
    })
    expect(() => ben.encrypt(Uint8Array.of(5))).toThrow()
  })

  it('never throws and never answers random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, initiator) => {
        const { ada, ben } = pair()
        const out = (initiator ? ada : ben).receive(bytes)
        expect(out.toSend).toEqual([])
        expect(out.messages).toEqual([])
        expect(out.error !== undefined).toBe(bytes.length >= 50)
      }),
    )
  })

  it('refuses a caller that does not know our key', () => {
    const stranger = NoiseConnection.initiate({
      localSecret: ADA,
      ephemeralSecret: secret(0x12),
      remotePubkey: publicKey(secret(0x31)),
    })
    const ben = NoiseConnection.respond({ localSecret: BEN, ephemeralSecret: secret(0x22) })
    expect(ben.receive(stranger.act1).error).toEqual({ act: 1, code: 'bad_tag' })
  })
})
