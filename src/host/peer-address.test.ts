import { describe, expect, test } from 'vitest'
import { formatPeerAddress, parsePeerAddress } from './peer-address.ts'

const ID = '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'

describe('addresses that are understood', () => {
  test.each<[string, object]>([
    [`${ID}@node.example:9735`, { kind: 'tcp', host: 'node.example', port: 9735 }],
    [`  ${ID.toUpperCase()}@Node.Example.:1 \n`, { kind: 'tcp', host: 'node.example', port: 1 }],
    [`${ID}@node.example`, { kind: 'tcp', host: 'node.example', port: 9735 }],
    [`${ID}@127.0.0.1:19735`, { kind: 'tcp', host: '127.0.0.1', port: 19735 }],
    [`${ID}@localhost:65535`, { kind: 'tcp', host: 'localhost', port: 65_535 }],
    [`${ID}@[2001:db8::1]:9735`, { kind: 'tcp', host: '2001:db8::1', port: 9735 }],
    [`${ID}@[::ffff:1.2.3.4]`, { kind: 'tcp', host: '::ffff:1.2.3.4', port: 9735 }],
    [`${ID}@${'a'.repeat(56)}.onion:9735`, { kind: 'tcp', host: `${'a'.repeat(56)}.onion`, port: 9735 }],
    [`${ID}@ws://127.0.0.1:8080`, { kind: 'ws', url: 'ws://127.0.0.1:8080/' }],
    [`${ID}@WSS://node.example/path?x=1`, { kind: 'ws', url: 'wss://node.example/path?x=1' }],
  ])('%s', (text, expected) => {
    const parsed = parsePeerAddress(text)
    expect(parsed).toEqual({ ok: true, value: { nodeId: ID, ...expected } })
    if (!parsed.ok) return
    expect(parsePeerAddress(formatPeerAddress(parsed.value))).toEqual(parsed)
  })
})

describe('what is wrong is said', () => {
  test.each<[string, string]>([
    ['', 'nodeId'],
    ['node.example:9735', 'nodeId'],
    [`${ID.slice(2)}@h:1`, 'nodeId'],
    // Not on the curve.
    [`02${'00'.repeat(31)}05@h:1`, 'nodeId'],
    [`04${ID.slice(2)}@h:1`, 'nodeId'],
    [ID, 'host'],
    [`${ID}@`, 'host'],
    [`${ID}@:9735`, 'host'],
    [`${ID}@h:0`, 'port'],
    [`${ID}@h:65536`, 'port'],
    [`${ID}@h:port`, 'port'],
    [`${ID}@h:`, 'port'],
    [`${ID}@2001:db8::1`, 'host'],
    [`${ID}@[2001:db8::1`, 'host'],
    [`${ID}@[nonsense]:1`, 'host'],
    [`${ID}@[1:2]:1`, 'host'],
    [`${ID}@256.1.1.1:1`, 'host'],
    [`${ID}@0x7f.1:1`, 'host'],
    [`${ID}@with space:1`, 'host'],
    [`${ID}@a/b:1`, 'host'],
    [`${ID}@http://h`, 'url'],
    [`${ID}@ws://`, 'url'],
    [`${ID}@ws://user:pass@h/`, 'url'],
    [`${ID}@${'a'.repeat(400)}`, 'format'],
  ])('%s', (text, part) => {
    expect(parsePeerAddress(text)).toMatchObject({
      ok: false,
      error: { code: 'peerAddressInvalid', data: { part } },
    })
  })
})
