import { ApiError } from '../../contract/errors.ts'
import type { RecordWrite, Store } from '../../engine/node/ports.ts'
import { storeFailure } from '../store/failure.ts'
import {
  type Credential,
  decodeKeyring,
  encodeKeyring,
  type Entropy,
  type Keyring,
  openKeyring,
  openRecord,
  passkeySlot,
  passwordSlot,
  type ScryptCost,
  sealRecord,
  type Slot,
  withoutSlot,
  withSlot,
} from './keyring.ts'

/**
 * A store that can be locked. Without a lock records are stored as they are; with one, every record but the keyring is sealed under the
 * data key. Locking and unlocking for good rewrite all records in one commit: before it the old way holds, after it the new one.
 *
 * ```
 *            protect(credential)              lock()
 *   open ───────────────────────► unlocked ◄─────────► locked
 *        ◄───────────────────────          unlock(credential)
 *            removeSlot (the last)
 * ```
 */

/** Where the keyring lies; no record of the engine has this name. */
export const KEYRING_KEY = 'vault'
/** Which epochs of which wallets have begun here. Nothing secret, and not of one wallet: it outlives them, locks and erasing. */
export const EPOCHS_KEY = 'epochs'
/** Records that are never sealed. */
const IN_CLEAR: ReadonlySet<string> = new Set([KEYRING_KEY, EPOCHS_KEY])

export interface VaultStatus {
  /** Records cannot be read or written until `unlock`. */
  readonly locked: boolean
  readonly password: boolean
  /** What a page must ask the passkey for. */
  readonly passkey?: { readonly credentialId: Uint8Array; readonly salt: Uint8Array }
}

/** A new way to open the wallet. */
export type NewLock =
  | { readonly kind: 'password'; readonly password: string }
  | {
      readonly kind: 'passkey'
      readonly credentialId: Uint8Array
      readonly salt: Uint8Array
      readonly secret: Uint8Array
    }

export interface Vault {
  /** The records as the engine means them. Rejects while locked. */
  readonly store: Store
  status(): VaultStatus
  /** Rejects with `wrongPassword`; nothing is touched then. */
  unlock(credential: Credential): Promise<void>
  /** Forgets the data key. Nothing may be under way in the store. */
  lock(): void
  /**
   * Adds a lock, or replaces the one of its kind. The first one seals everything in one commit: nothing else may be under way in the
   * store. With a lock in place, `proof` must open it (`wrongPassword`).
   */
  addLock(lock: NewLock, proof?: Credential): Promise<void>
  /** Takes a lock away; with the last one every record is stored plainly again, in one commit. */
  removeLock(kind: Slot['kind'], proof: Credential): Promise<void>
  /** Deletes every record but `EPOCHS_KEY`, the keyring included, locked or not. Nothing else may be under way in the store. */
  erase(): Promise<void>
}

export interface VaultOptions {
  readonly entropy: Entropy
  /** Cheaper passwords, for tests alone. */
  readonly cost?: ScryptCost
}

const wrongPassword = (kind: Credential['kind']) =>
  new ApiError({
    code: 'wrongPassword',
    message:
      kind === 'password' ? 'This is not the password.' : 'This passkey does not belong to this wallet.',
  })

