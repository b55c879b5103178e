import type { Clock } from './ports.ts'

export type LogLevel = 'info' | 'warn' | 'error'

/** The last lines of what happened, for `exportLogs`. In memory only; nothing secret gets out. */
export interface Log {
  add(level: LogLevel, text: string): void
  /** All lines, oldest first, each `time level text`. */
  text(): string
}

export interface LogOptions {
  /** Default 2,000. */
  readonly maxLines?: number
  /** Of one line; default 2,000. */
  readonly maxLineChars?: number
  /** Of all lines together; default 500,000. */
  readonly maxChars?: number
}

export function createLog(clock: Pick<Clock, 'now'>, options: LogOptions = {}): Log {
  const maxLines = options.maxLines ?? 2_000
  const maxLineChars = options.maxLineChars ?? 2_000
  const maxChars = options.maxChars ?? 500_000
  const lines: { readonly time: number; readonly level: LogLevel; readonly text: string }[] = []
  let first = 0
  let chars = 0
  let dropped = 0

  // Most lines are never read: they are put into words and made safe when they are.
  const written = ({ time, level, text }: (typeof lines)[number]): string => {
    const safe = redact(text).replaceAll('\n', '\n    ')
    return `${new Date(time).toISOString()} ${level} ${clip(safe, maxLineChars)}`
  }

  return {
    add(level, text) {
      // Cut before and after: redaction is not run over megabytes, and no secret is left half by the second cut.
      const kept = text.slice(0, 4 * maxLineChars)
      lines.push({ time: clock.now(), level, text: kept })
      chars += kept.length + LINE_OVERHEAD
      while (lines.length - first > maxLines || (chars > maxChars && lines.length - first > 1)) {
        chars -= (lines[first]?.text.length ?? 0) + LINE_OVERHEAD
        first += 1
      }
      if (first >= maxLines) {
        dropped += first
        lines.splice(0, first)
        first = 0
      }
    },
    text() {
      const gone = dropped + first
      const head = gone === 0 ? [] : [`(${gone} older lines are gone)`]
      return [...head, ...lines.slice(first).map(written)].join('\n')
    },
  }
}

/** Characters of a line before its text. */
const LINE_OVERHEAD = 30

const clip = (text: string, max: number): string => (text.length > max ? `${text.slice(0, max)}…` : text)

/** Names of fields whose values are never written, in JSON and in `name=value` or `name: value`. */
const SECRET_FIELD =
  /(["']?\b\w{0,40}(?:secret|seed|words|mnemonic|passphrase|password|preimage|priv(?:ate)?_?key|token|entropy|xprv|macaroon)\w{0,40}["']?\s*[:=]\s*)("(?:[^"\\]|\\.)*"|'[^']*'|\[[^\]]*\]|\{[^}]*\}|[^\s,;}\]]+)/gi
/** Extended private keys, and private keys in WIF. */
const KEYS = /\b(?:[xtyzuv]prv[1-9A-HJ-NP-Za-km-z]{20,}|[5KL9c][1-9A-HJ-NP-Za-km-z]{50,51})\b/g
/** Twelve words in a row of 3 to 8 small letters are a recovery phrase until proven otherwise. */
const PHRASE = /\b(?:[a-z]{3,8}[\s,]+){11,}[a-z]{3,8}\b/g
/** User names, passwords and tokens in URLs; bearer tokens. */
const URL_USER = /(\b[a-z][a-z0-9+.-]{0,20}:\/\/)[^/\s@]{1,200}@/gi
const BEARER = /\b(bearer)[.\s]+[\w.~+/=-]+/gi
/** Hashes, keys, ids, transactions: the beginning is enough to follow one through a log. */
const LONG_HEX = /\b(?:0x)?([0-9a-f]{8})([0-9a-f]{48,})\b/gi
/** Invoices and offers say who was paid how much and for what. */
const INVOICE = /\b(ln(?:bc|tb|tbs|bcrt|o|r|i)[0-9a-z]{8})[0-9a-z]{40,}\b/gi

/**
 * The text without what must not leave the device: values of fields with telling names, private keys, recovery phrases,
 * credentials; and with long hex and invoices cut to their beginning. A net, not a licence: code does not log secrets.
 */
export function redact(text: string): string {
  return text
    .replace(SECRET_FIELD, '$1[redacted]')
    .replace(KEYS, '[private key]')
    .replace(PHRASE, '[words]')
    .replace(URL_USER, '$1[redacted]@')
    .replace(BEARER, '$1 [redacted]')
    .replace(
      LONG_HEX,
      (_, start: string, rest: string) => `${start}…(${Math.ceil((8 + rest.length) / 2)} bytes)`,
    )
    .replace(INVOICE, '$1…')
}
