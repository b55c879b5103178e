import { describe, expect, it } from 'vitest'
import { toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { secretMatchesPoint } from './keys.ts'
import {
  commitmentPoint,
  commitmentSecret,
  emptySecretStore,
  MAX_COMMITMENT_NUMBER,
  readSecrets,
  receiverInsert,
  receiverLookup,
  receiverNext,
  type SecretTree,
  storedSecrets,
} from './secrets.ts'
import { shachainSecret } from './shachain.ts'

const root = new Uint8Array(32).fill(0x33)

describe.each<SecretTree>(['shachain', 'elkrem'])('per-commitment secrets by %s', (tree) => {
  it('reveals in order of number and finds every earlier secret, and none to come', () => {
    let store = emptySecretStore(tree)
    for (let n = 0n; n < 300n; n++) {
      expect(receiverNext(store)).toBe(n)
      expect(receiverLookup(store, n)).toBeUndefined()
      store = unwrap(receiverInsert(store, n, commitmentSecret(tree, root, n)))
    }
    for (let n = 0n; n < 300n; n++) expect(receiverLookup(store, n)).toEqual(commitmentSecret(tree, root, n))
    expect(receiverLookup(store, -1n)).toBeUndefined()
    expect(receiverLookup(store, MAX_COMMITMENT_NUMBER + 5n)).toBeUndefined()
    expect(store.nodes.length).toBeLessThan(12)
  })
  it('refuses skipped and repeated numbers, secrets of another tree and what is no key', () => {
    let store = emptySecretStore(tree)
    for (let n = 0n; n < 5n; n++) store = unwrap(receiverInsert(store, n, commitmentSecret(tree, root, n)))
    const before = structuredClone(store)
    expect(receiverInsert(store, 6n, commitmentSecret(tree, root, 6n)).ok).toBe(false)
    expect(receiverInsert(store, 4n, commitmentSecret(tree, root, 4n)).ok).toBe(false)
    expect(receiverInsert(store, -1n, commitmentSecret(tree, root, 4n)).ok).toBe(false)
    // Number 5 closes a subtree in both trees, so a stranger is noticed at once.
    expect(receiverInsert(store, 5n, commitmentSecret(tree, new Uint8Array(32).fill(1), 5n)).ok).toBe(false)
    expect(receiverInsert(store, 5n, new Uint8Array(32)).ok).toBe(false)
    expect(receiverInsert(store, 5n, new Uint8Array(32).fill(0xff)).ok).toBe(false)
    expect(receiverInsert(store, 5n, new Uint8Array(31)).ok).toBe(false)
    expect(store).toEqual(before)
  })
  it('is read back as it was written, also as earlier versions wrote it', () => {
    let store = emptySecretStore(tree)
    for (let n = 0n; n < 20n; n++) {
      expect(unwrap(readSecrets(storedSecrets(store)))).toEqual(store)
      expect(unwrap(readSecrets(store))).toEqual(store)
      store = unwrap(receiverInsert(store, n, commitmentSecret(tree, root, n)))
    }
  })
  it('matches its points', () => {
    for (const n of [0n, 1n, 12345n, MAX_COMMITMENT_NUMBER])
      expect(secretMatchesPoint(commitmentSecret(tree, root, n), commitmentPoint(tree, root, n))).toBe(true)
  })
  it('has no secret for numbers that are none', () => {
    expect(() => commitmentSecret(tree, root, -1n)).toThrow()
    expect(() => commitmentSecret(tree, root, MAX_COMMITMENT_NUMBER + 1n)).toThrow()
  })
})

it('does not read a stack that no sequence of secrets gives', () => {
  const stored = storedSecrets(unwrap(receiverInsert(emptySecretStore('elkrem'), 0n, root)))
  if (stored.tree !== 'elkrem') throw new Error('a stack')
  const stack = stored.stack.slice()
  stack[9] = 5
  expect(readSecrets({ tree: 'elkrem', stack }).ok).toBe(false)
  expect(readSecrets({ tree: 'elkrem', stack: stored.stack.slice(0, -1) }).ok).toBe(false)
})

it('counts BOLT’s shachain down from 2^48 - 1', () => {
  expect(toHex(commitmentSecret('shachain', root, 0n))).toBe(toHex(shachainSecret(root, 281474976710655n)))
})
