import { utf8 } from '../../engine/base/bytes.ts'
import { unwrap } from '../../engine/base/result.ts'
import { msat, sat } from '../../engine/base/units.ts'
import type { Tx } from '../../engine/bitcoin/types.ts'
import {
  acceptOpening,
  type OpeningContext,
  type OpeningEffect,
  openingMessage,
  provideFunding,
  startOpening,
} from '../../engine/channel/opening.ts'
import { DEFAULT_POLICY } from '../../engine/channel/policy.ts'
import { type Step, step } from './step.ts'
import type { Channel, ChannelInput } from '../../engine/channel/types.ts'
import { formatNamed } from '../../engine/commitment/formats.ts'
import { deriveChannelSecrets } from '../../engine/commitment/secrets.ts'
import { type ChannelSigner, createChannelSigner } from '../../engine/commitment/signer.ts'
import { entropyFrom } from '../../engine/crypto/entropy.ts'
import { sha256 } from '../../engine/crypto/hash.ts'
import { decodeMessage } from '../../engine/wire/decode.ts'
import { encodeMessage } from '../../engine/wire/encode.ts'
import type { Message } from '../../engine/wire/messages.ts'
import type { Name, Op, Scenario } from './scenarios.ts'

/** The two machines as exploring finds them: a channel with real messages exchanged, and what is live in it. */

export interface Player {
  readonly name: Name
  readonly channel: Channel
  readonly ctx: OpeningContext
}

/** The signer with its points and proofs remembered: numbers stay small, and both cost curve operations. */
function rememberingSigner(signer: ChannelSigner): ChannelSigner {
  const points = new Map<bigint, Uint8Array>()
  const proofs = new Map<bigint, Uint8Array>()
  const keep = (map: Map<bigint, Uint8Array>, number: bigint, make: () => Uint8Array): Uint8Array => {
    const known = map.get(number) ?? make()
    map.set(number, known)
    return known
  }
  return {
    ...signer,
    publicKeys: signer.publicKeys,
    commitmentPoint: (number) => keep(points, number, () => signer.commitmentPoint(number)),
    provePoint: (context, number) => keep(proofs, number, () => signer.provePoint(context, number)),
  }
}

function contextFor(name: Name, formatName: string, windows: Windows, scenario: Scenario): OpeningContext {
  const window = typeof windows === 'number' ? windows : windows[name]
  const format = formatNamed(formatName)
  const seed = sha256(utf8(`explore ${name} ${formatName}`))
  return {
    now: 1_700_000_000_000,
    height: 100,
    network: 'regtest',
    entropy: entropyFrom(sha256(utf8(name))),
    signer: rememberingSigner(createChannelSigner(deriveChannelSecrets(seed, format), format)),
    feeratePerKw: scenario.feeratePerKw ?? 1000,
    anysegwit: true,
    upfrontShutdown: true,
    policy: { ...DEFAULT_POLICY, minimumDepth: 1, window, ...scenario.policy },
  }
}

const script = (tag: number): Uint8Array => new Uint8Array(22).fill(tag).fill(20, 1, 2).fill(0, 0, 1)

/** What pays an HTLC: one preimage a side and operation. */
export const preimageOf = (name: Name, op: number): Uint8Array => sha256(utf8(`${name} ${op}`))

/** The first of the operations that live HTLCs count as, so that they do not collide with a scenario's own. */
const LIVE = 100

/** Preimages of all HTLCs that a scenario can have. */
export const preimages: readonly Uint8Array[] = (['alice', 'bob'] as const).flatMap((name) =>
  Array.from({ length: 2 * LIVE }, (_, i) => preimageOf(name, i)),
)

const ONION = new Uint8Array(1366)

export const addInput = (name: Name, index: number, amountMsat: number): ChannelInput => ({
  type: 'propose',
  proposal: {
    type: 'add',
    amountMsat: msat(amountMsat),
    paymentHash: sha256(preimageOf(name, index)),
    cltvExpiry: 500,
    onion: ONION,
    token: `${name}${index}`,
  },
})

export const CONFIRMED: ChannelInput = { type: 'fundingConfirmed', height: 100, txIndex: 1, depth: 1 }

