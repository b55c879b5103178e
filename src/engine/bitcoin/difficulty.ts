import { err, ok, type Result } from '../base/result.ts'
import { type BlockHeader, bitsToTarget, targetToBits } from './header.ts'
import type { NetworkName } from './network.ts'

/** What a network's consensus says about header difficulty and time (Bitcoin Core chainparams). */
export interface PowRules {
  /** The easiest target allowed. */
  readonly powLimit: bigint
  readonly powLimitBits: number
  /** A block may use the limit when it comes more than 20 minutes after its parent. */
  readonly allowMinDifficulty: boolean
  /** Difficulty never changes. */
  readonly noRetargeting: boolean
  /** BIP 94: retarget from the first block of a period; the first block's time is at least its parent's − 600 s. */
  readonly bip94: boolean
}

/** Blocks of a difficulty period, and the seconds it aims at (Bitcoin Core Consensus::Params). */
export const RETARGET_BLOCKS = 2016
export const TARGET_TIMESPAN_S = 1_209_600
/** A block more than twice the ten-minute spacing after its parent may have minimum difficulty on test networks. */
const MIN_DIFFICULTY_AFTER_S = 1200
/** Bitcoin Core MAX_FUTURE_BLOCK_TIME. */
export const MAX_FUTURE_S = 7200
/** Bitcoin Core MAX_TIMEWARP (BIP 94). */
const MAX_TIMEWARP_S = 600
/** Headers whose median time a successor must exceed. */
export const MEDIAN_TIME_SPAN = 11

const rules = (bits: number, flags: Partial<PowRules> = {}): PowRules => ({
  powLimit: bitsToTarget(bits) ?? 0n,
  powLimitBits: bits,
  allowMinDifficulty: false,
  noRetargeting: false,
  bip94: false,
  ...flags,
})

/**
 * The rules by network. The limits are Bitcoin Core's in compact form, which is how they can be met. Signet's headers are also
 * signed by its operators inside the coinbase (BIP 325): a header chain alone cannot check that, so on signet proof of work is
 * weak evidence, as the network's coins are worthless by design.
 */
export const POW_RULES: Readonly<Record<NetworkName, PowRules>> = {
  bitcoin: rules(0x1d00ffff),
  testnet4: rules(0x1d00ffff, { allowMinDifficulty: true, bip94: true }),
  signet: rules(0x1e0377ae),
  regtest: rules(0x207fffff, { allowMinDifficulty: true, noRetargeting: true }),
}

/** Headers by height below the one that is checked; undefined below the checkpoint. */
export type HeaderAt = (height: number) => BlockHeader | undefined

/**
 * The bits that a header at `height` with `time` must carry, given its ancestors (Bitcoin Core GetNextWorkRequired); undefined
 * when the ancestors needed lie below the checkpoint.
 */
export function requiredBits(r: PowRules, at: HeaderAt, height: number, time: number): number | undefined {
  const parent = at(height - 1)
  if (parent === undefined) return undefined
  if (height % RETARGET_BLOCKS === 0) {
    if (r.noRetargeting) return parent.bits
    const first = at(height - RETARGET_BLOCKS)
    return first === undefined ? undefined : retarget(r, first, parent)
  }
  if (!r.allowMinDifficulty) return parent.bits
  if (time > parent.time + MIN_DIFFICULTY_AFTER_S) return r.powLimitBits
  // The last block that did not use the exception, looking no further than the period's first.
  for (let h = height - 1; ; h--) {
    const header = at(h)
    if (header === undefined) return undefined
    if (h % RETARGET_BLOCKS === 0 || header.bits !== r.powLimitBits) return header.bits
    // Without retargeting every block is at the limit: no need to walk.
    if (r.noRetargeting) return r.powLimitBits
  }
}

/** Bitcoin Core CalculateNextWorkRequired: the period's time, between a quarter and four times the aim, scales the target. */
function retarget(r: PowRules, first: BlockHeader, last: BlockHeader): number | undefined {
  const taken = Math.min(Math.max(last.time - first.time, TARGET_TIMESPAN_S / 4), TARGET_TIMESPAN_S * 4)
  const base = bitsToTarget(r.bip94 ? first.bits : last.bits)
  if (base === undefined) return undefined
  const target = (base * BigInt(taken)) / BigInt(TARGET_TIMESPAN_S)
  return targetToBits(target > r.powLimit ? r.powLimit : target)
}

/** Median of the times of the up to 11 headers that end at `height`; undefined when there is none. */
export function medianTimePast(at: HeaderAt, height: number): number | undefined {
  const times: number[] = []
  for (let h = height; h > height - MEDIAN_TIME_SPAN; h--) {
    const header = at(h)
    if (header === undefined) break
    times.push(header.time)
  }
  return times.sort((a, b) => a - b)[times.length >> 1]
}

/** Why a header was refused. `future` may be the fault of our own clock and is not held against a server. */
export type HeaderFault = 'unlinked' | 'bits' | 'pow' | 'time' | 'timewarp' | 'future'

/**
 * The contextual rules of a header at `height` (Bitcoin Core ContextualCheckBlockHeader), all but its hash: link, bits, time
 * above the median of its 11 ancestors, BIP 94, no more than two hours ahead of `nowS`. Near a checkpoint, rules that need
 * headers below it are applied to those that there are.
 */
export function checkHeaderContext(
  r: PowRules,
  at: HeaderAt,
  parentHash: string,
  height: number,
  header: BlockHeader,
  nowS: number,
): Result<void, HeaderFault> {
  if (header.prevHash !== parentHash) return err('unlinked')
  const bits = requiredBits(r, at, height, header.time)
  if (bits === undefined || header.bits !== bits) return err('bits')
  const median = medianTimePast(at, height - 1)
  if (median !== undefined && fullSpan(at, height) && header.time <= median) return err('time')
  const parent = at(height - 1)
  if (
    r.bip94 &&
    height % RETARGET_BLOCKS === 0 &&
    parent !== undefined &&
    header.time < parent.time - MAX_TIMEWARP_S
  )
    return err('timewarp')
  if (header.time > nowS + MAX_FUTURE_S) return err('future')
  return ok(undefined)
}

/** Whether the median of the ancestors is the true one: eleven of them, or all down to the genesis block. */
const fullSpan = (at: HeaderAt, height: number): boolean =>
  at(Math.max(0, height - MEDIAN_TIME_SPAN)) !== undefined
