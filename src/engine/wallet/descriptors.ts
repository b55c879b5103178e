import { HARDENED_OFFSET, HDKey } from '@scure/bip32'
import { invariant } from '../base/result.ts'
import type { Network } from '../bitcoin/network.ts'
import { type Purpose, seedFingerprint } from './keys.ts'

/** The on-chain accounts as output descriptors (BIP 380), for any other wallet that reads them. */

const INPUT_CHARSET =
  '0123456789()[],\'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#"\\ '
const CHECKSUM_CHARSET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const GENERATOR = [0xf5dee51989n, 0xa9fdca3312n, 0x1bab10e32dn, 0x3706b1677an, 0x644d626ffdn]

/** The eight characters after `#` (BIP 380 §Checksum). Throws on characters that no descriptor has. */
export function descriptorChecksum(descriptor: string): string {
  let check = 1n
  const feed = (value: number): void => {
    const top = check >> 35n
    check = ((check & 0x7ffffffffn) << 5n) ^ BigInt(value)
    GENERATOR.forEach((g, i) => {
      if ((top >> BigInt(i)) & 1n) check ^= g
    })
  }
  let groups: number[] = []
  for (const character of descriptor) {
    const at = INPUT_CHARSET.indexOf(character)
    invariant(at >= 0, 'a character of descriptors')
    feed(at & 31)
    groups.push(at >> 5)
    if (groups.length === 3) {
      feed(groups.reduce((n, g) => 3 * n + g, 0))
      groups = []
    }
  }
  if (groups.length > 0) feed(groups.reduce((n, g) => 3 * n + g, 0))
  for (let i = 0; i < 8; i++) feed(0)
  check ^= 1n
  return Array.from(
    { length: 8 },
    (_, i) => CHECKSUM_CHARSET[Number((check >> BigInt(5 * (7 - i))) & 31n)],
  ).join('')
}

export interface AccountDescriptors {
  readonly purpose: Purpose
  /** For addresses given to others, then for change. They find coins; they spend nothing. */
  readonly watch: readonly [string, string]
  /** The same with the account's private key: whoever has them has the coins. */
  readonly spend: readonly [string, string]
}

/** Descriptors of account 0 of BIP 84 and BIP 86, from a 64-byte BIP 39 seed. */
export function accountDescriptors(
  seed: Uint8Array,
  network: Network,
  purposes: readonly Purpose[],
): readonly AccountDescriptors[] {
  // BIP 32 §Serialization format: xprv and xpub, on test networks tprv and tpub.
  const versions =
    network.coinType === 0
      ? { private: 0x0488ade4, public: 0x0488b21e }
      : { private: 0x04358394, public: 0x043587cf }
  const master = HDKey.fromMasterSeed(seed, versions)
  const origin = seedFingerprint(seed)
  return purposes.map((purpose) => {
    const path = [purpose, network.coinType, 0]
    const account = path.reduce((key, index) => key.deriveChild(HARDENED_OFFSET + index), master)
    const describe = (key: string, change: 0 | 1): string => {
      const expression = `[${origin}/${path.map((index) => `${index}h`).join('/')}]${key}/${change}/*`
      const descriptor = purpose === 84 ? `wpkh(${expression})` : `tr(${expression})`
      return `${descriptor}#${descriptorChecksum(descriptor)}`
    }
    const both = (key: string) => [describe(key, 0), describe(key, 1)] as const
    return { purpose, watch: both(account.publicExtendedKey), spend: both(account.privateExtendedKey) }
  })
}
