import { err, invariant, ok, type Result } from '../base/result.ts'
import { isSecretKey } from '../crypto/curve.ts'
import {
  decodeElkrem,
  type ElkremStore,
  elkremInsert,
  elkremLookup,
  elkremNext,
  elkremSecret,
  encodeElkrem,
} from './elkrem.ts'
import { perCommitmentPoint } from './keys.ts'
import {
  SHACHAIN_MAX_INDEX,
  type ShachainStore,
  shachainInsert,
  shachainLookup,
  shachainNext,
  shachainSecret,
} from './shachain.ts'

/**
 * Per-commitment secrets by commitment number, whichever tree the channel's format uses. Numbers start at 0 and rise; BOLT's
 * shachain counts down from 2^48 − 1, which stays in here.
 */

export type SecretTree = 'shachain' | 'elkrem'

/** The peer's revealed secrets 0 … next − 1 of one channel, compactly: plain data for the channel's record. */
export type SecretStore =
  | { readonly tree: 'shachain'; readonly nodes: ShachainStore }
  | { readonly tree: 'elkrem'; readonly nodes: ElkremStore }

/** The last commitment number both trees have a secret for (elkrem ends one before shachain does). */
export const MAX_COMMITMENT_NUMBER = (1n << 48n) - 2n

function checkNumber(number: bigint): void {
  invariant(number >= 0n && number <= MAX_COMMITMENT_NUMBER, 'commitment number below 2^48 - 1')
}

/** Our secret of a commitment, 32 bytes, from the tree's root or seed (32 bytes). */
export function commitmentSecret(tree: SecretTree, root: Uint8Array, number: bigint): Uint8Array {
  checkNumber(number)
  return tree === 'elkrem' ? elkremSecret(root, number) : shachainSecret(root, SHACHAIN_MAX_INDEX - number)
}

/** Our per-commitment point of a commitment, 33 bytes. */
export const commitmentPoint = (tree: SecretTree, root: Uint8Array, number: bigint): Uint8Array =>
  perCommitmentPoint(commitmentSecret(tree, root, number))

/** A store that has received nothing. */
export const emptySecretStore = (tree: SecretTree): SecretStore => ({ tree, nodes: [] })

/** The commitment number whose secret the peer reveals next: how many it has revealed. */
export const receiverNext = (store: SecretStore): bigint =>
  store.tree === 'elkrem' ? elkremNext(store.nodes) : SHACHAIN_MAX_INDEX - shachainNext(store.nodes)

/**
 * Takes the secret of commitment `number`, which must be the next one, from the peer's `revoke_and_ack`. Errors: out of
 * order, no secret key (lcp: 1 … n − 1), or not of the same tree as those before (BOLT 2 §revoke_and_ack: fail the
 * channel). Whether it belongs to the point the peer gave is checked with `secretMatchesPoint`.
 */
export function receiverInsert(store: SecretStore, number: bigint, secret: Uint8Array): Result<SecretStore> {
  if (number < 0n || number > MAX_COMMITMENT_NUMBER) return err('revocation: number out of range')
  if (!isSecretKey(secret)) return err('revocation: not a secret key')
  if (store.tree === 'elkrem') {
    const nodes = elkremInsert(store.nodes, number, secret)
    return nodes.ok ? ok({ tree: 'elkrem', nodes: nodes.value }) : nodes
  }
  const nodes = shachainInsert(store.nodes, SHACHAIN_MAX_INDEX - number, secret)
  return nodes.ok ? ok({ tree: 'shachain', nodes: nodes.value }) : nodes
}

/** The peer's secret of a revoked commitment, or undefined when it has not been revealed. */
export function receiverLookup(store: SecretStore, number: bigint): Uint8Array | undefined {
  if (number < 0n || number >= receiverNext(store)) return undefined
  return store.tree === 'elkrem'
    ? elkremLookup(store.nodes, number)
    : shachainLookup(store.nodes, SHACHAIN_MAX_INDEX - number)
}

/** A store as a channel's record keeps it: elkrem's as its serialization (lcp.md §Elkrem), which is checked when it is read. */
export type StoredSecrets =
  | { readonly tree: 'shachain'; readonly nodes: ShachainStore }
  | { readonly tree: 'elkrem'; readonly stack: Uint8Array }

export const storedSecrets = (store: SecretStore): StoredSecrets =>
  store.tree === 'elkrem' ? { tree: 'elkrem', stack: encodeElkrem(store.nodes) } : store

/** Reads what `storedSecrets` made; a stack that no sequence of secrets gives is an error. Records of earlier versions hold stores. */
export function readSecrets(stored: StoredSecrets | SecretStore): Result<SecretStore> {
  if (!('stack' in stored)) return ok(stored)
  const nodes = decodeElkrem(stored.stack)
  return nodes.ok ? ok({ tree: 'elkrem', nodes: nodes.value }) : nodes
}
