import { toHex } from '../base/bytes.ts'
import type { ViewHtlc } from '../commitment/types.ts'
import { sha256 } from '../crypto/hash.ts'
import { isAbandoned } from './claims.ts'
import { IRREVOCABLE_DEPTH } from './constants.ts'
import { depthOf, fundingSpend, mayHideHtlcs, type TrackedOutput, txOf } from './outputs.ts'
import type { OnchainState, Spend } from './types.ts'

/** What becomes of the HTLCs that were alive when the channel closed. */

/** An HTLC and, once that is certain, how it ended. */
export interface HtlcFate {
  readonly htlc: ViewHtlc
  readonly fate?: 'fulfilled' | 'failed'
}

export const htlcKey = (htlc: Pick<ViewHtlc, 'offerer' | 'id'>): string => `${htlc.offerer}:${htlc.id}`

/** Every HTLC of any commitment that was not revoked, once each. */
export function liveHtlcs(state: OnchainState): readonly ViewHtlc[] {
  const { local, remote } = state.snapshot
  const found = new Map<string, ViewHtlc>()
  for (const { view } of [local, ...remote]) for (const htlc of view.htlcs) found.set(htlcKey(htlc), htlc)
  return [...found.values()]
}

/** Preimages in the witnesses of a transaction: 32 bytes whose hash is wanted. They prove themselves. */
export function preimagesIn(
  spend: Spend,
  wanted: ReadonlySet<string>,
): readonly { readonly hash: string; readonly preimage: Uint8Array }[] {
  const found: { hash: string; preimage: Uint8Array }[] = []
  for (const input of txOf(spend)?.inputs ?? []) {
    for (const item of input.witness) {
      if (item.length !== 32) continue
      const hash = toHex(sha256(item))
      if (wanted.has(hash)) found.push({ hash, preimage: item })
    }
  }
  return found
}

/**
 * How each HTLC ended, as far as it is certain (BOLT 5). One that we offered is fulfilled the moment its preimage is known,
 * wherever that came from, and else failed when what took its money is irrevocable: a claim without preimage, or a close in which it
 * has no output. One that the peer offered is fulfilled when our claim with the preimage is irrevocable.
 */
export function htlcFates(state: OnchainState, outputs: readonly TrackedOutput[]): readonly HtlcFate[] {
  const us = state.snapshot.role
  const spend = fundingSpend(state)
  const { close } = state
  const final =
    close !== undefined && spend !== undefined && depthOf(state, spend.confirmed) >= IRREVOCABLE_DEPTH
  const first = new Map(
    outputs.flatMap((o) => (o.htlc && o.parent === undefined ? [[htlcKey(o.htlc), o] as const] : [])),
  )
  const hidden = close !== undefined && mayHideHtlcs(close) ? outputs.filter((o) => o.kind === 'unknown') : []
  const isOver = (o: TrackedOutput): boolean =>
    o.spend !== undefined && depthOf(state, o.spend.confirmed) >= IRREVOCABLE_DEPTH

  return liveHtlcs(state).map((htlc): HtlcFate => {
    const known = state.preimages[toHex(htlc.paymentHash)] !== undefined
    const output = first.get(htlcKey(htlc))
    if (htlc.offerer === us && known) return { htlc, fate: 'fulfilled' }
    if (!final) return { htlc }
    const expired = state.height >= htlc.cltvExpiry + IRREVOCABLE_DEPTH
    if (output === undefined) {
      // An output that nothing explains may be this HTLC's: its preimage would show when it is spent in time.
      const uncertain = htlc.offerer === us && !expired && !hidden.every(isOver)
      return uncertain ? { htlc } : { htlc, fate: 'failed' }
    }
    if (!isOver(output)) {
      // Not worth a claim, to us as to the peer: nothing will ever be seen of it. Or the peer's, without its preimage (BOLT 5).
      const lapsed =
        isAbandoned(state, output) || (htlc.offerer !== us && !known && close.secret === undefined)
      return expired && lapsed && output.spend === undefined ? { htlc, fate: 'failed' } : { htlc }
    }
    const claimed = known && output.spend !== undefined && state.ownTxids.includes(output.spend.txid)
    return { htlc, fate: claimed ? 'fulfilled' : 'failed' }
  })
}
