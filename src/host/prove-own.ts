import { parseMerkleProof, parseTxHex } from '../engine/chain/esplora.ts'
import { headerAt } from '../engine/chain/headers.ts'
import { NETWORKS, type NetworkName } from '../engine/bitcoin/network.ts'
import type { Publication, RecordWrite } from '../engine/node/ports.ts'
import { checkProven, provenMessage } from '../engine/router/aggregate.ts'
import { decodeRecord, encodeRecord } from '../engine/records/codec.ts'
import { decodeMessage } from '../engine/wire/decode.ts'
import { encodeMessage } from '../engine/wire/encode.ts'
import type { ProvenChannelAnnouncement } from '../engine/wire/messages.ts'
import { unpackShortChannelId } from '../engine/wire/short-channel-id.ts'
import { equalBytes } from '../engine/base/bytes.ts'
import { asker, type ProverOptions } from './prove.ts'

/**
 * Proofs for announcements of our own that carry one: the node has signed the words together with its peer, and what proves the funding
 * output is public: any server of ours gives it, and it is checked against our headers before it is told to anybody. Kept once it is
 * there, so that a restart asks nobody.
 */

export type OwnProven = Extract<Publication, { readonly kind: 'proven' }>

/** Between two tries. */
const RETRY_MS = 60_000

/** Beside the graph's chunks: like them it can be had again, and does not travel with a wallet. */
const PREFIX = 'graph/own/'
const VERSION = 1

/** Announcements of our own with their proofs as they were sent, from an earlier run. */
export function keptProofs(records: ReadonlyMap<string, Uint8Array>): ReadonlyMap<bigint, Uint8Array> {
  const kept = new Map<bigint, Uint8Array>()
  for (const [key, bytes] of records) {
    if (!key.startsWith(PREFIX) || !/^\d{1,20}$/.test(key.slice(PREFIX.length))) continue
    const decoded = decodeRecord(bytes)
    const value = decoded.ok && decoded.value.version === VERSION ? decoded.value.value : undefined
    if (value instanceof Uint8Array) kept.set(BigInt(key.slice(PREFIX.length)), value)
  }
  return kept
}

export interface OwnProofs {
  /** The node has such an announcement, now or again. */
  announce(item: OwnProven): void
  /** The channel has ended. */
  forget(scid: bigint): void
  /** Tries one that has no proof yet, if it is time. */
  tick(): void
  /** Records that changed; whoever takes them writes them. */
  takeWrites(): readonly RecordWrite[]
  stop(): void
}

export function createOwnProofs(options: {
  readonly network: NetworkName
  readonly state: ProverOptions['state']
  readonly request: ProverOptions['request']
  readonly now: () => number
  /** Kept from an earlier run, as it was sent. */
  readonly kept: ReadonlyMap<bigint, Uint8Array>
  /** It is whole and checked: to be told. */
  readonly publish: (message: ProvenChannelAnnouncement) => void
}): OwnProofs {
  const pending = new Map<bigint, { readonly item: OwnProven; nextAt: number }>()
  const controller = new AbortController()
  const ask = asker(options.request, controller.signal)
  let writes: RecordWrite[] = []
  let busy = false

  /** Whether it is true of our own chain now. */
  const holds = (message: ProvenChannelAnnouncement): boolean => {
    const { blockHeight } = unpackShortChannelId(message.shortChannelId)
    const header = headerAt(options.state().chain.headers, blockHeight)
    return header !== undefined && checkProven(message, NETWORKS[options.network].chainHash, header).ok
  }

  function keptFor({ words, signature }: OwnProven): ProvenChannelAnnouncement | undefined {
    const bytes = options.kept.get(words.shortChannelId)
    const decoded = bytes === undefined ? undefined : decodeMessage(bytes)
    const message = decoded?.ok === true ? decoded.value : undefined
    if (message?.type !== 'proven_channel_announcement' || !equalBytes(message.signature, signature))
      return undefined
    return holds(message) ? message : undefined
  }

  async function fetch({ words, signature, fundingTxid: txid }: OwnProven): Promise<boolean> {
    for (const { url } of options.state().chain.servers) {
      const rawTx = await ask(url, { kind: 'tx', txid }, parseTxHex)
      const merkle = await ask(url, { kind: 'merkleProof', txid }, parseMerkleProof)
      if (rawTx === undefined || merkle === undefined) continue
      const message = provenMessage(words, signature, rawTx, merkle)
      // Too large for a message: the ordinary announcement has to do.
      if (message === undefined) return true
      if (!holds(message) || !pending.has(words.shortChannelId)) continue
      const value = encodeRecord(VERSION, encodeMessage(message))
      writes.push({ key: `${PREFIX}${words.shortChannelId}`, value })
      options.publish(message)
      return true
    }
    return false
  }

  return {
    announce(item) {
      const scid = item.words.shortChannelId
      const message = keptFor(item)
      if (message === undefined) pending.set(scid, { item, nextAt: pending.get(scid)?.nextAt ?? 0 })
      else options.publish(message)
    },
    forget(scid) {
      pending.delete(scid)
      writes.push({ key: `${PREFIX}${scid}`, value: null })
    },
    tick() {
      if (busy || controller.signal.aborted || options.state().syncedAt === undefined) return
      const due = [...pending].find(([, { nextAt }]) => nextAt <= options.now())
      if (due === undefined) return
      const [scid, entry] = due
      const { blockHeight } = unpackShortChannelId(scid)
      // Below the headers that are kept there is nothing to check a proof against, for us as for others.
      if (blockHeight < options.state().chain.headers.base) {
        pending.delete(scid)
        return
      }
      entry.nextAt = options.now() + RETRY_MS
      busy = true
      fetch(entry.item)
        .then((done) => {
          if (done && pending.get(scid) === entry) pending.delete(scid)
        })
        .catch(() => {
          // A request that was ended, or a server's nonsense: it is tried again in a minute.
        })
        .finally(() => {
          busy = false
        })
    },
    takeWrites() {
      const taken = writes
      writes = []
      return taken
    },
    stop: () => controller.abort(),
  }
}
