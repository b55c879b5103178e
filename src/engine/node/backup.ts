import { concat, equalBytes, toHex, uintBE, utf8 } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { backupOf, isRestored, restoredChannel } from '../channel/restore.ts'
import { isNeverFunded } from '../channel/step.ts'
import type { Channel } from '../channel/types.ts'
import { openAead, sealAead } from '../crypto/cipher.ts'
import type { Entropy } from '../crypto/entropy.ts'
import { hkdf, sha256 } from '../crypto/hash.ts'
import { decodeRecord, encodeRecord } from '../records/codec.ts'
import { supports } from '../wire/features.ts'
import { chainInput, watchChannel } from './chain.ts'
import { channelInput } from './channels.ts'
import type { ApiFailure, CommandResult } from './commands.ts'
import type { Backup } from './backup-types.ts'
import type { Lease } from './lease.ts'
import { sendTo } from './send.ts'
import { isOfAnother } from './take-over.ts'
import { emit, heightOf, omit, type NodeSetup, type NodeState, type Turn } from './state.ts'

/**
 * Copies of what never changes in channels, sealed with a key of the wallet's words: a file that the user keeps, and what peers keep for
 * us (BOLT 1 §peer_storage), as we do for them. With the words and any copy, peers are asked to close and our outputs are swept.
 */

/** BOLT 1 §peer_storage: the most that a peer keeps; ours always has this size, so that it does not tell how many channels there are. */
const BLOB_BYTES = 65_531
const VERSION = 1
const SALT_BYTES = 32
const TAG_BYTES = 16
const MAGIC = utf8('switchback backup 1\n')
/** Peers that we keep something for: those with a channel, which costs them money to have. */
const MAX_STORED = 64
const MAX_CHANNELS = 10_000
/** Of one peer no more is written than 64 KiB in so long. */
const STORE_GAP_MS = 15_000

/** Channels worth a copy: all that may still have money of ours on the chain. Newest first. */
export function channelsToKeep(state: NodeState): readonly Channel[] {
  return (
    Object.values(state.channels)
      // A hundred blocks after the last output nothing of a channel is left to be found (BOLT 5).
      .filter(({ id }) => state.closes[id]?.told.includes('forget') !== true)
      .filter((channel) => !isNeverFunded(channel))
      .sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1))
  )
}

/** Tells one content of the backup from another; not secret. */
export const backupContent = (state: NodeState): string =>
  [...channelsToKeep(state), ...(state.foundBackup?.backup.channels ?? [])].map(({ id }) => id).join(',')

/** The same with the device that goes on with the channels: what peers are told anew when it changes. */
export const copyContent = (state: NodeState): string =>
  `${state.lease.epoch} ${state.lease.device} ${backupContent(state)}`

const contentOfCopy = ({ lease, channels }: Backup): string =>
  `${lease?.epoch ?? ''} ${lease?.device ?? ''} ${channels.map(({ id }) => id).join(',')}`

function backupNow(state: NodeState, setup: NodeSetup, now: number): Backup {
  // What a peer gave back and the user has not asked for yet must not be lost from the copies by being absent from the wallet.
  const found = state.foundBackup?.backup
  const channels = [...channelsToKeep(state).map(backupOf), ...(found?.channels ?? [])]
  const peers = new Set(channels.map((channel) => channel.peer))
  const lost = [...channelsToKeep(state).filter(isRestored), ...(found?.channels ?? [])].map(({ id }) => id)
  const { epoch, device } = state.lease
  return {
    network: setup.network,
    nodeId: setup.nodeId,
    createdAt: now,
    channels,
    addresses: Object.fromEntries(
      Object.entries({ ...found?.addresses, ...state.peerAddresses }).filter(([id]) => peers.has(id)),
    ),
    lease: { epoch, device },
    ...(lost.length === 0 ? {} : { lost }),
  }
}

/** A key a copy: the salt is drawn anew each time, so that the nonce may stay zero. */
const keyFor = (setup: NodeSetup, salt: Uint8Array): Uint8Array =>
  hkdf(setup.nodeKeys.backupKey(), salt, utf8('switchback backup copy'), 32)

