import { equalBytes, toHex, utf8 } from '../../engine/base/bytes.ts'
import { msat, sat } from '../../engine/base/units.ts'
import { txidOf } from '../../engine/bitcoin/tx.ts'
import type { Tx } from '../../engine/bitcoin/types.ts'
import { logLength, viewAt } from '../../engine/channel/log.ts'
import {
  acceptOpening,
  type Opening,
  type OpeningContext,
  type OpeningEffect,
  openingMessage,
  provideFunding,
  startOpening,
} from '../../engine/channel/opening.ts'
import { type ChannelPolicy, DEFAULT_POLICY } from '../../engine/channel/policy.ts'
import { applyFault, step } from '../../engine/channel/step.ts'
import type {
  Channel,
  ChannelContext,
  ChannelEffect,
  ChannelEvent,
  ChannelInput,
  Fault,
} from '../../engine/channel/types.ts'
import { createChannelSigner } from '../../engine/commitment/signer.ts'
import { deriveChannelSecrets } from '../../engine/commitment/secrets.ts'
import { formatNamed } from '../../engine/commitment/formats.ts'
import { entropyFrom } from '../../engine/crypto/entropy.ts'
import { sha256 } from '../../engine/crypto/hash.ts'
import { decodeMessage } from '../../engine/wire/decode.ts'
import { encodeMessage } from '../../engine/wire/encode.ts'
import type { Message, MessageOf } from '../../engine/wire/messages.ts'

/** Two real channel machines with in-order links that can drop anywhere, and crashes around every write. */

export type Name = 'alice' | 'bob'
export const other = (name: Name): Name => (name === 'alice' ? 'bob' : 'alice')

export interface Party {
  readonly name: Name
  channel: Channel
  /** Encoded messages on their way to the other side. */
  outgoing: Uint8Array[]
  events: ChannelEvent[]
  broadcast: Tx[]
  faults: Fault[]
  context: ChannelContext
}

/** One side of a channel, as comparisons need it. */
export interface Side {
  readonly name: string
  readonly channel: Channel
}

let entropyCounter = 0

function contextFor(name: Name, formatName: string, options: PairOptions): OpeningContext {
  const seed = sha256(utf8(`pair ${name} ${formatName}`))
  entropyCounter += 1
  return {
    now: 1_700_000_000_000,
    height: 100,
    network: 'regtest',
    entropy: entropyFrom(sha256(utf8(`${name} ${entropyCounter}`))),
    signer: createChannelSigner(deriveChannelSecrets(seed, formatNamed(formatName)), formatNamed(formatName)),
    feeratePerKw: 1000,
    anysegwit: true,
    upfrontShutdown: true,
    policy: {
      ...DEFAULT_POLICY,
      minimumDepth: 1,
      window: formatNamed(formatName).maxWindow,
      ...options.policy?.[name],
    },
  }
}

const p2wpkhScript = (tag: number): Uint8Array =>
  Uint8Array.from([0, 20, ...Array.from({ length: 20 }, () => tag)])

export interface PairOptions {
  readonly fundingSat?: number
  readonly pushMsat?: number
  readonly policy?: Partial<Record<Name, Partial<ChannelPolicy>>>
  /** Changes the messages of the opening on their way, up to funding_signed. */
  readonly tamper?: (message: Message) => Message
  /** Leaves channel_ready undelivered. */
  readonly unready?: boolean
}

/**
 * Opens a channel between alice (opener) and bob with real signatures; both have sent and received channel_ready. Throws what the
 * machine says of a message that it refuses.
 */
