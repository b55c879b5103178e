import type { Sat } from '../base/units.ts'
import { p2wpkhScriptCode } from '../bitcoin/script.ts'
import { SEQUENCE_RBF } from '../bitcoin/tx.ts'
import { anchorScript } from './scripts.ts'
import { INPUT_BASE_WEIGHT, SIGNATURE_BYTES, witnessWeight } from './weights.ts'

/**
 * Outputs of a channel's closing that one signature of ours claims, each with what its claim needs. `script` is the witness
 * script of the output; points and secrets are of the commitment that confirmed.
 */
export type SweepOutput =
  /** Our `to_local`, or our second stage's output, after the delay the peer imposed. */
  | {
      readonly kind: 'delayed'
      readonly valueSat: Sat
      readonly script: Uint8Array
      readonly toSelfDelay: number
      /** Our per-commitment point. */
      readonly point: Uint8Array
    }
  /** Our `to_remote` on the peer's commitment: with anchors by script after a block, else P2WPKH. */
  | { readonly kind: 'to_remote'; readonly valueSat: Sat; readonly script?: Uint8Array }
  /** Our anchor, on either commitment. */
  | { readonly kind: 'anchor'; readonly valueSat: Sat }
  /** `to_local` or a second stage's output of the peer's revoked commitment. */
  | {
      readonly kind: 'penalty'
      readonly valueSat: Sat
      readonly script: Uint8Array
      readonly perCommitmentSecret: Uint8Array
    }
  /** An HTLC output of the peer's revoked commitment, either direction. */
  | {
      readonly kind: 'htlc_penalty'
      readonly valueSat: Sat
      readonly script: Uint8Array
      readonly perCommitmentSecret: Uint8Array
    }
  /** An HTLC that the peer offered, on its commitment, with the preimage. */
  | {
      readonly kind: 'htlc_preimage'
      readonly valueSat: Sat
      readonly script: Uint8Array
      readonly anchors: boolean
      readonly point: Uint8Array
      readonly preimage: Uint8Array
    }
  /** An HTLC that we offered, on the peer's commitment, after its expiry (the transaction's locktime). */
  | {
      readonly kind: 'htlc_timeout'
      readonly valueSat: Sat
      readonly script: Uint8Array
      readonly anchors: boolean
      readonly point: Uint8Array
    }

/** The sequence that the claiming input has to carry (BOLT 3); RBF where the script asks for nothing. */
export function sweepSequence(output: SweepOutput): number {
  switch (output.kind) {
    case 'delayed':
      return output.toSelfDelay
    case 'to_remote':
      return output.script === undefined ? SEQUENCE_RBF : 1
    case 'htlc_preimage':
    case 'htlc_timeout':
      return output.anchors ? 1 : SEQUENCE_RBF
    case 'anchor':
    case 'penalty':
    case 'htlc_penalty':
      return SEQUENCE_RBF
  }
}

const EMPTY = new Uint8Array(0)
const ONE = Uint8Array.of(1)

/** What a claim signs and how its witness is put together; `key` is the 33-byte key that signs. */
export function sweepScriptCode(output: SweepOutput, key: Uint8Array): Uint8Array {
  if (output.kind === 'anchor') return anchorScript(key)
  if (output.kind === 'to_remote') return output.script ?? p2wpkhScriptCode(key)
  return output.script
}

/** The witness of a claim from its signature in script form (BOLT 3) and the key that made it. */
export function sweepWitness(
  output: SweepOutput,
  signature: Uint8Array,
  key: Uint8Array,
): readonly Uint8Array[] {
  switch (output.kind) {
    case 'delayed':
      return [signature, EMPTY, output.script]
    case 'to_remote':
      return [signature, output.script ?? key]
    case 'anchor':
      return [signature, anchorScript(key)]
    case 'penalty':
      return [signature, ONE, output.script]
    case 'htlc_penalty':
      return [signature, key, output.script]
    case 'htlc_preimage':
      return [signature, output.preimage, output.script]
    case 'htlc_timeout':
      return [signature, EMPTY, output.script]
  }
}

/** Weight of the claiming input with the longest signature: 41 bytes and the witness. Real ones are at most 2 lighter. */
export function sweepInputWeight(output: SweepOutput): number {
  const items = sweepWitness(output, new Uint8Array(SIGNATURE_BYTES), new Uint8Array(33))
  return INPUT_BASE_WEIGHT + witnessWeight(...items.map((i) => i.length))
}
