import type { BlockHash, BlockHeader } from '../bitcoin/header.ts'
import type { NetworkName } from '../bitcoin/network.ts'
import type { OutPoint, Txid } from '../bitcoin/types.ts'
import type { EsploraRequest, EsploraResult, FeeEstimate, HistoryItem, SpendClaim } from './esplora.ts'
import type { HeaderChain } from './headers.ts'

/** How often, how much at once, and how patiently; milliseconds. `config.ts` has the values by network. */
export interface ChainConfig {
  readonly network: NetworkName
  /** Between tip polls, all servers together; `fastPollMs` while something waits for a block. */
  readonly pollMs: number
  readonly fastPollMs: number
  /** Between looks at the mempool for a watched output, and for a wallet script. */
  readonly spendPollMs: number
  readonly historyPollMs: number
  /** At least this much between looks for watched outputs at one server, and for scripts at all servers together: many take longer. */
  readonly spendSpacingMs: number
  readonly historySpacingMs: number
  readonly feePollMs: number
  /** Between repeats of a broadcast that is to be kept up. */
  readonly rebroadcastMs: number
  /** Servers asked about the same spend or the same unconfirmed transaction. */
  readonly quorum: number
  readonly maxInFlight: number
  readonly requestTimeoutMs: number
  /** First and longest pause after a failure (it doubles), after a 429, after a lie. */
  readonly backoffMs: number
  readonly backoffMaxMs: number
  readonly rateLimitMs: number
  readonly lieMs: number
  /** No block for so long is told: servers may hide new ones. 0: blocks come only when somebody mines. */
  readonly staleTipMs: number
  /** Public servers' allowance per address; 0: none. */
  readonly requestsPerHour: number
  readonly requestsPerSecond: number
  /** Headers kept below the tip; at least two difficulty periods. */
  readonly keepHeaders: number
  /** A branch that leaves ours deeper than this is another chain. */
  readonly maxReorg: number
}

// ---- inputs --------------------------------------------------------------------------------------------------------

/** A confirmation that the owner persisted: it is believed when its block is on our chain, and nothing is fetched. */
export interface KnownTx {
  readonly txid: Txid
  readonly tx: Uint8Array
  /** Null: not confirmed when it was persisted. */
  readonly height: number | null
  readonly blockHash: BlockHash | null
  readonly index: number | null
}

export type ChainInput =
  | { readonly type: 'start' }
  | { readonly type: 'tick' }
  | { readonly type: 'response'; readonly id: number; readonly result: EsploraResult }
  | { readonly type: 'addServer'; readonly url: string }
  | { readonly type: 'removeServer'; readonly url: string }
  /** Somebody waits: forget backoff (not of liars) and look at everything again. */
  | { readonly type: 'refresh' }
  | {
      readonly type: 'watchTx'
      readonly token: string
      readonly txid: Txid
      /** For notifiers that search blocks by script; Esplora does not need it. */
      readonly scriptPubKey: Uint8Array
      readonly minDepth: number
      /** `depth` events go up to here; default minDepth. */
      readonly upTo?: number
      readonly known?: KnownTx
    }
  | {
      readonly type: 'watchSpend'
      readonly token: string
      readonly outpoint: OutPoint
      readonly scriptPubKey: Uint8Array
      readonly known?: KnownTx
    }
  /** Replaces the scripts of an earlier call with the same token; scripts that stay keep what is known of them. */
  | {
      readonly type: 'watchScripts'
      readonly token: string
      readonly scriptPubKeys: readonly Uint8Array[]
      readonly known?: readonly KnownTx[]
    }
  | { readonly type: 'unwatch'; readonly token: string }
  /**
   * The witness of this spender does not say what it must: every server is asked for its bytes, and `spent` comes again with each other
   * version.
   */
  | { readonly type: 'askEveryone'; readonly txid: Txid }
  /** An unconfirmed spender that no chain could take, by its signatures: who gave its bytes made them up, or altered them. */
  | { readonly type: 'notSigned'; readonly txid: Txid }
  /** These bytes do say it: who gave others had altered them. */
  | { readonly type: 'witnessHolds'; readonly txid: Txid; readonly tx: Uint8Array }
  /** To every server. `keep`: again and again until `unwatch`, since mempools forget. */
  | { readonly type: 'broadcast'; readonly token: string; readonly tx: Uint8Array; readonly keep?: boolean }