function seal(setup: NodeSetup, entropy: Entropy, plain: Uint8Array): Uint8Array {
  const salt = entropy.bytes(SALT_BYTES)
  return concat(salt, sealAead(keyFor(setup, salt), new Uint8Array(12), MAGIC, plain))
}

function open(setup: NodeSetup, sealed: Uint8Array): Uint8Array | undefined {
  const salt = sealed.subarray(0, SALT_BYTES)
  return openAead(keyFor(setup, salt), new Uint8Array(12), MAGIC, sealed.subarray(SALT_BYTES))
}

/** A copy of the size that peers are told: length (4 bytes), record, zeros. Leaves the oldest channels out when they do not fit. */
export function sealForPeer(setup: NodeSetup, entropy: Entropy, backup: Backup): Uint8Array {
  const room = BLOB_BYTES - SALT_BYTES - TAG_BYTES
  let { channels } = backup
  let record = encodeRecord(VERSION, backup)
  while (record.length + 4 > room) {
    channels = channels.slice(0, Math.floor(channels.length * 0.9))
    record = encodeRecord(VERSION, { ...backup, channels })
  }
  const plain = new Uint8Array(room)
  plain.set(uintBE(BigInt(record.length), 4))
  plain.set(record, 4)
  return seal(setup, entropy, plain)
}

/** Where it is noted which content was exported last: `<ms since 1970> <content>`. */
export const EXPORTED = 'backupExported'

/** The file that the user keeps: `switchback backup 1`, a line feed, and the sealed record. Notes that it was made. */
export function exportBackup(turn: Turn): Result<CommandResult, ApiFailure> {
  const { state, setup, now } = turn
  const backup = backupNow(state, setup, now)
  const file = concat(MAGIC, seal(setup, turn.entropy, encodeRecord(VERSION, backup)))
  const preferences = { ...state.preferences, [EXPORTED]: `${now} ${contentDigest(state)}` }
  turn.state = { ...state, preferences }
  return ok({ type: 'backup', file, channels: backup.channels.length })
}

/** Eight bytes in hex that tell one content from another. */
export const contentDigest = (state: NodeState): string =>
  toHex(sha256(utf8(backupContent(state))).slice(0, 8))

/** The copy that a peer gave back. */
export function foundBackup(turn: Turn): Result<Backup, ApiFailure> {
  const found = turn.state.foundBackup
  return found === undefined
    ? err({ code: 'backupUnreadable', message: 'No peer has given back a copy with unknown channels.' })
    : ok(found.backup)
}

/** Reads a file. `backupUnreadable`: no file of ours, damaged, or of other words. */
export function readBackupFile(setup: NodeSetup, file: Uint8Array): Result<Backup, ApiFailure> {
  if (!equalBytes(file.subarray(0, MAGIC.length), MAGIC))
    return err({ code: 'backupUnreadable', message: 'This is not a backup of this app.' })
  const plain = open(setup, file.subarray(MAGIC.length))
  if (plain === undefined)
    return err({
      code: 'backupUnreadable',
      message: 'This backup is damaged, or belongs to a wallet with other words.',
    })
  return readBackup(setup, plain)
}

function readCopy(setup: NodeSetup, blob: Uint8Array): Backup | undefined {
  const plain = open(setup, blob)
  if (plain === undefined || plain.length < 4) return undefined
  const length = new DataView(plain.buffer, plain.byteOffset).getUint32(0)
  const backup = readBackup(setup, plain.subarray(4, 4 + length))
  return backup.ok ? backup.value : undefined
}

/** What opened was sealed by this wallet: only its version and its network can be wrong. */
function readBackup(setup: NodeSetup, record: Uint8Array): Result<Backup, ApiFailure> {
  const decoded = decodeRecord(record)
  if (!decoded.ok || decoded.value.version !== VERSION)
    return err({ code: 'backupUnreadable', message: 'This backup was made by another version of the app.' })
  const backup = decoded.value.value as Backup
  if (backup.network !== setup.network)
    return err({ code: 'backupUnreadable', message: `This backup is of a wallet on ${backup.network}.` })
  if (!Array.isArray(backup.channels) || backup.channels.length > MAX_CHANNELS)
    return err({ code: 'backupUnreadable', message: 'This backup is damaged.' })
  return ok(backup)
}

