import { equalBytes, fromHex } from '../base/bytes.ts'
import type { Channel } from '../channel/types.ts'
import {
  aggregateNonces,
  combinePartials,
  isPublicNonce,
  makeNonce,
  type SecretNonce,
  signingSession,
  signPartially,
  type SigningSession,
  verifyPartially,
} from '../crypto/musig2.ts'
import { negotiated } from '../wire/features.ts'
import type { AnnouncementNonces, AnnouncementPartialSignatures } from '../wire/messages.ts'
import { keysOfWords, provenDigest, type ProvenWords } from '../wire/proven.ts'
import { channelContext } from './channels.ts'
import { ourFeatures, sendTo } from './send.ts'
import { emit, type Together, type Turn, type TwoKeys } from './state.ts'

/**
 * One signature under the four keys of an announcement, made by the two nodes that hold two keys each (BIP 327):
 *
 *     both  ── announcement_nonces ──▶  once a connection, with fresh nonces
 *     both  ── announcement_partial_signatures ──▶  when both ends' nonces are here; ours are gone with it
 *     either end then has the whole: 64 bytes, kept beside the other end's half
 *
 * A nonce signs once. It lives in memory alone and is dropped in the turn that signs; a turn whose writes fail sends nothing and ends the
 * node. Whatever interrupts, connection or crash, the next connection begins with new ones; nothing is ever sent again.
 */

/** Whether the peer is a node of this project. */
export const canSignTogether = (turn: Turn, nodeId: string): boolean =>
  negotiated(ourFeatures(turn), turn.state.peers[nodeId]?.features ?? new Uint8Array(0), 'lcp')

/** Where our two keys stand among the four, and the peer's. */
const places = (
  turn: Turn,
  words: ProvenWords,
): { readonly ours: TwoKeys<number>; readonly theirs: TwoKeys<number> } => {
  const first = equalBytes(words.nodeId1, fromHex(turn.setup.nodeId))
  const [one, two] = [
    { node: 0, bitcoin: 2 },
    { node: 1, bitcoin: 3 },
  ]
  return first ? { ours: one, theirs: two } : { ours: two, theirs: one }
}

/** What is under way on this connection; a fresh start on another. */
function current(turn: Turn, channel: Channel): Together | undefined {
  const connection = turn.state.peers[channel.peer]?.connection
  if (connection === undefined || channel.link !== 'online') return undefined
  const known = turn.state.together[channel.id]
  return known?.connection === connection ? known : { connection }
}

const put = (turn: Turn, channel: Channel, together: Together): void => {
  turn.state = { ...turn.state, together: { ...turn.state.together, [channel.id]: together } }
}

/**
 * The channel may be announced by these words: our nonces go out, once a connection and place, where the signature is wanting here or at
 * the peer; and sign as soon as the peer's are here.
 */
export function considerTogether(turn: Turn, channel: Channel, words: ProvenWords): void {
  if (!canSignTogether(turn, channel.peer)) return
  const before = current(turn, channel)
  if (before === undefined) return
  const { shortChannelId } = words
  const begun = before.ours?.shortChannelId ?? before.signed?.shortChannelId
  const asked = before.theirs?.shortChannelId === shortChannelId
  const whole = turn.state.announced[channel.id]?.aggregate !== undefined
  if (begun !== shortChannelId && (!whole || asked)) {
    const { nodeSecret, nodeId } = turn.setup
    const message = provenDigest(words)
    const bitcoin = channelContext(turn, channel).signer.announcementNonce(words, turn.entropy.bytes(32))
    if (!bitcoin.ok) return
    const node = makeNonce(turn.entropy.bytes(32), fromHex(nodeId), { secretKey: nodeSecret, message })
    const { signed: _, ...rest } = before
    put(turn, channel, { ...rest, ours: { shortChannelId, nonces: { node, bitcoin: bitcoin.value } } })
    sendTo(turn, channel.peer, {
      type: 'announcement_nonces',
      channelId: fromHex(channel.id),
      shortChannelId,
      nodeNonce: node.public,
      bitcoinNonce: bitcoin.value.public,
    })
  }
  sign(turn, channel, words)
}