// ---- effects and events --------------------------------------------------------------------------------------------

export type ChainEffect =
  | {
      readonly type: 'request'
      readonly id: number
      readonly server: string
      readonly request: EsploraRequest
    }
  /** The answer is no longer wanted. */
  | { readonly type: 'cancel'; readonly id: number }
  /** Send `tick` at this time (ms since 1970); replaces an earlier wish. */
  | { readonly type: 'wakeAt'; readonly ms: number }

/** A transaction with a proof that leads to our own headers. */
export interface Confirmation {
  readonly height: number
  readonly blockHash: BlockHash
  /** Index in the block. */
  readonly index: number
}

export interface ScriptTx {
  readonly txid: Txid
  readonly tx: Uint8Array
  /** Null: in a mempool, as servers say. */
  readonly confirmed: Confirmation | null
}

export type ServerStatus = 'new' | 'ok' | 'behind' | 'failing' | 'rateLimited' | 'lying'

export interface ServerHealth {
  readonly url: string
  readonly state: ServerStatus
  readonly lastError: string | null
  /** Of the tip it last stated, when that is on our chain. */
  readonly height: number | null
  /** Falsehoods that were proved, since we began. */
  readonly lies: number
  /** What spoke against it last, short of proof; null when nothing has of late. */
  readonly doubt: string | null
}

export interface ChainHealth {
  readonly servers: readonly ServerHealth[]
  readonly height: number
  /** A server that is not failing agreed lately that our tip is the tip. */
  readonly synced: boolean
  readonly headersVerified: number
  /** 0..1, of the way from the first header held to the tip that servers state. */
  readonly progress: number
}

export type ChainAlarm =
  /** About a spend, both at our tip; whoever is right, money may depend on it. */
  | {
      readonly kind: 'serversDisagree'
      readonly token: string
      readonly spent: readonly string[]
      readonly unspent: readonly string[]
    }
  | { readonly kind: 'allServersFail' }
  | { readonly kind: 'serversBack' }
  /** A block with proof of work is more than two hours ahead of our clock: new blocks wait until the clock is set. */
  | { readonly kind: 'clockBehind' }
  | { readonly kind: 'serverLies'; readonly server: string; readonly what: string }
  /** A server took a transaction, and a round later at most one of several shows it. */
  | { readonly kind: 'notRelayed'; readonly txid: Txid; readonly shownBy: readonly string[] }
  /** No block for longer than is plausible, from any server. */
  | { readonly kind: 'noNewBlocks' }

export type ChainEvent =
  | { readonly type: 'tip'; readonly height: number; readonly hash: BlockHash; readonly time: number }
  /** Comes after the `unconfirmed` of what it undid and before the new `tip`. */
  | { readonly type: 'reorg'; readonly forkHeight: number; readonly disconnected: number }
  /** Depth n of m was reached (also downwards, when a reorg shortens the chain). 1 is the block itself. */
  | {
      readonly type: 'depth'
      readonly token: string
      readonly txid: Txid
      readonly depth: number
      readonly of: number
    }
  /** `minDepth` was reached, once until `unconfirmed`. */
  | ({
      readonly type: 'confirmed'
      readonly token: string
      readonly txid: Txid
      readonly tx: Uint8Array
      readonly depth: number
    } & Confirmation)
  /** What was reported in a block (confirmed, depth, spent) is in none now. */
  | { readonly type: 'unconfirmed'; readonly token: string; readonly txid: Txid }
  /**
   * `confirmed` null: one server or more has it in its mempool; its signatures are not checked, so it is a hint that must prove
   * itself (a preimage does). Comes again when the spender changes or confirms.
   */
  | {
      readonly type: 'spent'
      readonly token: string
      readonly outpoint: OutPoint
      readonly txid: Txid
      readonly tx: Uint8Array
      readonly vin: number
      readonly confirmed: Confirmation | null
    }
  /** The unconfirmed spend that was reported is nowhere any more. */
  | { readonly type: 'unspent'; readonly token: string; readonly outpoint: OutPoint }
  /** The whole history of one script whenever it changes; an empty one is reported too. */
  | {
      readonly type: 'scriptHistory'
      readonly token: string
      readonly scriptPubKey: Uint8Array
      readonly txs: readonly ScriptTx[]
    }
  | {
      readonly type: 'broadcastResult'
      readonly token: string
      readonly txid: Txid
      /** A server took it or knew it. False: every server that answered refused it. */
      readonly accepted: boolean
      readonly servers: readonly {
        readonly url: string
        readonly ok: boolean
        readonly reason: string | null
      }[]
    }
  | { readonly type: 'feeEstimates'; readonly estimates: readonly FeeEstimate[] }
  | ({ readonly type: 'health' } & ChainHealth)
  | { readonly type: 'alarm'; readonly alarm: ChainAlarm }

