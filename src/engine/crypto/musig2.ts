import { concat, equalBytes, fromHex, readUintBE, uintBE } from '../base/bytes.ts'
import {
  addPoints,
  CURVE_ORDER,
  isPublicKey,
  isSecretKey,
  multiplyPublic,
  negatePoint,
  publicKey,
  sumPoints,
  verifySchnorr,
} from './curve.ts'
import { taggedHash } from './hash.ts'

/**
 * MuSig2 (BIP 327) without tweaks: several keys sign as one, and whoever checks sees an ordinary BIP 340 signature.
 *
 * A secret nonce makes one signature and no other: used for a second message, or with other nonces beside it, it gives the secret key
 * away. Whoever holds one drops it with the signature, and never writes it down.
 */
export interface SecretNonce {
  /** 64 bytes: two scalars. */
  readonly secret: Uint8Array
  /** 66 bytes: two points, for everybody. */
  readonly public: Uint8Array
}

export const PUBLIC_NONCE_BYTES = 66
export const PARTIAL_SIGNATURE_BYTES = 32

const N = CURVE_ORDER
const scalar = (n: bigint): Uint8Array => uintBE(n, 32)
const mod = (n: bigint): bigint => ((n % N) + N) % N
/** The generator: also what stands for a sum of nonces at infinity. */
const G = fromHex('0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798')

/** A sum that may be at infinity: then undefined. */
type Sum = Uint8Array | undefined

const plus = (a: Sum, b: Sum): Sum => (a === undefined ? b : b === undefined ? a : addPoints(a, b))
const times = (point: Sum, by: bigint): Sum =>
  point === undefined || by === 0n ? undefined : multiplyPublic(point, scalar(by))
const isOdd = (point: Uint8Array): boolean => point[0] === 3

/** Each key's weight in the aggregate (BIP 327 §Key Aggregation Coefficient). */
function weightOf(keys: readonly Uint8Array[]): (key: Uint8Array) => bigint {
  const list = taggedHash('KeyAgg list', ...keys)
  const second = keys.find((key) => !equalBytes(key, keys[0] as Uint8Array))
  return (key) =>
    second !== undefined && equalBytes(key, second)
      ? 1n
      : readUintBE(taggedHash('KeyAgg coefficient', list, key)) % N
}

/** BIP 327 §Key Aggregation without tweaks, in the order given: 33 bytes, or undefined where a key is none or they cancel out. */
export function aggregateKeys(keys: readonly Uint8Array[]): Uint8Array | undefined {
  if (keys.length === 0 || !keys.every(isPublicKey)) return undefined
  const weight = weightOf(keys)
  // A weight of zero was never seen; its key would have no say.
  const terms = keys.map((key) => {
    const by = weight(key)
    return by === 1n ? key : times(key, by)
  })
  return terms.every((term) => term !== undefined) ? sumPoints(terms) : undefined
}

/**
 * BIP 327 §Nonce Generation: 32 random bytes never used before, bound to the key, and where they are known to the aggregate key (32
 * bytes, x only), the message and anything else. Throws on a secret out of range.
 */
export function makeNonce(
  random: Uint8Array,
  key: Uint8Array,
  about: {
    readonly secretKey?: Uint8Array
    readonly aggregate?: Uint8Array
    readonly message?: Uint8Array
    readonly extra?: Uint8Array
  },
): SecretNonce {
  if (random.length !== 32) throw new RangeError('makeNonce: random must be 32 bytes')
  const { secretKey, aggregate = new Uint8Array(0), message, extra = new Uint8Array(0) } = about
  const masked =
    secretKey === undefined
      ? random
      : taggedHash('MuSig/aux', random).map((byte, i) => byte ^ (secretKey[i] as number))
  const said =
    message === undefined
      ? Uint8Array.of(0)
      : concat(Uint8Array.of(1), uintBE(BigInt(message.length), 8), message)
  const half = (i: number): Uint8Array =>
    scalar(
      readUintBE(
        taggedHash(
          'MuSig/nonce',
          masked,
          Uint8Array.of(key.length),
          key,
          Uint8Array.of(aggregate.length),
          aggregate,
          said,
          uintBE(extra.length, 4),
          extra,
          Uint8Array.of(i),
        ),
      ) % N,
    )
  const [one, two] = [half(0), half(1)]
  return { secret: concat(one, two), public: concat(publicKey(one), publicKey(two)) }
}

const nonceHalf = (nonce: Uint8Array, i: 0 | 1): Uint8Array => nonce.subarray(33 * i, 33 * i + 33)

/** Whether these are 66 bytes of two points. */
export const isPublicNonce = (nonce: Uint8Array): boolean =>
  nonce.length === PUBLIC_NONCE_BYTES && isPublicKey(nonceHalf(nonce, 0)) && isPublicKey(nonceHalf(nonce, 1))

