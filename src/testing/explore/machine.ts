import { equalBytes, fromHex, toHex } from '../../engine/base/bytes.ts'
import { lockedIn, remoteTip, viewAt } from '../../engine/channel/log.ts'
import { channelWrites, loadChannels } from '../../engine/channel/records.ts'
import type {
  AddUpdate,
  Channel,
  ChannelContext,
  ChannelEffect,
  ChannelInput,
} from '../../engine/channel/types.ts'
import { otherRole } from '../../engine/commitment/types.ts'
import type { ChannelSigner } from '../../engine/commitment/signer.ts'
import { sha256 } from '../../engine/crypto/hash.ts'
import { encodeMessage } from '../../engine/wire/encode.ts'
import type { Message } from '../../engine/wire/messages.ts'
import { canonical, channelKey } from './canonical.ts'
import { latin1 } from './curve.ts'
import { factsOf } from './facts.ts'
import { type Lists, Table } from './intern.ts'
import { addInput, CONFIRMED, overTheWire, type Player, preimages } from './pair.ts'
import type { Name, Op } from './scenarios.ts'
import type { Facts, Local, Node } from './local.ts'
import type { Step } from './step.ts'

/** What one input does. */
export interface Edge {
  readonly next: number
  /** List of messages. */
  readonly sends: number
  /** The local commitment that has to be on disk before these are sent: one past the highest number they revoke. */
  readonly needs: number
  readonly problem?: string
}

/** Inputs besides messages and operations. */
export const FLUSH = 0
export const RECONNECT = 1
export const RELOAD = 2
const FIRST_OP = 16
const HTLCS = 32
const FIRST_MESSAGE = 4096

/** Messages on the wire, each kept once, by their bytes. */
export class Messages {
  readonly #table = new Table<Message>()

  of(message: Message): number {
    return this.#table.of(latin1(encodeMessage(message)), () => overTheWire(message))
  }

  at(id: number): Message {
    return this.#table.at(id)
  }
}

const REASON = new Uint8Array(292)

const preimageByHash = new Map(preimages.map((preimage) => [toHex(sha256(preimage)), preimage]))

/**
 * One of the two real machines, and every state it was ever in. A step from one state by one input is computed once, however many
 * states of the whole contain it: that is what makes exhausting millions of those cheap.
 */
export class Machine {
  readonly name: Name
  readonly start: number
  readonly ctx: ChannelContext
  readonly #step: Step
  readonly #overlooks: RegExp | undefined
  readonly #ops: readonly Op[]
  readonly #peer: ChannelSigner
  readonly #locals = new Table<Local>()
  readonly #edges: Map<number, Edge | undefined>[] = []
  readonly #messages: Messages
  readonly #lists: Lists
  /** Secrets of ours by their bytes: to which number one belongs. */
  readonly #secrets = new Map<string, number>()
  readonly #writesChecked = new Set<string>()

  constructor(
    player: Player,
    peer: ChannelSigner,
    about: {
      step: Step
      ops: readonly Op[]
      messages: Messages
      lists: Lists
      overlooks?: RegExp | undefined
    },
  ) {
    this.name = player.name
    this.ctx = player.ctx
    this.#step = about.step
    this.#overlooks = about.overlooks
    this.#ops = about.ops
    this.#peer = peer
    this.#messages = about.messages
    this.#lists = about.lists
    for (let number = 0; number < 64; number++) {
      const secret = player.ctx.signer.secretIfRevoked({ localRevoked: 64n }, BigInt(number))
      if (secret !== undefined) this.#secrets.set(toHex(secret), number)
    }
    const channel = player.channel
    this.start = this.local(channel, {
      done: 0,
      ...bitsOf(channel),
      paidMsat: 0n,
      gotMsat: 0n,
      court: [channel.remoteTail, ...channel.remotePending].map(({ number, txid }) => ({ number, txid })),
    })
  }

  get size(): number {
    return this.#locals.size
  }

  at(id: number): Local {
    return this.#locals.at(id)
  }

