/** More is not worth showing: an error fills 65 kB otherwise. */
const MAX_TEXT = 500

/**
 * Text of a peer (`error`, `warning`) that may be shown: printable ASCII, at most 500 characters, or undefined when it
 * holds anything else (BOLT 1 §The error and warning Messages: SHOULD NOT be printed verbatim then).
 */
export function printableText(data: Uint8Array): string | undefined {
  let text = ''
  for (const byte of data) {
    if (byte < 0x20 || byte > 0x7e) return undefined
    if (text.length < MAX_TEXT) text += String.fromCharCode(byte)
  }
  return data.length > MAX_TEXT ? `${text}…` : text
}

/**
 * The data of an `error` or `warning` of ours. Only printable ASCII is sure to be read: peers hide the whole text, or show it as hex,
 * when it holds anything else (BOLT 1 §The error and warning Messages).
 */
export function plainText(text: string): Uint8Array {
  const plain = text.replaceAll('§', '').replaceAll('’', "'").slice(0, MAX_TEXT)
  return Uint8Array.from(plain, (c) => (c >= ' ' && c <= '~' ? c.charCodeAt(0) : 0x3f))
}

/** Control, format (joiners, bidi overrides), surrogate, private and unassigned characters, and separators of lines. */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/gu

/** Strict UTF-8 to text; undefined when it is none. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  // The engine has no DOM and no Node types: TextDecoder is neither here, so percent escapes do it.
  let escaped = ''
  for (const byte of bytes) escaped += `%${byte.toString(16).padStart(2, '0')}`
  try {
    return decodeURIComponent(escaped)
  } catch {
    return undefined
  }
}

/** Words of somebody else for display: in one line, without characters that could reorder or hide text, and not longer than `most`. */
export const safeText = (text: string, most: number): string =>
  // By code points, so that no pair of surrogates is cut.
  Array.from(text.replace(/\s+/g, ' ').replace(UNSAFE, '').trim()).slice(0, most).join('')

/**
 * A node's alias for display: valid UTF-8 without trailing zeros and without characters that could reorder or hide text;
 * empty when it is not valid. Still a self-chosen name, never proof of who it is (BOLT 7 §Security Considerations for Node
 * Aliases).
 */
export function safeAlias(alias: Uint8Array): string {
  let end = alias.length
  while (end > 0 && alias[end - 1] === 0) end--
  return (decodeUtf8(alias.subarray(0, end)) ?? '').replace(UNSAFE, '').trim()
}
