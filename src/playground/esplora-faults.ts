/** How a request is answered instead of properly. */
export type FaultAnswer =
  /** An HTML page with status 200, as a captive portal or a proxy sends. */
  | { readonly kind: 'html' }
  /** Status 429; public servers may leave the CORS headers out. */
  | { readonly kind: 'tooManyRequests'; readonly cors?: boolean }
  /** Status 200 with a JSON notice instead of what was asked. */
  | { readonly kind: 'notice' }
  /** The connection stays open and nothing ever comes. */
  | { readonly kind: 'silence' }
  /** The connection is cut. */
  | { readonly kind: 'reset' }
  | { readonly kind: 'status'; readonly status: number; readonly body: string }

export interface FaultRequest {
  readonly method: string
  readonly path: string
}

/**
 * Lies and failures that tests switch on, one at a time or together. All off by default. Fields may be changed at any
 * moment; they hold from the next request on.
 */
export interface EsploraFaults {
  /** Decides requests that fail outright. */
  answer?: ((request: FaultRequest) => FaultAnswer | undefined) | undefined
  /** The chain ends at this height as far as this server tells; later transactions look unconfirmed. */
  staleHeight?: number | undefined
  /** Headers at these heights come with a flipped bit in the nonce (in every form: hex, summaries). */
  wrongHeaderAt?: ReadonlySet<number> | undefined
  /** Merkle proofs come with a flipped bit in the first hash, or a wrong position where there is none. */
  wrongProof?: boolean | undefined
  /** `txid:vout` of outputs whose spend this server conceals. */
  hideSpends?: ReadonlySet<string> | undefined
  /** Transactions that this server says it does not know. */
  hideTxs?: ReadonlySet<string> | undefined
}
