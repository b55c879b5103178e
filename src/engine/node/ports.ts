import type { EsploraRequest, EsploraResult } from '../chain/esplora.ts'
import type { Txid } from '../bitcoin/types.ts'
import type { ChannelAnnouncement, ChannelUpdate, NodeAnnouncement } from '../wire/messages.ts'
import type { ProvenWords } from '../wire/proven.ts'
import type { ApiFailure, Command, CommandResult, NodeEvent } from './commands.ts'

/**
 * The edge of the engine: what the shell hands in and what it is asked to do. The shell (`src/host`) owns sockets, storage, time
 * and entropy; it knows nothing of Lightning.
 */

/** Names one connection; never reused while the node runs. */
export type ConnectionId = string

export type NodeInput =
  /** A BOLT 8 handshake is done. `address` is how we dialled it; absent when it came to us. */
  | {
      readonly type: 'peerConnected'
      readonly connection: ConnectionId
      /** 66 hex digits, authenticated by the handshake. */
      readonly nodeId: string
      readonly address?: string
    }
  /** One decrypted Lightning message. */
  | { readonly type: 'peerMessage'; readonly connection: ConnectionId; readonly bytes: Uint8Array }
  | { readonly type: 'peerDisconnected'; readonly connection: ConnectionId; readonly reason: string }
  /** An answer to an `esplora` effect. */
  | { readonly type: 'esploraResponse'; readonly id: number; readonly result: EsploraResult }
  /** Time passed: the shell sends it at the time a `wakeAt` asked for, and every few seconds. */
  | { readonly type: 'tick' }
  /** The answer to `readRecord`; null: there is none. */
  | { readonly type: 'record'; readonly key: string; readonly value: Uint8Array | null }
  | { readonly type: 'command'; readonly id: number; readonly command: Command }

/** What we tell the network of ourselves, signed (BOLT 7). */
export type Publication =
  | { readonly kind: 'channel'; readonly message: ChannelAnnouncement; readonly capacitySat: bigint }
  /** The same with one signature under its four keys; its proof is for the host to put together, of public data. */
  | {
      readonly kind: 'proven'
      readonly words: ProvenWords
      /** 64 bytes */
      readonly signature: Uint8Array
      readonly fundingTxid: Txid
    }
  | { readonly kind: 'update'; readonly message: ChannelUpdate }
  | { readonly kind: 'node'; readonly message: NodeAnnouncement }
  /** The channel has ended, at this height. */
  | { readonly kind: 'closed'; readonly shortChannelId: bigint; readonly height: number }

/** What is to be done once the turn's records are written, in order. */
export type NodeEffect =
  /** Lightning messages for one connection; a turn's messages to it come together, to be sent as one frame. */
  | { readonly type: 'send'; readonly connection: ConnectionId; readonly messages: readonly Uint8Array[] }
  | { readonly type: 'hangUp'; readonly connection: ConnectionId; readonly reason: string }
  /** Keep a connection to this peer: dial now, and again with back-off until `letGo`. */
  | { readonly type: 'keepConnected'; readonly nodeId: string; readonly address: string }
  | { readonly type: 'letGo'; readonly nodeId: string }
  | {
      readonly type: 'esplora'
      readonly id: number
      readonly server: string
      readonly request: EsploraRequest
    }
  | { readonly type: 'esploraCancel'; readonly id: number }
  /** One record that is not loaded at the start is needed: answered by `record`. */
  | { readonly type: 'readRecord'; readonly key: string }
  /** Something of ours for the network to hear of (`host/gossip.ts`). */
  | { readonly type: 'publish'; readonly item: Publication }
  /** Send a `tick` at this time (ms since 1970); replaces an earlier wish. */
  | { readonly type: 'wakeAt'; readonly ms: number }
  | {
      readonly type: 'reply'
      readonly id: number
      readonly result:
        | { readonly ok: true; readonly value: CommandResult }
        | { readonly ok: false; readonly error: ApiFailure }
    }
  | { readonly type: 'event'; readonly event: NodeEvent }

/** A record to be written (null: deleted). Keys are short ASCII paths such as `channel/<id>`. */
export interface RecordWrite {
  readonly key: string
  /** A version byte and MessagePack (`engine/records`). */
  readonly value: Uint8Array | null
}

/**
 * Where records live. `commit` is atomic and durable: either all writes of a batch are there after a crash, or none. It resolves only
 * when the platform says that they are on disk. A failed commit leaves the store as it was; the node freezes.
 */
export interface Store {
  /** All records, in any order, but those whose keys begin with `except`. */
  load(except?: string): Promise<ReadonlyMap<string, Uint8Array>>
  /** One record as the commits before left it; undefined when there is none. */
  read(key: string): Promise<Uint8Array | undefined>
  commit(writes: readonly RecordWrite[]): Promise<void>
  close(): Promise<void>
}
