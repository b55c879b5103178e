import { ApiError, type ErrorCode } from '../contract/errors.ts'
import type { RecordWrite, Store } from '../engine/node/ports.ts'
import { type Lease, LEASE_KEY, leaseWrite, loadLease, retire } from '../engine/node/lease.ts'
import { takeOver } from '../engine/node/take-over.ts'
import { entropyFrom } from '../engine/crypto/entropy.ts'
import { decodeRecord, encodeRecord } from '../engine/records/codec.ts'
import { GRAPH_PREFIX } from '../engine/router/graph-records.ts'
import {
  type ContainerError,
  type ContainerKind,
  readBackup,
  readHeader,
  type Records,
  sealContainer,
  walletFingerprint,
} from './vault/container.ts'
import type { ScryptCost } from './vault/keyring.ts'
import { EPOCHS_KEY } from './vault/vault.ts'

/**
 * A wallet's records as a file that another device goes on from, once (`engine/node/lease.ts` says why and how that is kept). Functions
 * over a store: who is running meanwhile is the host's affair, and here nobody is.
 */

const EPOCHS_VERSION = 1
/** Wallets that this device remembers having had. */
const MAX_WALLETS = 256
/** What belongs to a device and not to its wallet. */
const OF_THE_DEVICE: readonly string[] = ['preference/storagePersisted']

export interface Sealing {
  readonly entropy: () => Uint8Array
  readonly cost?: ScryptCost
  /** ms since 1970 */
  readonly now: number
}

/** Whose wallet it is. */
export interface WalletIdentity {
  readonly network: string
  readonly nodeId: string
}

const fail = (code: ErrorCode, message: string): never => {
  throw new ApiError({ code, message })
}

function leaseOf(records: Records): Lease {
  const lease = loadLease(records)
  return lease.ok ? lease.value : fail('storageFailed', `The stored wallet cannot be read: ${lease.error}`)
}

/**
 * The same records for as long as the epoch lasts and after its end: what ended it is not among them, and neither is the network's graph,
 * megabytes that any peer gives again.
 */
function stateOf(records: Records, lease: Lease): Records {
  const { value } = leaseWrite({ epoch: lease.epoch, device: lease.device })
  const state = new Map([...records].filter(([key]) => !key.startsWith(GRAPH_PREFIX)))
  if (value !== null) state.set(LEASE_KEY, value)
  return state
}

async function sealed(
  kind: ContainerKind,
  records: Records,
  lease: Lease,
  identity: WalletIdentity,
  password: string,
  { entropy, cost, now }: Sealing,
): Promise<Uint8Array<ArrayBuffer>> {
  const { epoch, device } = lease
  const wallet = walletFingerprint(identity.nodeId)
  return sealContainer(
    { kind, network: identity.network, created: now, epoch, device, wallet },
    stateOf(records, lease),
    password,
    { entropy, ...(cost === undefined ? {} : { cost }) },
  ).catch((e: unknown) => {
    if (!(e instanceof RangeError)) throw e
    return fail('notAvailable', 'This wallet is too large for one file: its channels have too many states.')
  })
}

/**
 * Ends the epoch here and returns the file. The node must not run, and must not run again in this epoch, which the store says from this
 * function's one write on: whoever has the file has it after that. An epoch that has ended already gives the same state again.
 */
export async function handOut(
  store: Store,
  identity: WalletIdentity,
  password: string,
  sealing: Sealing,
): Promise<{ readonly file: Uint8Array<ArrayBuffer>; readonly epoch: number }> {
  const records = await store.load()
  const lease = leaseOf(records)
  if (lease.elsewhere !== undefined)
    return fail('walletMoved', 'This wallet goes on on another device: the state here is old.')
  // Sealed first: what cannot be sealed must not be stopped.
  const file = await sealed('move', records, lease, identity, password, sealing)
  if (lease.retired === undefined) await store.commit([retire(lease, sealing.now)])
  return { file, epoch: lease.epoch }
}

