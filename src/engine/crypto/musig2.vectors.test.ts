import * as scure from '@scure/btc-signer/musig2.js'
import { describe, expect, test } from 'vitest'
import { seeded } from '../../testing/random.ts'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import { concat, fromHex, toHex } from '../base/bytes.ts'
import { publicKey } from './curve.ts'
import {
  aggregateKeys,
  aggregateNonces,
  combinePartials,
  isPublicNonce,
  makeNonce,
  signingSession,
  signPartially,
  verifyPartially,
} from './musig2.ts'

interface Case {
  readonly key_indices: readonly number[]
  readonly nonce_indices: readonly number[]
  readonly tweak_indices: readonly number[]
  readonly psig_indices: readonly number[]
  readonly pnonce_indices: readonly number[]
  readonly aggnonce: string
  readonly aggnonce_index: number
  readonly secnonce_index: number
  readonly msg_index: number
  readonly signer_index: number
  readonly sig: string
  readonly expected: string
}
interface NonceCase {
  readonly rand_: string
  readonly sk: string | null
  readonly pk: string
  readonly aggpk: string | null
  readonly msg: string | null
  readonly extra_in: string | null
  readonly expected_secnonce: string
  readonly expected_pubnonce: string
}
interface Vectors {
  readonly key_agg: {
    readonly pubkeys: readonly string[]
    readonly valid_test_cases: readonly Case[]
    readonly error_test_cases: readonly Case[]
  }
  readonly nonce_gen: { readonly test_cases: readonly NonceCase[] }
  readonly nonce_agg: {
    readonly pnonces: readonly string[]
    readonly valid_test_cases: readonly Case[]
    readonly error_test_cases: readonly Case[]
  }
  readonly sign_verify: {
    readonly sk: string
    readonly pubkeys: readonly string[]
    readonly secnonces: readonly string[]
    readonly pnonces: readonly string[]
    readonly aggnonces: readonly string[]
    readonly msgs: readonly string[]
    readonly valid_test_cases: readonly Case[]
    readonly sign_error_test_cases: readonly Case[]
    readonly verify_fail_test_cases: readonly Case[]
    readonly verify_error_test_cases: readonly Case[]
  }
  readonly sig_agg: {
    readonly pubkeys: readonly string[]
    readonly pnonces: readonly string[]
    readonly psigs: readonly string[]
    readonly msg: string
    readonly valid_test_cases: readonly Case[]
  }
}

const pick = (list: readonly string[], indices: readonly number[]) =>
  indices.map((i) => fromHex(list[i] as string))
const hex = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : toHex(bytes))

