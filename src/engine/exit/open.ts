import { err, ok, type Result } from '../base/result.ts'
import { type NetworkName, NETWORKS } from '../bitcoin/network.ts'
import { closingSnapshot } from '../channel/closing-snapshot.ts'
import { courtKey, loadChannels } from '../channel/records.ts'
import { isNeverFunded } from '../channel/step.ts'
import type { Channel } from '../channel/types.ts'
import { formatNamed } from '../commitment/formats.ts'
import { deriveChannelSecrets } from '../commitment/secrets.ts'
import { createChannelSigner } from '../commitment/signer.ts'
import { loadCloses, readCourtRecord } from '../node/closes.ts'
import { createOnchain } from '../onchain/step.ts'
import type { OnchainState } from '../onchain/types.ts'
import { decodeRecord, encodeRecord } from '../records/codec.ts'
import { emptyWallet, extendWatch } from '../wallet/coins.ts'
import { accountDescriptors } from '../wallet/descriptors.ts'
import { nodeKeys, type WalletKeys, walletKeys } from '../wallet/keys.ts'
import { loadWallet, type WalletRecord } from '../wallet/records.ts'
import { seedFromWords } from '../wallet/words.ts'
import type { WalletState } from '../wallet/types.ts'
import { FLOOR_FEERATE_PER_KW } from '../onchain/constants.ts'
import type { Exit, ExitAbout, ExitChannel } from './types.ts'

/** A wallet out of the records of a copy. What cannot be read is named and left aside: the rest of the money is not lost with it. */

export type Records = ReadonlyMap<string, Uint8Array>

const ABOUT_KEY = 'exit'
const ABOUT_VERSION = 1

/** Records that claims on chain need. Payments, invoices, headers and preferences are none of them. */
const NEEDED = [
  'seed',
  'wallet/',
  'channel/',
  'log/',
  'signed/',
  'outbox/',
  'court/',
  'close/',
  'peer/',
] as const

/**
 * What goes into a copy: the records that it needs, and a word about itself. Of the court's records the newest that `roomBytes` hold: an
 * older state's balances are punished without them.
 */
export function recordsForExit(all: Records, about: ExitAbout, roomBytes: number): Records {
  const kept = new Map([[ABOUT_KEY, encodeRecord(ABOUT_VERSION, about)]])
  const court: { readonly key: string; readonly number: number }[] = []
  for (const [key, value] of all) {
    if (!NEEDED.some((prefix) => key === prefix || (prefix.endsWith('/') && key.startsWith(prefix)))) continue
    if (key.startsWith('court/')) court.push({ key, number: Number(key.split('/')[2]) })
    else kept.set(key, value)
  }
  let room = roomBytes
  for (const { key } of court.sort((a, b) => b.number - a.number)) {
    const value = all.get(key)
    room -= key.length + (value?.length ?? 0)
    if (value === undefined || room < 0) break
    kept.set(key, value)
  }
  return kept
}

interface Seed {
  readonly words: string
  readonly passphrase: string
  readonly network: NetworkName
}

function readSeed(records: Records): Seed | undefined {
  const stored = records.get('seed')
  const decoded = stored && decodeRecord(stored)
  const seed = decoded?.ok ? (decoded.value.value as Partial<Seed> | null) : undefined
  if (typeof seed?.words !== 'string' || typeof seed.passphrase !== 'string') return undefined
  if (seed.network === undefined || !Object.hasOwn(NETWORKS, seed.network)) return undefined
  return seed as Seed
}

