import { describe, expect, test } from 'vitest'
import { fromHex, reversed, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { addressFromScript, scriptFromAddress } from '../bitcoin/address.ts'
import { type BlockHeader, decodeHeader } from '../bitcoin/header.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { p2wpkh } from '../bitcoin/script.ts'
import { CHECKPOINTS } from './checkpoints.ts'
import { chainConfig } from './config.ts'
import { chainFromCheckpoint, connectHeaders } from './headers.ts'

/**
 * Mainnet as far as it can be tried without it: nobody can mine its blocks for a test, so that real ones are few and the rest shows what is
 * refused. That the newest headers of today verify is what a first start shows.
 */

const NOW = Date.UTC(2026, 10, 22)
const header = (hex: string): BlockHeader => unwrap(decodeHeader(fromHex(hex)))

const GENESIS =
  '0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c'
/** Blocks 1 and 2 of mainnet. */
const FIRST = [
  '010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4ba744bbbe680e1fee14677ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e36299',
  '010000004860eb18bf1b1620e37e9490fc8a427514416fd75159ab86688e9a8300000000d5fdcc541e25de1c7a5addedf24858b8bb665c9f36ef744ee42c316022c90f9bb0bc6649ffff001d08d2bd61',
]

describe('headers', () => {
  test('real ones with real proof of work extend the chain; with any bit of it changed they do not', () => {
    const chain = chainFromCheckpoint('bitcoin', {
      height: 0,
      header: fromHex(GENESIS),
      work: 0x100010001n,
    })
    expect(chain.tip.hash).toBe(toHex(reversed(NETWORKS.bitcoin.chainHash)))
    const real = FIRST.map(header)
    expect(unwrap(connectHeaders(chain, 1, real, NOW)).chain.tip).toMatchObject({
      height: 2,
      hash: '000000006a625f06636b8bb6ac7b960a8d03705d1ace08b1a19da3fdcc99ddbd',
      work: 3n * 0x100010001n,
    })
    const [first] = real
    if (first === undefined) throw new Error('no header')
    const changed = { ...first, nonce: first.nonce ^ 1 }
    expect(connectHeaders(chain, 1, [changed], NOW)).toEqual({ ok: false, error: 'pow' })
  })

  test('upon the checkpoint: neither a header without its work nor one that states less', () => {
    const checkpoint = CHECKPOINTS.bitcoin
    const chain = chainFromCheckpoint('bitcoin', checkpoint)
    const parent = unwrap(decodeHeader(checkpoint.header))
    const next: BlockHeader = { ...parent, prevHash: chain.tip.hash, time: parent.time + 600, nonce: 7 }
    const add = (change: Partial<BlockHeader>) =>
      connectHeaders(chain, checkpoint.height + 1, [{ ...next, ...change }], NOW)
    expect(add({})).toEqual({ ok: false, error: 'pow' })
    // The easiest difficulty that mainnet ever allowed, and a practice chain's.
    for (const bits of [0x1d00ffff, 0x207fffff, parent.bits + 1])
      expect(add({ bits })).toEqual({ ok: false, error: 'bits' })
    // No rule of test networks: a late block is not an easier one.
    expect(add({ bits: 0x1d00ffff, time: parent.time + 86_400 })).toEqual({ ok: false, error: 'bits' })
    expect(add({ prevHash: '00'.repeat(32) })).toEqual({ ok: false, error: 'unlinked' })
    // Nothing below it can be replaced, however much work is claimed.
    expect(connectHeaders(chain, checkpoint.height, [next], NOW).ok).toBe(false)
  })
})

test('addresses and invoices of mainnet are its own: bc1, lnbc, coin type 0; a test network’s are refused', () => {
  const { bitcoin, regtest, signet } = NETWORKS
  expect(bitcoin).toMatchObject({ bech32: 'bc', invoicePrefix: 'bc', coinType: 0 })
  const script = p2wpkh(fromHex('0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'))
  expect(addressFromScript(script, bitcoin)).toBe('bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4')
  for (const other of [regtest, signet])
    expect(scriptFromAddress(addressFromScript(script, other) ?? '', bitcoin)).toEqual({
      ok: false,
      error: 'wrong_network',
    })
  expect(toHex(bitcoin.chainHash)).toBe('6fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000')
})

test('two servers are asked about what money depends on, gently', () => {
  const { quorum, requestsPerHour, staleTipMs } = chainConfig('bitcoin')
  expect(quorum).toBe(2)
  expect(requestsPerHour).toBeLessThanOrEqual(700)
  expect(staleTipMs).toBeGreaterThan(0)
})
