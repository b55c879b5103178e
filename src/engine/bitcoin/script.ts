import { concat, equalBytes } from '../base/bytes.ts'
import { invariant } from '../base/result.ts'
import { type Sat, sat } from '../base/units.ts'
import { hash160, sha256 } from '../crypto/hash.ts'

/** The opcodes this program writes or recognizes. */
export const OP = {
  FALSE: 0x00,
  PUSHDATA1: 0x4c,
  PUSHDATA2: 0x4d,
  ONE: 0x51,
  TWO: 0x52,
  SIXTEEN: 0x60,
  IF: 0x63,
  NOTIF: 0x64,
  ELSE: 0x67,
  ENDIF: 0x68,
  RETURN: 0x6a,
  IFDUP: 0x73,
  DROP: 0x75,
  DUP: 0x76,
  SWAP: 0x7c,
  SIZE: 0x82,
  EQUAL: 0x87,
  EQUALVERIFY: 0x88,
  HASH160: 0xa9,
  CHECKSIG: 0xac,
  CHECKSIGVERIFY: 0xad,
  CHECKMULTISIG: 0xae,
  CHECKLOCKTIMEVERIFY: 0xb1,
  CHECKSEQUENCEVERIFY: 0xb2,
} as const

/** The longest element a script may push (consensus). */
const MAX_PUSH = 520

/** One element of a script: an opcode, or bytes to push. */
export type ScriptPart = number | Uint8Array

/** The shortest push of `data` (BIP 62 rule 3), at most 520 bytes. For numbers see `scriptNumber`. */
export function pushData(data: Uint8Array): Uint8Array {
  const n = data.length
  invariant(n <= MAX_PUSH, 'script push of at most 520 bytes')
  if (n < OP.PUSHDATA1) return concat(Uint8Array.of(n), data)
  if (n <= 0xff) return concat(Uint8Array.of(OP.PUSHDATA1, n), data)
  return concat(Uint8Array.of(OP.PUSHDATA2, n & 0xff, n >> 8), data)
}

/** A non-negative number as a script part: OP_0, OP_1..OP_16, or the shortest little-endian push. */
export function scriptNumber(n: number): ScriptPart {
  invariant(Number.isInteger(n) && n >= 0 && n <= 0xffffffff, 'script number of 32 bits')
  if (n === 0) return OP.FALSE
  if (n <= 16) return OP.ONE + n - 1
  const out: number[] = []
  let rest = n
  while (rest > 0) {
    out.push(rest % 256)
    rest = Math.floor(rest / 256)
  }
  // The top bit is the sign.
  if ((out[out.length - 1] as number) >= 0x80) out.push(0)
  return Uint8Array.from(out)
}

/** Builds a script from opcodes and pushes. */
export function script(...parts: readonly ScriptPart[]): Uint8Array {
  let length = 0
  for (const p of parts) {
    if (typeof p === 'number') length += 1
    else length += p.length + (p.length < OP.PUSHDATA1 ? 1 : p.length <= 0xff ? 2 : 3)
  }
  const out = new Uint8Array(length)
  let at = 0
  for (const p of parts) {
    if (typeof p === 'number') out[at++] = p
    else if (p.length < OP.PUSHDATA1) {
      out[at] = p.length
      out.set(p, at + 1)
      at += 1 + p.length
    } else {
      const push = pushData(p)
      out.set(push, at)
      at += push.length
    }
  }
  return out
}

// ---- output scripts ------------------------------------------------------------------------------------------------

/** scriptPubKey of a witness program: version 0..16, 2..40 bytes (BIP 141). */
export function witnessProgram(version: number, program: Uint8Array): Uint8Array {
  invariant(version >= 0 && version <= 16, 'witness version 0..16')
  invariant(program.length >= 2 && program.length <= 40, 'witness program of 2..40 bytes')
  return script(scriptNumber(version), program)
}

/** Pays to a 33-byte key's hash (BIP 141 P2WPKH), 22 bytes. */
export const p2wpkh = (pubkey: Uint8Array): Uint8Array => witnessProgram(0, hash160(pubkey))

/** Pays to a witness script's hash (BIP 141 P2WSH), 34 bytes. */
export const p2wsh = (witnessScript: Uint8Array): Uint8Array => witnessProgram(0, sha256(witnessScript))

/** Pays to a taproot output key (BIP 341), 32 bytes x-only and already tweaked; 34 bytes. */
export function p2tr(outputKey: Uint8Array): Uint8Array {
  invariant(outputKey.length === 32, 'p2tr: x-only key of 32 bytes')
  return witnessProgram(1, outputKey)
}

