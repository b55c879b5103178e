import { equalBytes, toHex } from '../base/bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { POW_RULES } from '../bitcoin/difficulty.ts'
import { meetsTarget } from '../bitcoin/header.ts'
import { merkleRootFromProof } from '../bitcoin/merkle.ts'
import { decodeTx, txidOf } from '../bitcoin/tx.ts'
import type { Txid } from '../bitcoin/types.ts'
import { type EsploraResult, isRefusal, parseBlocks, parseMerkleProof, parseTxHex } from './esplora.ts'
import { hashAt, headerAt, heightOf } from './headers.ts'
import { doubted, failed, isUsable, lied, served } from './servers.ts'
import { findServer, patchTx, putWatch, type Turn } from './turn.ts'
import type { ChainState, KnownTx, TxEntry, TxWatch } from './types.ts'

/** Polls for which a stated height counts beside others that state none. */
const HINT_POLLS = 2

/** Makes sure that a transaction is looked for; `hint` is a height that a server stated, null for the mempool or unknown. */
export function needTx(turn: Turn, txid: Txid, hint: number | null): void {
  const entry = turn.state.txs[txid]
  if (entry === undefined) {
    const fresh: TxEntry = {
      txid,
      raw: null,
      rawBy: null,
      witnesses: null,
      confirmed: null,
      hint,
      hintAt: turn.now,
      old: null,
      rawMisses: {},
      proofMisses: {},
    }
    turn.state = { ...turn.state, txs: { ...turn.state.txs, [txid]: fresh } }
  } else if (entry.confirmed === null && entry.hint !== hint) {
    // Who says "in no block" must not silence who names one before its proof was asked for.
    if (hint === null && turn.now - entry.hintAt < turn.state.config.spendPollMs * HINT_POLLS) return
    patchTx(turn, txid, { hint, hintAt: turn.now })
  }
}

/**
 * Takes over what an owner persisted. A confirmation holds when its block is on our chain, or so deep that we keep no headers
 * there any more: it was proved before it was persisted.
 */
export function recall(turn: Turn, known: KnownTx): void {
  const tx = decodeTx(known.tx)
  if (!tx.ok || txidOf(tx.value) !== known.txid) return
  needTx(turn, known.txid, known.height)
  if (turn.state.txs[known.txid]?.raw === null) patchTx(turn, known.txid, { raw: known.tx })
  const { height, blockHash, index } = known
  if (height === null || blockHash === null || index === null) return
  const { headers } = turn.state
  if (height < headers.base || hashAt(headers, height) === blockHash)
    patchTx(turn, known.txid, { confirmed: { height, blockHash, index } })
}

/** A transaction's bytes, or that the server does not have it. */
export function onRaw(turn: Turn, url: string, txid: Txid, result: EsploraResult): void {
  const entry = turn.state.txs[txid]
  const check = { at: turn.now, tip: turn.state.headers.tip.hash }
  if (!result.ok) {
    if (result.error.status !== 404) return failed(turn, url, result.error)
    served(turn, url)
    if (entry) patchTx(turn, txid, { rawMisses: { ...entry.rawMisses, [url]: check } })
    if (entry?.witnesses) patchTx(turn, txid, { witnesses: { ...entry.witnesses, [url]: '' } })
    return
  }
  const raw = parseTxHex(result.value)
  if (!raw.ok) return failed(turn, url, { kind: 'shape', message: raw.error })
  const tx = decodeTx(raw.value)
  if (!tx.ok || txidOf(tx.value) !== txid) return lied(turn, url, `gave another transaction for ${txid}`)
  served(turn, url)
  if (entry?.raw === null) patchTx(turn, txid, { raw: raw.value, rawBy: url, rawMisses: {} })
  else if (entry?.witnesses) compareWitness(turn, url, entry, entry.witnesses, raw.value)
}

/** Another version of a spender's bytes: the owner sees it, and says whether it holds what the first one lacked. */
function compareWitness(
  turn: Turn,
  url: string,
  { txid, raw }: TxEntry,
  witnesses: NonNullable<TxEntry['witnesses']>,
  bytes: Uint8Array,
): void {
  patchTx(turn, txid, { witnesses: { ...witnesses, [url]: hashOf(bytes) } })
  if (raw !== null && equalBytes(raw, bytes)) return
  patchTx(turn, txid, { raw: bytes, rawBy: url })
  untell(turn, txid)
}

const hashOf = (bytes: Uint8Array): string => toHex(sha256(bytes))

/** Every server is asked for a transaction's bytes, once each. */
export function askEveryone(turn: Turn, txid: Txid): void {
  const entry = turn.state.txs[txid]
  if (!entry?.raw || entry.witnesses !== null) return
  patchTx(turn, txid, { witnesses: entry.rawBy === null ? {} : { [entry.rawBy]: hashOf(entry.raw) } })
}

