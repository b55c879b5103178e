import {
  BroadcasterInterface,
  ConfirmationTarget,
  FeeEstimator,
  Level,
  Logger,
  type UserConfig,
  UserConfig as Config,
} from 'lightningdevkit'
import type { LdkChain, LdkEvent, LdkOptions } from './types.ts'
import { hex } from './wasm.ts'

/** The lowest feerate of the protocol, sat per 1000 weight (BOLT 2 §feerate: 253). */
const FLOOR = 253

/** Where the options name none, sat per 1000 weight. */
export const DEFAULT_FEERATE = 500

/** One feerate, asked for anew each time, with LDK's floors below and its ceilings well above. */
export function feeEstimator(feerate: () => number): FeeEstimator {
  const floors = new Set<ConfirmationTarget>([
    ConfirmationTarget.LDKConfirmationTarget_MinAllowedAnchorChannelRemoteFee,
    ConfirmationTarget.LDKConfirmationTarget_MinAllowedNonAnchorChannelRemoteFee,
    ConfirmationTarget.LDKConfirmationTarget_ChannelCloseMinimum,
  ])
  return FeeEstimator.new_impl({
    get_est_sat_per_1000_weight: (target) => {
      if (floors.has(target)) return FLOOR
      if (target === ConfirmationTarget.LDKConfirmationTarget_MaximumFeeEstimate) return feerate() * 20
      return Math.max(FLOOR, feerate())
    },
  })
}

/** LDK calls its logger for every trace line: only what is worth reading is turned into text. */
export function logger(log: ((line: string) => void) | undefined): Logger {
  const print = log ?? (process.env.LDK_LOG === undefined ? undefined : (line: string) => console.error(line))
  const from = process.env.LDK_LOG === 'debug' ? Level.LDKLevel_Debug : Level.LDKLevel_Info
  return Logger.new_impl({
    log: (record) => {
      if (print && record.get_level() >= from) print(`${record.get_module_path()}: ${record.get_args()}`)
    },
  })
}

/** Broadcasts in order and, where a lone transaction is refused, as a package. Results are events. */
export function broadcaster(chain: LdkChain, emit: (event: LdkEvent) => void): BroadcasterInterface {
  const send = async (transactions: readonly string[]): Promise<void> => {
    let refused: string | undefined
    for (const transaction of transactions) {
      try {
        emit({ type: 'broadcast', txid: await chain.call<string>('sendrawtransaction', transaction) })
      } catch (error) {
        refused = String(error)
      }
    }
    if (refused === undefined) return
    if (transactions.length > 1) {
      try {
        const answer = await chain.call<{ package_msg: string }>('submitpackage', transactions)
        if (answer.package_msg === 'success') return
        refused = answer.package_msg
      } catch (error) {
        refused = String(error)
      }
    }
    // What is in a block already, or spent by somebody faster, is the ordinary end of a race.
    if (!/already|Transaction outputs already in utxo set/i.test(refused))
      emit({ type: 'broadcast', txid: '', error: refused })
  }
  return BroadcasterInterface.new_impl({
    broadcast_transactions: (transactions) => {
      void send(transactions.map(hex))
    },
  })
}

/** LDK's defaults, changed by the options. */
export function userConfig(options: LdkOptions): UserConfig {
  const config = Config.constructor_default()
  const handshake = config.get_channel_handshake_config()
  handshake.set_negotiate_anchors_zero_fee_htlc_tx(options.anchors !== false)
  handshake.set_our_max_accepted_htlcs(options.maxAcceptedHtlcs ?? 50)
  handshake.set_max_inbound_htlc_value_in_flight_percent_of_channel(options.inFlightPercent ?? 100)
  handshake.set_minimum_depth(options.minimumDepth ?? 1)
  handshake.set_announce_for_forwarding(options.announced === true)
  handshake.set_our_to_self_delay(options.toSelfDelay ?? 144)
  config.set_channel_handshake_config(handshake)
  const limits = config.get_channel_handshake_limits()
  limits.set_force_announced_channel_preference(false)
  if (options.maxFundingSat !== undefined) limits.set_max_funding_satoshis(options.maxFundingSat)
  config.set_channel_handshake_limits(limits)
  // Anchor channels are only accepted by hand (see the OpenChannelRequest event).
  config.set_manually_accept_inbound_channels(true)
  config.set_accept_forwards_to_priv_channels(true)
  return config
}
