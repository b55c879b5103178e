import { createHash } from 'node:crypto'
import { toHex } from '../../engine/base/bytes.ts'
import { lockedIn, viewAt } from '../../engine/channel/log.ts'
import { channelWrites } from '../../engine/channel/records.ts'
import { applyFault } from '../../engine/channel/step.ts'
import type { Channel, ChannelContext, ChannelEffect, ChannelInput } from '../../engine/channel/types.ts'
import { otherRole } from '../../engine/commitment/types.ts'
import type { ChannelSigner } from '../../engine/commitment/signer.ts'
import { sha256 } from '../../engine/crypto/hash.ts'
import { encodeMessage } from '../../engine/wire/encode.ts'
import type { Message } from '../../engine/wire/messages.ts'
import { canonical, channelKey } from './canonical.ts'
import { latin1 } from './curve.ts'
import { load, records, sameRecords } from './disk.ts'
import { factsOf, type Widest } from './facts.ts'
import { type Lists, Table } from './intern.ts'
import { bitsOf, creditMoved, goesBack, note } from './note.ts'
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
  /** The connection is given up for a fault of the peer’s. */
  readonly hangsUp?: boolean
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

/** Records of so many states are kept while their neighbours are looked at. */
const MAX_WHOLES = 4096

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
  readonly #mayFail: boolean
  readonly #ops: readonly Op[]
  readonly #peer: ChannelSigner
  readonly #locals = new Table<Local>()
  readonly #edges: Map<number, Edge | undefined>[] = []
  readonly #messages: Messages
  readonly #lists: Lists
  /** Secrets of ours by their bytes: to which number one belongs. */
  readonly #secrets = new Map<string, number>()
  readonly #widest: Widest
  readonly #writesChecked = new Set<string>()
  readonly #wholes = new Map<number, ReadonlyMap<string, Uint8Array>>()
  /** States that are the same after they were stored and loaded. */
  readonly #loads = new Set<number>()

  constructor(
    player: Player,
    peer: ChannelSigner,
    about: {
      step: Step
      ops: readonly Op[]
      messages: Messages
      lists: Lists
      overlooks?: RegExp | undefined
      /** A channel may fail, and shows how: where a process comes back with an old state. */
      mayFail: boolean
      /** The widest windows that either side may ever have. */
      widest: Widest
    },
  ) {
    this.name = player.name
    this.ctx = player.ctx
    this.#step = about.step
    this.#overlooks = about.overlooks
    this.#mayFail = about.mayFail
    this.#widest = about.widest
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
    local.facts ??= factsOf(local, this.ctx, this.#peer, this.#widest)
    return local.facts
  }

  local(channel: Channel, node: Node): number {
    // A digest in place of the key: there are hundreds of thousands of them.
    const key = createHash('sha256')
      .update(`${channelKey(channel)}|${canonical(node)}`)
      .digest('base64')
    return this.#locals.of(key, () => ({ channel, node }))
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
    if (op.type === 'window') return `a window of ${op.window} from now on`
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
      case 'window':
        return { type: 'window', window: op.window }
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
    const disk = records(channelWrites(prev, next), this.#whole(before))
    // Mostly they are the records of the state written whole, which is loaded once.
    if (sameRecords(disk, this.#whole(after))) return this.#loadProblem(after)
    const loaded = load(disk)
    if (typeof loaded === 'string') return loaded
    const same = channelKey(loaded) === channelKey({ ...next, link: 'offline' })
    return same ? undefined : 'the records of a turn do not lead to its state'
  }

  /** The records of a state written whole; the newest are remembered. */
  #whole(id: number): ReadonlyMap<string, Uint8Array> {
    const known = this.#wholes.get(id)
    if (known !== undefined) return known
    if (this.#wholes.size > MAX_WHOLES) this.#wholes.clear()
    const made = records(channelWrites(undefined, this.at(id).channel))
    this.#wholes.set(id, made)
    return made
  }

  /** What is wrong with a state that is stored and loaded. */
  #loadProblem(id: number): string | undefined {
    if (this.#loads.has(id)) return undefined
    const loaded = this.#fromDisk(this.at(id).channel)
    if (typeof loaded === 'string') return loaded
    this.#loads.add(id)
    return undefined
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
        if (!result.ok && this.#mayFail && result.error.action === 'disconnect') {
          return { ...this.#done(current, around, sends, needs), hangsUp: true }
        }
        if (!result.ok && (!this.#mayFail || result.error.action !== 'fail_channel')) {
          const { action, code, text } = result.error
          return this.#stop(current, around, `${this.name} finds a fault (${action}): ${code}: ${text}`)
        }
        const transition = result.ok ? result.value : applyFault(current, result.error, this.ctx)
        current = transition.channel
        effects = transition.effects
      } catch (error) {
        return this.#stop(current, around, `${this.name} has a defect: ${String(error)}`)
      }
      if (current.failure !== undefined && !this.#mayFail) {
        const { code, reason } = current.failure
        return this.#stop(current, around, `${this.name} fails the channel: ${code}: ${reason}`)
      }
      const back = goesBack(before, current) ?? creditMoved(before, current)
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
    return this.#done(current, around, sends, needs)
  }

  #done(channel: Channel, node: Node, sends: readonly number[], needs: number): Edge {
    return { next: this.local(channel, node), sends: this.#lists.of(sends), needs }
  }

  #stop(channel: Channel, node: Node, problem: string): Edge {
    return { next: this.local(channel, node), sends: 0, needs: 0, problem }
  }
}
