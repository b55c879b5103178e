import { headerAt, type HeaderChain } from '../engine/chain/headers.ts'
import {
  type EsploraRequest,
  type EsploraResult,
  parseHistory,
  parseMerkleProof,
  parseOutspend,
  parseTxHex,
} from '../engine/chain/esplora.ts'
import { toHex } from '../engine/base/bytes.ts'
import { sha256 } from '../engine/crypto/hash.ts'
import type { Graph } from '../engine/router/graph.ts'
import { CHANNEL } from '../engine/router/graph-terms.ts'
import { applyProof, checkFunding, fundingScriptOf } from '../engine/router/proof.ts'
import { unpackShortChannelId } from '../engine/wire/short-channel-id.ts'

/**
 * Steps two and three of believing channels, by need: those on a route first, one at a time, so that public servers bear it. Whatever a
 * server says is checked against headers of ours; whether an output is unspent no proof can show, so that every server is asked.
 */

/** Between two channels. */
const PAUSE_MS = 2_000
const MAX_WANTED = 500
/** A channel that could not be proved is not tried again for so long. */
const RETRY_MS = 3600_000
const MAX_TRIED = 2_000
/** Channels that two stories are told of: anybody can make such, so one a minute, when nothing else waits. */
const DOUBT_PAUSE_MS = 60_000
const MAX_DOUBTED = 100

/** What a prover sees of the node. */
export interface ProverView {
  readonly chain: { readonly headers: HeaderChain; readonly servers: readonly { readonly url: string }[] }
  readonly syncedAt?: number
}

export interface ProverOptions {
  readonly graph: Graph
  readonly state: () => ProverView
  readonly request: (server: string, request: EsploraRequest, signal: AbortSignal) => Promise<EsploraResult>
  readonly now: () => number
}

export interface Prover {
  /** These channels are about to be used: they come first. */
  want(scids: readonly bigint[]): void
  /** The chain is to decide about these, when there is time. */
  doubt(scids: readonly bigint[]): void
  /** Does one channel if it is time. */
  tick(): void
  stop(): void
}

type Ask = <T>(
  server: string,
  request: EsploraRequest,
  parse: (value: unknown) => { ok: true; value: T } | { ok: false; error: unknown },
) => Promise<T | undefined>

/** Asks a server; undefined where it did not answer, or not as it should. */
export const asker =
  (request: ProverOptions['request'], signal: AbortSignal): Ask =>
  async (server, question, parse) => {
    const answer = await request(server, question, signal)
    const parsed = answer.ok ? parse(answer.value) : undefined
    return parsed?.ok === true ? parsed.value : undefined
  }

export function createProver(options: ProverOptions): Prover {
  const { graph } = options
  const wanted: bigint[] = []
  const doubted = new Set<bigint>()
  let doubtAt = Number.NEGATIVE_INFINITY
  const tried = new Map<bigint, number>()
  const controller = new AbortController()
  let busy = false
  let nextAt = 0

  const ask = asker(options.request, controller.signal)

  /** The funding transaction's id, as one server tells it: unproven, and only what to ask next. */
  async function fundingTxid(
    server: string,
    program: Uint8Array,
    height: number,
  ): Promise<string | undefined> {
    const scriptHash = toHex(sha256(fundingScriptOf(program)))
    const history = await ask(server, { kind: 'history', scriptHash, after: null }, parseHistory)
    return history?.find((item) => item.height === height)?.txid
  }

  async function prove(scid: bigint): Promise<void> {
    const slot = graph.channelAt(scid)
    if (slot === -1) return
    const { blockHeight } = unpackShortChannelId(scid)
    const header = headerAt(options.state().chain.headers, blockHeight)
    // Older than the headers that are kept: it stays at its first step.
    if (header === undefined) return
    const witnessProgram = graph.programs.slice(32 * slot, 32 * slot + 32)
    const servers = options.state().chain.servers.map((s) => s.url)
    for (const server of servers) {
      const txid = await fundingTxid(server, witnessProgram, blockHeight)
      if (txid === undefined) continue
      const rawTx = await ask(server, { kind: 'tx', txid }, parseTxHex)
      const merkle = await ask(server, { kind: 'merkleProof', txid }, parseMerkleProof)
      if (rawTx === undefined || merkle === undefined) continue
      const checked = checkFunding({ scid, witnessProgram }, { rawTx, merkle }, header)
      if (applyProof(graph, scid, checked) === 'nothing' || !checked.ok) continue
      return unspent(scid, servers, checked.value.txid, checked.value.vout)
    }
  }

  /** Step three. A spend that any server tells of keeps the channel from being called unspent; all of them must agree to call it spent. */
  async function unspent(
    scid: bigint,
    servers: readonly string[],
    txid: string,
    vout: number,
  ): Promise<void> {
    const answers = await Promise.all(
      servers.map((server) => ask(server, { kind: 'outspend', txid, vout }, parseOutspend)),
    )
    const said = answers.filter((a) => a !== undefined)
    const slot = graph.channelAt(scid)
    if (slot === -1 || said.length === 0) return
    const spends = said.filter((a) => a !== null)
    if (spends.length === 0) graph.mark(slot, CHANNEL.unspent)
    else if (spends.length === said.length) {
      graph.spentHeight[slot] = options.state().chain.headers.tip.height
      graph.mark(slot, CHANNEL.spent, CHANNEL.unspent)
    }
  }

  function next(): bigint | undefined {
    for (let scid = wanted.shift(); scid !== undefined; scid = wanted.shift()) {
      const slot = graph.channelAt(scid)
      if (slot === -1 || graph.has(slot, CHANNEL.spent)) continue
      // One that an announcement has proven still lacks the third step.
      if (graph.has(slot, CHANNEL.proven | CHANNEL.unspent)) continue
      if (options.now() - (tried.get(scid) ?? Number.NEGATIVE_INFINITY) < RETRY_MS) continue
      return scid
    }
    const [scid] = doubted
    if (scid === undefined || options.now() < doubtAt) return undefined
    doubted.delete(scid)
    doubtAt = options.now() + DOUBT_PAUSE_MS
    wanted.push(scid)
    return next()
  }

  return {
    want(scids) {
      for (const scid of scids) {
        if (!wanted.includes(scid)) wanted.unshift(scid)
      }
      wanted.length = Math.min(wanted.length, MAX_WANTED)
    },
    doubt(scids) {
      for (const scid of scids) if (doubted.size < MAX_DOUBTED) doubted.add(scid)
    },
    tick() {
      if (busy || controller.signal.aborted || options.now() < nextAt) return
      if (options.state().syncedAt === undefined) return
      const scid = next()
      if (scid === undefined) return
      if (tried.size > MAX_TRIED) tried.clear()
      tried.set(scid, options.now())
      nextAt = options.now() + PAUSE_MS
      busy = true
      prove(scid)
        .catch(() => {
          // A request that was ended, or a server's nonsense: it is tried again in an hour.
        })
        .finally(() => {
          busy = false
        })
    },
    stop: () => controller.abort(),
  }
}
