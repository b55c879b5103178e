import { blob, bytes32, extended, plain, sat, signature, u32 } from './fields.ts'
import type { FeeRange } from './messages.ts'
import { tlv, tlvBytes } from './tlv.ts'

const closingFields = {
  channelId: bytes32,
  closerScriptpubkey: blob,
  closeeScriptpubkey: blob,
  feeSatoshis: sat,
  locktime: u32,
} as const

const closingTlvs = {
  closerOutputOnly: tlvBytes(1, 64),
  closeeOutputOnly: tlvBytes(2, 64),
  closerAndCloseeOutputs: tlvBytes(3, 64),
} as const

/** BOLT 2 §Channel Close. */
export const CLOSING = {
  shutdown: plain(38, 'shutdown', { channelId: bytes32, scriptpubkey: blob }),
  closing_signed: extended(
    39,
    'closing_signed',
    { channelId: bytes32, feeSatoshis: sat, signature },
    {
      feeRange: tlv<FeeRange>(
        1,
        (r) => ({ minFeeSatoshis: r.sat(), maxFeeSatoshis: r.sat() }),
        (w, v) => w.sat(v.minFeeSatoshis).sat(v.maxFeeSatoshis),
      ),
    },
  ),
  closing_complete: extended(40, 'closing_complete', closingFields, closingTlvs),
  closing_sig: extended(41, 'closing_sig', closingFields, closingTlvs),
} as const