describe.skipIf(!vectorsPresent)('BIP 327', () => {
  const vectors = loadVectors<Vectors>('bip327-musig2.json')

  test('keys: valid lists, in any order and with repeated keys; keys that are no points are refused', () => {
    const { pubkeys, valid_test_cases, error_test_cases } = vectors.key_agg
    expect(valid_test_cases.length).toBeGreaterThan(3)
    for (const { key_indices, expected } of valid_test_cases)
      expect(hex(aggregateKeys(pick(pubkeys, key_indices))?.subarray(1))).toBe(expected)
    const wrong = error_test_cases.filter((c) => c.tweak_indices.length === 0)
    expect(wrong.length).toBeGreaterThan(1)
    for (const { key_indices } of wrong) expect(aggregateKeys(pick(pubkeys, key_indices))).toBeUndefined()
  })

  test('nonces are made of all that goes into them', () => {
    const bytes = (text: string | null) => (text === null ? undefined : fromHex(text))
    for (const c of vectors.nonce_gen.test_cases) {
      const [secretKey, aggregate, message, extra] = [c.sk, c.aggpk, c.msg, c.extra_in].map(bytes)
      const nonce = makeNonce(fromHex(c.rand_), fromHex(c.pk), {
        ...(secretKey === undefined ? {} : { secretKey }),
        ...(aggregate === undefined ? {} : { aggregate }),
        ...(message === undefined ? {} : { message }),
        ...(extra === undefined ? {} : { extra }),
      })
      expect(hex(concat(nonce.secret, fromHex(c.pk)))).toBe(c.expected_secnonce)
      expect(hex(nonce.public)).toBe(c.expected_pubnonce)
    }
  })

  test('nonces are added, at infinity too, and what is no point is refused', () => {
    const { pnonces, valid_test_cases, error_test_cases } = vectors.nonce_agg
    for (const c of valid_test_cases)
      expect(hex(aggregateNonces(pick(pnonces, c.pnonce_indices)))).toBe(c.expected)
    expect(error_test_cases.length).toBeGreaterThan(2)
    for (const c of error_test_cases) expect(aggregateNonces(pick(pnonces, c.pnonce_indices))).toBeUndefined()
  })

  test('partial signatures are made and checked; wrong keys, nonces and messages sign nothing', () => {
    const v = vectors.sign_verify
    const nonceOf = (i: number) => ({
      secret: fromHex(v.secnonces[i] as string).subarray(0, 64),
      public: fromHex(v.pnonces[0] as string),
    })
    const session = (c: Case) =>
      signingSession(
        pick(v.pubkeys, c.key_indices),
        fromHex(v.aggnonces[c.aggnonce_index] as string),
        fromHex(v.msgs[c.msg_index] as string),
      )
    const sk = fromHex(v.sk)
    for (const c of v.valid_test_cases) {
      const made = session(c)
      if (made === undefined) throw new Error('no session')
      expect(aggregateNonces(pick(v.pnonces, c.nonce_indices))).toEqual(
        fromHex(v.aggnonces[c.aggnonce_index] as string),
      )
      expect(hex(signPartially(made, nonceOf(0), sk))).toBe(c.expected)
      const key = made.keys[c.signer_index] as Uint8Array
      const [nonce] = pick(v.pnonces, [c.nonce_indices[c.signer_index] as number])
      expect(verifyPartially(made, fromHex(c.expected), nonce as Uint8Array, key)).toBe(true)
    }
    expect(v.sign_error_test_cases.length).toBe(6)
    for (const c of v.sign_error_test_cases) {
      const made = session(c)
      const signed = made === undefined ? undefined : signPartially(made, nonceOf(c.secnonce_index), sk)
      expect(signed).toBeUndefined()
    }
    for (const c of [...v.verify_fail_test_cases, ...v.verify_error_test_cases]) {
      const nonces = pick(v.pnonces, c.nonce_indices)
      const sum = aggregateNonces(nonces)
      const made = sum === undefined ? undefined : session({ ...c, aggnonce_index: 0 })
      const key = made?.keys[c.signer_index]
      const holds =
        made !== undefined &&
        key !== undefined &&
        verifyPartially(made, fromHex(c.sig), nonces[c.signer_index] as Uint8Array, key)
      expect(holds).toBe(false)
    }
  })

  test('partial signatures become one', () => {
    const v = vectors.sig_agg
    const plain = v.valid_test_cases.filter((c) => c.tweak_indices.length === 0)
    expect(plain.length).toBeGreaterThan(1)
    for (const c of plain) {
      const session = signingSession(pick(v.pubkeys, c.key_indices), fromHex(c.aggnonce), fromHex(v.msg))
      if (session === undefined) throw new Error('no session')
      const partials = pick(v.psigs, c.psig_indices)
      expect(hex(combinePartials(session, partials, fromHex(v.msg)))).toBe(c.expected)
      expect(combinePartials(session, [...partials].slice(1), fromHex(v.msg))).toBeUndefined()
    }
  })
})

describe('signing together', () => {
  const random = seeded(327)

  test('is what an audited implementation makes of the same nonces, key by key', () => {
    for (let round = 0; round < 8; round++) {
      const secrets = Array.from({ length: 4 }, () => random.bytes(32).map((b, i) => (i === 0 ? 1 : b)))
      const keys = secrets.map(publicKey)
      const message = random.bytes(32)
      const nonces = secrets.map((secretKey, i) =>
        makeNonce(random.bytes(32), keys[i] as Uint8Array, { secretKey, message }),
      )
      expect(nonces.every((n) => isPublicNonce(n.public))).toBe(true)
      const sum = aggregateNonces(nonces.map((n) => n.public)) as Uint8Array
      expect(sum).toEqual(scure.nonceAggregate(nonces.map((n) => n.public)))
      const session = signingSession(keys, sum, message)
      if (session === undefined) throw new Error('no session')
      const theirs = new scure.Session(sum, keys, message)
      const partials = nonces.map((nonce, i) => {
        const mine = signPartially(session, nonce, secrets[i] as Uint8Array) as Uint8Array
        const other = theirs.sign(concat(nonce.secret, keys[i] as Uint8Array), secrets[i] as Uint8Array)
        expect(mine).toEqual(other)
        return mine
      })
      expect(combinePartials(session, partials, message)).toEqual(theirs.partialSigAgg(partials))
    }
  })

  test('a nonce whose two halves do not belong together signs nothing', () => {
    const secret = random.bytes(32)
    const key = publicKey(secret)
    const nonce = makeNonce(random.bytes(32), key, {})
    const other = makeNonce(random.bytes(32), key, {})
    const session = signingSession([key], nonce.public, new Uint8Array(32))
    if (session === undefined) throw new Error('no session')
    expect(signPartially(session, nonce, secret)).toBeDefined()
    expect(signPartially(session, { ...nonce, public: other.public }, secret)).toBeUndefined()
  })
})
