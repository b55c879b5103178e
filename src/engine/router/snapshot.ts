import { compareBytes, equalBytes } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { Reader } from '../wire/codec.ts'
import { DecodeError, refuse } from '../wire/errors.ts'
import { unknownRequiredBits } from '../wire/features.ts'
import type { Graph } from './graph.ts'
import { CHANNEL, msatNumber, POLICY } from './graph-terms.ts'

/**
 * A snapshot of the network as a rapid gossip sync server gives it (LDK's format, version 1): nodes, channels and terms, without a single
 * signature. Nothing in it is believed. It makes hints: channels without the flag `signed`, which no payment goes through; what becomes of
 * one is decided when a peer gives its signatures. What somebody signed is never touched by a snapshot, its terms included.
 *
 * Read in slices: a server's two megabytes take some hundred milliseconds of a phone. What was read stays when the rest is cut or wrong,
 * and reading it again changes nothing.
 */

/** `LDK` and the version. */
export const SNAPSHOT_PREFIX: Uint8Array = Uint8Array.of(0x4c, 0x44, 0x4b, 1)
/** Of one file: today's network takes two and a half megabytes. */
export const MAX_SNAPSHOT_BYTES = 20_000_000
/** Hints that may be in the graph at a time, and nodes that one snapshot may name: room is left for what is signed. */
export const MAX_HINTS = 150_000
const MAX_NAMED = 60_000
/** A hint to a node with more channels is dropped: taking out one of them costs a step for each. */
const MAX_HINT_DEGREE = 10_000
/** LDK's rule: terms count as a week older than the snapshot, so that everything newer goes before them. */
const BACKDATED_SECONDS = 7 * 86_400
const MAX_AHEAD_SECONDS = 86_400

export type SnapshotFault =
  /** Cut off, or not what it should be. */
  | 'malformed'
  /** A format that we do not read. */
  | 'version'
  /** Of another chain. */
  | 'chain'
  | 'tooLarge'
  /** It says that it was made tomorrow. */
  | 'future'

export interface SnapshotCounts {
  /** Channels told of, and those that became hints. */
  channels: number
  hints: number
  /** Terms told of, and those taken for hints. */
  updates: number
  taken: number
}

interface Terms {
  readonly cltvExpiryDelta: number
  readonly htlcMinimumMsat: number
  readonly feeBaseMsat: number
  readonly feeProportionalMillionths: number
  readonly htlcMaximumMsat: number
}

export class SnapshotReader {
  readonly counts: SnapshotCounts = { channels: 0, hints: 0, updates: 0, taken: 0 }
  /** When its server made it (s since 1970): what the next one is asked from. */
  latestSeen = 0
  readonly #graph: Graph
  readonly #reader: Reader
  readonly #size: number
  readonly #at: { readonly chainHash: Uint8Array; readonly nowSeconds: number; readonly height: number }
  #phase: 'head' | 'channels' | 'updates' | 'done' = 'head'
  readonly #nodes: Uint8Array[] = []
  #left = 0
  #scid = 0n
  #defaults: Terms | undefined

  /** @param at what is known now; `height` 0: no tip is known to be true */
  constructor(
    graph: Graph,
    bytes: Uint8Array,
    at: { readonly chainHash: Uint8Array; readonly nowSeconds: number; readonly height: number },
  ) {
    this.#graph = graph
    this.#reader = new Reader(bytes)
    this.#size = bytes.length
    this.#at = at
  }

