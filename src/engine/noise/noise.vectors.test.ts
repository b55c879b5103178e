import { describe, expect, it } from 'vitest'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import { fromHex, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { readAct1, readAct2, readAct3, startInitiator, startResponder } from './handshake.ts'
import { mixKey } from './keys.ts'
import { Receiver, Sender } from './transport.ts'

interface Case {
  name: string
  steps: { act: 1 | 2 | 3; input?: string; output?: string; error?: string }[]
  rs_pub: string
  ls_priv: string
  e_priv: string
  sk?: string
  rk?: string
}

interface Vectors {
  initiator: Case[]
  responder: Case[]
  messages: {
    ck: string
    sk: string
    plaintext: string
    message_count: number
    outputs: { index: number; ciphertext: string }[]
    key_rotations: { ck: string; k: string; new_ck: string; new_k: string }[]
  }
}

const vectors = loadVectors<Partial<Vectors>>('bolt08-transport.json')
const byAct = (c: Case, act: number, kind: 'input' | 'output' | 'error'): string | undefined =>
  c.steps.find((s) => s.act === act && s[kind] !== undefined)?.[kind]

/** The vectors' names of errors, from our codes. */
const errorName = (e: { act: number | string; code: string }): string => `ACT${e.act}_${e.code.toUpperCase()}`

describe.skipIf(!vectorsPresent)('BOLT 8 appendix A', () => {
  it('has all cases', () => {
    expect([vectors.initiator?.length, vectors.responder?.length]).toEqual([5, 10])
  })

  it.each(vectors.initiator ?? [])('$name', (c) => {
    const { state, act1 } = startInitiator({
      localSecret: fromHex(c.ls_priv),
      ephemeralSecret: fromHex(c.e_priv),
      remotePubkey: fromHex(c.rs_pub),
    })
    expect(toHex(act1)).toBe(byAct(c, 1, 'output'))
    const read = readAct2(state, fromHex(byAct(c, 2, 'input') as string))
    const error = byAct(c, 2, 'error')
    if (error !== undefined) {
      expect(read.ok ? 'none' : errorName(read.error)).toBe(error.split(' ')[0])
      return
    }
    const { act3, keys } = unwrap(read)
    expect(toHex(act3)).toBe(byAct(c, 3, 'output'))
    expect([toHex(keys.sendKey), toHex(keys.receiveKey)]).toEqual([c.sk, c.rk])
  })

  it.each(vectors.responder ?? [])('$name', (c) => {
    const start = startResponder({ localSecret: fromHex(c.ls_priv), ephemeralSecret: fromHex(c.e_priv) })
    const first = readAct1(start, fromHex(byAct(c, 1, 'input') as string))
    const firstError = byAct(c, 1, 'error')
    if (firstError !== undefined) {
      expect(first.ok ? 'none' : errorName(first.error)).toBe(firstError)
      return
    }
    const { state, act2 } = unwrap(first)
    expect(toHex(act2)).toBe(byAct(c, 2, 'output'))
    const last = readAct3(state, fromHex(byAct(c, 3, 'input') as string))
    const lastError = byAct(c, 3, 'error')
    if (lastError !== undefined) {
      expect(last.ok ? 'none' : errorName(last.error)).toBe(lastError.split(' ')[0])
      return
    }
    const keys = unwrap(last)
    expect([toHex(keys.receiveKey), toHex(keys.sendKey)]).toEqual([c.rk, c.sk])
    expect(toHex(keys.remotePubkey)).toBe(
      '034f355bdcb7cc0af728ef3cceb9615d90684bb5b2ca5f859ab0f0b704075871aa',
    )
  })

  it('encrypts 1002 messages over two key rotations, alone and in one buffer', () => {
    const m = vectors.messages as Vectors['messages']
    const plaintext = fromHex(m.plaintext)
    const alone = new Sender(fromHex(m.sk), fromHex(m.ck))
    const frames = Array.from({ length: m.message_count }, () => alone.encrypt(plaintext))
    for (const { index, ciphertext } of m.outputs) expect(toHex(frames[index] as Uint8Array)).toBe(ciphertext)

    const together = new Sender(fromHex(m.sk), fromHex(m.ck))
    const joined = together.encryptMany(Array.from({ length: m.message_count }, () => plaintext))
    expect(joined.length).toBe(m.message_count * 39)
    frames.forEach((frame, i) => {
      expect(toHex(joined.subarray(i * 39, i * 39 + 39))).toBe(toHex(frame))
    })

    const receiver = new Receiver(fromHex(m.sk), fromHex(m.ck))
    for (const frame of frames) {
      expect(receiver.openLength(frame.subarray(0, 18))).toBe(21)
      expect(receiver.openMessage(frame.subarray(18))).toEqual(plaintext)
    }
  })

  it('rotates keys as printed', () => {
    for (const r of vectors.messages?.key_rotations ?? []) {
      const next = mixKey(fromHex(r.ck), fromHex(r.k))
      expect([toHex(next.chainingKey), toHex(next.key)]).toEqual([r.new_ck, r.new_k])
    }
    expect(vectors.messages?.key_rotations.length).toBe(2)
  })
})
