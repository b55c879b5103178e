import { fromHex, toHex } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { publicKey } from '../crypto/curve.ts'
import { writeInvoiceError } from '../offer/fields.ts'
import { makeInvoice, type PayableInvoice } from '../offer/invoice.ts'
import {
  amountAsked,
  decodeInvoiceRequest,
  type InvoiceRequest,
  isRequestFor,
} from '../offer/invoice-request.ts'
import { decodeOffer } from '../offer/offer.ts'
import { bolt12Text } from '../offer/text.ts'
import type { BlindedPath } from '../onion/blinded-path.ts'
import { blindedSecret } from '../onion/blinding.ts'
import { type MessageContent, type PeeledMessage, pathToUs } from '../onion/message.ts'
import { createBlindedInvoice } from '../payment/blinded-invoice.ts'
import type { InvoiceRecord } from '../payment/invoice-record.ts'
import {
  createOffer,
  isOurs,
  MAX_OFFERS,
  offerByPathId,
  type OfferRecord,
  OFFERED_INVOICE_SECONDS,
  offerOf,
} from '../payment/offer-record.ts'
import {
  destinationsOf,
  failRequest,
  MAX_OPEN_REQUESTS,
  noAnswer,
  type OfferRequest,
  onAnswer,
  requestByPathId,
  requestDueAt,
  startRequest,
  surplusRequests,
  withAsked,
} from '../payment/offer-request.ts'
import { sessionKey } from '../payment/onion-for.ts'
import { safeText } from '../wire/text.ts'
import { encodeFeatures } from '../wire/features.ts'
import { encodeTlvRecords } from '../wire/tlv.ts'
import { payBlinded, waysIn } from './blinded.ts'
import type { ApiFailure, Command } from './commands.ts'
import { carriesMessages, letDialledGo, type MessageTarget, sendMessage } from './message-send.ts'
import { trustedHeight } from './payments.ts'
import { emit, omit, type Turn } from './state.ts'

/** Offers in the node's turns (BOLT 12): invoices asked for and paid, and offers of our own answered. */

/** `MPP`, optional (BOLT 12 §Invoice Features). */
const PARTS_WELCOME = encodeFeatures([17])
/** Paths that an offer of ours tells of, at most: each makes its picture denser. */
const MAX_PATHS = 2
/** Invoices of offers that nobody has paid yet. They are not stored: whoever asks for a thousand costs memory alone, and little. */
const MAX_OFFERED = 1000

// ── asking ──

const setRequest = (turn: Turn, request: OfferRequest): void => {
  turn.state = { ...turn.state, requests: { ...turn.state.requests, [request.id]: request } }
}

/** Begins to pay an offer; the answer is the request's id, or why not. What follows comes as events with that id. */
export function payOffer(
  turn: Turn,
  command: Extract<Command, { type: 'payOffer' }>,
): Result<string, ApiFailure> {
  const open = Object.values(turn.state.requests).filter((r) => r.state === 'asking')
  if (open.length >= MAX_OPEN_REQUESTS)
    return err({ code: 'tooManyHtlcs', message: 'Too many offers wait for an answer.' })
  const decoded = decodeOffer(command.offer)
  if (decoded.ok) {
    const issuer = decoded.value.fields.offerIssuerId
    const own = issuer !== undefined && toHex(issuer) === turn.setup.nodeId
    if (own || isOurs(turn.state.offers, decoded.value))
      return err({ code: 'payingSelf', message: 'The offer is our own.' })
  }
  const { amountMsat, quantity, payerNote, maxFeeMsat, timeoutSeconds } = command
  const started = startRequest(
    command.offer,
    {
      ...(amountMsat === undefined ? {} : { amountMsat }),
      ...(quantity === undefined ? {} : { quantity }),
      ...(payerNote === undefined ? {} : { payerNote }),
    },
    {
      now: turn.now,
      network: turn.setup.network,
      entropy: turn.entropy,
      invoiceKey: turn.setup.nodeKeys.invoiceKey(),
      timeoutSeconds,
      ...(maxFeeMsat === undefined ? {} : { maxFeeMsat }),
    },
  )
  if (!started.ok) return err(started.error)
  setRequest(turn, started.value)
  ask(turn, started.value.id)
  return ok(started.value.id)
}

/** Sends a request by the next way that there is. */
function ask(turn: Turn, id: string): void {
  const request = turn.state.requests[id]
  if (request === undefined || request.state !== 'asking') return
  let dialling = false
  for (const destination of destinationsOf(request)) {
    const pathId = turn.entropy.bytes(32)
    const target: MessageTarget =
      'path' in destination ? { path: destination.path } : { nodeId: destination.nodeId }
    const sent = sendMessage(turn, target, { kind: 'invoiceRequest', bytes: request.request }, pathId)
    if (sent === 'dialling') dialling = true
    if (sent !== 'sent') continue
    const path = 'index' in destination ? { path: destination.index } : {}
    const asked = withAsked(request, { pathId, ...path })
    setRequest(turn, asked)
    emit(turn, { type: 'offerAsked', requestId: id, times: asked.asked.length })
    return
  }
  // Nobody to hand it to, and nobody on the way; a peer that is still to come may be one.
  if (!dialling && request.asked.length === 0 && everybodyIsHere(turn))
    giveUp(turn, request, noAnswer(request))
}