/** Pays to a 20-byte key hash, legacy P2PKH. */
export const p2pkh = (keyHash: Uint8Array): Uint8Array =>
  script(OP.DUP, OP.HASH160, keyHash, OP.EQUALVERIFY, OP.CHECKSIG)

/** Pays to a 20-byte script hash, legacy P2SH. */
export const p2sh = (scriptHash: Uint8Array): Uint8Array => script(OP.HASH160, scriptHash, OP.EQUAL)

/** The script code that a P2WPKH signature commits to (BIP 143), for a 33-byte key. */
export const p2wpkhScriptCode = (pubkey: Uint8Array): Uint8Array => p2pkh(hash160(pubkey))

/** Pay to anchor (BIP 433): OP_1 and the two bytes 4e73. */
export const P2A: Uint8Array = Uint8Array.of(0x51, 0x02, 0x4e, 0x73)

/** Version and program of a witness program, or undefined for another script. */
export function parseWitnessProgram(
  spk: Uint8Array,
): { readonly version: number; readonly program: Uint8Array } | undefined {
  const op = spk[0]
  if (op === undefined || spk.length < 4 || spk.length > 42 || spk[1] !== spk.length - 2) return undefined
  if (op !== 0 && (op < OP.ONE || op > OP.SIXTEEN)) return undefined
  return { version: op === 0 ? 0 : op - OP.ONE + 1, program: spk.slice(2) }
}

export type ScriptKind =
  | 'p2pkh'
  | 'p2sh'
  | 'p2wpkh'
  | 'p2wsh'
  | 'p2tr'
  | 'p2a'
  | 'witness_unknown'
  | 'op_return'
  | 'other'

/** What kind of output a scriptPubKey makes. */
export function scriptKind(spk: Uint8Array): ScriptKind {
  const witness = parseWitnessProgram(spk)
  if (witness !== undefined) {
    const n = witness.program.length
    if (witness.version === 0) return n === 20 ? 'p2wpkh' : n === 32 ? 'p2wsh' : 'other'
    if (witness.version === 1 && n === 32) return 'p2tr'
    return equalBytes(spk, P2A) ? 'p2a' : 'witness_unknown'
  }
  if (spk[0] === OP.RETURN) return 'op_return'
  if (spk.length === 25 && equalBytes(spk, p2pkh(spk.slice(3, 23)))) return 'p2pkh'
  if (spk.length === 23 && equalBytes(spk, p2sh(spk.slice(2, 22)))) return 'p2sh'
  return 'other'
}

/**
 * The smallest amount that such an output relays with (BOLT 3 §Dust Limits). An output below it is dust. P2TR falls under
 * "unknown segwit versions" there (354), which is on the safe side of Bitcoin Core's own figure (330).
 */
export function dustLimitSat(spk: Uint8Array): Sat {
  switch (scriptKind(spk)) {
    case 'p2pkh':
      return sat(546)
    case 'p2sh':
      return sat(540)
    case 'p2wpkh':
      return sat(294)
    case 'p2wsh':
      return sat(330)
    case 'p2a':
      return sat(240)
    case 'p2tr':
    case 'witness_unknown':
      return sat(354)
    case 'op_return':
      return sat(0)
    case 'other':
      // Bitcoin Core policy: (output + 148 bytes of input) at 3 sat a byte.
      return sat(3 * (8 + (spk.length < 0xfd ? 1 : 3) + spk.length + 148))
  }
}

/**
 * Whether a peer may ask to be paid to this script on closing (BOLT 2 §shutdown).
 * @param anysegwit `option_shutdown_anysegwit` is negotiated: witness versions 1..16 too
 * @param simpleClose `option_simple_close` is negotiated: OP_RETURN with one push of 6..80 bytes too
 */
export function isAcceptableShutdownScript(
  spk: Uint8Array,
  anysegwit: boolean,
  simpleClose = false,
): boolean {
  const witness = parseWitnessProgram(spk)
  if (witness !== undefined) {
    if (witness.version === 0) return witness.program.length === 20 || witness.program.length === 32
    return anysegwit
  }
  if (!simpleClose || spk[0] !== OP.RETURN) return false
  const n = spk[1] ?? 0
  if (n >= 6 && n <= 75) return spk.length === 2 + n
  const m = spk[2] ?? 0
  return n === OP.PUSHDATA1 && m >= 76 && m <= 80 && spk.length === 3 + m
}