/** One window for both sides, or one each. */
export type Windows = number | Readonly<Record<Name, number>>

/** Opens the channel of a scenario by the engine's own messages. */
export function openPlayers(scenario: Scenario, formatName: string, window: Windows): Record<Name, Player> {
  const a = contextFor('alice', formatName, window, scenario)
  const b = contextFor('bob', formatName, window, scenario)
  const sent = (effects: readonly OpeningEffect[]): Message => {
    const send = effects.find((e) => e.type === 'send')
    if (send?.type !== 'send') throw new Error('nothing sent')
    return overTheWire(send.message)
  }
  const request = {
    peer: '02',
    salt: new Uint8Array(32),
    formatName,
    fundingSat: sat(scenario.fundingSat ?? 1_000_000),
    pushMsat: msat(scenario.pushMsat ?? 400_000_000),
    shutdownScript: script(1),
  }
  const started = unwrap(startOpening(request, a))
  const open = sent(started.effects)
  if (open.type !== 'open_channel' || started.opening === undefined) throw new Error('open_channel expected')
  const answer = { peer: '03', salt: new Uint8Array(32), formatName, shutdownScript: script(2) }
  const accepted = unwrap(acceptOpening(open, answer, b))
  const ready = unwrap(openingMessage(started.opening, sent(accepted.effects), a))
  const need = ready.effects.find((e) => e.type === 'needFunding')
  if (need?.type !== 'needFunding' || ready.opening === undefined) throw new Error('no funding wanted')
  const tx: Tx = {
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
  const funded = unwrap(provideFunding(ready.opening, tx, 0, a))
  if (funded.opening === undefined || accepted.opening === undefined) throw new Error('no opening')
  const created = unwrap(openingMessage(accepted.opening, sent(funded.effects), b))
  const signed = unwrap(openingMessage(funded.opening, sent(created.effects), a))
  if (signed.channel === undefined || created.channel === undefined) throw new Error('no channel')
  const table: Table = {
    alice: { name: 'alice', channel: signed.channel, ctx: a, queue: [] },
    bob: { name: 'bob', channel: created.channel, ctx: b, queue: [] },
  }
  if (scenario.unconfirmed !== true) {
    for (const name of NAMES) feed(table, name, step, CONFIRMED)
    run(table)
    for (const name of NAMES) {
      const amounts = scenario.live?.[name] ?? []
      for (const [i, amount] of amounts.entries()) feed(table, name, step, addInput(name, LIVE + i, amount))
    }
    run(table)
  }
  return table
}

const NAMES = ['alice', 'bob'] as const

type Table = Record<Name, { -readonly [K in keyof Player]: Player[K] } & { queue: Message[] }>

/** A message as the other side reads it. */
export function overTheWire(message: Message): Message {
  const decoded = decodeMessage(encodeMessage(message))
  if (!decoded.ok) throw new Error(`undecodable ${message.type}: ${decoded.error.message}`)
  return decoded.value
}

function feed(table: Table, name: Name, take: Step, input: ChannelInput): void {
  const player = table[name]
  const result = take(player.channel, input, player.ctx)
  if (!result.ok) throw new Error(`${name}: ${result.error.code} ${result.error.text}`)
  player.channel = result.value.channel
  for (const effect of result.value.effects) {
    if (effect.type === 'send') player.queue.push(overTheWire(effect.message))
  }
}

/** Delivers and flushes until both are silent. */
function run(table: Table): void {
  for (let round = 0; round < 1000; round++) {
    let moved = false
    for (const name of NAMES) {
      feed(table, name, step, { type: 'flush' })
      const message = table[name].queue.shift()
      if (message === undefined) continue
      moved = true
      feed(table, name === 'alice' ? 'bob' : 'alice', step, { type: 'message', message })
    }
    if (!moved) return
  }
  throw new Error('the two sides never fall silent')
}

/** The first `count` operations of a side. */
export const opsOf = (scenario: Scenario, name: Name, count: number): readonly Op[] => {
  const unconditional = scenario.unconfirmed === true ? 1 : 0
  return scenario[name].slice(0, count + unconditional)
}
