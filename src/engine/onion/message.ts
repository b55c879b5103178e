import { err, ok, type Result } from '../base/result.ts'
import { isPublicKey } from '../crypto/curve.ts'
import { Reader, Writer } from '../wire/codec.ts'
import { decoding } from '../wire/errors.ts'
import { readTlvs, type TlvRecord, type TlvSchema, tlv, tlvBytes, writeTlvs } from '../wire/tlv.ts'
import { type BlindedPath, readBlindedPath, writeBlindedPath } from './blinded-path.ts'
import { blindedSecret, createBlindedPath, openRecipientData, type PathHop } from './blinding.ts'
import { constructOnion, HMAC_LENGTH, PAYLOADS_LENGTH, payloadSpace } from './construct.ts'
import { unwrapLayer } from './peel.ts'
import { decodeRecipientData, encodeRecipientData } from './recipient-data.ts'

/** BOLT 4 §Onion Messages: made, sent on and read; nothing here keeps state. */

/** What a message carries: one of these, a TLV stream of BOLT 12. */
export interface MessageContent {
  readonly kind: 'invoiceRequest' | 'invoice' | 'invoiceError'
  readonly bytes: Uint8Array
}

/** `onion_message`, on its way to one peer. */
export interface OutgoingMessage {
  /** 33 bytes */
  readonly pathKey: Uint8Array
  readonly packet: Uint8Array
}

interface Fields {
  readonly replyPath?: BlindedPath
  readonly encryptedRecipientData?: Uint8Array
  readonly invoiceRequest?: Uint8Array
  readonly invoice?: Uint8Array
  readonly invoiceError?: Uint8Array
}

/** `onionmsg_tlv` */
const SCHEMA: TlvSchema<Fields> = {
  replyPath: tlv(2, readBlindedPath, writeBlindedPath),
  encryptedRecipientData: tlvBytes(4),
  invoiceRequest: tlvBytes(64),
  invoice: tlvBytes(66),
  invoiceError: tlvBytes(68),
}
const CONTENTS = ['invoiceRequest', 'invoice', 'invoiceError'] as const

/** Bytes of payloads in the two lengths that writers should use; 66 more are the packet. */
const LENGTHS = [PAYLOADS_LENGTH, 32_768] as const
/** Longer packets are nobody's (BOLT 4: 1366 or 32834). */
export const MAX_MESSAGE_PACKET = 32_834
const MIN_MESSAGE_PACKET = 34 + 1 + 2 * HMAC_LENGTH
const NO_DATA = new Uint8Array(0)

function payload(fields: Fields, unknown: readonly TlvRecord[] = []): Uint8Array {
  const writer = new Writer()
  writeTlvs(writer, SCHEMA, fields, unknown)
  return writer.finish()
}

/**
 * A path of our own making to a node, or to the beginning of a path of somebody else's, through `via`: first our peer.
 * @param via node ids (33 bytes) before the destination's first node; may be empty
 * @param sessionKey 32 fresh random bytes, a valid secret key
 */
export function pathTo(
  destination: { readonly nodeId: Uint8Array } | { readonly path: BlindedPath; readonly first: Uint8Array },
  via: readonly Uint8Array[],
  sessionKey: Uint8Array,
): BlindedPath {
  const first = 'nodeId' in destination ? destination.nodeId : destination.first
  const hops: PathHop[] = via.map((nodeId, i) => ({
    nodeId,
    data: encodeRecipientData({
      nextNodeId: via[i + 1] ?? first,
      // BOLT 4 §Route Blinding: so a path is joined to one that was given to us.
      ...(i === via.length - 1 && 'path' in destination
        ? { nextPathKeyOverride: destination.path.firstPathKey }
        : {}),
    }),
  }))
  if ('nodeId' in destination)
    return createBlindedPath(sessionKey, [
      ...hops,
      { nodeId: destination.nodeId, data: encodeRecipientData({}) },
    ]).path
  if (hops.length === 0) return { ...destination.path, introduction: { nodeId: destination.first } }
  const own = createBlindedPath(sessionKey, hops).path
  return { ...own, hops: [...own.hops, ...destination.path.hops] }
}

/**
 * A path on which we can be reached: through `via`, whose first node is where it begins, to us.
 * @param pathId what we recognise it by
 */
export const pathToUs = (
  via: readonly Uint8Array[],
  ours: Uint8Array,
  pathId: Uint8Array,
  sessionKey: Uint8Array,
): BlindedPath =>
  createBlindedPath(sessionKey, [
    ...via.map((nodeId, i) => ({
      nodeId,
      data: encodeRecipientData({ nextNodeId: via[i + 1] ?? ours }),
    })),
    { nodeId: ours, data: encodeRecipientData({ pathId }) },
  ]).path

/**
 * A path that begins with us, as it is from the next node on (BOLT 4: a sender may be the introduction node).
 * Undefined where it ends with us, or is not for us.
 */
export function afterUs(
  path: BlindedPath,
  nodeSecret: Uint8Array,
):
  | {
      readonly next: { readonly nodeId: Uint8Array } | { readonly shortChannelId: bigint }
      readonly path: BlindedPath
    }
  | undefined {
  const [first, ...hops] = path.hops
  if (first === undefined || hops.length === 0) return undefined
  const opened = openRecipientData(nodeSecret, path.firstPathKey, first.encryptedRecipientData)
  const data = opened.ok ? decodeRecipientData(opened.value.data) : undefined
  if (!opened.ok || data?.ok !== true) return undefined
  const { nextNodeId, shortChannelId, nextPathKeyOverride } = data.value
  const next =
    nextNodeId !== undefined
      ? { nodeId: nextNodeId }
      : shortChannelId !== undefined
        ? { shortChannelId }
        : undefined
  if (next === undefined) return undefined
  const firstPathKey = nextPathKeyOverride ?? opened.value.nextPathKey
  return { next, path: { ...path, firstPathKey, hops } }
}