/**
 * Makes the channels that are in a backup and not in the wallet: failed ones, whose peers are dialled and asked to close. A channel that
 * the wallet knows is never touched: what is alive here is newer than any copy. Returns how many were made.
 */
export function recoverChannels(turn: Turn, backup: Backup): number {
  let made = 0
  for (const copy of backup.channels) {
    if (turn.state.channels[copy.id] !== undefined) continue
    const channel = restoredChannel(copy, heightOf(turn.state))
    turn.state = { ...turn.state, channels: { ...turn.state.channels, [copy.id]: channel } }
    watchChannel(turn, channel)
    made += 1
    const address = turn.state.peerAddresses[copy.peer] ?? backup.addresses[copy.peer]
    if (address !== undefined) {
      turn.state = { ...turn.state, peerAddresses: { ...turn.state.peerAddresses, [copy.peer]: address } }
      turn.effects.push({ type: 'keepConnected', nodeId: copy.peer, address })
    }
    if (turn.state.peers[copy.peer]?.phase === 'ready') channelInput(turn, copy.id, { type: 'connected' })
    emit(turn, { type: 'channelChanged', channelId: copy.id })
  }
  if (made > 0) chainInput(turn, { type: 'refresh' })
  const { foundBackup: _, ...rest } = turn.state
  turn.state = rest
  return made
}

// ---- copies at peers -----------------------------------------------------------------------------------------------

/** Whether a connected peer keeps copies for others. */
export const keepsCopies = (state: Pick<NodeState, 'peers'>, nodeId: string): boolean =>
  supports(state.peers[nodeId]?.features ?? new Uint8Array(0), 'option_provide_storage')

/** A peer is ready: it gets back what we keep for it, before any `channel_reestablish` (BOLT 1 §peer_storage, rationale). */
export function returnStored(turn: Turn, nodeId: string): void {
  const stored = turn.state.storing[nodeId]?.waiting ?? turn.state.peerStorage[nodeId]
  if (stored !== undefined) sendTo(turn, nodeId, { type: 'peer_storage_retrieval', blob: stored })
}

/**
 * Keeps what a peer with a channel asks us to keep; what others send is ignored (BOLT 1 §peer_storage). A peer may ask as often as it
 * likes, and makes us write no more often than every `STORE_GAP_MS`: the newest waits in memory meanwhile, and is what it gets back.
 */
export function storeForPeer(turn: Turn, nodeId: string, blob: Uint8Array): void {
  const withChannel = new Set(Object.values(turn.state.channels).map((channel) => channel.peer))
  if (!withChannel.has(nodeId) || blob.length > BLOB_BYTES) return
  const { peerStorage, storing } = turn.state
  const kept = peerStorage[nodeId]
  const last = storing[nodeId]
  if (kept !== undefined && equalBytes(kept, blob)) {
    if (last?.waiting === undefined) return
    return setStoring(turn, nodeId, { at: last.at })
  }
  if (last !== undefined && turn.now - last.at < STORE_GAP_MS && turn.now >= last.at)
    return setStoring(turn, nodeId, { at: last.at, waiting: blob })
  if (kept === undefined && Object.keys(peerStorage).length >= MAX_STORED) {
    const gone = Object.keys(peerStorage).find((id) => !withChannel.has(id))
    if (gone === undefined) return
    turn.state = {
      ...turn.state,
      peerStorage: omit(turn.state.peerStorage, gone),
      storing: omit(turn.state.storing, gone),
    }
  }
  turn.state = { ...turn.state, peerStorage: { ...turn.state.peerStorage, [nodeId]: blob } }
  setStoring(turn, nodeId, { at: turn.now })
}

function setStoring(turn: Turn, nodeId: string, storing: NodeState['storing'][string]): void {
  turn.state = { ...turn.state, storing: { ...turn.state.storing, [nodeId]: storing } }
}

/** Time passed: what waited to be kept is. */
export function storeWaiting(turn: Turn): void {
  for (const [nodeId, { waiting }] of Object.entries(turn.state.storing))
    if (waiting !== undefined) storeForPeer(turn, nodeId, waiting)
}

/**
 * A peer gives back what it kept. If it shows that another device goes on with the wallet, nothing goes on here. Otherwise it says how
 * fresh that peer's copy is, and is of interest itself when it holds channels which this wallet has never known.
 */