/** Bytes that no chain could take: whoever gave them lies, and another server may have the real ones. */
export function notSigned(turn: Turn, txid: Txid): void {
  const entry = turn.state.txs[txid]
  if (!entry?.raw || entry.confirmed !== null || entry.rawBy === null) return
  lied(turn, entry.rawBy, `gave ${txid} without the signatures that it needs`)
  patchTx(turn, txid, { raw: null, rawBy: null, witnesses: null })
  untell(turn, txid)
}

/** What was told of a spender is told again with its next bytes. */
function untell(turn: Turn, txid: Txid): void {
  for (const watch of Object.values(turn.state.watches))
    if (watch.kind === 'spend' && watch.reported?.txid === txid) putWatch(turn, { ...watch, reported: null })
}

/** Whose bytes were others than these had altered the witness. */
export function witnessHolds(turn: Turn, txid: Txid, tx: Uint8Array): void {
  const witnesses = turn.state.txs[txid]?.witnesses
  if (!witnesses) return
  const good = hashOf(tx)
  patchTx(turn, txid, { witnesses: null })
  for (const [url, hash] of Object.entries(witnesses))
    if (hash !== '' && hash !== good) lied(turn, url, `altered the witness of ${txid}`)
}

/** A merkle proof, or that the server has none: it counts only when it leads to a header of our own chain. */
export function onProof(turn: Turn, url: string, txid: Txid, result: EsploraResult): void {
  const entry = turn.state.txs[txid]
  if (!result.ok && result.error.status !== 404) return failed(turn, url, result.error)
  const missed = (wrong: number) => {
    const tip = turn.state.headers.tip.hash
    const miss = { at: turn.now, tip, atTip: findServer(turn.state, url)?.tip?.hash === tip, wrong }
    if (entry) patchTx(turn, txid, { proofMisses: { ...entry.proofMisses, [url]: miss } })
  }
  if (!result.ok) {
    served(turn, url)
    // Proved meanwhile, in a block that this server says it has.
    if (entry?.confirmed && findServer(turn.state, url)?.tip?.hash === turn.state.headers.tip.hash)
      doubted(turn, url, `hid the confirmation of ${txid}`)
    return missed(0)
  }
  const proof = parseMerkleProof(result.value)
  if (!proof.ok) return failed(turn, url, { kind: 'shape', message: proof.error })
  if (!entry?.raw || entry.confirmed !== null) return served(turn, url)
  const root = merkleRootFromProof(entry.raw, proof.value)
  if (!root.ok) {
    missed(0)
    if (root.error === 'ambiguous') return served(turn, url)
    return lied(turn, url, `merkle proof refused: ${root.error}`)
  }
  const { headers } = turn.state
  const { height, pos } = proof.value
  const header = headerAt(headers, height)
  const blockHash = hashAt(headers, height)
  if (height < headers.base) {
    served(turn, url)
    return patchTx(turn, txid, { old: { height, index: pos, root: root.value.root, votes: {} } })
  }
  if (header === undefined || blockHash === undefined) {
    // Ahead of our headers: they will follow.
    served(turn, url)
    return missed(0)
  }
  if (root.value.root === header.merkleRoot) {
    served(turn, url)
    doubtHiders(turn, entry, height)
    return patchTx(turn, txid, { confirmed: { height, blockHash, index: pos }, proofMisses: {} })
  }
  // An honest server may have been reorganised between two answers: it lies when it is at our tip and says it again.
  const server = findServer(turn.state, url)
  const wrong = (entry.proofMisses[url]?.wrong ?? 0) + 1
  missed(wrong)
  if (wrong > 1 && server?.tip?.hash === headers.tip.hash && server.tipAt > (entry.proofMisses[url]?.at ?? 0))
    return lied(turn, url, 'its merkle proof leads to no block')
  askTipSoon(turn, url)
}

/** Servers that said at this block, or above it, that the transaction is in none, or proved something else. */
function doubtHiders(turn: Turn, entry: TxEntry, height: number): void {
  const { headers, config } = turn.state
  for (const [url, miss] of Object.entries(entry.proofMisses)) {
    if (miss.wrong > 0) doubted(turn, url, `gave a proof that leads nowhere for ${entry.txid}`)
    else if (miss.atTip === true && (heightOf(headers, miss.tip, config.maxReorg) ?? -1) >= height)
      doubted(turn, url, `hid the confirmation of ${entry.txid}`)
  }
}