/**
 * A message along a path whose first node it is to be sent to. The shorter of both lengths that fits.
 * @param sessionKey 32 fresh random bytes, a valid secret key, never used for another packet
 */
export function makeOnionMessage(
  path: BlindedPath,
  content: MessageContent | undefined,
  sessionKey: Uint8Array,
  replyPath?: BlindedPath,
  unknown: readonly TlvRecord[] = [],
): Result<OutgoingMessage, 'too_large'> {
  const hops = path.hops.map(({ blindedNodeId, encryptedRecipientData }, i) => ({
    pubkey: blindedNodeId,
    payload:
      i < path.hops.length - 1
        ? payload({ encryptedRecipientData })
        : payload(
            {
              encryptedRecipientData,
              ...(replyPath === undefined ? {} : { replyPath }),
              ...(content === undefined ? {} : { [content.kind]: content.bytes }),
            },
            unknown,
          ),
  }))
  const space = hops.reduce((sum, hop) => sum + payloadSpace(hop.payload.length), 0)
  const payloadsLength = LENGTHS.find((length) => space <= length)
  if (payloadsLength === undefined) return err('too_large')
  const onion = constructOnion({ sessionKey, associatedData: NO_DATA, hops, payloadsLength })
  if (!onion.ok) return err('too_large')
  return ok({ pathKey: path.firstPathKey, packet: onion.value.packet })
}

/** One layer of a message, taken off. */
export type PeeledMessage =
  | {
      readonly kind: 'forward'
      readonly next: { readonly nodeId: Uint8Array } | { readonly shortChannelId: bigint }
      readonly message: OutgoingMessage
    }
  | {
      readonly kind: 'receive'
      /** What we put into the path that it came by. */
      readonly pathId?: Uint8Array
      readonly content?: MessageContent
      readonly replyPath?: BlindedPath
      /** Unknown odd records. */
      readonly unknown: readonly TlvRecord[]
      /** The path key that it came with: which of our blinded ids it was for (`blindedSecret`). */
      readonly pathKey: Uint8Array
    }

/** Why a message is ignored; for tests and counts. */
export type MessageError = 'length' | 'version' | 'key' | 'undecryptable' | 'payload' | 'data' | 'features'

/** BOLT 4 §The `onion_message` Message, the reader: all errors mean that it is ignored. */
export function peelOnionMessage(
  { pathKey, packet }: OutgoingMessage,
  nodeSecret: Uint8Array,
): Result<PeeledMessage, MessageError> {
  if (packet.length < MIN_MESSAGE_PACKET || packet.length > MAX_MESSAGE_PACKET) return err('length')
  if (packet[0] !== 0) return err('version')
  const ephemeralKey = packet.slice(1, 34)
  if (!isPublicKey(ephemeralKey) || !isPublicKey(pathKey)) return err('key')
  const layer = unwrapLayer(packet, ephemeralKey, blindedSecret(nodeSecret, pathKey), NO_DATA, 0)
  if (!layer.ok) return err(layer.error.reason === 'hmac' ? 'undecryptable' : 'payload')
  const unknown: TlvRecord[] = []
  const fields = decoding(() =>
    readTlvs(new Reader(layer.value.payload), SCHEMA, (record) => unknown.push(record)),
  )
  if (!fields.ok) return err('payload')
  const { encryptedRecipientData, replyPath } = fields.value
  if (encryptedRecipientData === undefined) return err('payload')
  const opened = openRecipientData(nodeSecret, pathKey, encryptedRecipientData)
  if (!opened.ok) return err('data')
  const read = decodeRecipientData(opened.value.data)
  if (!read.ok) return err('data')
  const data = read.value
  // Any feature that is allowed is one that we do not know.
  if (data.allowedFeatures?.some((byte) => byte !== 0)) return err('features')
  const contents = CONTENTS.filter((kind) => fields.value[kind] !== undefined)
  const { next } = layer.value
  if (next !== undefined) {
    if (replyPath !== undefined || contents.length > 0 || unknown.length > 0) return err('payload')
    if (data.pathId !== undefined) return err('data')
    const to =
      data.nextNodeId !== undefined
        ? { nodeId: data.nextNodeId }
        : data.shortChannelId !== undefined
          ? { shortChannelId: data.shortChannelId }
          : undefined
    if (to === undefined) return err('data')
    const nextPathKey = data.nextPathKeyOverride ?? opened.value.nextPathKey
    return ok({ kind: 'forward', next: to, message: { pathKey: nextPathKey, packet: next } })
  }
  if (contents.length > 1) return err('payload')
  const [kind] = contents
  return ok({
    kind: 'receive',
    unknown,
    pathKey,
    ...(data.pathId === undefined ? {} : { pathId: data.pathId }),
    ...(replyPath === undefined ? {} : { replyPath }),
    ...(kind === undefined ? {} : { content: { kind, bytes: fields.value[kind] as Uint8Array } }),
  })
}
