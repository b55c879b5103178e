import { refuse } from './errors.ts'
import {
  blob,
  bytes32,
  extended,
  field,
  fixed,
  msat,
  plain,
  point,
  signature,
  u8,
  u16,
  u32,
  u64,
} from './fields.ts'
import { lcpIndexes, lcpPoints, lcpState } from './lcp.ts'
import { tlvBytes } from './tlv.ts'

/** 483 HTLCs in each direction (BOLT 2 §The open_channel Message): one message then fits 65,535 bytes. */
export const MAX_HTLC_SIGNATURES = 966

/** BOLT 4 §Attributable failures: 20 hold times of 4 bytes, 210 HMACs cut to 4 bytes. */
export const ATTRIBUTION_DATA_BYTES = 20 * 4 + 210 * 4

const htlcSignatures = field<readonly Uint8Array[]>(
  (r) => {
    const count = r.u16()
    // BOLT 2 §commitment_signed: num_htlcs must match the commitment; no commitment has more.
    if (count > MAX_HTLC_SIGNATURES) refuse('too_many', `${count} HTLC signatures`)
    if (r.left < count * 64)
      refuse('truncated', `${count} HTLC signatures need ${count * 64} bytes, ${r.left} left`)
    return Array.from({ length: count }, () => r.bytes(64, 'htlc_signature'))
  },
  (w, list) => {
    if (list.length > MAX_HTLC_SIGNATURES) throw new RangeError(`${list.length} HTLC signatures`)
    w.u16(list.length)
    for (const one of list) w.bytes(one, 64)
  },
)

/** BOLT 2 §Normal Operation, §Message Retransmission, §Channel Quiescence. */
export const COMMITMENT = {
  stfu: plain(2, 'stfu', { channelId: bytes32, initiator: u8 }),
  update_add_htlc: extended(
    128,
    'update_add_htlc',
    {
      channelId: bytes32,
      id: u64,
      amountMsat: msat,
      paymentHash: bytes32,
      cltvExpiry: u32,
      onionRoutingPacket: fixed(1366),
    },
    { pathKey: { type: 0n, ...point } },
  ),
  update_fulfill_htlc: extended(
    130,
    'update_fulfill_htlc',
    { channelId: bytes32, id: u64, paymentPreimage: bytes32 },
    { attributionData: tlvBytes(1, ATTRIBUTION_DATA_BYTES) },
  ),
  update_fail_htlc: extended(
    131,
    'update_fail_htlc',
    { channelId: bytes32, id: u64, reason: blob },
    { attributionData: tlvBytes(1, ATTRIBUTION_DATA_BYTES) },
  ),
  commitment_signed: extended(
    132,
    'commitment_signed',
    { channelId: bytes32, signature, htlcSignatures },
    { lcpIndexes },
  ),
  revoke_and_ack: extended(
    133,
    'revoke_and_ack',
    { channelId: bytes32, perCommitmentSecret: bytes32, nextPerCommitmentPoint: point },
    { lcpPoints: lcpPoints(0, 2) },
  ),
  update_fee: plain(134, 'update_fee', { channelId: bytes32, feeratePerKw: u32 }),
  update_fail_malformed_htlc: plain(135, 'update_fail_malformed_htlc', {
    channelId: bytes32,
    id: u64,
    sha256OfOnion: bytes32,
    failureCode: u16,
  }),
  channel_reestablish: extended(
    136,
    'channel_reestablish',
    {
      channelId: bytes32,
      nextCommitmentNumber: u64,
      nextRevocationNumber: u64,
      yourLastPerCommitmentSecret: bytes32,
      myCurrentPerCommitmentPoint: point,
    },
    { lcpState },
  ),
} as const
