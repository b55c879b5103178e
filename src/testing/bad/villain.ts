import { settle } from '../../host/fixture.ts'
import type { ByteSocket } from '../../host/socket.ts'
import { fromHex, toHex, uintBE, utf8 } from '../../engine/base/bytes.ts'
import { sha256 } from '../../engine/crypto/hash.ts'
import type { Command, CommandResult } from '../../engine/node/commands.ts'
import { turn } from '../../engine/node/node.ts'
import type { NodeEffect, NodeInput } from '../../engine/node/ports.ts'
import type { NodeState } from '../../engine/node/state.ts'
import { NoiseConnection } from '../../engine/noise/connection.ts'
import { decodeMessage } from '../../engine/wire/decode.ts'
import { encodeMessage } from '../../engine/wire/encode.ts'
import type { Message, MessageOf } from '../../engine/wire/messages.ts'
import type { SimChain } from '../sim/chain.ts'
import { type Name, type NodeOptions, SimNode } from '../sim/node.ts'

/** What becomes of a message on its way out: other messages, bytes that are none, or the end of the connection. */
export type Tamper = (message: Message) => readonly (Message | Uint8Array | 'hangUp')[] | undefined

/** Replaces the messages of one type; `only` the nth of them, from 1 on. */
export function replacing<T extends Message['type']>(
  type: T,
  by: (message: Extract<Message, { type: T }>) => ReturnType<Tamper>,
  only?: number,
): Tamper {
  let count = 0
  return (message) => {
    if (message.type !== type) return undefined
    count += 1
    return only === undefined || only === count ? by(message as Extract<Message, { type: T }>) : undefined
  }
}

/** With one bit of one byte the other way. */
export const flip = (bytes: Uint8Array, at = 0): Uint8Array => bytes.map((b, i) => (i === at ? b ^ 1 : b))

/** 33 bytes with a well-formed prefix and an x that no point has. */
export const OFF_CURVE = Uint8Array.of(2, ...new Uint8Array(31), 5)

/**
 * A peer that knows all the rules, since this project's own engine plays it, and breaks those that a test asks it to break: what
 * the engine says is changed, held back or added to on its way out, and what it hears may be kept from it.
 */
export class Villain {
  readonly node: SimNode
  /** Everything the node under test said, in order. */
  readonly heard: Message[] = []
  /** Changes what goes out; undefined: as it is. */
  tamper: Tamper | undefined
  /** What the engine does not get to hear. */
  deaf: ((message: Message) => boolean) | undefined
  /** Called with the socket instead of a handshake. */
  onSocket: ((socket: ByteSocket) => void) | undefined
  /** Whether it takes no connections. */
  down = false
  /** Whether its process is gone: it says, hears and does nothing. */
  dead = false
  private readonly chain: SimChain
  private readonly now: () => number
  private socket: ByteSocket | undefined
  private noise: NoiseConnection | undefined
  private connection: string | undefined
  private connections = 0
  private draws = 0
  private readonly inputs: NodeInput[] = []
  private running = false

  constructor(name: Name, chain: SimChain, now: () => number, options: NodeOptions = {}) {
    this.node = new SimNode(name, options)
    this.chain = chain
    this.now = now
    this.push({ type: 'tick' })
  }

  get id(): string {
    return this.node.setup.nodeId
  }

  /** `pubkey@host:port`, as the node under test dials it. */
  get address(): string {
    return `${this.id}@${this.node.name}.test:9735`
  }

  get state(): NodeState {
    if (this.node.state === undefined) throw new Error(`${this.node.name} is down`)
    return this.node.state
  }

  get connected(): boolean {
    return this.connection !== undefined
  }

  /** Messages of a type that it heard. */
  all<T extends Message['type']>(type: T): MessageOf<T>[] {
    return this.heard.filter((m): m is MessageOf<T> => m.type === type)
  }

  /** The texts of errors that it was sent. */
  get errors(): string[] {
    return this.all('error').map((m) => String.fromCharCode(...m.data))
  }

  /** What we are called with: a responder's side of a socket. */
  accept(socket: ByteSocket): void {
    if (this.onSocket !== undefined) return this.onSocket(socket)
    this.adopt(socket, NoiseConnection.respond(this.keys()), false)
  }

  /** Calls the node under test over its side of a socket. */
  call(socket: ByteSocket, nodeId: string): void {
    const { connection, act1 } = NoiseConnection.initiate({ ...this.keys(), remotePubkey: fromHex(nodeId) })
    this.adopt(socket, connection, true)
    socket.write(act1)
  }

  private keys() {
    return { localSecret: this.node.setup.nodeSecret, ephemeralSecret: this.draw() }
  }