  /** Takes up to so many channels and terms. True when there is nothing left. A fault ends it. */
  step(most: number): Result<boolean, SnapshotFault> {
    try {
      if (this.#phase === 'head') {
        const fault = this.#head()
        if (fault !== undefined) return err(fault)
      }
      for (let n = 0; n < most && this.#phase !== 'done'; n++) this.#one()
      return ok(this.#phase === 'done')
    } catch (error) {
      if (error instanceof DecodeError) return err('malformed')
      throw error
    }
  }

  #head(): SnapshotFault | undefined {
    const reader = this.#reader
    if (this.#size > MAX_SNAPSHOT_BYTES) return 'tooLarge'
    const prefix = reader.bytes(4)
    if (!equalBytes(prefix, SNAPSHOT_PREFIX))
      return equalBytes(prefix.subarray(0, 3), SNAPSHOT_PREFIX.subarray(0, 3)) ? 'version' : 'malformed'
    if (!equalBytes(reader.bytes(32), this.#at.chainHash)) return 'chain'
    this.latestSeen = reader.u32()
    if (this.latestSeen > this.#at.nowSeconds + MAX_AHEAD_SECONDS) return 'future'
    const nodes = reader.u32()
    if (nodes > MAX_NAMED) return 'tooLarge'
    // 33 bytes each: a false count ends with the bytes.
    for (let i = 0; i < nodes; i++) this.#nodes.push(reader.bytes(33))
    this.#left = reader.u32()
    this.#phase = 'channels'
    return undefined
  }

  #one(): void {
    if (this.#left > 0) {
      this.#left--
      if (this.#phase === 'channels') this.#channel()
      else this.#update()
    } else if (this.#phase === 'channels') this.#beginUpdates()
    else this.#phase = 'done'
  }

  #nextScid(): bigint {
    this.#scid += this.#reader.bigsize()
    if (this.#scid > 0xffff_ffff_ffff_ffffn) refuse('bad_value', 'short_channel_id')
    return this.#scid
  }

  #channel(): void {
    const features = this.#reader.blob('features')
    const scid = this.#nextScid()
    const [one, two] = [this.#nodeAt(), this.#nodeAt()]
    this.counts.channels++
    const graph = this.#graph
    if (compareBytes(one, two) >= 0 || graph.channelAt(scid) !== -1) return
    if (this.#at.height > 0 && Number(scid >> 40n) > this.#at.height + 1) return
    if (graph.hintCount >= MAX_HINTS || this.#isHub(one) || this.#isHub(two)) return
    const slot = graph.addChannel({
      scid,
      nodeId1: one,
      nodeId2: two,
      capacitySat: 0,
      // Which keys its output pays to, only its announcement says.
      witnessProgram: new Uint8Array(32),
      flags: unknownRequiredBits(features).length > 0 ? CHANNEL.unknownFeature : 0,
    })
    if (slot !== -1) this.counts.hints++
  }

  #nodeAt(): Uint8Array {
    const index = this.#reader.bigsize()
    const id = index < BigInt(this.#nodes.length) ? this.#nodes[Number(index)] : undefined
    return id ?? refuse('bad_value', 'a node that is not in the list')
  }

  #isHub(id: Uint8Array): boolean {
    const slot = this.#graph.nodeAt(id)
    return slot !== -1 && (this.#graph.degree[slot] as number) >= MAX_HINT_DEGREE
  }

  #beginUpdates(): void {
    this.#phase = 'updates'
    this.#scid = 0n
    this.#left = this.#reader.u32()
    if (this.#left === 0) return
    const reader = this.#reader
    this.#defaults = {
      cltvExpiryDelta: reader.u16(),
      htlcMinimumMsat: msatNumber(reader.u64()),
      feeBaseMsat: reader.u32(),
      feeProportionalMillionths: reader.u32(),
      htlcMaximumMsat: msatNumber(reader.u64()),
    }
  }

  #update(): void {
    const reader = this.#reader
    const scid = this.#nextScid()
    const flags = reader.u8()
    const slot = this.#graph.channelAt(scid)
    const edge = 2 * slot + (flags & 1)
    const known = slot !== -1 && !this.#graph.has(slot, CHANNEL.signed)
    // Incremental: what is not told stays as it was here.
    const before = (flags & 0x80) === 0 ? this.#defaults : known ? this.#graph.policy(edge) : undefined
    // Read in any case: the next one follows.
    const told = {
      ...((flags & 0x40) === 0 ? {} : { cltvExpiryDelta: reader.u16() }),
      ...((flags & 0x20) === 0 ? {} : { htlcMinimumMsat: msatNumber(reader.u64()) }),
      ...((flags & 0x10) === 0 ? {} : { feeBaseMsat: reader.u32() }),
      ...((flags & 0x08) === 0 ? {} : { feeProportionalMillionths: reader.u32() }),
      ...((flags & 0x04) === 0 ? {} : { htlcMaximumMsat: msatNumber(reader.u64()) }),
    }
    this.counts.updates++
    if (!known || before === undefined) return
    const timestamp = Math.max(1, Math.min(this.latestSeen, this.#at.nowSeconds) - BACKDATED_SECONDS)
    const isOld = ((this.#graph.policyFlags[edge] as number) & POLICY.present) !== 0
    if (isOld && (this.#graph.policyTime[edge] as number) > timestamp) return
    const terms = { ...before, ...told, timestamp, disabled: (flags & 2) !== 0 }
    // The same again, from a slice that was read before: nothing to write.
    if (isOld && sameTerms(terms, this.#graph.policy(edge))) return
    this.#graph.setPolicy(edge, terms)
    this.counts.taken++
  }
}

function sameTerms<T extends object>(a: T, b: T | undefined): boolean {
  return b !== undefined && Object.entries(a).every(([name, value]) => b[name as keyof T] === value)
}
