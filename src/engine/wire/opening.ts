import {
  bytes32,
  extended,
  msat,
  msatLimit,
  plain,
  point,
  sat,
  signature,
  u8,
  u16,
  u32,
  u64,
} from './fields.ts'
import { lcpParameters, lcpPoints } from './lcp.ts'
import { tlv, tlvBytes } from './tlv.ts'

/** What open_channel and accept_channel have in common: keys in the order of the wire. */
const keys = {
  fundingPubkey: point,
  revocationBasepoint: point,
  paymentBasepoint: point,
  delayedPaymentBasepoint: point,
  htlcBasepoint: point,
  firstPerCommitmentPoint: point,
} as const

const openingTlvs = {
  upfrontShutdownScript: tlvBytes(0),
  channelType: tlvBytes(1),
  lcpParameters,
} as const

/** BOLT 2 §Channel Establishment v1; BOLT 7 §The announcement_signatures Message. */
export const OPENING = {
  open_channel: extended(
    32,
    'open_channel',
    {
      chainHash: bytes32,
      temporaryChannelId: bytes32,
      fundingSatoshis: sat,
      pushMsat: msat,
      dustLimitSatoshis: sat,
      maxHtlcValueInFlightMsat: msatLimit,
      channelReserveSatoshis: sat,
      htlcMinimumMsat: msatLimit,
      feeratePerKw: u32,
      toSelfDelay: u16,
      maxAcceptedHtlcs: u16,
      ...keys,
      channelFlags: u8,
    },
    openingTlvs,
  ),
  accept_channel: extended(
    33,
    'accept_channel',
    {
      temporaryChannelId: bytes32,
      dustLimitSatoshis: sat,
      maxHtlcValueInFlightMsat: msatLimit,
      channelReserveSatoshis: sat,
      htlcMinimumMsat: msatLimit,
      minimumDepth: u32,
      toSelfDelay: u16,
      maxAcceptedHtlcs: u16,
      ...keys,
    },
    openingTlvs,
  ),
  funding_created: plain(34, 'funding_created', {
    temporaryChannelId: bytes32,
    fundingTxid: bytes32,
    fundingOutputIndex: u16,
    signature,
  }),
  funding_signed: plain(35, 'funding_signed', { channelId: bytes32, signature }),
  channel_ready: extended(
    36,
    'channel_ready',
    { channelId: bytes32, secondPerCommitmentPoint: point },
    {
      shortChannelId: tlv(
        1,
        (r) => r.u64(),
        (w, alias) => w.u64(alias),
      ),
      lcpPoints: lcpPoints(1, 64),
    },
  ),
  announcement_signatures: plain(259, 'announcement_signatures', {
    channelId: bytes32,
    shortChannelId: u64,
    nodeSignature: signature,
    bitcoinSignature: signature,
  }),
} as const
