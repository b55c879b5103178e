import type { Rpc } from './rpc.ts'

export interface PeerChannel {
  readonly peer: string
  /** Commitment format: `lcp` between nodes of this project. */
  readonly format: string
  readonly capacitySat: bigint
  readonly outboundMsat: bigint
  readonly inboundMsat: bigint
  readonly usable: boolean
}

export type PeerPayment =
  | { readonly ok: true; readonly preimage: string; readonly feeMsat: bigint }
  | { readonly ok: false; readonly reason: string }

/** What the playground asks of a Lightning node, whoever made it. */
export interface PeerApi {
  /** A BOLT 11 invoice; no amount where undefined. */
  addInvoice(amountMsat: bigint | undefined, memo: string): Promise<string>
  /** Many of the same terms at once. */
  addInvoices(count: number, amountMsat: bigint, memo: string): Promise<readonly string[]>
  payInvoice(bolt11: string): Promise<PeerPayment>
  /** Whether an invoice made here has been paid. */
  isPaid(bolt11: string): boolean
  /** The network as this node knows it, for wallets that want hints of it (`engine/router/snapshot.ts`). */
  snapshot?(): Uint8Array
  channels(): readonly PeerChannel[]
  /** Opens a channel to a node that is connected or can be dialled; resolves once the funding is broadcast. */
  openChannel(
    to: { readonly nodeId: string; readonly host?: string; readonly port?: number },
    sat: bigint,
    pushMsat: bigint,
    announced: boolean,
  ): Promise<void>
}

export interface PlaygroundPeer {
  readonly name: string
  /** 33 bytes as hex. */
  readonly nodeId: string
  /** Loopback TCP port where it takes connections. */
  readonly port: number
  readonly api: PeerApi
  stop(): Promise<void>
}

export interface PeerDeps {
  /** A folder of its own for whatever it keeps. */
  readonly dataDir: string
  /** Port to prefer; the next free one when taken. */
  readonly port: number
  /** Base of the Esplora API (`http://127.0.0.1:…/esplora/api`). */
  readonly esploraUrl: string
  readonly rpc: Rpc
  /** Pays regtest coins; the txid. */
  readonly fund: (address: string, sat: bigint) => Promise<string>
  readonly mine: (blocks: number) => Promise<void>
}

export type StartPeer = (name: string, deps: PeerDeps) => Promise<PlaygroundPeer>