  facts(id: number): Facts {
    const local = this.#locals.at(id)
    local.facts ??= factsOf(local, this.ctx, this.#peer)
    return local.facts
  }

  local(channel: Channel, node: Node): number {
    return this.#locals.of(`${channelKey(channel)}|${canonical(node)}`, () => ({ channel, node }))
  }

  message(id: number, message: number): Edge {
    return this.#edge(id, FIRST_MESSAGE + message, { type: 'message', message: this.#messages.at(message) })
  }

  flush(id: number): Edge {
    return this.#edge(id, FLUSH, { type: 'flush' })
  }

  /** The operations that may be done now, as inputs for `op`. */
  enabled(id: number): readonly number[] {
    const { channel, node } = this.at(id)
    const inputs: number[] = []
    let addSeen = false
    for (const [index, op] of this.#ops.entries()) {
      if ((node.done & (1 << index)) !== 0) continue
      if (op.type === 'fulfill' || op.type === 'fail' || op.type === 'malformed') {
        const them = otherRole(channel.role)
        for (const htlc of viewAt(channel, lockedIn(channel)).htlcs) {
          if (htlc.offerer === them) inputs.push(FIRST_OP + index * HTLCS + Number(htlc.id))
        }
      } else if (op.type === 'add') {
        if (!addSeen) inputs.push(FIRST_OP + index * HTLCS)
        addSeen = true
      } else inputs.push(FIRST_OP + index * HTLCS)
    }
    return inputs.filter((input) => this.op(id, input) !== undefined)
  }

  /** Does an operation; undefined when the machine takes no notice of it. The turn goes on. */
  op(id: number, input: number): Edge | undefined {
    const known = this.#known(id)
    if (known.has(input)) return known.get(input)
    const index = Math.floor((input - FIRST_OP) / HTLCS)
    const { channel, node } = this.at(id)
    const what = this.#input(channel, index, BigInt((input - FIRST_OP) % HTLCS))
    const made = what && this.#take(channel, { ...node, done: node.done | (1 << index) }, [what])
    const edge = made !== undefined && this.at(made.next).channel === channel ? undefined : made
    known.set(input, edge)
    return edge
  }

  opName(input: number): string {
    const op = this.#ops[Math.floor((input - FIRST_OP) / HTLCS)]
    const htlc = (input - FIRST_OP) % HTLCS
    if (op === undefined) return '?'
    if (op.type === 'add') return `offer ${op.msat} msat`
    if (op.type === 'fee') return `feerate ${op.feeratePerKw}`
    if (op.type === 'close' || op.type === 'confirm') return op.type
    return `${op.type} HTLC ${htlc}`
  }

  #input(channel: Channel, index: number, htlcId: bigint): ChannelInput | undefined {
    const op = this.#ops[index]
    switch (op?.type) {
      case 'add':
        return addInput(this.name, index, op.msat)
      case 'fulfill':
        return this.settleInput(channel, htlcId)
      case 'fail':
        return { type: 'propose', proposal: { type: 'fail', id: htlcId, reason: REASON } }
      case 'malformed':
        return {
          type: 'propose',
          proposal: { type: 'malformed', id: htlcId, sha256OfOnion: new Uint8Array(32), failureCode: 0xc005 },
        }
      case 'fee':
        return { type: 'propose', proposal: { type: 'fee', feeratePerKw: op.feeratePerKw } }
      case 'close':
        return { type: 'close', feeratePerKw: 1000 }
      case 'confirm':
        return CONFIRMED
      case undefined:
        return undefined
    }
  }

  /** Settles a received HTLC with its preimage. */
  settleInput(channel: Channel, id: bigint): ChannelInput | undefined {
    const them = otherRole(channel.role)
    const htlc = viewAt(channel, lockedIn(channel)).htlcs.find((h) => h.offerer === them && h.id === id)
    const preimage = htlc && preimageByHash.get(toHex(htlc.paymentHash))
    return preimage && { type: 'propose', proposal: { type: 'fulfill', id, preimage } }
  }

  /** Any other input, for the end of a walk; not remembered. */
  other(id: number, inputs: readonly ChannelInput[]): Edge {
    const { channel, node } = this.at(id)
    return this.#take(channel, node, inputs)
  }

  /** The connection is lost and made again. */
  reconnect(id: number): Edge {
    return this.#sequence(id, RECONNECT, [{ type: 'disconnected' }, { type: 'connected' }, { type: 'flush' }])
  }

  /** The process ends, starts again from what `id` has on disk, and connects. */
  reload(id: number): Edge {
    const known = this.#known(id)
    const found = known.get(RELOAD)
    if (found !== undefined) return found
    const { channel, node } = this.at(id)
    const loaded = this.#fromDisk(channel)
    const edge =
      typeof loaded === 'string'
        ? { next: id, sends: 0, needs: 0, problem: loaded }
        : this.#take(loaded, node, [{ type: 'connected' }, { type: 'flush' }])
    known.set(RELOAD, edge)
    return edge
  }

