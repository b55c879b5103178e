import { bech32, bech32m, createBase58check } from '@scure/base'
import { concat } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { sha256 } from '../crypto/hash.ts'
import { NETWORKS, type Network } from './network.ts'
import { p2pkh, p2sh, parseWitnessProgram, scriptKind, witnessProgram } from './script.ts'

/**
 * Why an address is refused: not an address at all (checksum, alphabet, length), or a good one of another network, which
 * the user should hear in other words.
 */
export type AddressError = 'invalid_address' | 'wrong_network'

/** BIP 173: at most 90 characters. Base58 addresses are shorter. */
const MAX_ADDRESS = 90
const base58check = createBase58check(sha256)
const ALL: readonly Network[] = Object.values(NETWORKS)

/** The witness program in a segwit address (BIP 173: version 0 in bech32; BIP 350: versions 1..16 in bech32m). */
function fromSegwit(address: string): { readonly prefix: string; readonly script: Uint8Array } | undefined {
  const asBech32 = bech32.decodeUnsafe(address, MAX_ADDRESS)
  const decoded = asBech32 ?? bech32m.decodeUnsafe(address, MAX_ADDRESS)
  const version = decoded?.words[0]
  if (decoded === undefined || version === undefined || version > 16) return undefined
  if ((version === 0) !== (asBech32 !== undefined)) return undefined
  const program = bech32.fromWordsUnsafe(decoded.words.slice(1))
  if (!program || program.length < 2 || program.length > 40) return undefined
  if (version === 0 && program.length !== 20 && program.length !== 32) return undefined
  return { prefix: decoded.prefix, script: witnessProgram(version, Uint8Array.from(program)) }
}

/** Version byte and hash of a base58 address. */
function fromBase58(address: string): { readonly version: number; readonly hash: Uint8Array } | undefined {
  try {
    const bytes = base58check.decode(address)
    return bytes.length === 21 ? { version: bytes[0] as number, hash: bytes.slice(1) } : undefined
  } catch {
    return undefined
  }
}

/**
 * The scriptPubKey that an address stands for: bech32 and bech32m (BIP 173, BIP 350), base58 P2PKH and P2SH. Signet and
 * testnet4 share their prefixes. Errors: `invalid_address`, `wrong_network`.
 */
export function scriptFromAddress(address: string, network: Network): Result<Uint8Array, AddressError> {
  if (address.length === 0 || address.length > MAX_ADDRESS) return err('invalid_address')
  const segwit = fromSegwit(address)
  if (segwit !== undefined) {
    if (segwit.prefix === network.bech32) return ok(segwit.script)
    return err(ALL.some((n) => n.bech32 === segwit.prefix) ? 'wrong_network' : 'invalid_address')
  }
  const legacy = fromBase58(address)
  if (legacy === undefined) return err('invalid_address')
  if (legacy.version === network.pubKeyHash) return ok(p2pkh(legacy.hash))
  if (legacy.version === network.scriptHash) return ok(p2sh(legacy.hash))
  const known = ALL.some((n) => n.pubKeyHash === legacy.version || n.scriptHash === legacy.version)
  return err(known ? 'wrong_network' : 'invalid_address')
}

/** The address of a scriptPubKey, or undefined when it has none (OP_RETURN, bare scripts). */
export function addressFromScript(spk: Uint8Array, network: Network): string | undefined {
  const witness = parseWitnessProgram(spk)
  if (witness !== undefined) {
    const n = witness.program.length
    if (witness.version === 0 && n !== 20 && n !== 32) return undefined
    const coder = witness.version === 0 ? bech32 : bech32m
    return coder.encode(network.bech32, [witness.version, ...coder.toWords(witness.program)])
  }
  const kind = scriptKind(spk)
  if (kind === 'p2pkh') return base58check.encode(concat(Uint8Array.of(network.pubKeyHash), spk.slice(3, 23)))
  if (kind === 'p2sh') return base58check.encode(concat(Uint8Array.of(network.scriptHash), spk.slice(2, 22)))
  return undefined
}
