import { expect, test } from 'vitest'
import { PUBLIC_DEFAULTS } from '../state/session.ts'
import { emptyState, fakeState } from '../../testing/fake-data.ts'
import { defaultsFrom, shareUnchanged } from './connect.ts'

const nodeId = `02${'ab'.repeat(32)}`
const info = {
  network: 'regtest',
  gateway: 'ws://localhost:3000',
  esplora: 'http://localhost:3000/esplora/api',
  peers: [{ name: 'ada', nodeId, address: `${nodeId}@127.0.0.1:9735` }],
  shop: 'http://localhost:3000/shop',
}

test('a playground gives its network, servers, peers and shop', () => {
  expect(defaultsFrom(info)).toEqual({
    network: 'regtest',
    gateway: info.gateway,
    servers: [info.esplora],
    peers: info.peers,
    shop: info.shop,
  })
})

test('whatever else answers is no playground, and its addresses are not used', () => {
  for (const answer of [
    null,
    '<html></html>',
    {},
    { ...info, network: 'dogecoin' },
    { ...info, gateway: 'https://evil.example' },
    { ...info, esplora: 'file:///etc/passwd' },
    { ...info, shop: 'javascript:alert(1)' },
    { ...info, peers: [{ ...info.peers[0], nodeId: 'not a key' }] },
  ]) {
    expect(defaultsFrom(answer)).toBe(PUBLIC_DEFAULTS)
  }
})

test('parts of the state that did not change stay the same objects, those that did are new', () => {
  const before = fakeState()
  const now = { ...structuredClone(before), chain: { ...before.chain, height: before.chain.height + 1 } }
  const shared = shareUnchanged(before, now)
  expect(shared).toEqual(now)
  expect(shared.channels).toBe(before.channels)
  expect(shared.chain).not.toBe(before.chain)
  expect(shareUnchanged(before, emptyState())).toEqual(emptyState())
  const { nodeId: _, ...without } = now
  expect('nodeId' in shareUnchanged(before, without)).toBe(false)
})