/** Reads whether a store is locked. Rejects as the store does, and with `storageFailed` when its keyring cannot be read. */
export async function openVault(raw: Store, options: VaultOptions): Promise<Vault> {
  const { entropy } = options
  let keyring: Keyring | undefined
  let dataKey: Uint8Array | undefined
  const stored = await raw.read(KEYRING_KEY)
  if (stored !== undefined) {
    const decoded = decodeKeyring(stored)
    if (!decoded.ok) throw storeFailure('io', `The wallet’s lock cannot be read: ${decoded.error}`)
    keyring = decoded.value
  }

  const requireOpen = (): void => {
    if (keyring !== undefined && dataKey === undefined)
      throw new ApiError({ code: 'locked', message: 'The wallet is locked.' })
  }

  function openedRecord(key: string, value: Uint8Array): Uint8Array {
    const record = dataKey === undefined ? value : openRecord(dataKey, key, value)
    if (record === undefined)
      throw storeFailure('io', 'The wallet’s storage was damaged or changed from outside.')
    return record
  }

  function opened(records: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, Uint8Array> {
    const plain = new Map<string, Uint8Array>()
    for (const [key, value] of records) if (!IN_CLEAR.has(key)) plain.set(key, openedRecord(key, value))
    return plain
  }

  const sealed = (writes: readonly RecordWrite[], key: Uint8Array | undefined): readonly RecordWrite[] =>
    key === undefined
      ? writes
      : writes.map((write) =>
          write.value === null || IN_CLEAR.has(write.key)
            ? write
            : { key: write.key, value: sealRecord(key, write.key, write.value, entropy) },
        )

  /** Everything anew in one commit, under `key` and `next`, or plainly. */
  async function rewrite(next: Keyring | undefined, key: Uint8Array | undefined): Promise<void> {
    const plain = opened(await raw.load())
    const writes = [...plain].map(([name, value]) => ({ key: name, value }))
    await raw.commit([
      ...sealed(writes, key),
      { key: KEYRING_KEY, value: next === undefined ? null : encodeKeyring(next) },
    ])
    // Old keys are wiped only now: a commit that failed leaves everything as it was.
    if (dataKey !== key) dataKey?.fill(0)
    dataKey = key
    keyring = next
  }

  /** The keyring and its key, once `proof` has opened it. */
  async function proven(proof: Credential | undefined): Promise<Keyring> {
    requireOpen()
    if (keyring === undefined) throw new Error('invariant: there is a lock')
    if (proof === undefined)
      throw new ApiError({ code: 'wrongPassword', message: 'The present lock must be opened first.' })
    const key = await openKeyring(keyring, proof)
    if (key === undefined) throw wrongPassword(proof.kind)
    key.fill(0)
    return keyring
  }

  const slotFor = async (lock: NewLock, key: Uint8Array): Promise<Slot> =>
    lock.kind === 'password'
      ? passwordSlot(lock.password, key, entropy, options.cost)
      : passkeySlot(lock, key, entropy)

  return {
    store: {
      async load(except) {
        requireOpen()
        return opened(await raw.load(except))
      },
      async read(key) {
        requireOpen()
        if (key === KEYRING_KEY) return undefined
        const value = await raw.read(key)
        return value === undefined || IN_CLEAR.has(key) ? value : openedRecord(key, value)
      },
      async commit(writes) {
        requireOpen()
        if (writes.some(({ key }) => key === KEYRING_KEY))
          throw new Error('invariant: a record in the lock’s place')
        await raw.commit(sealed(writes, dataKey))
      },
      close: () => raw.close(),
    },
    status() {
      const passkey = keyring?.slots.find((slot) => slot.kind === 'passkey')
      return {
        locked: keyring !== undefined && dataKey === undefined,
        password: keyring?.slots.some(({ kind }) => kind === 'password') ?? false,
        ...(passkey === undefined
          ? {}
          : { passkey: { credentialId: passkey.credentialId, salt: passkey.salt } }),
      }
    },
    async unlock(credential) {
      if (keyring === undefined || dataKey !== undefined) return
      const key = await openKeyring(keyring, credential)
      if (key === undefined) throw wrongPassword(credential.kind)
      dataKey = key
    },
    lock() {
      if (keyring === undefined) return
      dataKey?.fill(0)
      dataKey = undefined
    },
    async addLock(lock, proof) {
      if (keyring === undefined) {
        const key = entropy()
        return rewrite({ slots: [await slotFor(lock, key)] }, key)
      }
      const present = await proven(proof)
      const key = dataKey
      if (key === undefined) throw new Error('invariant: proven only when unlocked')
      const next = withSlot(present, await slotFor(lock, key))
      await raw.commit([{ key: KEYRING_KEY, value: encodeKeyring(next) }])
      keyring = next
    },
    async removeLock(kind, proof) {
      const next = withoutSlot(await proven(proof), kind)
      if (next.slots.length === 0) return rewrite(undefined, undefined)
      await raw.commit([{ key: KEYRING_KEY, value: encodeKeyring(next) }])
      keyring = next
    },
    async erase() {
      const records = await raw.load()
      const gone = [...records.keys()].filter((key) => key !== EPOCHS_KEY)
      await raw.commit(gone.map((key) => ({ key, value: null })))
      dataKey?.fill(0)
      dataKey = undefined
      keyring = undefined
    },
  }
}
