import type { Output } from '../contract/procedures.ts'
import type { MoneyLine as ApiLine } from '../contract/schemas.ts'
import { type MoneyLine, moneyMap } from '../engine/node/money.ts'
import { heightOf, type NodeState } from '../engine/node/state.ts'

/** The money map as the API shows it. */

/** Blocks come every ten minutes on average, whatever the network; but for regtest's, which come when asked for. */
const BLOCK_MS = 600_000

export function projectMoney(state: NodeState, now: number): Output<'moneyMap'> {
  const height = heightOf(state)
  const practice = state.chain.headers.network === 'regtest'
  const show = (line: MoneyLine): ApiLine => {
    const { amountMsat, untilHeight, ...rest } = line
    if (untilHeight === undefined) return { ...rest, amountMsat: String(amountMsat) }
    const about = new Date(now + Math.max(0, untilHeight - height) * BLOCK_MS).toISOString()
    return {
      ...rest,
      amountMsat: String(amountMsat),
      untilHeight,
      ...(practice ? {} : { untilAbout: about }),
    }
  }
  const map = moneyMap(state)
  return {
    height,
    totalMsat: String(map.totalMsat),
    lines: map.lines.map(show),
    incoming: map.incoming.map(show),
    costs: map.costs.map(({ channelId, kind, amountMsat }) => ({
      channelId,
      kind,
      amountMsat: String(amountMsat),
    })),
  }
}
