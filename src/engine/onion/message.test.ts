import { describe, expect, it } from 'vitest'
import { toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { publicKey } from '../crypto/curve.ts'
import { createBlindedPath } from './blinding.ts'
import {
  afterUs,
  makeOnionMessage,
  type MessageContent,
  type OutgoingMessage,
  pathTo,
  pathToUs,
  peelOnionMessage,
} from './message.ts'
import { encodeRecipientData } from './recipient-data.ts'

const secret = (n: number) => new Uint8Array(32).fill(n)
const id = (n: number) => publicKey(secret(n))
const [ALICE, BOB, CAROL, DAVE] = [1, 2, 3, 4] as const
const content: MessageContent = { kind: 'invoiceRequest', bytes: Uint8Array.of(1, 2, 3) }

/** Passes a message on until somebody keeps it. */
function travel(first: number, message: OutgoingMessage): { at: number; kept: unknown } {
  const peeled = unwrap(peelOnionMessage(message, secret(first)))
  if (peeled.kind === 'receive') return { at: first, kept: peeled }
  if (!('nodeId' in peeled.next)) throw new Error('by channel')
  const to = toHex(peeled.next.nodeId)
  const next = [ALICE, BOB, CAROL, DAVE].find((n) => toHex(id(n)) === to)
  if (next === undefined) throw new Error('to nobody')
  return travel(next, peeled.message)
}

describe('onion messages', () => {
  it('reach a node by nodes of our choice, with a way back that says which it is', () => {
    const reply = pathToUs([id(BOB)], id(ALICE), secret(77), secret(11))
    const path = pathTo({ nodeId: id(DAVE) }, [id(BOB), id(CAROL)], secret(12))
    const sent = unwrap(makeOnionMessage(path, content, secret(13), reply))
    expect(sent.packet.length).toBe(1366)
    const { at, kept } = travel(BOB, sent)
    expect(at).toBe(DAVE)
    expect(kept).toMatchObject({ kind: 'receive', content, replyPath: reply })
    const answer: MessageContent = { kind: 'invoice', bytes: new Uint8Array(5000).fill(9) }
    const back = unwrap(makeOnionMessage(reply, answer, secret(14)))
    expect(back.packet.length).toBe(32_834)
    expect(travel(BOB, back)).toMatchObject({ at: ALICE, kept: { pathId: secret(77), content: answer } })
  })

  it('are refused when they would not fit the longest packet', () => {
    const path = pathTo({ nodeId: id(DAVE) }, [], secret(12))
    const long: MessageContent = { kind: 'invoice', bytes: new Uint8Array(32_768) }
    expect(makeOnionMessage(path, long, secret(13))).toEqual({ ok: false, error: 'too_large' })
  })

  it('go on from the second node of a path that begins with us', () => {
    const path = pathToUs([id(ALICE), id(BOB)], id(CAROL), secret(5), secret(21))
    const rest = afterUs(path, secret(ALICE))
    expect(rest?.next).toEqual({ nodeId: id(BOB) })
    const sent = unwrap(makeOnionMessage(rest?.path ?? path, content, secret(22)))
    expect(travel(BOB, sent)).toMatchObject({ at: CAROL, kept: { pathId: secret(5), content } })
    expect(afterUs(path, secret(DAVE))).toBeUndefined()
  })

  it('are ignored by others, when altered, when they allow features, when a hop is told more than where to', () => {
    const path = pathTo({ nodeId: id(DAVE) }, [id(BOB)], secret(12))
    const sent = unwrap(makeOnionMessage(path, content, secret(13)))
    expect(peelOnionMessage(sent, secret(CAROL))).toEqual({ ok: false, error: 'undecryptable' })
    const altered = sent.packet.slice()
    altered[700] = (altered[700] ?? 0) ^ 1
    expect(peelOnionMessage({ ...sent, packet: altered }, secret(BOB)).ok).toBe(false)
    expect(peelOnionMessage({ ...sent, packet: sent.packet.subarray(0, 80) }, secret(BOB)).ok).toBe(false)
    expect(peelOnionMessage({ ...sent, packet: new Uint8Array(32_835) }, secret(BOB))).toEqual({
      ok: false,
      error: 'length',
    })
    const of = (...data: Uint8Array[]) =>
      createBlindedPath(
        secret(31),
        data.map((d, i) => ({ nodeId: id(BOB + i), data: d })),
      ).path
    const featured = of(encodeRecipientData({ allowedFeatures: Uint8Array.of(2) }))
    expect(peelOnionMessage(unwrap(makeOnionMessage(featured, content, secret(32))), secret(BOB))).toEqual({
      ok: false,
      error: 'features',
    })
    // A hop that is not the last, with a path_id; then one without a way on.
    for (const data of [{ nextNodeId: id(CAROL), pathId: secret(1) }, {}]) {
      const odd = of(encodeRecipientData(data), encodeRecipientData({}))
      expect(peelOnionMessage(unwrap(makeOnionMessage(odd, content, secret(33))), secret(BOB))).toEqual({
        ok: false,
        error: 'data',
      })
    }
  })

  it('of random bytes, or with any byte of a good one changed, are ignored and nothing throws', () => {
    const path = pathTo({ nodeId: id(DAVE) }, [], secret(12))
    const sent = unwrap(
      makeOnionMessage(path, content, secret(13), pathToUs([], id(ALICE), secret(1), secret(2))),
    )
    let seed = 1
    const random = (length: number) =>
      Uint8Array.from({ length }, () => (seed = (seed * 1_103_515_245 + 12_345) & 0x7fff_ffff) >> 16)
    for (let n = 0; n < 60; n++) {
      const packet = random(n * 30)
      packet[0] = 0
      if (packet.length > 34) packet.set(id(BOB), 1)
      expect(
        peelOnionMessage({ pathKey: n % 2 === 0 ? random(33) : id(CAROL), packet }, secret(DAVE)).ok,
      ).toBe(false)
      const changed = sent.packet.slice()
      const at = (n * 23) % changed.length
      changed[at] = (changed[at] ?? 0) ^ 0x40
      expect(peelOnionMessage({ ...sent, packet: changed }, secret(DAVE)).ok, `byte ${at}`).toBe(false)
    }
  })
})