export function openPair(formatName: string, options: PairOptions = {}): { alice: Party; bob: Party } {
  const a = contextFor('alice', formatName, options)
  const b = contextFor('bob', formatName, options)
  const must = <T>(r: { ok: true; value: T } | { ok: false; error: unknown }): T => {
    if (!r.ok) throw new Error(JSON.stringify(r.error, (_, v) => (typeof v === 'bigint' ? String(v) : v)))
    return r.value
  }
  const sent = (effects: readonly OpeningEffect[]): Message => {
    const send = effects.find((e) => e.type === 'send')
    if (send?.type !== 'send') throw new Error('nothing sent')
    return must(decodeMessage(encodeMessage(options.tamper?.(send.message) ?? send.message)))
  }
  const started = must(
    startOpening(
      {
        peer: '02',
        salt: new Uint8Array(32),
        formatName,
        fundingSat: sat(options.fundingSat ?? 1_000_000),
        pushMsat: msat(options.pushMsat ?? 400_000_000),
        shutdownScript: p2wpkhScript(1),
      },
      a,
    ),
  )
  const open = sent(started.effects)
  if (open.type !== 'open_channel') throw new Error('open_channel expected')
  const accepted = must(
    acceptOpening(
      open,
      { peer: '03', salt: new Uint8Array(32), formatName, shutdownScript: p2wpkhScript(2) },
      b,
    ),
  )
  const afterAccept = must(openingMessage(started.opening as Opening, sent(accepted.effects), a))
  const need = afterAccept.effects.find((e) => e.type === 'needFunding')
  if (need?.type !== 'needFunding') throw new Error('no funding wanted')
  const fundingTx: Tx = {
    version: 2,
    inputs: [
      {
        outpoint: { txid: '11'.repeat(32), vout: 0 },
        scriptSig: new Uint8Array(0),
        sequence: 0xfffffffd,
        witness: [],
      },
    ],
    outputs: [{ valueSat: need.amountSat, script: need.script }],
    locktime: 0,
  }
  const funded = must(provideFunding(afterAccept.opening as Opening, fundingTx, 0, a))
  const created = must(openingMessage(accepted.opening as Opening, sent(funded.effects), b))
  const signed = must(openingMessage(funded.opening as Opening, sent(created.effects), a))
  const party = (name: Name, channel: Channel | undefined, context: ChannelContext): Party => {
    if (channel === undefined) throw new Error('no channel')
    return { name, channel, outgoing: [], events: [], broadcast: [], faults: [], context }
  }
  const alice = party('alice', signed.channel, a)
  const bob = party('bob', created.channel, b)
  for (const p of [alice, bob]) {
    apply(p, { type: 'fundingConfirmed', height: 100, txIndex: 1, depth: 1 })
    apply(p, { type: 'flush' })
  }
  if (options.unready !== true) deliverAll(alice, bob)
  return { alice, bob }
}

/** Runs one input and keeps state, messages and events, as the loop does after its write. */
export function apply(party: Party, input: ChannelInput): void {
  const result = step(party.channel, input, party.context)
  const transition = result.ok ? result.value : applyFault(party.channel, result.error, party.context)
  if (!result.ok) party.faults.push(result.error)
  party.channel = transition.channel
  perform(party, transition.effects)
}

function perform(party: Party, effects: readonly ChannelEffect[]): void {
  for (const effect of effects) {
    if (effect.type === 'send') party.outgoing.push(encodeMessage(effect.message))
    else if (effect.type === 'broadcast') party.broadcast.push(effect.tx)
    else if (effect.type === 'event') party.events.push(effect.event)
  }
}

/** The messages of a party that are on their way. */
export const inFlight = (party: Party): Message[] =>
  party.outgoing.map((bytes) => {
    const message = decodeMessage(bytes)
    if (!message.ok) throw new Error(`undecodable: ${message.error.message}`)
    return message.value
  })

/** Changes all messages of a type that are on their way; throws when there is none. */
export function tamper<T extends Message['type']>(
  party: Party,
  type: T,
  change: (message: MessageOf<T>) => Message,
): void {
  let changed = 0
  party.outgoing = inFlight(party).map((message) => {
    if (message.type !== type) return encodeMessage(message)
    changed += 1
    return encodeMessage(change(message as MessageOf<T>))
  })
  if (changed === 0) throw new Error(`no ${type} on its way`)
}

