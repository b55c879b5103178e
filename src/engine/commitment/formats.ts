import { invariant } from '../base/result.ts'
import type { CommitmentFormat } from './types.ts'

/** `option_static_remotekey` alone (BOLT 3 without anchors). */
export const STATIC_REMOTEKEY: CommitmentFormat = {
  name: 'static_remotekey',
  channelTypeBits: [12],
  anchors: false,
  secrets: 'shachain',
  revocationKey: 'blinded',
  maxWindow: 1,
  lcpTlvs: false,
}

/** `option_anchors` (anchors_zero_fee_htlc_tx), the BOLT format preferred with other implementations. */
export const ANCHORS: CommitmentFormat = {
  name: 'anchors_zero_fee_htlc_tx',
  channelTypeBits: [12, 22],
  anchors: true,
  secrets: 'shachain',
  revocationKey: 'blinded',
  maxWindow: 1,
  lcpTlvs: false,
}

/** This project's own format: BOLT 3 anchors scripts, elkrem, additive revocation keys, a window of up to 64. */
export const LCP: CommitmentFormat = {
  name: 'lcp',
  channelTypeBits: [12, 22, 266],
  anchors: true,
  secrets: 'elkrem',
  revocationKey: 'additive',
  maxWindow: 64,
  lcpTlvs: true,
}

/** Formats by preference, best first. */
export const FORMATS: readonly CommitmentFormat[] = [LCP, ANCHORS, STATIC_REMOTEKEY]

/** The format whose `channel_type` has exactly these bits (BOLT 2 §open_channel), in any order; undefined when there is none. */
export const formatOfChannelType = (bits: readonly number[]): CommitmentFormat | undefined =>
  FORMATS.find(
    (f) => f.channelTypeBits.length === bits.length && f.channelTypeBits.every((b) => bits.includes(b)),
  )

/** For unit tests: anchors with BOLT's cheap secrets and keys, and the LCP machine with the given window. */
export const testFormat = (window: number): CommitmentFormat => ({
  ...ANCHORS,
  name: `test_window_${window}`,
  maxWindow: window,
  lcpTlvs: true,
})

const named = new Map(FORMATS.map((f) => [f.name, f]))

/** The format of a name that a channel's record holds; throws for one that is none. Test formats are found by theirs. */
export function formatNamed(name: string): CommitmentFormat {
  const format = named.get(name)
  if (format !== undefined) return format
  const window = /^test_window_(\d{1,2})$/.exec(name)?.[1]
  invariant(window !== undefined, `commitment format ${name} exists`)
  const made = testFormat(Number(window))
  named.set(name, made)
  return made
}
