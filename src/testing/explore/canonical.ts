import type { Channel } from '../../engine/channel/types.ts'
import { latin1 } from './curve.ts'

/**
 * A channel as a string: two channels with the same string behave alike from now on. Left out are what never changes while exploring,
 * the secrets received (given by how many they are; `facts.ts` holds them to the peer's own) and revocations long confirmed.
 */
export function channelKey(channel: Channel): string {
  const {
    id: _id,
    temporaryId: _temporaryId,
    peer: _peer,
    role: _role,
    formatName: _formatName,
    salt: _salt,
    shutdownScript: _shutdownScript,
    local: _local,
    remote: _remote,
    createdAt: _createdAt,
    localAlias: _localAlias,
    remoteSecrets: _remoteSecrets,
    journal,
    ...rest
  } = channel
  let key = journalKey(journal)
  for (const name of Object.keys(rest).sort()) {
    const value = (rest as Readonly<Record<string, unknown>>)[name]
    if (value !== undefined) key += `${name}:${canonical(value)};`
  }
  return key
}

/**
 * The journal's order matters only between a signature that is unconfirmed and the revocations around it. What each revocation granted
 * is written out where it is not the one point that a window of constant size gives.
 */
function journalKey(journal: Channel['journal']): string {
  let last = -1
  let key = ''
  for (const entry of journal) {
    if (entry.kind === 'sign') key += `s${entry.number}>${last};`
    else {
      if (entry.number !== last + 1 && last !== -1) key += `gap${entry.number};`
      last = entry.number
      if (entry.granted !== 1) key += `g${entry.number}:${entry.firstGranted}+${entry.granted};`
    }
  }
  return `${key}r${last};`
}

const memory = new WeakMap<object, string>()
const byteNames = new Map<string, string>()

/** Plain data as a string, whatever order its keys came in. Bytes get short names, the same bytes the same one. */
export function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) {
    return typeof value === 'string' ? JSON.stringify(value) : String(value)
  }
  const known = memory.get(value)
  if (known !== undefined) return known
  const made = describe(value)
  memory.set(value, made)
  return made
}

function describe(value: object): string {
  if (value instanceof Uint8Array) {
    const bytes = latin1(value)
    const name = byteNames.get(bytes) ?? `#${byteNames.size}`
    byteNames.set(bytes, name)
    return name
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  let text = '{'
  const record = value as Readonly<Record<string, unknown>>
  for (const name of Object.keys(record).sort()) {
    if (record[name] !== undefined) text += `${name}:${canonical(record[name])},`
  }
  return `${text}}`
}
