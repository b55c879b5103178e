import { HARDENED_OFFSET, HDKey } from '@scure/bip32'
import { concat, toHex, utf8 } from '../base/bytes.ts'
import { invariant } from '../base/result.ts'
import { addressFromScript } from '../bitcoin/address.ts'
import type { Network } from '../bitcoin/network.ts'
import { p2tr, p2wpkh } from '../bitcoin/script.ts'
import { taprootOutputKey, taprootOutputSecret } from '../bitcoin/taproot.ts'
import { hkdf } from '../crypto/hash.ts'
import type { Entropy } from '../crypto/entropy.ts'

/**
 * Every key of a wallet, from one seed. The objects here hold secrets in closures only, so that neither JSON, nor
 * structured clone, nor a log of them can show one.
 *
 * m/84'/coin'/0'/change/index   on-chain, P2WPKH (BIP 84)
 * m/86'/coin'/0'/change/index   on-chain, P2TR key path (BIP 86)
 * m/9735'/coin'/0'              node identity (BOLT 1, 7, 8)
 * m/9735'/coin'/1'              channels: HKDF with a 32-byte salt a channel
 * m/9735'/coin'/2'              invoices: preimages and payment secrets
 * m/9735'/coin'/3'              storage at rest and backups
 */

/** BIP 43 purpose of the on-chain accounts: 84 is P2WPKH, 86 is P2TR. */
export type Purpose = 84 | 86

/** 0: addresses given to others; 1: change. */
export type Change = 0 | 1

/** Where a script's key is, below the account. */
export interface KeyPath {
  readonly purpose: Purpose
  readonly change: Change
  readonly index: number
}

/** The on-chain keys. `script`, `publicKey` and `address` are public; `secret` is for signing alone. */
export interface WalletKeys {
  readonly network: Network
  /** scriptPubKey: 22 bytes (84) or 34 bytes (86). */
  script(path: KeyPath): Uint8Array
  /** 84: the 33-byte key; 86: the 32-byte tweaked output key. */
  publicKey(path: KeyPath): Uint8Array
  address(path: KeyPath): string
  /** 32 bytes that sign for `script(path)`; for 86 already tweaked (BIP 341). */
  secret(path: KeyPath): Uint8Array
}

/** The keys of the Lightning node. All results are 32 bytes. */
export interface NodeKeys {
  /** The secret behind the node id. The same on all test networks, as BIP 44 has one coin type for them. */
  identity(): Uint8Array
  /** The seed of one channel's keys, from the 32-byte salt in its record (`newChannelSalt`). */
  channelSeed(salt: Uint8Array): Uint8Array
  /** For preimages and payment secrets of invoices. */
  invoiceKey(): Uint8Array
  /** For what is encrypted at rest. */
  storageKey(): Uint8Array
  /** For backup files and copies at peers: apart from the storage key, so that one may be given away without the other. */
  backupKey(): Uint8Array
}

const NODE_PURPOSE = 9735
const NO_SALT = new Uint8Array(32)
/** Derived scripts that are kept: derivation costs a point multiplication. Public data only. */
const MAX_CACHED = 5_000

const hardened = (key: HDKey, ...indexes: readonly number[]): HDKey =>
  indexes.reduce((k, i) => k.deriveChild(HARDENED_OFFSET + i), key)

const secretOf = (key: HDKey): Uint8Array => {
  const secret = key.privateKey
  invariant(secret !== null, 'a private key in an extended private key')
  return secret.slice()
}

const publicOf = (key: HDKey): Uint8Array => {
  const point = key.publicKey
  invariant(point !== null, 'a public key in an extended key')
  return point
}

/** On-chain keys (BIP 84 and BIP 86, account 0) of a 64-byte BIP 39 seed on a network. */
export function walletKeys(seed: Uint8Array, network: Network): WalletKeys {
  const master = HDKey.fromMasterSeed(seed)
  const branches = new Map<string, HDKey>()
  const publicKeys = new Map<string, Uint8Array>()

  const node = ({ purpose, change, index }: KeyPath): HDKey => {
    invariant(purpose === 84 || purpose === 86, 'purpose 84 or 86')
    invariant(change === 0 || change === 1, 'branch 0 or 1')
    invariant(Number.isInteger(index) && index >= 0 && index < HARDENED_OFFSET, 'an unhardened index')
    const name = `${purpose}/${change}`
    let branch = branches.get(name)
    if (branch === undefined) {
      branch = hardened(master, purpose, network.coinType, 0).deriveChild(change)
      branches.set(name, branch)
    }
    return branch.deriveChild(index)
  }

  const publicKeyOf = (path: KeyPath): Uint8Array => {
    const name = `${path.purpose}/${path.change}/${path.index}`
    const cached = publicKeys.get(name)
    if (cached !== undefined) return cached
    const point = publicOf(node(path))
    // BIP 86: the output key commits to no script at all, which is a tweak with an empty merkle root.
    const key = path.purpose === 84 ? point : taprootOutputKey(point.slice(1))
    if (publicKeys.size >= MAX_CACHED) publicKeys.clear()
    publicKeys.set(name, key)
    return key
  }

  const scriptOf = (path: KeyPath): Uint8Array =>
    path.purpose === 84 ? p2wpkh(publicKeyOf(path)) : p2tr(publicKeyOf(path))

  return {
    network,
    script: scriptOf,
    publicKey: (path) => publicKeyOf(path).slice(),
    address(path) {
      const address = addressFromScript(scriptOf(path), network)
      invariant(address !== undefined, 'an address for a witness program')
      return address
    },
    secret(path) {
      const secret = secretOf(node(path))
      return path.purpose === 84 ? secret : taprootOutputSecret(secret)
    },
  }
}

/** The node's keys of a 64-byte BIP 39 seed on a network. Derived keys other than the identity differ on every chain. */
export function nodeKeys(seed: Uint8Array, network: Network): NodeKeys {
  const master = hardened(HDKey.fromMasterSeed(seed), NODE_PURPOSE, network.coinType)
  const family = (index: number): Uint8Array => secretOf(hardened(master, index))
  const expand = (index: number, label: string, salt: Uint8Array): Uint8Array =>
    hkdf(family(index), salt, concat(utf8(`switchback ${label}`), network.chainHash), 32)
  return {
    identity: () => family(0),
    channelSeed(salt) {
      invariant(salt.length === 32, 'a channel salt of 32 bytes')
      return expand(1, 'channel seed', salt)
    },
    invoiceKey: () => expand(2, 'invoices', NO_SALT),
    storageKey: () => expand(3, 'storage', NO_SALT),
    backupKey: () => expand(3, 'backup', NO_SALT),
  }
}

/**
 * A salt for a new channel's keys: 32 fresh bytes, kept in the channel's record and its backups. Random and not a counter,
 * because a counter restored from an old backup would give a new channel the revocation secrets of an old one.
 */
export const newChannelSalt = (entropy: Entropy): Uint8Array => entropy.bytes(32)

/** `84/0/7`: a key path as text, for maps and records. */
export const keyPathName = (path: KeyPath): string => `${path.purpose}/${path.change}/${path.index}`

/** Eight hex digits that tell one seed from another (BIP 32 fingerprint of the master key); not secret. */
export function seedFingerprint(seed: Uint8Array): string {
  const identifier = HDKey.fromMasterSeed(seed).identifier
  invariant(identifier !== undefined, 'an identifier')
  return toHex(identifier.slice(0, 4))
}
