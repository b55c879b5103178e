import { describe, expect, it } from 'vitest'
import { msat, sat } from '../base/units.ts'
import { Reader, Writer } from './codec.ts'
import { DecodeError, decoding } from './errors.ts'

const bytes = (...values: number[]) => Uint8Array.from(values)

describe('Writer', () => {
  it('keeps everything when its buffer grows at any field', () => {
    for (let head = 240; head <= 260; head++) {
      const w = new Writer().bytes(new Uint8Array(head).fill(7))
      w.u8(1).u16(2).u32(3).u64(4n).s8(-1).s16(-2).s32(-3).s64(-4n).bytes(bytes(9, 9))
      const r = new Reader(w.finish())
      expect(r.bytes(head).every((b) => b === 7)).toBe(true)
      expect([r.u8(), r.u16(), r.u32(), r.u64()]).toEqual([1, 2, 3, 4n])
      expect([r.s8(), r.s16(), r.s32(), r.s64()]).toEqual([-1, -2, -3, -4n])
      expect(r.rest()).toEqual(bytes(9, 9))
    }
    // Whatever the buffer's size was when a big field came.
    const big = new Uint8Array(70_000).fill(5)
    expect(new Writer().u8(1).bytes(big).u64(2n).finish().length).toBe(70_009)
  })

  it('refuses what does not fit its field: that would be our defect', () => {
    for (const write of [
      (w: Writer) => w.u8(256),
      (w: Writer) => w.u16(-1),
      (w: Writer) => w.u32(1.5),
      (w: Writer) => w.u64(1n << 64n),
      (w: Writer) => w.s8(128),
      (w: Writer) => w.tu16(65_536),
      (w: Writer) => w.bytes(bytes(1), 2),
      (w: Writer) => w.sat(sat(2_100_000_000_000_001n)),
      (w: Writer) => w.msat(msat(-1)),
      (w: Writer) => w.blob(new Uint8Array(65_536)),
    ])
      expect(() => write(new Writer())).toThrow(RangeError)
  })
})

describe('Reader', () => {
  it('hands out copies, never views of the input', () => {
    for (const input of [bytes(1, 2, 3), Buffer.from([1, 2, 3])]) {
      const taken = new Reader(input).bytes(2)
      input.fill(0)
      expect([...taken]).toEqual([1, 2])
      expect(Object.getPrototypeOf(taken)).toBe(Uint8Array.prototype)
    }
  })

  it('refuses a length from outside before it allocates', () => {
    const r = decoding(() => {
      const reader = new Reader(bytes(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))
      return reader.bytes(reader.length())
    })
    expect(r).toMatchObject({ ok: false, error: { code: 'truncated' } })
  })

  it('bounds amounts by 21 million bitcoin (BOLT 1 §Fundamental Types)', () => {
    const most = new Writer().sat(sat(2_100_000_000_000_000n)).finish()
    expect(decoding(() => new Reader(most).sat())).toMatchObject({ ok: true })
    const more = new Writer().u64(2_100_000_000_000_001n).finish()
    expect(decoding(() => new Reader(more).sat())).toMatchObject({ ok: false, error: { code: 'bad_amount' } })
    const mostMsat = new Writer().u64(0x1d24b2dfac520000n).finish()
    expect(decoding(() => new Reader(mostMsat).msat())).toMatchObject({ ok: true })
    const moreMsat = new Writer().u64(0x1d24b2dfac520001n).finish()
    expect(decoding(() => new Reader(moreMsat).msat())).toMatchObject({ ok: false })
  })

  it('takes truncated integers only without leading zeros and only as long as they may be', () => {
    expect(decoding(() => new Reader(bytes()).tu64())).toEqual({ ok: true, value: 0n })
    expect(decoding(() => new Reader(bytes(1, 0)).tu16())).toEqual({ ok: true, value: 256 })
    expect(decoding(() => new Reader(bytes(0)).tu16())).toMatchObject({ ok: false })
    expect(decoding(() => new Reader(bytes(1, 0, 0)).tu16())).toMatchObject({ ok: false })
    expect(decoding(() => new Reader(bytes(1, 0, 0, 0, 0)).tu32())).toMatchObject({ ok: false })
  })

  it('lets defects of ours through: only DecodeError becomes data', () => {
    expect(() =>
      decoding(() => {
        throw new TypeError('defect')
      }),
    ).toThrow(TypeError)
    expect(
      decoding(() => {
        throw new DecodeError('bad_value', 'x', 3n)
      }),
    ).toEqual({ ok: false, error: { code: 'bad_value', message: 'x', tlvType: 3n } })
  })
})