  private draw(): Uint8Array {
    this.draws += 1
    return sha256(utf8(`${this.node.name} draws ${toHex(uintBE(this.draws, 4))}`))
  }

  private adopt(socket: ByteSocket, noise: NoiseConnection, dialled: boolean): void {
    this.lose('replaced')
    this.socket = socket
    this.noise = noise
    socket.onClose(() => {
      if (this.socket === socket) this.lose('closed')
    })
    socket.onData((bytes) => {
      if (this.socket !== socket) return
      const output = noise.receive(bytes)
      for (const piece of output.toSend) socket.write(piece)
      if (output.remotePubkey !== undefined) {
        this.connections += 1
        this.connection = `v${this.connections}`
        this.push({
          type: 'peerConnected',
          connection: this.connection,
          nodeId: toHex(output.remotePubkey),
          ...(dialled ? { address: 'the.test:9735' } : {}),
        })
      }
      for (const message of output.messages) this.hear(message)
      if (output.error !== undefined) this.hangUp()
    })
  }

  private hear(bytes: Uint8Array): void {
    const decoded = decodeMessage(bytes)
    if (!decoded.ok) throw new Error(`the node under test says what cannot be read: ${decoded.error.message}`)
    this.heard.push(decoded.value)
    if (this.connection === undefined || this.deaf?.(decoded.value) === true) return
    this.push({ type: 'peerMessage', connection: this.connection, bytes })
  }

  private lose(reason: string): void {
    const { connection } = this
    this.socket = undefined
    this.noise = undefined
    this.connection = undefined
    if (connection !== undefined) this.push({ type: 'peerDisconnected', connection, reason })
  }

  /** Says something of its own, past the engine and untampered. */
  say(...messages: readonly (Message | Uint8Array)[]): void {
    const bytes = messages.map((m) => (m instanceof Uint8Array ? m : encodeMessage(m)))
    if (this.noise?.ready === true) this.socket?.write(this.noise.encryptMany(bytes))
  }

  /** Writes bytes to the socket past the encryption. */
  write(bytes: Uint8Array): void {
    this.socket?.write(bytes)
  }

  hangUp(): void {
    this.socket?.close()
    this.lose('hung up')
  }

  /** Asks its engine for something; throws when that refuses. */
  async command(command: Command): Promise<CommandResult> {
    const id = 1_000_000 + this.draws++
    this.push({ type: 'command', id, command })
    const reply = this.node.replies.get(id)
    if (reply?.ok !== true) throw new Error(`${this.node.name}: ${command.type}: ${reply?.error.message}`)
    await settle()
    return reply.value
  }

  /** Time has passed. */
  tick(): void {
    this.push({ type: 'tick' })
  }

  /** Its memory as it is now, to go back to later: a peer, or a node, that lost what came after. */
  snapshot(): NodeState {
    return this.state
  }

  /** Its engine goes on from an older state, on a new connection. */
  forgetSince(state: NodeState): void {
    this.hangUp()
    const channels = Object.fromEntries(
      Object.entries(state.channels).map(([id, channel]) => [id, { ...channel, link: 'offline' as const }]),
    )
    this.node.state = { ...this.state, channels }
  }

  private push(input: NodeInput): void {
    if (this.dead) return
    this.inputs.push(input)
    if (this.running) return
    this.running = true
    try {
      for (let next = this.inputs.shift(); next !== undefined; next = this.inputs.shift()) this.turn(next)
    } finally {
      this.running = false
    }
  }

  private turn(input: NodeInput): void {
    const context = { now: this.now(), entropySeed: this.draw() }
    const result = turn(this.state, this.node.setup, [input], context)
    this.node.state = result.state
    this.node.commit(result.writes)
    for (const effect of result.effects) this.perform(effect)
  }

  private perform(effect: NodeEffect): void {
    if (effect.type === 'send') {
      if (effect.connection === this.connection) this.utter(effect.messages)
    } else if (effect.type === 'hangUp') {
      if (effect.connection === this.connection) this.hangUp()
    } else if (effect.type === 'esplora') {
      this.inputs.push({
        type: 'esploraResponse',
        id: effect.id,
        result: this.chain.answer(effect.request),
      })
    } else if (effect.type === 'reply') this.node.replies.set(effect.id, effect.result)
    else if (effect.type === 'event') this.node.events.push(effect.event)
  }

  private utter(messages: readonly Uint8Array[]): void {
    for (const bytes of messages) {
      const decoded = decodeMessage(bytes)
      if (!decoded.ok) throw new Error(decoded.error.message)
      const said = this.tamper?.(decoded.value) ?? [bytes]
      for (const item of said) {
        if (item === 'hangUp') return this.hangUp()
        this.say(item)
      }
    }
  }
}
