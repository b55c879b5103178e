import type { Result } from '../base/result.ts'
import { Reader, Writer } from './codec.ts'
import type { WireError } from './errors.ts'
import { decoding } from './errors.ts'

/** An address descriptor (BOLT 7 §The node_announcement Message). */
export type NodeAddress =
  | { readonly type: 'ipv4'; readonly address: Uint8Array; readonly port: number }
  | { readonly type: 'ipv6'; readonly address: Uint8Array; readonly port: number }
  /** 35 bytes: public key, checksum, version. */
  | { readonly type: 'torv3'; readonly address: Uint8Array; readonly port: number }
  | { readonly type: 'dns'; readonly hostname: string; readonly port: number }

const BY_NUMBER = new Map([
  [1, { type: 'ipv4', length: 4 } as const],
  [2, { type: 'ipv6', length: 16 } as const],
  [4, { type: 'torv3', length: 35 } as const],
])

/** A name as DNS has it, punycode included: labels of letters, digits, hyphens and underscores. */
const HOSTNAME = /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?$/i

/**
 * The usable addresses of a node_announcement (or of init's remote_addr). Reading stops at the first unknown descriptor;
 * Tor v2, port 0, malformed host names and any host name after the first are left out, as BOLT 7 asks. An error when a
 * known descriptor is cut short.
 */
export function parseAddresses(bytes: Uint8Array): Result<readonly NodeAddress[], WireError> {
  return decoding(() => {
    const reader = new Reader(bytes)
    const out: NodeAddress[] = []
    let hostnames = 0
    while (reader.left > 0) {
      const number = reader.u8()
      const known = BY_NUMBER.get(number)
      if (known !== undefined) {
        const address = reader.bytes(known.length, known.type)
        const port = reader.u16()
        if (port !== 0) out.push({ type: known.type, address, port })
      } else if (number === 3) {
        reader.bytes(12, 'torv2')
      } else if (number === 5) {
        const hostname = String.fromCharCode(...reader.bytes(reader.u8(), 'hostname'))
        const port = reader.u16()
        if (++hostnames === 1 && port !== 0 && HOSTNAME.test(hostname))
          out.push({ type: 'dns', hostname, port })
      } else {
        break
      }
    }
    return out
  })
}

/** Address descriptors in ascending order of type. Throws RangeError for lengths that do not fit. */
export function encodeAddresses(addresses: readonly NodeAddress[]): Uint8Array {
  const number = { ipv4: 1, ipv6: 2, torv3: 4, dns: 5 } as const
  const writer = new Writer()
  for (const a of [...addresses].sort((x, y) => number[x.type] - number[y.type])) {
    writer.u8(number[a.type])
    if (a.type === 'dns') {
      const name = Uint8Array.from(a.hostname, (c) => c.charCodeAt(0))
      writer.u8(name.length).bytes(name)
    } else {
      writer.bytes(a.address, BY_NUMBER.get(number[a.type])?.length)
    }
    writer.u16(a.port)
  }
  return writer.finish()
}