/** BIP 327 §Nonce Aggregation: 66 bytes; a sum at infinity is 33 zeros. Undefined where a nonce is none. */
export function aggregateNonces(nonces: readonly Uint8Array[]): Uint8Array | undefined {
  if (!nonces.every(isPublicNonce)) return undefined
  const half = (i: 0 | 1): Uint8Array =>
    nonces.reduce<Sum>((sum, nonce) => plus(sum, nonceHalf(nonce, i)), undefined) ?? new Uint8Array(33)
  return concat(half(0), half(1))
}

/** What a signature of these keys over this message with these nonces comes down to (BIP 327 §Session Context). */
export interface SigningSession {
  readonly keys: readonly Uint8Array[]
  /** 33 bytes */
  readonly aggregate: Uint8Array
  /** The nonces' sum (33 bytes) and the weight of its second half. */
  readonly nonce: Uint8Array
  readonly nonceWeight: bigint
  readonly challenge: bigint
  readonly weight: (key: Uint8Array) => bigint
}

/** Undefined where a key or the aggregate nonce (66 bytes) is none. */
export function signingSession(
  keys: readonly Uint8Array[],
  aggregateNonce: Uint8Array,
  message: Uint8Array,
): SigningSession | undefined {
  const aggregate = aggregateKeys(keys)
  const halves = ([0, 1] as const).map((i): Sum | 'none' => {
    const half = nonceHalf(aggregateNonce, i)
    return half.every((byte) => byte === 0) ? undefined : isPublicKey(half) ? half : 'none'
  })
  const [one, two] = halves
  if (aggregate === undefined || aggregateNonce.length !== PUBLIC_NONCE_BYTES) return undefined
  if (one === 'none' || two === 'none') return undefined
  const key = aggregate.subarray(1)
  const nonceWeight = readUintBE(taggedHash('MuSig/noncecoef', aggregateNonce, key, message)) % N
  const nonce = plus(one, times(two, nonceWeight)) ?? G
  const challenge = readUintBE(taggedHash('BIP0340/challenge', nonce.subarray(1), key, message)) % N
  return { keys, aggregate, nonce, nonceWeight, challenge, weight: weightOf(keys) }
}

/**
 * BIP 327 §Signing: 32 bytes. The nonce is used up by it: the caller forgets it before anybody sees the signature. Undefined where the
 * key is not one of the session's or the nonce is none.
 */
export function signPartially(
  session: SigningSession,
  nonce: SecretNonce,
  secretKey: Uint8Array,
): Uint8Array | undefined {
  if (!isSecretKey(secretKey) || nonce.secret.length !== 64) return undefined
  const key = publicKey(secretKey)
  if (!session.keys.some((k) => equalBytes(k, key))) return undefined
  const [k1, k2] = [readUintBE(nonce.secret.subarray(0, 32)), readUintBE(nonce.secret.subarray(32))]
  if (k1 === 0n || k2 === 0n || k1 >= N || k2 >= N) return undefined
  const own = isOdd(session.aggregate) ? N - readUintBE(secretKey) : readUintBE(secretKey)
  const sum = mod(k1 + session.nonceWeight * k2)
  const r = isOdd(session.nonce) ? mod(-sum) : sum
  const signature = scalar(mod(r + session.challenge * session.weight(key) * own))
  // Whatever went wrong, a signature that does not hold is not shown: the difference to a right one may tell of the key.
  return verifyPartially(session, signature, nonce.public, key) ? signature : undefined
}

/** BIP 327 §Partial Signature Verification. Never throws. */
export function verifyPartially(
  session: SigningSession,
  signature: Uint8Array,
  publicNonce: Uint8Array,
  key: Uint8Array,
): boolean {
  if (signature.length !== PARTIAL_SIGNATURE_BYTES || !isPublicNonce(publicNonce)) return false
  const s = readUintBE(signature)
  if (s >= N || !session.keys.some((k) => equalBytes(k, key))) return false
  const sum = plus(nonceHalf(publicNonce, 0), times(nonceHalf(publicNonce, 1), session.nonceWeight))
  const nonce = sum !== undefined && isOdd(session.nonce) ? negatePoint(sum) : sum
  const by = mod(session.challenge * session.weight(key))
  const wanted = plus(nonce, times(key, isOdd(session.aggregate) ? mod(-by) : by))
  const got = s === 0n ? undefined : publicKey(signature)
  return got === undefined || wanted === undefined ? got === wanted : equalBytes(got, wanted)
}

/** BIP 327 §Partial Signature Aggregation: 64 bytes, checked under the aggregate key; undefined where it does not hold. */
export function combinePartials(
  session: SigningSession,
  partials: readonly Uint8Array[],
  message: Uint8Array,
): Uint8Array | undefined {
  let sum = 0n
  for (const partial of partials) {
    const s = readUintBE(partial)
    if (s >= N) return undefined
    sum = mod(sum + s)
  }
  const signature = concat(session.nonce.subarray(1), scalar(sum))
  return verifySchnorr(signature, message, session.aggregate.subarray(1)) ? signature : undefined
}
