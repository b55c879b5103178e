import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { POW_RULES } from './difficulty.ts'
import {
  bitsToTarget,
  decodeHeader,
  encodeHeader,
  hashHeader,
  meetsTarget,
  targetToBits,
  workOfBits,
} from './header.ts'

/** Mainnet block 100,000. */
const BLOCK_100000 =
  '0100000050120119172a610421a6c3011dd330d9df07b63616c2cc1f1cd00200000000006657a9252aacd5c0b2940996ecff952228c3067cc38d4885efb5a4ac4247e9f337221b4d4c86041b0f2b5710'

describe('header bytes', () => {
  test('a real header decodes, hashes and encodes back', () => {
    const header = unwrap(decodeHeader(fromHex(BLOCK_100000)))
    expect(header.time).toBe(1293623863)
    expect(header.bits).toBe(0x1b04864c)
    expect(header.merkleRoot).toBe('f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766')
    expect(hashHeader(header)).toBe('000000000003ba27aa200b1cecaad478d2b00432346c3f1f3986da1afd33e506')
    expect(toHex(encodeHeader(header))).toBe(BLOCK_100000)
  })

  test('any other length is an error', () => {
    expect(decodeHeader(new Uint8Array(79)).ok).toBe(false)
    expect(decodeHeader(new Uint8Array(81)).ok).toBe(false)
  })
})

// Values of Bitcoin Core's arith_uint256 tests.
describe('compact targets', () => {
  test.each([
    [0x01123456, 0x12n, 0x01120000],
    [0x02123456, 0x1234n, 0x02123400],
    [0x03123456, 0x123456n, 0x03123456],
    [0x04123456, 0x12345600n, 0x04123456],
    [0x05009234, 0x92340000n, 0x05009234],
    [0x20123456, 0x123456n << 232n, 0x20123456],
    [0x1d00ffff, 0xffffn << 208n, 0x1d00ffff],
  ])('%i', (bits, target, back) => {
    expect(bitsToTarget(bits)).toBe(target)
    expect(targetToBits(target)).toBe(back)
  })

  test.each([0, 0x00123456, 0x01003456, 0x02000056, 0x04923456, 0x01fedcba, 0xff123456, 0x04800000])(
    'zero, negative and overflowing %i are refused',
    (bits) => {
      expect(bitsToTarget(bits)).toBeUndefined()
      expect(workOfBits(bits)).toBe(0n)
    },
  )

  test('work of the easiest mainnet target', () => expect(workOfBits(0x1d00ffff)).toBe(0x100010001n))

  test('a hash above its target, or a target above the limit, is no proof of work', () => {
    const limit = POW_RULES.bitcoin.powLimit
    const hash = '000000000003ba27aa200b1cecaad478d2b00432346c3f1f3986da1afd33e506'
    expect(meetsTarget(hash, 0x1b04864c, limit)).toBe(true)
    expect(meetsTarget(`0000000000f${hash.slice(11)}`, 0x1b04864c, limit)).toBe(false)
    expect(meetsTarget(hash, 0x207fffff, limit)).toBe(false)
  })
})
