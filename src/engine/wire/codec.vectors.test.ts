import { describe, expect, it } from 'vitest'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import { fromHex, toHex } from '../base/bytes.ts'
import { isPublicKey } from '../crypto/curve.ts'
import { Reader, Writer } from './codec.ts'
import { decoding, refuse } from './errors.ts'
import type { TlvSchema } from './tlv.ts'
import { decodeTlvs, encodeTlvs, tlv } from './tlv.ts'

interface BigsizeFile {
  decode: { name: string; value?: string; bytes: string; error?: string }[]
  encode: { name: string; value: string; bytes: string }[]
}

describe.skipIf(!vectorsPresent)('BOLT 1 appendix A: bigsize', () => {
  const file = loadVectors<BigsizeFile>('bolt01-bigsize.json')
  it.each(file.decode ?? [])('decodes: $name', ({ value, bytes, error }) => {
    const result = decoding(() => new Reader(fromHex(bytes)).bigsize())
    if (error === undefined) expect(result).toEqual({ ok: true, value: BigInt(value ?? '') })
    else
      expect(result).toMatchObject({
        ok: false,
        error: { code: error.includes('canonical') ? 'not_minimal' : 'truncated' },
      })
  })
  it.each(file.encode ?? [])('encodes: $name', ({ value, bytes }) => {
    expect(toHex(new Writer().bigsize(BigInt(value)).finish())).toBe(bytes)
  })
})

describe.skipIf(!vectorsPresent)('BOLT 1 appendix D: signed integers', () => {
  const file = loadVectors<{ cases: { value: string; bytes: string }[] }>('bolt01-signed-integers.json')
  it.each(file.cases ?? [])('$value', ({ value, bytes }) => {
    const r = new Reader(fromHex(bytes))
    const w = new Writer()
    const read = { 1: () => r.s8(), 2: () => r.s16(), 4: () => r.s32(), 8: () => r.s64() }[bytes.length / 2]
    expect(BigInt(read?.() ?? 'x')).toBe(BigInt(value))
    r.end()
    const v = BigInt(value)
    if (bytes.length === 2) w.s8(Number(v))
    else if (bytes.length === 4) w.s16(Number(v))
    else if (bytes.length === 8) w.s32(Number(v))
    else w.s64(v)
    expect(toHex(w.finish())).toBe(bytes)
  })
})

interface TlvFile {
  invalid: { namespaces: string[]; stream: string; reason: string }[]
  valid_ignored: { namespaces: string[]; stream: string; explanation: string }[]
  valid: { namespaces: string[]; stream: string; record: string; fields: Record<string, string> }[]
  invalid_ordering: { namespaces: string[]; stream: string; reason: string }[]
}

interface N1 {
  tlv1?: { amount_msat: bigint }
  tlv2?: { scid: bigint }
  tlv3?: { node_id: Uint8Array; amount_msat_1: bigint; amount_msat_2: bigint }
  tlv4?: { cltv_delta: number }
}

const n1: TlvSchema<N1> = {
  tlv1: tlv(
    1,
    (r) => ({ amount_msat: r.tu64() }),
    (w, v) => w.tu64(v.amount_msat),
  ),
  tlv2: tlv(
    2,
    (r) => ({ scid: r.u64() }),
    (w, v) => w.u64(v.scid),
  ),
  tlv3: tlv(
    3,
    (r) => {
      const node_id = r.point()
      if (!isPublicKey(node_id)) refuse('bad_value', 'not on the curve')
      return { node_id, amount_msat_1: r.u64(), amount_msat_2: r.u64() }
    },
    (w, v) => w.point(v.node_id).u64(v.amount_msat_1).u64(v.amount_msat_2),
  ),
  tlv4: tlv(
    254,
    (r) => ({ cltv_delta: r.u16() }),
    (w, v) => w.u16(v.cltv_delta),
  ),
}

interface N2 {
  tlv1?: bigint
  tlv2?: number
}

const n2: TlvSchema<N2> = {
  tlv1: tlv(
    0,
    (r) => r.tu64(),
    (w, v) => w.tu64(v),
  ),
  tlv2: tlv(
    11,
    (r) => r.tu32(),
    (w, v) => w.tu32(v),
  ),
}

const decode = (namespace: string, hex: string) =>
  namespace === 'n2' ? decodeTlvs<N2>(fromHex(hex), n2) : decodeTlvs<N1>(fromHex(hex), n1)

const spread = <T extends { namespaces: string[] }>(cases: T[] | undefined) =>
  (cases ?? []).flatMap((c) =>
    (c.namespaces[0] === 'any' ? ['n1', 'n2'] : c.namespaces).map((namespace) => ({ ...c, namespace })),
  )

const scid = (text: string) => {
  const [block, tx, out] = text.split('x').map(BigInt)
  return ((block ?? 0n) << 40n) | ((tx ?? 0n) << 16n) | (out ?? 0n)
}

const plain = (name: string, value: string): unknown =>
  name === 'scid'
    ? scid(value)
    : name === 'node_id'
      ? fromHex(value)
      : name === 'cltv_delta'
        ? Number(value)
        : BigInt(value)

describe.skipIf(!vectorsPresent)('BOLT 1 appendix B: TLV streams', () => {
  const file = loadVectors<TlvFile>('bolt01-tlv.json')
  it.each(spread([...(file.invalid ?? []), ...(file.invalid_ordering ?? [])]))(
    '$namespace refuses: $reason $stream',
    ({ namespace, stream }) => {
      expect(decode(namespace, stream).ok).toBe(false)
    },
  )
  it.each(spread(file.valid_ignored))('$namespace ignores: $explanation $stream', ({ namespace, stream }) => {
    expect(decode(namespace, stream)).toEqual({ ok: true, value: {} })
  })
  it.each(spread(file.valid))('$namespace reads and writes: $stream', ({ stream, record, fields }) => {
    const expected = {
      [record]: Object.fromEntries(Object.entries(fields).map(([k, v]) => [k, plain(k, v)])),
    }
    const result = decodeTlvs<N1>(fromHex(stream), n1)
    expect(result).toEqual({ ok: true, value: expected })
    if (result.ok) expect(toHex(encodeTlvs(n1, result.value))).toBe(stream)
  })
  it('joins streams only in order, and a bad tail spoils a good head', () => {
    for (const good of spread(file.valid).filter((c) => c.namespace === 'n1')) {
      for (const bad of spread(file.invalid).filter((c) => c.namespace === 'n1')) {
        expect(decode('n1', good.stream + bad.stream).ok).toBe(false)
      }
      for (const next of spread(file.valid).filter((c) => c.namespace === 'n1')) {
        expect(decode('n1', good.stream + next.stream).ok).toBe(good.record < next.record)
      }
    }
  })
})
