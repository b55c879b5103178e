import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { scryptAsync } from '@noble/hashes/scrypt.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { err, ok, type Result } from '../../engine/base/result.ts'
import { decodeRecord, encodeRecord } from '../../engine/records/codec.ts'

/**
 * The keys to a sealed store: one data key, wrapped once for each way to open it. Changing a password wraps the data key anew and
 * replaces one record; nothing else is touched, so there is no moment in which neither the old nor the new one opens the wallet.
 */

/** What a user shows: a password, or the 32 bytes that a passkey makes of the slot's salt (WebAuthn PRF). */
export type Credential =
  | { readonly kind: 'password'; readonly password: string }
  | { readonly kind: 'passkey'; readonly secret: Uint8Array }

interface Wrapped {
  /** 24 bytes. */
  readonly nonce: Uint8Array
  /** The data key, sealed: 48 bytes. */
  readonly box: Uint8Array
}

export interface PasswordSlot extends Wrapped {
  readonly kind: 'password'
  /** scrypt (RFC 7914). */
  readonly n: number
  readonly r: number
  readonly p: number
  /** 16 bytes. */
  readonly salt: Uint8Array
}

export interface PasskeySlot extends Wrapped {
  readonly kind: 'passkey'
  /** As the browser named it: up to 1023 bytes (WebAuthn §6.1). */
  readonly credentialId: Uint8Array
  /** What the passkey is asked with: 32 bytes. */
  readonly salt: Uint8Array
}

export type Slot = PasswordSlot | PasskeySlot

export interface Keyring {
  /** One or two: at most one of a kind. */
  readonly slots: readonly Slot[]
}

const VERSION = 1
const NONCE_BYTES = 24
const BOX_BYTES = 48
export const DATA_KEY_BYTES = 32

/** scrypt's N, r and p (RFC 7914): a guess takes 128·N·r bytes of memory. */
export interface ScryptCost {
  readonly n: number
  readonly r: number
  readonly p: number
}

/**
 * 128 MiB and most of a second on a laptop (measured: 0.9 s; a phone takes two to three): OWASP's first choice for scrypt. Of the two
 * memory-hard functions at hand it makes a guess the dearest for the same wait: Argon2id in JavaScript fills 64 MiB in 1.5 s.
 */
export const SCRYPT_COST: ScryptCost = { n: 2 ** 17, r: 8, p: 1 }
/** A stored cost is read from disk: beyond 512 MiB it is damage, and would only end the tab. */
const MAX_MEMORY = 512 * 1024 * 1024

/** Fresh random bytes, 32 a call. */
export type Entropy = () => Uint8Array

const context = (slot: { readonly kind: Slot['kind'] }): Uint8Array => utf8ToBytes(`switchback ${slot.kind}`)

function passkeyKey(secret: Uint8Array, salt: Uint8Array): Uint8Array {
  if (secret.length !== 32) throw new RangeError('a passkey’s secret has 32 bytes')
  return hkdf(sha256, secret, salt, utf8ToBytes('switchback vault'), DATA_KEY_BYTES)
}

/** The same password typed on two keyboards must be one password. */
const passwordKey = (password: string, slot: Pick<PasswordSlot, 'n' | 'r' | 'p' | 'salt'>) =>
  scryptAsync(password.normalize('NFKC'), slot.salt, {
    N: slot.n,
    r: slot.r,
    p: slot.p,
    dkLen: DATA_KEY_BYTES,
    // Turns of the loop go on in between.
    asyncTick: 10,
    maxmem: MAX_MEMORY + 1024 * 1024,
  })

function wrap(kind: Slot['kind'], key: Uint8Array, dataKey: Uint8Array, entropy: Entropy): Wrapped {
  const nonce = entropy().slice(0, NONCE_BYTES)
  const box = xchacha20poly1305(key, nonce, context({ kind })).encrypt(dataKey)
  key.fill(0)
  return { nonce, box }
}

/** Wraps a data key (32 bytes) for a password. */
export async function passwordSlot(
  password: string,
  dataKey: Uint8Array,
  entropy: Entropy,
  cost: ScryptCost = SCRYPT_COST,
): Promise<PasswordSlot> {
  const parameters = { ...cost, salt: entropy().slice(0, 16) }
  return {
    kind: 'password',
    ...parameters,
    ...wrap('password', await passwordKey(password, parameters), dataKey, entropy),
  }
}

