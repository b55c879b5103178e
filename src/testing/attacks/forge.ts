import { type BlockHeader, hashHeader, meetsTarget } from '../../engine/bitcoin/header.ts'
import { POW_RULES } from '../../engine/bitcoin/difficulty.ts'

/** A block as Esplora lists it, as far as a client looks. */
export interface Listed {
  readonly id: string
  readonly height: number
  readonly version: number
  readonly timestamp: number
  readonly merkle_root: string
  readonly previousblockhash: string | null
  readonly nonce: number
  readonly bits: number
}

const LIMIT = POW_RULES.regtest.powLimit
/** Regtest's difficulty: what is claimed besides costs nothing. */
const WORK = POW_RULES.regtest.powLimitBits

export interface Forgery {
  /** Seconds since 1970; default: a minute after the parent. */
  readonly time?: number
  readonly bits?: number
  /** Without proof of work. */
  readonly unworked?: true
  readonly merkleRoot?: string
}

/** A block on top of another; with real proof of work of regtest's difficulty unless it is to be without. */
export function forgeBlock(parent: Listed, how: Forgery = {}): Listed {
  const base = {
    version: 0x20000000,
    prevHash: parent.id,
    merkleRoot: how.merkleRoot ?? 'ab'.repeat(32),
    time: how.time ?? parent.timestamp + 60,
    bits: how.bits ?? parent.bits,
  }
  for (let nonce = 0; ; nonce++) {
    const header: BlockHeader = { ...base, nonce }
    const hash = hashHeader(header)
    if (meetsTarget(hash, WORK, LIMIT) === (how.unworked === true)) continue
    return {
      id: hash,
      height: parent.height + 1,
      version: base.version,
      timestamp: base.time,
      merkle_root: base.merkleRoot,
      previousblockhash: parent.id,
      nonce,
      bits: base.bits,
    }
  }
}

/** `n` blocks on top of another, ascending. */
export function forgeBranch(parent: Listed, n: number, how: Forgery = {}): Listed[] {
  const blocks: Listed[] = []
  let top = parent
  for (let i = 0; i < n; i++) {
    top = forgeBlock(top, how.time === undefined ? how : { ...how, time: how.time + i })
    blocks.push(top)
  }
  return blocks
}