// ---- state ---------------------------------------------------------------------------------------------------------

/** What an answer is for. */
export type Purpose =
  | { readonly kind: 'tip' }
  | { readonly kind: 'identity' }
  | { readonly kind: 'headers'; readonly top: number | null }
  | { readonly kind: 'raw'; readonly txid: Txid }
  | { readonly kind: 'proof'; readonly txid: Txid }
  | { readonly kind: 'old'; readonly txid: Txid }
  | { readonly kind: 'outspend'; readonly token: string }
  | { readonly kind: 'history'; readonly token: string; readonly script: string }
  /** `parent`: the token of the broadcast that goes with it as a package. */
  | { readonly kind: 'broadcast'; readonly token: string; readonly parent?: string }
  | { readonly kind: 'fees' }
  /** Whether the server shows a transaction that we sent. */
  | { readonly kind: 'shown'; readonly token: string }

export interface InFlight {
  readonly id: number
  readonly server: string
  readonly purpose: Purpose
  readonly sentAt: number
  readonly timeoutAt: number
}

/** Headers on their way from one server. */
export interface HeaderSync {
  /** The hash that started it. */
  readonly target: BlockHash
  /** Height of the server's newest block; null until its newest blocks came. */
  readonly targetHeight: number | null
  /** Blocks it gives at once. */
  readonly page: number
  /** Catching up forwards: runs that came before their turn. */
  readonly early: readonly HeaderRun[]
  /** A branch beside ours: its foot is looked for, or (rooted) its foot is on our chain and its work does not suffice yet. */
  readonly branch: (HeaderRun & { readonly rooted: boolean }) | null
}

export interface HeaderRun {
  readonly from: number
  readonly headers: readonly BlockHeader[]
}

export interface ServerState {
  readonly url: string
  /** Its tip, when that is on our chain. */
  readonly tip: { readonly height: number; readonly hash: BlockHash } | null
  /** The tip hash it last stated. */
  readonly claimed: BlockHash | null
  /** A stated tip whose branch has less work than ours: not looked at again. */
  readonly lesser: BlockHash | null
  readonly tipAskedAt: number
  readonly tipAt: number
  /** Whether its chain is ours at the foot. */
  readonly identified: boolean
  readonly sync: HeaderSync | null
  readonly failures: number
  readonly lies: number
  /** Occasions on which others proved what it kept back, of late; too many are a lie. */
  readonly doubts: number
  readonly doubtedAt: number
  readonly doubt: string | null
  readonly status: ServerStatus
  readonly backoffUntil: number
  readonly lastError: string | null
  /** Theoretical arrival times of the two rate limits (GCRA). */
  readonly secondTat: number
  readonly hourTat: number
  /** Its estimates of fees and when they came; null: none. */
  readonly fees: { readonly at: number; readonly estimates: readonly FeeEstimate[] } | null
}

/**
 * A merkle proof into a block older than the headers that we hold, as a restored wallet meets: as many servers as make a quorum
 * have to show a header with this root and proof of work. Weaker than our own chain, and the best there is without it.
 */
export interface OldProof {
  readonly height: number
  readonly index: number
  readonly root: string
  /** By server: the hash of its block. */
  readonly votes: Readonly<Record<string, BlockHash>>
}

/** A transaction that some watch needs. */
export interface TxEntry {
  readonly txid: Txid
  readonly raw: Uint8Array | null
  /** Who gave the bytes; null: the owner, or nobody yet. */
  readonly rawBy: string | null
  /**
   * While every server is asked for the bytes: those of its answers, hashed, by server (empty: none). A txid says nothing of witnesses, so
   * that whoever gives the bytes can leave a preimage out.
   */
  readonly witnesses: Readonly<Record<string, string>> | null
  readonly confirmed: Confirmation | null
  /** A height that some server stated. */
  readonly hint: number | null
  /** When that was first stated. */
  readonly hintAt: number
  /** A proof that leads below our first header. */
  readonly old: OldProof | null
  /** By server: when it last did not have the transaction, and our tip then. */
  readonly rawMisses: Readonly<Record<string, Check>>
  /** By server: when it last had no proof, or a wrong one, and our tip then. */
  readonly proofMisses: Readonly<Record<string, Check & { readonly wrong: number }>>
}