/** Delivers the oldest message to `to`, if there is one. */
export function deliver(from: Party, to: Party): boolean {
  const bytes = from.outgoing.shift()
  if (bytes === undefined) return false
  const message = decodeMessage(bytes)
  if (!message.ok) throw new Error(`undecodable: ${message.error.message}`)
  apply(to, { type: 'message', message: message.value })
  return true
}

/** Delivers and flushes until nothing is in flight. */
export function deliverAll(a: Party, b: Party, limit = 10_000): void {
  for (let i = 0; i < limit; i++) {
    apply(a, { type: 'flush' })
    apply(b, { type: 'flush' })
    const moved = [deliver(a, b), deliver(b, a)]
    if (!moved.includes(true)) return
  }
  throw new Error('the two sides never fall silent')
}

/** Cuts the link: what is in flight is lost. */
export function cut(a: Party, b: Party): void {
  for (const p of [a, b]) {
    p.outgoing = []
    apply(p, { type: 'disconnected' })
  }
}

export function reconnect(a: Party, b: Party): void {
  for (const p of [a, b]) apply(p, { type: 'connected' })
}

/** Both tails hold both whole logs, nothing outstanding, and both agree on what is live (lcp.md F). */
export function settledProblem(a: Side, b: Side): string | undefined {
  for (const p of [a, b]) {
    const c = p.channel
    if (c.failure !== undefined) return `${p.name} failed: ${c.failure.code} ${c.failure.reason}`
    if (c.remotePending.length > 0) return `${p.name} has unrevoked signatures outstanding`
    const whole = { opener: logLength(c.logs.opener), accepter: logLength(c.logs.accepter) }
    for (const [what, indexes] of [
      ['local', c.localTip.indexes],
      ['remote', c.remoteTail.indexes],
    ] as const) {
      if (indexes.opener !== whole.opener || indexes.accepter !== whole.accepter) {
        return `${p.name}: its ${what} tail does not hold everything`
      }
    }
  }
  const [x, y] = [a, b].map((p) => viewAt(p.channel, p.channel.localTip.indexes)) as [
    ReturnType<typeof viewAt>,
    ReturnType<typeof viewAt>,
  ]
  if (x.openerMsat !== y.openerMsat || x.accepterMsat !== y.accepterMsat) return 'balances differ'
  if (x.htlcs.length !== y.htlcs.length) return 'live HTLCs differ'
  if (a.channel.localTip.number !== b.channel.remoteTail.number) return 'commitment numbers differ'
  if (b.channel.localTip.number !== a.channel.remoteTail.number) return 'commitment numbers differ'
  return undefined
}

/** Value is conserved to the msat in every view that either side holds (lcp.md A). */
export function conservationProblem(p: Party): string | undefined {
  const total = p.channel.funding.sat * 1000n
  for (const c of [p.channel.localTip, p.channel.remoteTail, ...p.channel.remotePending]) {
    const view = viewAt(p.channel, c.indexes)
    const sum = view.htlcs.reduce((n, h) => n + h.amountMsat, view.openerMsat + view.accepterMsat)
    if (sum !== total) return `${p.name}: commitment ${c.number} holds ${sum} of ${total} msat`
    if (view.openerMsat < 0n || view.accepterMsat < 0n) return `${p.name}: negative balance in ${c.number}`
  }
  return undefined
}

/** Both sides know the other's commitments by the same txid (lcp.md A). */
export const sameTransactions = (a: Party, b: Party): boolean =>
  equalBytes(utf8(a.channel.remoteTail.txid), utf8(localTxid(b))) &&
  equalBytes(utf8(b.channel.remoteTail.txid), utf8(localTxid(a)))

const localTxid = (p: Party): string => {
  const copy: Party = { ...p, outgoing: [], events: [], broadcast: [], faults: [] }
  apply(copy, { type: 'forceClose', reason: 'test' })
  const tx = copy.broadcast[0]
  return tx === undefined ? '' : txidOf(tx)
}

export const preimageOf = (n: number): Uint8Array => sha256(utf8(`preimage ${n}`))
export const hashOf = (n: number): string => toHex(sha256(preimageOf(n)))
