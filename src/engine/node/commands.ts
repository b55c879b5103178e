import type { Msat, Sat } from '../base/units.ts'
import type { NewOffer } from '../payment/offer-record.ts'
import type { BlindedPaymentPath } from '../onion/blinded-path.ts'
import type { BlindedPayee } from '../payment/pay-blinded.ts'
import type { ProbeTarget } from '../payment/probe.ts'
import type { SwitchEvent } from '../switch/types.ts'

/** What the API asks of the engine, and how it answers. Questions that only read are answered from the state by the shell. */
export type Command =
  | { readonly type: 'connectPeer'; readonly nodeId: string; readonly address: string }
  | { readonly type: 'disconnectPeer'; readonly nodeId: string }
  | {
      readonly type: 'openChannel'
      readonly nodeId: string
      readonly amountSat: Sat
      readonly pushMsat: Msat
      /** sat per 1000 weight for the funding transaction; absent: the normal rate. */
      readonly feeratePerKw?: number
      /** To be announced to the network. */
      readonly announce?: boolean
    }
  /** Gives an opening up that has not been signed yet. */
  | { readonly type: 'cancelOpening'; readonly openingId: string }
  | {
      readonly type: 'closeChannel'
      readonly channelId: string
      readonly force: boolean
      /** By force although another device may have gone on with it: the user knows what that may cost. */
      readonly unproven?: boolean
      readonly feeratePerKw?: number
    }
  | {
      readonly type: 'addInvoice'
      readonly amountMsat?: Msat
      readonly description: string
      readonly expirySeconds: number
      /** A payment of it waits until `decideInvoice`. */
      readonly hold?: boolean
      /** 32 bytes: whose preimage somebody else has. It is held. */
      readonly paymentHash?: Uint8Array
    }
  /** Takes a held payment; or cancels an invoice, and whatever waits for it. */
  | {
      readonly type: 'decideInvoice'
      readonly paymentHash: string
      readonly take: boolean
      /** Needed to take one that was made by its hash. */
      readonly preimage?: Uint8Array
    }
  | {
      readonly type: 'sendPayment'
      readonly invoice: string
      readonly amountMsat?: Msat
      /** The most that routing may cost; absent: one per cent, and ten sat at least. */
      readonly maxFeeMsat?: Msat
      readonly timeoutSeconds: number
    }
  /** Asks whether a payment would arrive, and for what. */
  | {
      readonly type: 'probePayment'
      readonly to: ProbeTarget
      readonly maxFeeMsat?: Msat
      readonly timeoutSeconds: number
    }
  /** No more attempts for it. */
  | { readonly type: 'cancelPayment'; readonly paymentHash: string }
  /** Pays an offer (BOLT 12): its invoice is asked for, and paid when it has come. */
  | {
      readonly type: 'payOffer'
      /** `lno1…` */
      readonly offer: string
      readonly amountMsat?: Msat
      readonly quantity?: bigint
      readonly payerNote?: string
      readonly maxFeeMsat?: Msat
      /** For the invoice, and then again for the payment. */
      readonly timeoutSeconds: number
    }
  /** An invoice that has not come is not waited for any more. */
  | { readonly type: 'cancelRequest'; readonly requestId: string }
  | { readonly type: 'addOffer'; readonly offer: NewOffer }
  | { readonly type: 'disableOffer'; readonly id: string }
  /** Pays a node that did not ask (keysend). */
  | {
      readonly type: 'sendSpontaneous'
      /** 66 hex digits */
      readonly destination: string
      readonly amountMsat: Msat
      readonly maxFeeMsat?: Msat
      readonly timeoutSeconds: number
    }
  /** Pays by blinded paths that the caller has from a verified invoice. */
  | {
      readonly type: 'sendByPaths'
      readonly payee: BlindedPayee
      readonly maxFeeMsat?: Msat
      readonly timeoutSeconds: number
    }
  /** Blinded paths to be paid by; the caller puts them into what it hands out. */
  | {
      readonly type: 'addPaths'
      readonly amountMsat: Msat
      readonly description: string
      readonly expirySeconds: number
      readonly hold?: boolean
    }
  /** A held forward goes on, or is failed. */
  | { readonly type: 'decideForward'; readonly key: string; readonly forward: boolean }
  | { readonly type: 'newAddress' }
  | {
      readonly type: 'sendCoins'
      readonly address: string
      readonly amountSat: Sat | 'max'
      readonly feeratePerKw?: number
    }
  | { readonly type: 'bumpFee'; readonly txid: string; readonly feeratePerKw: number }
  | { readonly type: 'rescan' }
  /** A file with what never changes in channels, sealed with a key of the words. */
  | { readonly type: 'exportBackup' }
  /** Channels of such a file, or else of the copy that a peer gave back, are asked to be closed. */
  | { readonly type: 'recoverChannels'; readonly file?: Uint8Array }
  | { readonly type: 'refresh' }
  | { readonly type: 'setServers'; readonly servers: readonly string[] }
  /** Settings that only the shell and the UI give a meaning to: kept with everything else. */
  | { readonly type: 'setPreference'; readonly name: string; readonly value: string }

