import { describe, expect, it } from 'vitest'
import { allows, isPublicAddress, parseTarget } from './address.ts'
import { Accounts, clientKey, DEFAULT_LIMITS } from './limits.ts'

describe('the path names the target', () => {
  it.each([
    ['/v1/node.example/9735', 'node.example', 9735],
    ['/v1/Node.Example./9735?token=x', 'node.example', 9735],
    ['/v1/node_example_org/9735', 'node.example.org', 9735],
    ['/v1/52_1_2_3/9735', '52.1.2.3', 9735],
    ['/v1/[2001:db8::1]/9735', '2001:db8::1', 9735],
    ['/v1/%5B2001%3Adb8%3A%3A1%5D/9735/', '2001:db8::1', 9735],
    ['/v1/localhost/80', 'localhost', 80],
  ])('%s', (path, host, port) => {
    expect(parseTarget(path)).toEqual({ host, port })
  })

  it.each([
    '/v1/host/0',
    '/v1/host/65536',
    '/v1/host',
    '/v1/host/9735/more',
    '/v1//9735',
    '/v1/ho st/9735',
    '/v1/-host/9735',
    '/v1/%zz/9735',
    '/v1/[::1/9735',
    '/v1/[127.0.0.1]/9735',
    '/v1/fe80::1%25eth0/9735',
    // Spellings of 127.0.0.1 that a resolver takes and a range check on text does not see.
    '/v1/2130706433/9735',
    '/v1/0x7f.1/9735',
    '/v1/127.1/9735',
    '/v2/host/9735',
    `/v1/${'a'.repeat(64)}/9735`,
  ])('refuses %s', (path) => {
    expect(parseTarget(path)).toBeUndefined()
  })
})

describe('which addresses are on the public internet', () => {
  it.each(['8.8.8.8', '100.63.255.255', '172.32.0.1', '2606:4700::1', '2a01:4f8::1'])('%s is', (ip) => {
    expect(isPublicAddress(ip)).toBe(true)
  })
  it.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '192.168.1.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:8.8.8.8',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2001:0:1::1',
    '2001:db8::1',
    'fc00::1',
    'fe80::1',
    'ff02::1',
    'localhost',
    '',
  ])('%s is not', (ip) => {
    expect(isPublicAddress(ip)).toBe(false)
  })
})

it('allow-list entries admit what they say and nothing next to it', () => {
  const at = (host: string, port = 9735) => ({ host, port })
  expect(allows('node.example', at('node.example', 1))).toBe(true)
  expect(allows('node.example:9735', at('node.example'))).toBe(true)
  expect(allows('node.example:9735', at('node.example', 22))).toBe(false)
  expect(allows('*.example', at('node.example'))).toBe(true)
  expect(allows('*.example', at('badexample'))).toBe(false)
  expect(allows('[2606:4700::1]:9735', at('2606:4700::1'))).toBe(true)
  expect(allows('[2606:4700::1]:9735', at('2606:4700::1', 22))).toBe(false)
  expect(allows('node.example', at('node.example.evil'))).toBe(false)
})

describe('allowances', () => {
  it('one subscriber is one client: an IPv4 address, an IPv6 /64', () => {
    expect(clientKey('::ffff:1.2.3.4')).toBe('1.2.3.4')
    expect(clientKey('2606:4700:1:2:3:4:5:6')).toBe(clientKey('2606:4700:1:2::9'))
    expect(clientKey('2606:4700:1:3::9')).not.toBe(clientKey('2606:4700:1:2::9'))
    expect(clientKey('fe80::1%eth0')).toBe('fe80:0:0:0')
  })

  it('a minute’s dials refill, an hour’s bytes start anew, places come back', () => {
    let now = 0
    const limits = { ...DEFAULT_LIMITS, dialsPerMinute: 2, connectionsPerClient: 3, bytesPerHour: 100 }
    const accounts = new Accounts(limits, () => now)
    expect([accounts.enter('a'), accounts.enter('a')]).toEqual([undefined, undefined])
    expect(accounts.enter('a')).toContain('a minute')
    expect(accounts.enter('b')).toBeUndefined()
    now = 30_000
    expect(accounts.enter('a')).toBeUndefined()
    now = 120_000
    expect(accounts.enter('a')).toContain('at a time')
    accounts.leave('a')
    expect(accounts.enter('a')).toBeUndefined()
    expect(accounts.spend('a', 100)).toBe(true)
    expect(accounts.spend('a', 1)).toBe(false)
    now += 3_600_000
    expect(accounts.spend('a', 1)).toBe(true)
    expect(accounts.open).toBe(4)
  })
})
