import { concat, equalSecret, uintBE } from '../base/bytes.ts'
import { hmacAfter, hmacSha256 } from '../crypto/hash.ts'
import { deriveKey, obfuscate } from './keys.ts'

/** BOLT 4 §Initialization of attribution_data: the longest route it can speak of. */
export const MAX_HOPS = 20
const HMAC_LENGTH = 4
const HOLD_TIMES_LENGTH = 4 * MAX_HOPS
const HMACS = (MAX_HOPS * (MAX_HOPS + 1)) / 2

/** Bytes of `attribution_data`: 20 hold times and 210 truncated HMACs. */
export const ATTRIBUTION_LENGTH = HOLD_TIMES_LENGTH + HMAC_LENGTH * HMACS

const NO_MESSAGE = new Uint8Array(0)

/** Where hmac_x_y lies: node x as seen from the one that handles the data, y hops before the last. */
function offsetOf(x: number, y: number): number {
  const firstOfNode = x * MAX_HOPS - (x * (x - 1)) / 2
  return HOLD_TIMES_LENGTH + HMAC_LENGTH * (firstOfNode + MAX_HOPS - 1 - x - y)
}

/** Where the bytes that follow the return packet under an HMAC are put together. */
const covered = new Uint8Array(4 * MAX_HOPS + HMAC_LENGTH * (MAX_HOPS - 1))

/** What hmac_0_y covers behind the return packet: y + 1 hold times, and the HMACs of the y nodes downstream that match. Valid until the next call. */
function coveredAt(data: Uint8Array, y: number): Uint8Array {
  let to = 4 * (y + 1)
  covered.set(data.subarray(0, to))
  for (let x = 1; x <= y; x++) {
    const from = offsetOf(x, y - x)
    for (let i = 0; i < HMAC_LENGTH; i++) covered[to++] = data[from + i] as number
  }
  return covered.subarray(0, to)
}

/**
 * What a node puts in `update_fail_htlc` or `update_fulfill_htlc` towards the sender (BOLT 4 §Returning Errors,
 * §Hold times for successful payments).
 * @param holdTime units of 100 ms, how long we held the HTLC
 * @param returnPacket the packet *before* our own obfuscation: raw when we err, as received when we forward;
 *   left out for a fulfilment
 * @param received what came from downstream; left out by the node that errs or fulfils, or when nothing came
 */
export function attribute(input: {
  readonly sharedSecret: Uint8Array
  readonly holdTime: number
  readonly returnPacket?: Uint8Array | undefined
  readonly received?: Uint8Array | undefined
}): Uint8Array {
  const data = new Uint8Array(ATTRIBUTION_LENGTH)
  // Anything of another length cannot be forwarded: the sender then sees our part, and blames what lies behind us.
  if (input.received?.length === ATTRIBUTION_LENGTH) {
    data.set(input.received.subarray(0, HOLD_TIMES_LENGTH - 4), 4)
    // hmac_x_y becomes hmac_x+1_y; the one for the farthest position has no place any more.
    for (let x = 0; x < MAX_HOPS - 1; x++) {
      const from = offsetOf(x, MAX_HOPS - 2 - x)
      const to = offsetOf(x + 1, MAX_HOPS - 2 - x)
      data.set(input.received.subarray(from, from + HMAC_LENGTH * (MAX_HOPS - 1 - x)), to)
    }
  }
  data.set(uintBE(Math.min(Math.max(Math.trunc(input.holdTime), 0), 0xffff_ffff), 4))
  const hmac = hmacAfter(deriveKey('um', input.sharedSecret), input.returnPacket)
  for (let y = 0; y < MAX_HOPS; y++)
    data.set(hmac(coveredAt(data, y)).subarray(0, HMAC_LENGTH), offsetOf(0, y))
  return obfuscate('ammagext', input.sharedSecret, data)
}

/** One hop of the sender's reading: its hold time in units of 100 ms, and the data as the next hop made it. */
export interface PeeledAttribution {
  readonly holdTime: number
  readonly rest: Uint8Array
}

/**
 * The sender's reading of one hop: undefined when the hop's HMAC does not match, which puts the blame on it or its
 * successor. `hopsBehind`: hops of the route after this one.
 */
export function peelAttribution(input: {
  readonly sharedSecret: Uint8Array
  readonly hopsBehind: number
  readonly returnPacket?: Uint8Array | undefined
  readonly data: Uint8Array
}): PeeledAttribution | undefined {
  const { sharedSecret, hopsBehind } = input
  if (input.data.length !== ATTRIBUTION_LENGTH || hopsBehind < 0 || hopsBehind >= MAX_HOPS) return undefined
  const data = obfuscate('ammagext', sharedSecret, input.data)
  const at = offsetOf(0, hopsBehind)
  const hmac = hmacSha256(
    deriveKey('um', sharedSecret),
    concat(input.returnPacket ?? NO_MESSAGE, coveredAt(data, hopsBehind)),
  ).subarray(0, HMAC_LENGTH)
  if (!equalSecret(hmac, data.subarray(at, at + HMAC_LENGTH))) return undefined
  const rest = new Uint8Array(ATTRIBUTION_LENGTH)
  rest.set(data.subarray(4, HOLD_TIMES_LENGTH))
  for (let x = 0; x < MAX_HOPS - 1; x++) {
    const from = offsetOf(x + 1, MAX_HOPS - 2 - x)
    const to = offsetOf(x, MAX_HOPS - 2 - x)
    rest.set(data.subarray(from, from + HMAC_LENGTH * (MAX_HOPS - 1 - x)), to)
  }
  const [a, b, c, d] = data as unknown as [number, number, number, number]
  return { holdTime: a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d, rest }
}

/** The hold times that a fulfilment's attribution data proves, hop by hop from the first; it ends where proof ends. */
export function holdTimesOfSuccess(
  sharedSecrets: readonly Uint8Array[],
  attributionData: Uint8Array,
): readonly number[] {
  const times: number[] = []
  let data = attributionData
  for (const [i, sharedSecret] of sharedSecrets.entries()) {
    const peeled = peelAttribution({ sharedSecret, hopsBehind: sharedSecrets.length - 1 - i, data })
    if (peeled === undefined) break
    times.push(peeled.holdTime)
    data = peeled.rest
  }
  return times
}