/** Whether all peers that we have channels with are connected, and there are any. */
function everybodyIsHere({ state }: Turn): boolean {
  const peers = Object.values(state.channels).flatMap((c) =>
    state.closes[c.id] === undefined ? [c.peer] : [],
  )
  return peers.length > 0 && peers.every((id) => state.peers[id]?.phase === 'ready')
}

function giveUp(turn: Turn, request: OfferRequest, error: ApiFailure): void {
  const failed = failRequest(request, error as NonNullable<OfferRequest['error']>, turn.now)
  setRequest(turn, failed)
  emit(turn, { type: 'offerFailed', requestId: request.id, error })
  for (const id of surplusRequests(turn.state.requests))
    turn.state = { ...turn.state, requests: omit(turn.state.requests, id) }
  settle(turn)
}

/** The user does not wait for the invoice any more: one that comes later is not paid. */
export function cancelRequest(turn: Turn, id: string): Result<void, ApiFailure> {
  const request = turn.state.requests[id]
  if (request?.state !== 'asking')
    return err({ code: 'paymentUnknown', message: 'No invoice is waited for under this id.' })
  giveUp(turn, request, { code: 'paymentCancelled', message: 'Its user has cancelled the payment.' })
  return ok(undefined)
}

/** Connections that were made for messages end with the last request. */
function settle(turn: Turn): void {
  if (!Object.values(turn.state.requests).some((r) => r.state === 'asking')) letDialledGo(turn)
}

/** Requests are sent again, or have had their time. */
export function tickOffers(turn: Turn): void {
  for (const request of Object.values(turn.state.requests)) {
    const due = requestDueAt(request)
    if (due === undefined || due > turn.now) continue
    if (turn.now >= request.deadline) giveUp(turn, request, noAnswer(request))
    else ask(turn, request.id)
  }
}

/** A peer is there: requests that have not found a way may have one now. */
export function offersPeerReady(turn: Turn): void {
  for (const request of Object.values(turn.state.requests))
    if (request.state === 'asking' && request.asked.length === 0) ask(turn, request.id)
}

function answered(
  turn: Turn,
  request: OfferRequest,
  pathId: Uint8Array,
  content: MessageContent | undefined,
): void {
  const answer = onAnswer(request, pathId, content, { now: turn.now, network: turn.setup.network })
  if (answer.kind === 'ignored') return
  if (answer.kind === 'refused') return giveUp(turn, request, answer.error)
  // Just back, the height is not known yet: the request is sent again in a moment, and so is an invoice.
  if (trustedHeight(turn) === 0) return
  pay(turn, request, answer.invoice)
}

/** The invoice is here and good: in one write the request goes and the payment begins, so that no other answer is paid as well. */
function pay(turn: Turn, request: OfferRequest, invoice: PayableInvoice): void {
  if (invoice.parts === 'required')
    return giveUp(turn, request, {
      code: 'invoiceUnsupported',
      message: 'The recipient wants it in parts by several of its paths at once.',
      data: { reason: 'parts' },
    })
  const { timeoutSeconds, maxFeeMsat } = request
  emit(turn, { type: 'offerInvoice', requestId: request.id, paymentHash: toHex(invoice.paymentHash) })
  const paid = payBlinded(
    turn,
    {
      paths: invoice.paths,
      paymentHash: invoice.paymentHash,
      amountMsat: invoice.amountMsat,
      expiresAt: invoice.expiresAt * 1000,
      parts: invoice.parts === 'optional',
      nodeId: toHex(invoice.nodeId),
      description: request.description,
      text: bolt12Text('lni', encodeTlvRecords(invoice.stream.records)),
    },
    { timeoutSeconds, ...(maxFeeMsat === undefined ? {} : { maxFeeMsat }) },
  )
  if (!paid.ok) return giveUp(turn, request, paid.error)
  turn.state = { ...turn.state, requests: omit(turn.state.requests, request.id) }
  settle(turn)
}

// ── answering ──

/** Paths to us for an offer: over peers that pass messages on, which everybody can find; else from us. */
function pathsToUs(turn: Turn, pathId: Uint8Array): readonly BlindedPath[] {
  const us = fromHex(turn.setup.nodeId)
  const isPublic = Object.keys(turn.state.announced).length > 0
  const peers = [...new Set(Object.values(turn.state.channels).map((c) => c.peer))].filter((id) =>
    carriesMessages(turn, id),
  )
  const key = (): Uint8Array => sessionKey(turn.entropy)
  if (isPublic || peers.length === 0) return [pathToUs([], us, pathId, key())]
  return peers.slice(0, MAX_PATHS).map((peer) => pathToUs([fromHex(peer)], us, pathId, key()))
}