const UNREADABLE: Readonly<Record<Exclude<ContainerError, 'wrongPassword'>, string>> = {
  notOurs: 'This is not a wallet file of this app.',
  version: 'This file was made by a later version of the app.',
  damaged: 'This file is damaged or incomplete.',
  tooLarge: 'This file is larger than any wallet’s.',
}

const unreadable = (error: ContainerError): never =>
  error === 'wrongPassword'
    ? fail('wrongPassword', 'This is not the password of the file.')
    : fail('backupUnreadable', UNREADABLE[error])

export interface Opened {
  readonly network: string
  /** As the header has it: `walletFingerprint`. */
  readonly wallet: string
  readonly records: Records
}

/** Opens a file that was handed out. Changes nothing. */
export async function openMove(file: Uint8Array, password: string): Promise<Opened> {
  const header = readHeader(file)
  if (!header.ok) return unreadable(header.error)
  if (header.value.kind !== 'move')
    return fail('fileIsCopy', 'This file is for claiming on the chain; no wallet may go on from it.')
  const opened = await readBackup(file, password)
  if (!opened.ok) return unreadable(opened.error)
  const { network, wallet, epoch, device } = opened.value.header
  const records = opened.value.records
  const lease = leaseOf(records)
  if (lease.epoch !== epoch || lease.device !== device || lease.retired !== undefined)
    return unreadable('damaged')
  return { network, wallet, records }
}

/** The epochs that have begun on this device, by wallet. */
async function epochsOf(store: Store): Promise<Readonly<Record<string, number>>> {
  const stored = await store.read(EPOCHS_KEY)
  const decoded = stored === undefined ? undefined : decodeRecord(stored)
  return decoded?.ok === true && decoded.value.version === EPOCHS_VERSION
    ? (decoded.value.value as Readonly<Record<string, number>>)
    : {}
}

/**
 * The writes with which this device takes the epoch after that of `records`. `fileUsed`: that epoch has begun here already, whatever has
 * become of the wallet since.
 */
async function taking(
  store: Store,
  wallet: string,
  records: Records,
  entropy: () => Uint8Array,
): Promise<readonly RecordWrite[]> {
  const taken = takeOver(records, entropyFrom(entropy()))
  if (!taken.ok) return fail('backupUnreadable', `The wallet cannot be read: ${taken.error}`)
  const { lease, writes } = taken.value
  const epochs = await epochsOf(store)
  if ((epochs[wallet] ?? 0) >= lease.epoch)
    return fail('fileUsed', 'This file has been used on this device before.')
  const others = Object.entries(epochs).filter(([name]) => name !== wallet)
  const known = Object.fromEntries([...others.slice(1 - MAX_WALLETS), [wallet, lease.epoch]])
  return [...writes, { key: EPOCHS_KEY, value: encodeRecord(EPOCHS_VERSION, known) }]
}

/** The one write that makes an empty store that of a wallet from another device. */
export async function arrival(
  store: Store,
  opened: Opened,
  entropy: () => Uint8Array,
): Promise<{ readonly writes: readonly RecordWrite[]; readonly records: Records }> {
  const records = new Map(opened.records)
  for (const key of OF_THE_DEVICE) records.delete(key)
  const after = await taking(store, opened.wallet, records, entropy)
  for (const { key, value } of after) if (value !== null && key !== EPOCHS_KEY) records.set(key, value)
  const writes = [...records].map(([key, value]) => ({ key, value }))
  return { records, writes: [...writes, ...after.filter(({ key }) => key === EPOCHS_KEY)] }
}

/** A wallet that has moved away, or was found to be elsewhere, goes on here in an epoch above all that are known. One write. */
export async function takeBack(
  store: Store,
  identity: WalletIdentity,
  entropy: () => Uint8Array,
): Promise<void> {
  const wallet = walletFingerprint(identity.nodeId)
  await store.commit(await taking(store, wallet, await store.load(), entropy))
}