/** The peer's nonces. The first of a connection for a place count: with others for the same nobody signs again. */
export function receiveNonces(turn: Turn, channel: Channel, message: AnnouncementNonces): void {
  const before = canSignTogether(turn, channel.peer) ? current(turn, channel) : undefined
  const { shortChannelId, nodeNonce, bitcoinNonce } = message
  if (before === undefined || before.theirs?.shortChannelId === shortChannelId) return
  if (!isPublicNonce(nodeNonce) || !isPublicNonce(bitcoinNonce)) return
  put(turn, channel, {
    ...before,
    theirs: { shortChannelId, nonces: { node: nodeNonce, bitcoin: bitcoinNonce } },
  })
}

/** Both ends' nonces are here: our two parts, and our nonces' end. */
function sign(turn: Turn, channel: Channel, words: ProvenWords): void {
  const together = current(turn, channel)
  const { shortChannelId } = words
  if (together?.ours?.shortChannelId !== shortChannelId) return
  if (together.theirs?.shortChannelId !== shortChannelId) return
  const { ours, theirs, ...rest } = together
  const at = places(turn, words)
  const publicNonces: Uint8Array[] = []
  publicNonces[at.ours.node] = ours.nonces.node.public
  publicNonces[at.ours.bitcoin] = ours.nonces.bitcoin.public
  publicNonces[at.theirs.node] = theirs.nonces.node
  publicNonces[at.theirs.bitcoin] = theirs.nonces.bitcoin
  const parts = partsOf(turn, channel, words, ours.nonces, publicNonces)
  // Used or refused, they are gone.
  if (parts === undefined) return put(turn, channel, { ...rest, theirs })
  put(turn, channel, { ...rest, theirs, signed: { shortChannelId, publicNonces, parts } })
  sendTo(turn, channel.peer, {
    type: 'announcement_partial_signatures',
    channelId: fromHex(channel.id),
    shortChannelId,
    nodePartial: parts.node,
    bitcoinPartial: parts.bitcoin,
  })
}

function partsOf(
  turn: Turn,
  channel: Channel,
  words: ProvenWords,
  nonces: TwoKeys<SecretNonce>,
  publicNonces: readonly Uint8Array[],
): TwoKeys<Uint8Array> | undefined {
  const session = sessionOf(words, publicNonces)
  if (session === undefined) return undefined
  const node = signPartially(session, nonces.node, turn.setup.nodeSecret)
  const bitcoin = channelContext(turn, channel).signer.signTogether(words, nonces.bitcoin, publicNonces)
  return node === undefined || !bitcoin.ok ? undefined : { node, bitcoin: bitcoin.value }
}

function sessionOf(words: ProvenWords, publicNonces: readonly Uint8Array[]): SigningSession | undefined {
  const sum = aggregateNonces(publicNonces)
  return sum === undefined ? undefined : signingSession(keysOfWords(words), sum, provenDigest(words))
}

/** The peer's parts: the signature is whole, and is kept. True when it is. */
export function receiveParts(
  turn: Turn,
  channel: Channel,
  words: ProvenWords,
  message: AnnouncementPartialSignatures,
): boolean {
  const together = current(turn, channel)
  const signed = together?.signed
  const half = turn.state.announced[channel.id]
  const { shortChannelId } = words
  if (signed?.shortChannelId !== shortChannelId || message.shortChannelId !== shortChannelId) return false
  if (half?.shortChannelId !== shortChannelId || half.aggregate !== undefined) return false
  const session = sessionOf(words, signed.publicNonces)
  if (session === undefined) return false
  const { ours, theirs } = places(turn, words)
  const keys = keysOfWords(words)
  const holds = (part: Uint8Array, at: number): boolean =>
    verifyPartially(session, part, signed.publicNonces[at] as Uint8Array, keys[at] as Uint8Array)
  if (!holds(message.nodePartial, theirs.node) || !holds(message.bitcoinPartial, theirs.bitcoin)) {
    emit(turn, {
      type: 'notice',
      code: 'peerWarning',
      message: 'The peer’s part of a signature that was to be made together is not its own.',
      channelId: channel.id,
    })
    return false
  }
  const parts: Uint8Array[] = []
  parts[ours.node] = signed.parts.node
  parts[ours.bitcoin] = signed.parts.bitcoin
  parts[theirs.node] = message.nodePartial
  parts[theirs.bitcoin] = message.bitcoinPartial
  const aggregate = combinePartials(session, parts, provenDigest(words))
  if (aggregate === undefined) return false
  turn.state = {
    ...turn.state,
    announced: { ...turn.state.announced, [channel.id]: { ...half, aggregate } },
  }
  return true
}
