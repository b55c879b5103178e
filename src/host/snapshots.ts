import type { RecordWrite } from '../engine/node/ports.ts'
import { decodeRecord, encodeRecord } from '../engine/records/codec.ts'
import type { Graph } from '../engine/router/graph.ts'
import { MAX_SNAPSHOT_BYTES, SnapshotReader } from '../engine/router/snapshot.ts'
import type { Download } from './download.ts'
import type { Clock } from './ports.ts'

/**
 * Snapshots from a server that the user has named; from nobody otherwise. Once a day what has changed since the last one, read in slices
 * beside everything else. All of it is hints (`engine/router/snapshot.ts`).
 */

/** The preference that holds the address: `<address>/<s since 1970>` is asked for. */
export const SNAPSHOTS = 'snapshots'

const KEY = 'graph/snapshot'
const VERSION = 1
const EVERY_MS = 24 * 3600_000
const RETRY_MS = 3600_000
const TIMEOUT_MS = 120_000
/** Channels and terms of one slice: some milliseconds of a phone. */
export const SNAPSHOT_SLICE = 250

export interface SnapshotStatus {
  readonly url: string
  readonly state: 'waiting' | 'loading' | 'done' | 'failed'
  /** When its server had made the last one that was read (s since 1970). */
  readonly madeAt?: number
  /** Of the last one in this run: bytes, and channels that became hints. */
  readonly bytes?: number
  readonly hints?: number
  /** Why it failed, in English, for a log. */
  readonly reason?: string
}

export interface Snapshots {
  /** Undefined while the user has named no server. */
  status(): SnapshotStatus | undefined
  /** Begins one if it is time, or if it is wanted `now`. */
  tick(now?: boolean): void
  /** The record to be written, once all that was read is. */
  takeWrites(): readonly RecordWrite[]
  stop(): void
}

interface Mark {
  readonly url: string
  /** s since 1970: the next one is asked from there. */
  readonly seen: number
  /** ms since 1970 */
  readonly at: number
}

/** Where the last one stood. */
export function storedMark(records: ReadonlyMap<string, Uint8Array>): Mark | undefined {
  const bytes = records.get(KEY)
  const decoded = bytes === undefined ? undefined : decodeRecord(bytes)
  const value = decoded?.ok === true && decoded.value.version === VERSION ? decoded.value.value : undefined
  if (typeof value !== 'object' || value === null) return undefined
  const { url, seen, at } = value as Readonly<Record<string, unknown>>
  return typeof url === 'string' && typeof seen === 'number' && typeof at === 'number'
    ? { url, seen, at }
    : undefined
}

export function createSnapshots(options: {
  readonly graph: Graph
  readonly chainHash: Uint8Array
  readonly clock: Clock
  /** Absent where the machine has no way to fetch. */
  readonly download: Download | undefined
  readonly mark: Mark | undefined
  /** The address that the user has named, or nothing. */
  readonly url: () => string
  /** Of the best verified block, 0 while it is not known to be true now. */
  readonly height: () => number
  /** Runs a task that may touch the graph; nothing in it may stop the node. */
  readonly guarded: (task: () => void) => void
}): Snapshots {
  const { graph, clock } = options
  const controller = new AbortController()
  let mark = options.mark
  let running: string | undefined
  let triedAt: number | undefined
  let last:
    | (Pick<SnapshotStatus, 'bytes' | 'hints' | 'reason'> & { readonly url: string; readonly ok: boolean })
    | undefined
  let writes: RecordWrite[] = []

  const fail = (url: string, reason: string): void => {
    running = undefined
    last = { url, ok: false, reason }
  }

  /** Slice after slice, until nothing is left, the user has changed his mind, or it is no snapshot. */
  function read(url: string, reader: SnapshotReader, bytes: number): void {
    if (controller.signal.aborted || options.url() !== url) {
      running = undefined
      return
    }
    options.guarded(() => {
      const result = reader.step(SNAPSHOT_SLICE)
      if (!result.ok) return fail(url, result.error)
      if (!result.value) {
        clock.after(0, () => read(url, reader, bytes))
        return
      }
      running = undefined
      last = { url, ok: true, bytes, hints: reader.counts.hints }
      mark = { url, seen: reader.latestSeen, at: clock.now() }
      writes = [{ key: KEY, value: encodeRecord(VERSION, mark) }]
    })
  }

  async function run(url: string, download: Download): Promise<void> {
    // From the beginning where nothing is here that the changes could be laid over.
    const from = mark?.url === url && graph.channelCount > 0 ? mark.seen : 0
    const limits = { maxBytes: MAX_SNAPSHOT_BYTES, timeoutMs: TIMEOUT_MS }
    const got = await download(`${url}/${from}`, limits, controller.signal)
    if (!got.ok) return fail(url, got.reason)
    const at = {
      chainHash: options.chainHash,
      nowSeconds: Math.floor(clock.now() / 1000),
      height: options.height(),
    }
    read(url, new SnapshotReader(graph, got.bytes, at), got.bytes.length)
  }

  return {
    status() {
      const url = options.url()
      if (url === '') return undefined
      const own = last?.url === url ? last : undefined
      return {
        url,
        state: running === url ? 'loading' : own === undefined ? 'waiting' : own.ok ? 'done' : 'failed',
        ...(mark?.url === url ? { madeAt: mark.seen } : {}),
        ...(own?.bytes === undefined ? {} : { bytes: own.bytes }),
        ...(own?.hints === undefined ? {} : { hints: own.hints }),
        ...(own?.reason === undefined ? {} : { reason: own.reason }),
      }
    },
    tick(wanted = false) {
      const url = options.url()
      const { download } = options
      if (url === '' || download === undefined || running !== undefined || controller.signal.aborted) return
      const changed = mark?.url !== url && last?.url !== url
      const done = mark?.url === url ? mark.at : undefined
      const due =
        wanted ||
        changed ||
        (clock.now() - (done ?? 0) >= EVERY_MS && clock.now() - (triedAt ?? 0) >= RETRY_MS)
      if (!due) return
      running = url
      triedAt = clock.now()
      run(url, download).catch((error: unknown) =>
        fail(url, error instanceof Error ? error.message : 'failed'),
      )
    },
    takeWrites() {
      const taken = writes
      writes = []
      return taken
    },
    stop: () => controller.abort(),
  }
}