  /** The records of a turn, put over those before it, are those of the state after it. */
  writeProblem(before: number, after: number): string | undefined {
    if (before === after) return undefined
    const pair = `${before} ${after}`
    if (this.#writesChecked.has(pair)) return undefined
    this.#writesChecked.add(pair)
    const [prev, next] = [this.at(before).channel, this.at(after).channel]
    const disk = records(channelWrites(undefined, prev))
    for (const [key, value] of records(channelWrites(prev, next), disk)) disk.set(key, value)
    const loaded = load(disk)
    if (typeof loaded === 'string') return loaded
    const same = channelKey(loaded) === channelKey({ ...next, link: 'offline' })
    return same ? undefined : 'the records of a turn do not lead to its state'
  }

  #fromDisk(channel: Channel): Channel | string {
    const loaded = load(records(channelWrites(undefined, channel)))
    if (typeof loaded === 'string') return loaded
    const same = channelKey(loaded) === channelKey({ ...channel, link: 'offline' })
    return same ? loaded : 'a channel loaded is not the channel that was stored'
  }

  #known(id: number): Map<number, Edge | undefined> {
    const known = this.#edges[id] ?? new Map<number, Edge | undefined>()
    this.#edges[id] = known
    return known
  }

  #edge(id: number, code: number, input: ChannelInput): Edge {
    return this.#sequence(id, code, [input])
  }

  #sequence(id: number, code: number, inputs: readonly ChannelInput[]): Edge {
    const known = this.#known(id)
    const found = known.get(code)
    if (found !== undefined) return found
    const { channel, node } = this.at(id)
    const edge = this.#take(channel, node, inputs)
    known.set(code, edge)
    return edge
  }

  #take(channel: Channel, node: Node, inputs: readonly ChannelInput[]): Edge {
    let current = channel
    let around = node
    const sends: number[] = []
    let needs = 0
    for (const input of inputs) {
      let effects: readonly ChannelEffect[]
      const before = current
      try {
        const result = this.#step(current, input, this.ctx)
        if (!result.ok) {
          const { action, code, text } = result.error
          return this.#stop(current, around, `${this.name} finds a fault (${action}): ${code}: ${text}`)
        }
        current = result.value.channel
        effects = result.value.effects
      } catch (error) {
        return this.#stop(current, around, `${this.name} has a defect: ${String(error)}`)
      }
      if (current.failure !== undefined && channel.failure === undefined) {
        const { code, reason } = current.failure
        return this.#stop(current, around, `${this.name} fails the channel: ${code}: ${reason}`)
      }
      const back = goesBack(before, current)
      if (back !== undefined && this.#overlooks?.test(`E: ${back}`) !== true)
        return this.#stop(current, around, `E: ${this.name}: ${back}`)
      for (const effect of effects) {
        if (effect.type === 'send') {
          if (effect.message.type === 'revoke_and_ack') {
            const number = this.#secrets.get(toHex(effect.message.perCommitmentSecret))
            if (number === undefined)
              return this.#stop(current, around, `D: ${this.name} reveals no secret of its own`)
            needs = Math.max(needs, number + 1)
          }
          sends.push(this.#messages.of(effect.message))
          continue
        }
        const noted = note(around, effect, before, current)
        if (typeof noted === 'string') return this.#stop(current, around, `${noted} (${this.name})`)
        around = noted
      }
      if (around.court.some((record) => record.number < current.remoteTail.number)) {
        around = { ...around, court: around.court.filter((r) => r.number >= current.remoteTail.number) }
      }
    }
    return { next: this.local(current, around), sends: this.#lists.of(sends), needs }
  }

  #stop(channel: Channel, node: Node, problem: string): Edge {
    return { next: this.local(channel, node), sends: 0, needs: 0, problem }
  }
}

const records = (
  writes: readonly { readonly key: string; readonly value: Uint8Array | null }[],
  over: ReadonlyMap<string, Uint8Array> = new Map(),
): Map<string, Uint8Array> => {
  const disk = new Map(over)
  for (const { key, value } of writes) {
    if (value === null) disk.delete(key)
    else disk.set(key, value)
  }
  return disk
}

function load(disk: ReadonlyMap<string, Uint8Array>): Channel | string {
  const loaded = loadChannels(disk)
  if (!loaded.ok) return `the records cannot be loaded: ${loaded.error}`
  return Object.values(loaded.value)[0] ?? 'no channel is loaded'
}

/** HTLCs that are live from the start were shown already. */
function bitsOf(channel: Channel): Pick<Node, 'shown' | 'settled' | 'removed'> {
  let shown = 0
  for (const htlc of channel.base.htlcs) if (htlc.offerer !== channel.role) shown |= 1 << Number(htlc.id)
  return { shown, settled: 0, removed: 0 }
}