export interface Check {
  readonly at: number
  readonly tip: BlockHash
  /** Whether the server was seen at our tip when it answered. */
  readonly atTip?: boolean
}

export interface TxWatch {
  readonly kind: 'tx'
  readonly token: string
  readonly txid: Txid
  readonly minDepth: number
  readonly upTo: number
  /** Depth last reported; 0 when none. */
  readonly depth: number
  readonly confirmed: boolean
}

export interface SpendAnswer extends Check {
  readonly claim: SpendClaim | null
  /** Whether the server was seen at our tip when it answered. */
  readonly atTip: boolean
  /** Times it said unspent in the face of a proved spend. */
  readonly denials: number
}

export interface SpendWatch {
  readonly kind: 'spend'
  readonly token: string
  readonly outpoint: OutPoint
  readonly answers: Readonly<Record<string, SpendAnswer>>
  /** What was reported last. */
  readonly reported: { readonly txid: Txid; readonly blockHash: BlockHash | null } | null
  /** Whether a disagreement has been told. */
  readonly disagreed: boolean
}

export interface ScriptEntry {
  /** scriptPubKey */
  readonly script: Uint8Array
  /** sha256 of it in hex. */
  readonly hash: string
  /** The last complete listing; null before the first. */
  readonly listing: readonly HistoryItem[] | null
  readonly listedAt: number
  readonly listedTip: BlockHash | null
  readonly listedBy: string | null
  /** Pages so far of a listing under way, and the server that gives them. */
  readonly paging: { readonly items: readonly HistoryItem[]; readonly server: string } | null
  /** Fingerprint of what was reported. */
  readonly reported: string | null
}

export interface ScriptsWatch {
  readonly kind: 'scripts'
  readonly token: string
  readonly scripts: readonly ScriptEntry[]
  /** Transactions that the owner brought along. */
  readonly known: readonly Txid[]
}

export type Watch = TxWatch | SpendWatch | ScriptsWatch

export interface Broadcast {
  readonly token: string
  readonly txid: Txid
  readonly tx: Uint8Array
  /** The transactions whose outputs it spends. */
  readonly spends: readonly Txid[]
  readonly keep: boolean
  /** When the round under way began. */
  readonly startedAt: number
  /** By server; a server without entry is still to be sent to. */
  readonly outcomes: Readonly<Record<string, { readonly ok: boolean; readonly reason: string | null }>>
  /** By server: whether it showed the transaction later in this round. */
  readonly shown: Readonly<Record<string, boolean>>
  /** In the last round servers were asked, and at most one showed it. */
  readonly lost: boolean
  /** The verdict last reported. */
  readonly reported: 'accepted' | 'refused' | null
}

export interface ChainState {
  readonly config: ChainConfig
  readonly headers: HeaderChain
  readonly started: boolean
  /** When the present stay began: after it headers come first, then spends. */
  readonly resumedAt: number
  readonly steppedAt: number
  readonly refreshedAt: number
  /** When our tip last changed. */
  readonly tipAt: number
  readonly nextId: number
  readonly servers: readonly ServerState[]
  readonly inFlight: readonly InFlight[]
  readonly txs: Readonly<Record<Txid, TxEntry>>
  readonly watches: Readonly<Record<string, Watch>>
  readonly broadcasts: Readonly<Record<string, Broadcast>>
  readonly fees: { readonly at: number; readonly estimates: readonly FeeEstimate[] | null }
  readonly allFail: boolean
  readonly clockBehind: boolean
  readonly staleTip: boolean
  readonly health: ChainHealth | null
}

export interface ChainContext {
  /** Milliseconds since 1970. */
  readonly now: number
}

export interface ChainStep {
  readonly state: ChainState
  readonly effects: readonly ChainEffect[]
  readonly events: readonly ChainEvent[]
}

/** The machine's face, as other ChainNotifiers would have it. */
export type ChainStepper = (state: ChainState, input: ChainInput, ctx: ChainContext) => ChainStep
