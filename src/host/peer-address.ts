import type { ApiErrorData } from '../contract/errors.ts'
import { parseHex } from '../engine/base/bytes.ts'
import { err, ok, type Result } from '../engine/base/result.ts'
import { isPublicKey } from '../engine/crypto/curve.ts'

/** Where a node is reached. `tcp` goes through the gateway in a browser; `ws` is a node's own WebSocket port. */
export type PeerAddress =
  | { readonly kind: 'tcp'; readonly nodeId: string; readonly host: string; readonly port: number }
  | { readonly kind: 'ws'; readonly nodeId: string; readonly url: string }

/** BOLT 1 §Connection Handling and Multiplexing names no port; BOLT 7 and all implementations use this one. */
const DEFAULT_PORT = 9735
const MAX_LENGTH = 300

const NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*$/
const V4 = /^(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/
const V6 = /^[0-9a-f:]{2,39}(\d{1,3}(\.\d{1,3}){3})?$/

/** What is wrong with an address, for programs: `data.part` of the error. */
type Part = 'format' | 'nodeId' | 'host' | 'port' | 'url'

const invalid = (part: Part, message: string): Result<never, ApiErrorData> =>
  err({ code: 'peerAddressInvalid', message, data: { part } })

/**
 * Reads `pubkey@host`, `pubkey@host:port`, `pubkey@[v6]:port`, `pubkey@ws://…` or `pubkey@wss://…`; surrounding space is ignored.
 * The error is `peerAddressInvalid`, with what is wrong in words and in `data.part`.
 */
export function parsePeerAddress(text: string): Result<PeerAddress, ApiErrorData> {
  const trimmed = text.trim()
  if (trimmed.length > MAX_LENGTH)
    return invalid('format', `An address has ${MAX_LENGTH} characters at most.`)
  const at = trimmed.indexOf('@')
  const nodeId = (at < 0 ? trimmed : trimmed.slice(0, at)).toLowerCase()
  const key = parseHex(nodeId, 33)
  if (key === undefined || !isPublicKey(key))
    return invalid('nodeId', 'A peer’s address starts with its public key: 66 hex digits, then @.')
  const place = at < 0 ? '' : trimmed.slice(at + 1)
  if (place === '') return invalid('host', 'After the public key comes @ and where the node is: host:port.')
  if (/^wss?:\/\//i.test(place)) return parseUrl(nodeId, place)
  if (place.includes('://')) return invalid('url', 'Of URLs only ws:// and wss:// are understood.')
  return parseHostPort(nodeId, place.toLowerCase())
}

function parseUrl(nodeId: string, text: string): Result<PeerAddress, ApiErrorData> {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return invalid('url', 'This WebSocket URL is not well formed.')
  }
  if (url.username !== '' || url.password !== '' || url.hash !== '')
    return invalid('url', 'A WebSocket URL of a peer has no user name, password or fragment.')
  return ok({ kind: 'ws', nodeId, url: url.href })
}

function parseHostPort(nodeId: string, place: string): Result<PeerAddress, ApiErrorData> {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([^:]*))?$/.exec(place)
  if (match === null) return invalid('host', 'An IPv6 address goes in brackets: pubkey@[2001:db8::1]:9735.')
  const [, v6, name, portText] = match
  const port = portText === undefined ? DEFAULT_PORT : /^\d{1,5}$/.test(portText) ? Number(portText) : 0
  if (port < 1 || port > 65_535) return invalid('port', 'A port is a number from 1 to 65535.')
  if (v6 !== undefined)
    return isV6(v6)
      ? ok({ kind: 'tcp', nodeId, host: v6, port })
      : invalid('host', 'What is in the brackets is no IPv6 address.')
  const host = (name ?? '').replace(/\.$/, '')
  // What ends in a number is an IPv4 address or nothing.
  if (V4.test(host) || (NAME.test(host) && !/(^|\.)(0x[0-9a-f]*|\d+)$/.test(host)))
    return ok({ kind: 'tcp', nodeId, host, port })
  return invalid('host', 'The host is neither a name nor an IP address.')
}

function isV6(text: string): boolean {
  if (!V6.test(text)) return false
  try {
    // The URL parser knows IPv6 in all its spellings.
    return new URL(`http://[${text}]/`).hostname !== ''
  } catch {
    return false
  }
}

/** The address as text; parses back to the same. */
export function formatPeerAddress(address: PeerAddress): string {
  if (address.kind === 'ws') return `${address.nodeId}@${address.url}`
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${address.nodeId}@${host}:${address.port}`
}