/** Wraps a data key for a passkey: `secret` is what it answered to `salt` (32 bytes each). */
export function passkeySlot(
  passkey: { readonly credentialId: Uint8Array; readonly salt: Uint8Array; readonly secret: Uint8Array },
  dataKey: Uint8Array,
  entropy: Entropy,
): PasskeySlot {
  const { credentialId, salt, secret } = passkey
  return {
    kind: 'passkey',
    credentialId,
    salt,
    ...wrap('passkey', passkeyKey(secret, salt), dataKey, entropy),
  }
}

/** The data key (32 bytes), or undefined when the credential does not open this keyring. */
export async function openKeyring(keyring: Keyring, credential: Credential): Promise<Uint8Array | undefined> {
  const slot = keyring.slots.find(({ kind }) => kind === credential.kind)
  if (slot === undefined) return undefined
  const key =
    slot.kind === 'password' && credential.kind === 'password'
      ? await passwordKey(credential.password, slot)
      : credential.kind === 'passkey'
        ? passkeyKey(credential.secret, slot.salt)
        : undefined
  if (key === undefined) return undefined
  try {
    return xchacha20poly1305(key, slot.nonce, context(slot)).decrypt(slot.box)
  } catch {
    return undefined
  } finally {
    key.fill(0)
  }
}

/** The keyring with a slot in the place of the one of its kind. */
export const withSlot = (keyring: Keyring, slot: Slot): Keyring => ({
  slots: [...keyring.slots.filter(({ kind }) => kind !== slot.kind), slot],
})

export const withoutSlot = (keyring: Keyring, kind: Slot['kind']): Keyring => ({
  slots: keyring.slots.filter((slot) => slot.kind !== kind),
})

export const encodeKeyring = (keyring: Keyring): Uint8Array => encodeRecord(VERSION, keyring)

/** Reads a stored keyring; says what is wrong with it. */
export function decodeKeyring(bytes: Uint8Array): Result<Keyring, string> {
  const record = decodeRecord(bytes)
  if (!record.ok) return record
  if (record.value.version !== VERSION) return err(`version ${record.value.version} of the lock is not known`)
  const slots = (record.value.value as Partial<Keyring> | null)?.slots
  if (!Array.isArray(slots) || slots.length === 0 || slots.length > 2) return err('the lock has no slots')
  for (const slot of slots as readonly unknown[]) if (!isSlot(slot)) return err('the lock is damaged')
  return ok({ slots: slots as readonly Slot[] })
}

const hasBytes = (value: unknown, least: number, most = least): value is Uint8Array =>
  value instanceof Uint8Array && value.length >= least && value.length <= most

const within = (value: unknown, most: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most

function isSlot(value: unknown): value is Slot {
  if (typeof value !== 'object' || value === null) return false
  const slot = value as Partial<PasswordSlot> | Partial<PasskeySlot>
  if (!hasBytes(slot.nonce, NONCE_BYTES) || !hasBytes(slot.box, BOX_BYTES)) return false
  if (slot.kind === 'passkey') return hasBytes(slot.credentialId, 1, 1023) && hasBytes(slot.salt, 32)
  if (slot.kind !== 'password') return false
  const { n, r, p } = slot
  if (!within(n, 2 ** 22) || !within(r, 64) || !within(p, 16)) return false
  return (n & (n - 1)) === 0 && n > 1 && 128 * n * r <= MAX_MEMORY && hasBytes(slot.salt, 16)
}

/** Seals one record under its name, so that no record can be put in another one's place: nonce (24 bytes), then box. */
export function sealRecord(
  dataKey: Uint8Array,
  name: string,
  value: Uint8Array,
  entropy: Entropy,
): Uint8Array {
  const nonce = entropy().slice(0, NONCE_BYTES)
  return concatBytes(nonce, xchacha20poly1305(dataKey, nonce, utf8ToBytes(name)).encrypt(value))
}

/** The record, or undefined when it is not what was sealed under this name. */
export function openRecord(dataKey: Uint8Array, name: string, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < NONCE_BYTES + 16) return undefined
  const nonce = sealed.subarray(0, NONCE_BYTES)
  try {
    return xchacha20poly1305(dataKey, nonce, utf8ToBytes(name)).decrypt(sealed.subarray(NONCE_BYTES))
  } catch {
    return undefined
  }
}