/** A server's blocks around an old proof: its vote, if the block has the proof's root and proof of work. */
export function onOldBlock(turn: Turn, url: string, txid: Txid, result: EsploraResult): void {
  if (!result.ok && !isRefusal(result)) return failed(turn, url, result.error)
  const blocks = result.ok ? parseBlocks(result.value) : undefined
  if (blocks?.ok === false) return failed(turn, url, { kind: 'shape', message: blocks.error })
  served(turn, url)
  const entry = turn.state.txs[txid]
  const old = entry?.old
  if (!entry || !old || entry.confirmed !== null) return
  const block = blocks?.value.at(-1)
  const { powLimit } = POW_RULES[turn.state.headers.network]
  const fits =
    block?.height === old.height &&
    block.header.merkleRoot === old.root &&
    meetsTarget(block.hash, block.header.bits, powLimit)
  if (!fits) {
    // Either this server or the one that gave the proof is wrong: both are asked again later.
    const miss = { at: turn.now, tip: turn.state.headers.tip.hash, wrong: 0 }
    return patchTx(turn, txid, { old: null, proofMisses: { ...entry.proofMisses, [url]: miss } })
  }
  const votes = { ...old.votes, [url]: block.hash }
  const agreeing = Object.values(votes).filter((hash) => hash === block.hash).length
  const able = turn.state.servers.filter((s) => s.identified && isUsable(s, turn.now)).length
  if (agreeing < Math.max(1, Math.min(turn.state.config.quorum, able)))
    return patchTx(turn, txid, { old: { ...old, votes } })
  const confirmed = { height: old.height, blockHash: block.hash, index: old.index }
  patchTx(turn, txid, { confirmed, old: null, proofMisses: {} })
}

/** The next thing this server is asked is its tip: it has shown a block that we do not have. */
export function askTipSoon(turn: Turn, url: string): void {
  const servers = turn.state.servers.map((s) => (s.url === url ? { ...s, tipAskedAt: 0 } : s))
  turn.state = { ...turn.state, servers }
}

/** Blocks above a height are gone: takes back what they confirmed, and tells the watches. */
export function retractAbove(turn: Turn, height: number): void {
  const gone = Object.values(turn.state.txs).filter(
    (e) => e.confirmed !== null && e.confirmed.height > height,
  )
  if (gone.length === 0) return
  const txs = { ...turn.state.txs }
  for (const e of gone) txs[e.txid] = { ...e, confirmed: null, hint: null, proofMisses: {} }
  turn.state = { ...turn.state, txs }
  for (const watch of Object.values(turn.state.watches)) {
    if (watch.kind === 'tx') retractTx(turn, watch)
    else if (watch.kind === 'spend' && watch.reported !== null && watch.reported.blockHash !== null) {
      const { txid } = watch.reported
      if (turn.state.txs[txid]?.confirmed !== null) continue
      // What servers said of the old chain no longer counts: they are asked again.
      putWatch(turn, { ...watch, answers: {}, reported: { txid, blockHash: null } })
      turn.events.push({ type: 'unconfirmed', token: watch.token, txid })
    }
  }
}

function retractTx(turn: Turn, watch: TxWatch): void {
  const confirmed = turn.state.txs[watch.txid]?.confirmed ?? null
  if (watch.depth === 0 || confirmed !== null) return
  putWatch(turn, { ...watch, depth: 0, confirmed: false })
  turn.events.push({ type: 'unconfirmed', token: watch.token, txid: watch.txid })
}

/** Reports the depth of a watched transaction on our own chain. */
export function evaluateTx(turn: Turn, watch: TxWatch): void {
  const entry = turn.state.txs[watch.txid]
  if (!entry?.confirmed || entry.raw === null) return
  const depth = turn.state.headers.tip.height - entry.confirmed.height + 1
  if (depth === watch.depth) return
  const { token, txid, minDepth, upTo } = watch
  const confirmed = watch.confirmed || depth >= minDepth
  if (Math.min(depth, upTo) !== Math.min(watch.depth, upTo))
    turn.events.push({ type: 'depth', token, txid, depth: Math.min(depth, upTo), of: upTo })
  if (confirmed && !watch.confirmed)
    turn.events.push({ type: 'confirmed', token, txid, tx: entry.raw, depth, ...entry.confirmed })
  putWatch(turn, { ...watch, depth, confirmed })
}

/** The transactions that watches refer to; others are forgotten. */
export function forgetUnneeded(state: ChainState): ChainState {
  const needed = new Set<Txid>()
  for (const watch of Object.values(state.watches)) {
    if (watch.kind === 'tx') needed.add(watch.txid)
    else if (watch.kind === 'spend') {
      if (watch.reported) needed.add(watch.reported.txid)
      for (const answer of Object.values(watch.answers)) if (answer.claim) needed.add(answer.claim.txid)
    } else {
      for (const txid of watch.known) needed.add(txid)
      for (const script of watch.scripts) {
        for (const item of script.listing ?? []) needed.add(item.txid)
      }
    }
  }
  const kept = Object.entries(state.txs).filter(([txid]) => needed.has(txid))
  return kept.length === Object.keys(state.txs).length ? state : { ...state, txs: Object.fromEntries(kept) }
}
