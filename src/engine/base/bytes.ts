import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'

/** Bytes to lower-case hex. */
export const toHex = (bytes: Uint8Array): string => bytesToHex(bytes)

/** Hex to bytes; throws on odd length or other characters. For input from outside use `parseHex`. */
export const fromHex = (hex: string): Uint8Array => hexToBytes(hex)

/** Hex from outside to bytes, or undefined when it is not hex (or not of `length` bytes, when given). */
export function parseHex(hex: string, length?: number): Uint8Array | undefined {
  if (hex.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(hex)) return undefined
  if (length !== undefined && hex.length !== 2 * length) return undefined
  return hexToBytes(hex)
}

/** Joins byte strings. */
export const concat = (...parts: readonly Uint8Array[]): Uint8Array => concatBytes(...parts)

/** UTF-8 bytes of a string. */
export const utf8 = (text: string): Uint8Array => utf8ToBytes(text)

/** Equality of public byte strings (stops at the first difference: never for secrets). */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Equality of secret byte strings of equal length, in time that depends on the length alone. */
export function equalSecret(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0)
  return difference === 0
}

/** Lexicographic order of byte strings, as BIP 69 and BOLT 7 use it: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length)
  for (let i = 0; i < n; i++) {
    const d = (a[i] ?? 0) - (b[i] ?? 0)
    if (d !== 0) return d
  }
  return a.length - b.length
}

/** A reversed copy: between Bitcoin's internal and display byte orders. */
export const reversed = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes).reverse()

/** Big-endian unsigned integer to bytes of a fixed length; throws when it does not fit. */
export function uintBE(value: bigint | number, length: number): Uint8Array {
  let v = BigInt(value)
  if (v < 0n || v >= 1n << BigInt(8 * length))
    throw new RangeError(`uintBE: ${v} does not fit ${length} bytes`)
  const out = new Uint8Array(length)
  const view = new DataView(out.buffer)
  let at = length
  for (; at >= 8; v >>= 64n) {
    at -= 8
    view.setBigUint64(at, v)
  }
  for (let rest = Number(v); at > 0; rest = Math.floor(rest / 256)) out[--at] = rest % 256
  return out
}

/** Bytes to a big-endian unsigned integer. */
export function readUintBE(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let v = 0n
  let at = 0
  for (; at + 8 <= bytes.length; at += 8) v = (v << 64n) | view.getBigUint64(at)
  for (; at < bytes.length; at++) v = (v << 8n) | BigInt(bytes[at] as number)
  return v
}