/** A new offer of ours; the answer is its id, or why not. */
export function addOffer(
  turn: Turn,
  { offer }: Extract<Command, { type: 'addOffer' }>,
): Result<string, ApiFailure> {
  const answeredNow = Object.values(turn.state.offers).filter((o) => o.disabled !== true)
  if (answeredNow.length >= MAX_OFFERS)
    return err({ code: 'invalidInput', message: `There are ${MAX_OFFERS} offers already.` })
  const created = createOffer(offer, {
    now: turn.now,
    network: turn.setup.network,
    entropy: turn.entropy,
    paths: (pathId) => pathsToUs(turn, pathId),
  })
  if (!created.ok) return err(created.error)
  turn.state = { ...turn.state, offers: { ...turn.state.offers, [created.value.id]: created.value } }
  return ok(created.value.id)
}

/** An offer of ours is not answered any more. */
export function disableOffer(turn: Turn, id: string): Result<void, ApiFailure> {
  const offer = turn.state.offers[id]
  if (offer === undefined) return err({ code: 'invoiceUnknown', message: 'There is no such offer.' })
  turn.state = { ...turn.state, offers: { ...turn.state.offers, [id]: { ...offer, disabled: true } } }
  return ok(undefined)
}

/** Somebody asks for an invoice by a path of this offer. */
function answerRequest(
  turn: Turn,
  offer: OfferRecord,
  message: Extract<PeeledMessage, { kind: 'receive' }>,
): void {
  const { content, replyPath, pathKey } = message
  if (content?.kind !== 'invoiceRequest' || replyPath === undefined || offer.disabled === true) return
  const request = decodeInvoiceRequest(content.bytes)
  const refuse = (error: string, field?: bigint): void => {
    const bytes = writeInvoiceError({ error, ...(field === undefined ? {} : { erroneousField: field }) })
    sendMessage(turn, { path: replyPath }, { kind: 'invoiceError', bytes })
  }
  if (!request.ok) return refuse(`invoice request: ${request.error.code}`, request.error.field)
  const ours = offerOf(offer)
  // BOLT 12: MUST reject what is not exactly our offer.
  if (!isRequestFor(request.value, ours)) return refuse('not an offer of ours')
  const { chainHash } = NETWORKS[turn.setup.network]
  const asked = amountAsked(request.value, ours, chainHash, turn.now / 1000)
  if (!asked.ok) return refuse(asked.error.reason, asked.error.field)
  const made = createBlindedInvoice(
    {
      amountMsat: asked.value,
      description: offer.description,
      expirySeconds: OFFERED_INVOICE_SECONDS,
    },
    {
      now: turn.now,
      height: trustedHeight(turn),
      nodeSecret: turn.setup.nodeSecret,
      entropy: turn.entropy,
      ways: waysIn(turn.state, asked.value),
    },
  )
  if (!made.ok) return refuse('no invoice can be made now')
  const { record, paths } = made.value
  const secret = blindedSecret(turn.setup.nodeSecret, pathKey)
  const createdAt = Math.floor(turn.now / 1000)
  const invoice = makeInvoice(
    request.value,
    {
      amountMsat: asked.value,
      paymentHash: fromHex(record.paymentHash),
      paths,
      createdAt,
      expirySeconds: OFFERED_INVOICE_SECONDS,
      nodeId: publicKey(secret),
      features: PARTS_WELCOME,
    },
    secret,
    turn.entropy.bytes(32),
  )
  const bytes = encodeTlvRecords(invoice.records)
  if (sendMessage(turn, { path: replyPath }, { kind: 'invoice', bytes }) !== 'sent') return
  const payerNote = noteOf(request.value)
  keepOffered(turn, {
    ...record,
    bolt11: bolt12Text('lni', bytes),
    offer: offer.id,
    ...(payerNote === '' ? {} : { payerNote }),
  })
}

const noteOf = (request: InvoiceRequest): string => safeText(request.fields.invreqPayerNote ?? '', 200)

/** Kept until it is paid, when it becomes a record like any other; the oldest goes when there are too many. */
function keepOffered(turn: Turn, record: InvoiceRecord): void {
  const offered = new Map(turn.state.offered)
  for (const [hash, old] of offered) {
    if (offered.size < MAX_OFFERED && old.expiresAt > turn.now) break
    offered.delete(hash)
  }
  offered.set(record.paymentHash, record)
  turn.state = { ...turn.state, offered }
}

/** An onion message is for us. What belongs to no request and no offer is ignored (BOLT 4). */
export function messageForUs(turn: Turn, message: Extract<PeeledMessage, { kind: 'receive' }>): void {
  const { pathId, content } = message
  if (pathId === undefined) return
  const request = requestByPathId(turn.state.requests, pathId)
  if (request !== undefined) return answered(turn, request, pathId, content)
  const offer = offerByPathId(turn.state.offers, pathId)
  if (offer !== undefined) answerRequest(turn, offer, message)
}