/** Numbers and indexes only rise, whatever the input, a lost connection included (lcp.md E). */
function goesBack(before: Channel, after: Channel): string | undefined {
  const pairs = [
    ['its own commitment', before.localTip, after.localTip],
    ['the peer’s tail', before.remoteTail, after.remoteTail],
    ['the peer’s tip', remoteTip(before), remoteTip(after)],
  ] as const
  for (const [what, from, to] of pairs) {
    if (
      to.number < from.number ||
      to.indexes.opener < from.indexes.opener ||
      to.indexes.accepter < from.indexes.accepter
    ) {
      return `${what} goes back from ${from.number} to ${to.number}`
    }
  }
  return undefined
}

/** What the node does with an effect, or what is wrong with it (lcp.md B and C). */
function note(node: Node, effect: ChannelEffect, before: Channel, after: Channel): Node | string {
  if (effect.type === 'courtRecord') return noteCourt(node, effect, after)
  if (effect.type === 'broadcast') {
    return effect.purpose === 'commitment' ? 'a commitment is broadcast' : node
  }
  if (effect.type !== 'event') return node
  const { event } = effect
  const us = after.role
  const them = otherRole(us)
  const locked = lockedIn(after)
  /** Where an update that matches stands in a log of the state in which it arrived. */
  const stands = (
    role: typeof us,
    matches: (update: Channel['logs']['opener']['entries'][number]) => boolean,
  ) => {
    const position = before.logs[role].entries.findIndex(matches)
    return position < 0 ? undefined : before.logs[role].start + position
  }
  switch (event.type) {
    case 'htlcReceived': {
      const bit = 1 << Number(event.add.id)
      if ((node.shown & bit) !== 0) return `B: HTLC ${event.add.id} is shown twice`
      const index = stands(them, (u) => u.type === 'add' && u.id === (event.add as AddUpdate).id)
      if (index === undefined || index >= locked[them])
        return `B: HTLC ${event.add.id} is shown before it is locked in`
      return { ...node, shown: node.shown | bit }
    }
    case 'htlcRemoved': {
      const bit = 1 << Number(event.id)
      if ((node.removed & bit) !== 0) return `B: HTLC ${event.id} is removed twice`
      const index = stands(them, (u) => u.type !== 'add' && u.type !== 'fee' && u.id === event.id)
      if (index === undefined || index >= locked[them])
        return `B: the removal of HTLC ${event.id} is not locked in`
      const amount = amountOf(before, us, event.id)
      if (amount === undefined) return `B: HTLC ${event.id} is removed and was not live`
      const paid = event.removal.type === 'fulfill' ? amount : 0n
      return { ...node, removed: node.removed | bit, paidMsat: node.paidMsat + paid }
    }
    case 'htlcSettled': {
      const bit = 1 << Number(event.id)
      if ((node.settled & bit) !== 0) return `B: HTLC ${event.id} is settled twice`
      if ((node.shown & bit) === 0) return `B: HTLC ${event.id} is settled and was never shown`
      const index = stands(us, (u) => u.type !== 'add' && u.type !== 'fee' && u.id === event.id)
      if (index === undefined || index >= locked[us])
        return `B: our removal of HTLC ${event.id} is not locked in`
      const amount = amountOf(before, them, event.id)
      if (amount === undefined) return `B: HTLC ${event.id} is settled and was not live`
      return {
        ...node,
        settled: node.settled | bit,
        gotMsat: node.gotMsat + (event.fulfilled ? amount : 0n),
      }
    }
    case 'closed':
      return { ...node, closedTxid: event.txid }
    default:
      return node
  }
}

const amountOf = (channel: Channel, offerer: 'opener' | 'accepter', id: bigint): bigint | undefined =>
  viewAt(channel, lockedIn(channel)).htlcs.find((h) => h.offerer === offerer && h.id === id)?.amountMsat

function noteCourt(
  node: Node,
  effect: Extract<ChannelEffect, { type: 'courtRecord' }>,
  after: Channel,
): Node | string {
  const { number, value } = effect
  const known = node.court.find((record) => record.number === number)
  if (known !== undefined && known.txid !== value.txid)
    return `D: number ${number} is signed with two contents`
  const signed = [after.remoteTail, ...after.remotePending].find((c) => c.number === number)
  if (
    signed === undefined ||
    value.txid !== signed.txid ||
    !equalBytes(value.point, signed.point) ||
    fromHex(value.txid).length !== 32
  ) {
    return `C: the record for the court of ${number} is not of what was signed`
  }
  return known !== undefined ? node : { ...node, court: [...node.court, { number, txid: value.txid }] }
}
