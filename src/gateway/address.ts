import { BlockList, isIP } from 'node:net'

export interface Target {
  /** A host name in lower case or an IP literal without brackets. */
  readonly host: string
  readonly port: number
}

const NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9]([a-z0-9-]{0,62}))*\.?$/

/**
 * The target of `/v1/<host>/<port>`; undefined when there is none. IPv6 literals come in brackets or bare. The older
 * form writes the dots of the host as underscores (`/v1/127_0_0_1/9735`); an underscore means nothing else in a name.
 */
export function parseTarget(path: string): Target | undefined {
  const match = /^\/v1\/([^/]{1,300})\/(\d{1,5})\/?$/.exec(path.replace(/\?.*$/s, ''))
  if (!match) return undefined
  let host: string
  try {
    host = decodeURIComponent(match[1] ?? '').toLowerCase()
  } catch {
    return undefined
  }
  // A zone (`fe80::1%eth0`) names an interface of the gateway's machine: never a client's business.
  if (host.includes('%')) return undefined
  const port = Number(match[2])
  if (port < 1 || port > 65_535) return undefined
  const bracketed = /^\[(.*)\]$/.exec(host)
  if (bracketed) return isIP(bracketed[1] ?? '') === 6 ? { host: bracketed[1] ?? '', port } : undefined
  if (isIP(host) !== 0) return { host, port }
  if (!host.includes('.')) host = host.replaceAll('_', '.')
  if (isIP(host) !== 0) return { host, port }
  // What ends in a number is an address in one of inet_aton's odd spellings, never a name.
  if (!NAME.test(host) || /(^|\.)(0x[0-9a-f]*|\d+)\.?$/.test(host)) return undefined
  return { host: host.replace(/\.$/, ''), port }
}

const blockedV4 = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  blockedV4.addSubnet(network, prefix, 'ipv4')

const globalV6 = new BlockList()
globalV6.addSubnet('2000::', 3, 'ipv6')
const blockedV6 = new BlockList()
for (const [network, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  blockedV6.addSubnet(network, prefix, 'ipv6')

/**
 * Whether an IP literal is on the public internet: not loopback, private, link-local, shared, multicast, reserved, or a
 * form of IPv6 that wraps an IPv4 address and would reach one of those (IANA special-purpose address registries).
 */
export function isPublicAddress(ip: string): boolean {
  const family = isIP(ip)
  if (family === 4) return !blockedV4.check(ip, 'ipv4')
  if (family === 6) return globalV6.check(ip, 'ipv6') && !blockedV6.check(ip, 'ipv6')
  return false
}

/** Whether an allow-list entry (`host`, `host:port`, `*.domain`, `*.domain:port`, `[v6]:port`) admits the target. */
export function allows(entry: string, target: Target): boolean {
  const match = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(entry.toLowerCase())
  const host = match ? (match[1] ?? '').replace(/^\[|\]$/g, '') : entry.toLowerCase()
  if (match?.[2] !== undefined && Number(match[2]) !== target.port) return false
  if (host.startsWith('*.')) return target.host.endsWith(host.slice(1))
  return host === target.host
}
