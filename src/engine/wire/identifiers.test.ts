import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex, utf8 } from '../base/bytes.ts'
import type { NodeAddress } from './addresses.ts'
import { encodeAddresses, parseAddresses } from './addresses.ts'
import { channelIdOf, isAllChannels } from './channel-id.ts'
import {
  formatShortChannelId,
  packShortChannelId,
  parseShortChannelId,
  unpackShortChannelId,
} from './short-channel-id.ts'
import { printableText, safeAlias } from './text.ts'

describe('short channel ids', () => {
  it('pack, unpack, format and parse to the same', () => {
    const part = (max: number) => fc.integer({ min: 0, max })
    fc.assert(
      fc.property(
        fc.record({ blockHeight: part(0xff_ffff), txIndex: part(0xff_ffff), outputIndex: part(0xffff) }),
        (parts) => {
          const id = packShortChannelId(parts)
          expect(unpackShortChannelId(id)).toEqual(parts)
          expect(parseShortChannelId(formatShortChannelId(id))).toBe(id)
        },
      ),
    )
    expect(formatShortChannelId((539268n << 40n) | (845n << 16n) | 1n)).toBe('539268x845x1')
  })

  it.each(['', '1x2', '1x2x3x4', '01x2x3', '16777216x0x0', '0x16777216x0', '0x0x65536', '1:2:3', '-1x0x0'])(
    'refuses %s',
    (text) => {
      expect(parseShortChannelId(text)).toBeUndefined()
    },
  )

  it('does not pack what would spill into another part', () => {
    expect(() => packShortChannelId({ blockHeight: 1, txIndex: 1 << 24, outputIndex: 0 })).toThrow(RangeError)
  })
})

describe('channel ids', () => {
  it('are the txid in the order of the wire with the output index in its last two bytes', () => {
    const txid = '11'.repeat(30) + 'aabb'
    expect(toHex(channelIdOf({ txid, vout: 0 }))).toBe(`bbaa${'11'.repeat(30)}`)
    expect(toHex(channelIdOf({ txid, vout: 0x0102 }))).toBe(`bbaa${'11'.repeat(28)}1013`)
    expect(() => channelIdOf({ txid, vout: 65_536 })).toThrow(RangeError)
  })
  it('of zeros stand for all channels', () => {
    expect(isAllChannels(new Uint8Array(32))).toBe(true)
    expect(isAllChannels(channelIdOf({ txid: '00'.repeat(32), vout: 1 }))).toBe(false)
  })
})

describe('addresses', () => {
  const four: NodeAddress = { type: 'ipv4', address: fromHex('7f000001'), port: 9735 }
  const six: NodeAddress = { type: 'ipv6', address: fromHex(`${'00'.repeat(15)}01`), port: 9735 }
  const onion: NodeAddress = { type: 'torv3', address: fromHex('ab'.repeat(35)), port: 9735 }
  const dns: NodeAddress = { type: 'dns', hostname: 'node.example.com', port: 443 }

  it('survive the wire, in ascending order of type', () => {
    const bytes = encodeAddresses([dns, onion, six, four])
    expect(toHex(bytes).startsWith('017f000001260702')).toBe(true)
    expect(parseAddresses(bytes)).toEqual({ ok: true, value: [four, six, onion, dns] })
  })

  it('leave out Tor v2, port 0, odd names and a second name; stop at unknown types (BOLT 7)', () => {
    const tor2 = concat(Uint8Array.of(3), new Uint8Array(12))
    const zero = encodeAddresses([{ ...four, port: 0 }])
    const second = encodeAddresses([{ ...dns, hostname: 'other.example' }])
    expect(parseAddresses(concat(zero, tor2, encodeAddresses([six, dns]), second))).toEqual({
      ok: true,
      value: [six, dns],
    })
    for (const hostname of ['a b', '<script>', '', 'a..b', 'bücher.example'])
      expect(parseAddresses(encodeAddresses([{ ...dns, hostname }]))).toEqual({ ok: true, value: [] })
    expect(parseAddresses(concat(encodeAddresses([four]), Uint8Array.of(9, 1, 2)))).toEqual({
      ok: true,
      value: [four],
    })
  })

  it('cut short are an error, and random ones never throw', () => {
    for (const a of [four, six, onion, dns])
      expect(parseAddresses(encodeAddresses([a]).subarray(0, -1))).toMatchObject({ ok: false })
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (b) => typeof parseAddresses(b).ok === 'boolean'),
    )
  })
})

describe('text of peers', () => {
  it('is shown only when it is printable ASCII, and not without end', () => {
    expect(printableText(utf8('internal error'))).toBe('internal error')
    expect(printableText(utf8('line\nline'))).toBeUndefined()
    expect(printableText(utf8('\u202eevil'))).toBeUndefined()
    expect(printableText(new Uint8Array(60_000).fill(65))?.length).toBe(501)
  })
  it('as an alias loses padding and what could reorder or hide text; invalid UTF-8 is empty', () => {
    expect(safeAlias(concat(utf8('Zürich ⚡'), new Uint8Array(10)))).toBe('Zürich ⚡')
    expect(safeAlias(utf8('a\u202eb\u0000c\u200bd\ne'))).toBe('abcde')
    expect(safeAlias(Uint8Array.of(0xff, 0xfe))).toBe('')
    expect(safeAlias(new Uint8Array(32))).toBe('')
  })
})