export function copyReturned(turn: Turn, nodeId: string, blob: Uint8Array): void {
  const backup = readCopy(turn.setup, blob)
  if (backup === undefined) return
  if (isOfAnother(turn.state, backup)) return stopForAnother(turn, nodeId, backup.lease ?? NOBODY)
  const content = contentOfCopy(backup)
  const copies = { ...turn.state.copies, [nodeId]: { content, at: backup.createdAt, returned: true } }
  turn.state = { ...turn.state, copies }
  // It holds what we would send it.
  if (content === copyContent(turn.state))
    turn.state = { ...turn.state, sharedBackups: { ...turn.state.sharedBackups, [nodeId]: content } }
  const forgotten = forgottenChannels(turn.state)
  const missing = backup.channels.filter(
    (copy) => turn.state.channels[copy.id] === undefined && !forgotten.includes(copy.id),
  )
  if (missing.length === 0) return
  const known = turn.state.foundBackup?.backup
  if (known !== undefined && known.createdAt >= backup.createdAt) return
  turn.state = { ...turn.state, foundBackup: { nodeId, backup: { ...backup, channels: missing } } }
  emit(turn, { type: 'backupFound', nodeId, channels: missing.length })
}

const NOBODY = { epoch: 0, device: '' }

/** The turn ends here, and with it the node: what else it did is not written and not sent (`node.ts`). */
export function stopForAnother(
  turn: Turn,
  nodeId: string,
  { epoch, device }: Pick<Lease, 'epoch' | 'device'>,
): void {
  const elsewhere = { at: turn.now, epoch, device, peer: nodeId }
  turn.state = { ...turn.state, lease: { ...turn.state.lease, elsewhere } }
}

/** Where the ids of channels are kept that were forgotten because they were never funded: peers may still hold copies of them. */
const FORGOTTEN = 'forgottenChannels'
const MAX_FORGOTTEN = 64

const forgottenChannels = (state: NodeState): readonly string[] =>
  state.preferences[FORGOTTEN]?.split(',') ?? []

export function noteForgotten(turn: Turn, id: string): void {
  const ids = [...forgottenChannels(turn.state).filter((other) => other !== id), id].slice(-MAX_FORGOTTEN)
  turn.state = {
    ...turn.state,
    preferences: { ...turn.state.preferences, [FORGOTTEN]: ids.join(',') },
  }
}

const sendCopy = (turn: Turn, to: readonly string[]): void => {
  const content = copyContent(turn.state)
  const blob = sealForPeer(turn.setup, turn.entropy, backupNow(turn.state, turn.setup, turn.now))
  const { sharedBackups, copies } = turn.state
  for (const nodeId of to) sendTo(turn, nodeId, { type: 'peer_storage', blob })
  const sent = { content, at: turn.now, returned: false }
  turn.state = {
    ...turn.state,
    sharedBackups: { ...sharedBackups, ...Object.fromEntries(to.map((id) => [id, content])) },
    copies: { ...copies, ...Object.fromEntries(to.map((id) => [id, sent])) },
  }
}

/** Says to a peer, before the channels that came from another device greet it, that this device has taken the wallet over. */
export function claimAt(turn: Turn, nodeId: string): void {
  if (keepsCopies(turn.state, nodeId) && channelsToKeep(turn.state).length > 0) sendCopy(turn, [nodeId])
}

/**
 * Every connected peer that keeps copies, and has a channel with us, gets the newest one once. Asked at each tick, not at once: a peer
 * that has just come gives back what it keeps before it is told to keep something else.
 */
export function shareBackup(turn: Turn): void {
  const { state } = turn
  const kept = channelsToKeep(state)
  // A wallet that has nothing must not write over the copy that brings its channels back.
  if (kept.length === 0) return
  const content = copyContent(state)
  const due = [...new Set(kept.map((channel) => channel.peer))].filter((nodeId) => {
    const peer = state.peers[nodeId]
    return (
      peer?.phase === 'ready' &&
      peer.awaitsCopy === undefined &&
      state.sharedBackups[nodeId] !== content &&
      keepsCopies(state, nodeId)
    )
  })
  if (due.length > 0) sendCopy(turn, due)
}
