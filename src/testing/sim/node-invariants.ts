import { equalBytes } from '../../engine/base/bytes.ts'
import { viewAt } from '../../engine/channel/log.ts'
import type { Channel } from '../../engine/channel/types.ts'
import type { NodeState } from '../../engine/node/state.ts'
import type { SimNode } from './node.ts'

/** What must hold of one node at any time. Each check answers with the first problem, or undefined. */

/** Every commitment that either side could publish holds the whole channel, to the msat. */
export function channelProblem(channel: Channel): string | undefined {
  const total = channel.funding.sat * 1000n
  for (const { number, indexes } of [channel.localTip, channel.remoteTail, ...channel.remotePending]) {
    const view = viewAt(channel, indexes)
    const sum = view.htlcs.reduce((n, h) => n + h.amountMsat, view.openerMsat + view.accepterMsat)
    if (sum !== total) return `commitment ${number} holds ${sum} of ${total} msat`
    if (view.openerMsat < 0n || view.accepterMsat < 0n) return `negative balance in commitment ${number}`
  }
  return undefined
}

/** What a start would load now is what runs, in everything that is stored. */
export function reloadProblem(node: SimNode, state: NodeState): string | undefined {
  const loaded = node.load()
  return difference(stored(loaded), stored(state))
}

function stored(state: NodeState): unknown {
  const channels = Object.fromEntries(
    Object.entries(state.channels).map(([id, { link: _, ...channel }]) => [id, channel]),
  )
  const { closes, wallet, invoices, payments, peerAddresses, preferences, peerStorage, incidents } = state
  const { circuits, forwards, peerPolicies, routeHistory, seenOnions } = state
  return {
    channels,
    closes,
    wallet,
    invoices,
    payments,
    circuits,
    forwards,
    peerPolicies,
    routeHistory,
    seenOnions: Object.assign({}, ...Object.values(seenOnions)) as unknown,
    peerAddresses,
    preferences,
    incidents,
    peerStorage,
    headers: state.chain.headers,
  }
}

/** The path to the first difference between two plain values. Properties that are undefined count as absent. */
export function difference(a: unknown, b: unknown, path = ''): string | undefined {
  if (Object.is(a, b)) return undefined
  if (a instanceof Uint8Array && b instanceof Uint8Array) return equalBytes(a, b) ? undefined : path
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
    return `${path}: ${String(a)} in the store, ${String(b)} running`
  }
  if (Array.isArray(a) !== Array.isArray(b)) return path
  const left = a as Readonly<Record<string, unknown>>
  const right = b as Readonly<Record<string, unknown>>
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const found = difference(left[key], right[key], `${path}/${key}`)
    if (found !== undefined) return found
  }
  return undefined
}