/** `noSeed`: these are no wallet's records. */
export function openExit(records: Records): Result<Exit, 'noSeed'> {
  const seed = readSeed(records)
  if (seed === undefined) return err('noSeed')
  const problems: string[] = []
  const network = NETWORKS[seed.network]
  const words = seed.words.split(' ')
  const bytes = seedFromWords(words, seed.passphrase)
  const keys = walletKeys(bytes, network)
  const node = nodeKeys(bytes, network)
  const about = readAbout(records)
  const wallet = readWallet(records, keys, problems)
  const sweepScript = keys.script({ purpose: 84, change: 0, index: 0 })
  const closes = readCloses(records, problems)
  const channels = readChannels(records, problems).flatMap((channel): ExitChannel[] => {
    if (isNeverFunded(channel)) return []
    const format = formatNamed(channel.formatName)
    const signer = createChannelSigner(deriveChannelSecrets(node.channelSeed(channel.salt), format), format)
    const address = readText(records.get(`peer/${channel.peer}`))
    const ctx = { signer, feeratePerKw: FLOOR_FEERATE_PER_KW }
    const state =
      closes[channel.id] ??
      createOnchain(closingSnapshot(channel, sweepScript), about.height, ctx, channel.closing?.tx).state
    const isWhole = channel.failure?.remedy !== 'awaitRemote'
    return [{ peer: channel.peer, ...(address !== undefined && { address }), signer, isWhole, state }]
  })
  return ok({
    network,
    keys,
    about,
    words,
    passphrase: seed.passphrase,
    descriptors: accountDescriptors(bytes, network, [...new Set(wallet.branches.map((b) => b.purpose))]),
    wallet,
    channels,
    court: (id, number) => readCourtRecord(records.get(courtKey(id, number)) ?? null),
    problems,
  })
}

function readAbout(records: Records): ExitAbout {
  const stored = records.get(ABOUT_KEY)
  const decoded = stored && decodeRecord(stored)
  const about = decoded?.ok ? (decoded.value.value as Partial<ExitAbout> | null) : undefined
  return { madeAt: about?.madeAt ?? 0, height: about?.height ?? 0 }
}

function readText(stored: Uint8Array | undefined): string | undefined {
  const decoded = stored && decodeRecord(stored)
  return decoded?.ok && typeof decoded.value.value === 'string' ? decoded.value.value : undefined
}

function readWallet(records: Records, keys: WalletKeys, problems: string[]): WalletState {
  const stored = [...records].flatMap(([key, value]): WalletRecord[] => {
    const decoded = key.startsWith('wallet/') ? decodeRecord(value) : undefined
    if (!decoded?.ok) return []
    return [{ key, version: decoded.value.version, value: decoded.value.value as WalletRecord['value'] }]
  })
  const loaded = stored.length === 0 ? undefined : loadWallet(stored)
  if (loaded?.ok === false) problems.push(`${loaded.error.key}: ${loaded.error.code}`)
  const wallet = loaded?.ok ? loaded.value : emptyWallet(keys.network.name)
  // What held coins then is over: the plan decides anew what pays for what.
  return extendWatch({ ...wallet, reservations: {} }, keys).state
}

const idOf = (key: string): string => key.split('/')[1] ?? ''

/** Each channel by itself, so that a damaged one takes no other along. */
function readChannels(records: Records, problems: string[]): readonly Channel[] {
  const byId = new Map<string, Map<string, Uint8Array>>()
  for (const [key, value] of records) {
    if (!/^(channel|log|signed|outbox)\//.test(key)) continue
    const own = byId.get(idOf(key)) ?? new Map<string, Uint8Array>()
    byId.set(idOf(key), own.set(key, value))
  }
  return [...byId.values()].flatMap((own) => {
    const loaded = loadChannels(own)
    if (!loaded.ok) problems.push(loaded.error)
    return loaded.ok ? Object.values(loaded.value) : []
  })
}

function readCloses(records: Records, problems: string[]): Readonly<Record<string, OnchainState>> {
  const closes: Record<string, OnchainState> = {}
  for (const [key, value] of records) {
    if (!key.startsWith('close/')) continue
    const loaded = loadCloses(new Map([[key, value]]))
    if (loaded.ok) Object.assign(closes, loaded.value)
    else problems.push(loaded.error)
  }
  return closes
}
