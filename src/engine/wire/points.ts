import { isPublicKey } from '../crypto/curve.ts'
import type { KnownMessage, Message } from './messages.ts'

/** The fields of messages that hold points, beside those inside LCP TLVs. */
const POINT_FIELDS: ReadonlySet<string> = new Set([
  'fundingPubkey',
  'revocationBasepoint',
  'paymentBasepoint',
  'delayedPaymentBasepoint',
  'htlcBasepoint',
  'firstPerCommitmentPoint',
  'secondPerCommitmentPoint',
  'nextPerCommitmentPoint',
  'myCurrentPerCommitmentPoint',
  'pathKey',
  'nodeId',
  'nodeId1',
  'nodeId2',
  'bitcoinKey1',
  'bitcoinKey2',
])

/**
 * Names of the fields of a message that should hold a point and are not on the curve; empty when all are. `decodeMessage`
 * leaves this out, because each point costs a square root (about 0.1 ms) and a channel machine often holds the point already.
 */
export function invalidPoints(message: Message): readonly string[] {
  if (message.type === 'unknown') return []
  const bad: string[] = []
  for (const [name, value] of Object.entries(message as KnownMessage))
    if (POINT_FIELDS.has(name) && !(value instanceof Uint8Array && isPublicKey(value))) bad.push(name)
  if ('lcpPoints' in message && message.lcpPoints?.points.some(({ point }) => !isPublicKey(point)))
    bad.push('lcpPoints')
  return bad
}