/** The immediate answer; what happens later comes as events with the ids given here. */
export type CommandResult =
  | { readonly type: 'done' }
  | { readonly type: 'opening'; readonly openingId: string }
  | { readonly type: 'invoice'; readonly paymentHash: string }
  | { readonly type: 'payment'; readonly paymentHash: string }
  | {
      readonly type: 'paths'
      readonly paymentHash: string
      /** ms since 1970 */
      readonly expiresAt: number
      readonly paths: readonly BlindedPaymentPath[]
    }
  | { readonly type: 'offerRequest'; readonly requestId: string }
  | { readonly type: 'offer'; readonly id: string }
  | { readonly type: 'address'; readonly address: string }
  | { readonly type: 'backup'; readonly file: Uint8Array; readonly channels: number }
  | { readonly type: 'recovered'; readonly channels: number }
  | { readonly type: 'sent'; readonly txid: string; readonly amountSat: Sat; readonly feeSat: Sat }

/** An error of the API as the engine says it; codes are those of the contract. */
export interface ApiFailure {
  readonly code: string
  readonly message: string
  readonly data?: Readonly<Record<string, string | number | boolean>>
}

/** What happened, for streams, logs and projections. Sent after the write that made it true. */
export type NodeEvent =
  | SwitchEvent
  | { readonly type: 'peerReady'; readonly nodeId: string }
  | { readonly type: 'peerLost'; readonly nodeId: string; readonly reason: string }
  | { readonly type: 'peerRefused'; readonly nodeId: string; readonly error: ApiFailure }
  | { readonly type: 'openingNegotiated'; readonly openingId: string }
  | {
      readonly type: 'openingPending'
      readonly openingId: string
      readonly channelId: string
      readonly fundingTxid: string
    }
  | { readonly type: 'openingFailed'; readonly openingId: string; readonly error: ApiFailure }
  | { readonly type: 'channelChanged'; readonly channelId: string }
  | { readonly type: 'channelReady'; readonly channelId: string }
  | { readonly type: 'channelFailed'; readonly channelId: string; readonly reason: string }
  | { readonly type: 'channelClosing'; readonly channelId: string; readonly txid: string }
  | { readonly type: 'channelClosed'; readonly channelId: string; readonly txid: string }
  | {
      readonly type: 'paymentAttempt'
      readonly paymentHash: string
      readonly attempt: number
      readonly channelId: string
      readonly amountMsat: Msat
      readonly feeMsat?: Msat
      readonly hops?: readonly string[]
    }
  | {
      readonly type: 'paymentAttemptFailed'
      readonly paymentHash: string
      readonly attempt: number
      readonly channelId: string
      readonly error: ApiFailure
    }
  | {
      readonly type: 'paymentSucceeded'
      readonly paymentHash: string
      readonly preimage: string
      readonly amountMsat: Msat
      readonly feeMsat: Msat
    }
  | { readonly type: 'paymentFailed'; readonly paymentHash: string; readonly error: ApiFailure }
  /** What became of a probe is in the state, for a while. */
  | { readonly type: 'probeEnded'; readonly paymentHash: string }
  /** An invoice was asked for, for the first time or again; it came and is being paid; or it did not. */
  | { readonly type: 'offerAsked'; readonly requestId: string; readonly times: number }
  | { readonly type: 'offerInvoice'; readonly requestId: string; readonly paymentHash: string }
  | { readonly type: 'offerFailed'; readonly requestId: string; readonly error: ApiFailure }
  | { readonly type: 'invoicePaid'; readonly paymentHash: string; readonly amountMsat: Msat }
  | { readonly type: 'walletChanged' }
  /** A peer's copy showed that another device goes on with this wallet: this one has stopped for good. */
  | { readonly type: 'walletElsewhere'; readonly epoch: number; readonly nodeId: string }
  /** A peer gave back a copy with channels that this wallet does not know. */
  | { readonly type: 'backupFound'; readonly nodeId: string; readonly channels: number }
  | { readonly type: 'chainChanged' }
  | { readonly type: 'notice'; readonly code: string; readonly message: string; readonly channelId?: string }
