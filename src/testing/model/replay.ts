import { isDeepStrictEqual } from 'node:util'
import { toHex } from '../../engine/base/bytes.ts'
import { lockedInHtlc, logLength, viewAt } from '../../engine/channel/log.ts'
import { remoteGrantedThrough } from '../../engine/channel/points.ts'
import { channelWrites } from '../../engine/channel/records.ts'
import { step } from '../../engine/channel/step.ts'
import type { Channel, ChannelInput, Indexes, Proposal } from '../../engine/channel/types.ts'
import { otherRole, type Role } from '../../engine/commitment/types.ts'
import { sha256 } from '../../engine/crypto/hash.ts'
import type { Message } from '../../engine/wire/messages.ts'
import { load, records } from '../explore/disk.ts'
import { addInput, openPlayers, overTheWire, type Player, preimages } from '../explore/pair.ts'
import type { Name } from '../explore/scenarios.ts'
import type { ModelCommitment, ModelMessage, ModelSide, ModelUpdate, TraceState, Wish } from './trace.ts'

/** The same run on the specification and on two machines of the engine: after every action both are asked what they hold. */

const NAMES: readonly Name[] = ['alice', 'bob']
const named = (role: Role): Name => (role === 'opener' ? 'alice' : 'bob')
const preimageByHash = new Map(preimages.map((preimage) => [toHex(sha256(preimage)), preimage]))

interface Machine {
  readonly ctx: Player['ctx']
  readonly name: Name
  channel: Channel
  disk: ReadonlyMap<string, Uint8Array>
  incoming: Message[]
  offered: number
  readonly shown: Set<number>
  readonly settled: Set<number>
  readonly removed: Set<number>
}

/** Runs a trace on the engine; throws at the first action after which the two differ. Gives the number of actions. */
export function replay(states: readonly TraceState[]): number {
  const [first, ...rest] = states
  if (first === undefined) throw new Error('an empty trace')
  const machines = open(first)
  const compare = (state: TraceState): void => {
    for (const machine of machines) {
      const expected = state.sides.get(machine.name)
      const waiting = state.waiting.get(machine.name)
      if (expected === undefined || waiting === undefined) throw new Error('a side is missing')
      compareShapes(
        machine.name,
        { ...engineSide(machine), waiting: machine.incoming.map((m) => engineMessage(m)) },
        { ...modelSide(expected), waiting: waiting.map((m) => modelMessage(m, lcp(first))) },
      )
    }
  }
  compare(first)
  for (const state of rest) {
    act(machines, state)
    compare(state)
  }
  return rest.length
}

/** The same shapes: the first entry in which the engine's differs is an error. */
function compareShapes(name: Name, real: object, expected: object): void {
  for (const [key, value] of Object.entries(expected)) {
    const found: unknown = Reflect.get(real, key)
    if (isDeepStrictEqual(found, value)) continue
    const [has, wants] = [JSON.stringify(found), JSON.stringify(value)]
    throw new Error(`${name}: ${key}: the engine has ${has}, the model ${wants}`)
  }
}

const windowsOf = (state: TraceState): Record<Name, number> => ({
  alice: state.setting.window.get('alice') ?? 1,
  bob: state.setting.window.get('bob') ?? 1,
})

/** A window of one on both sides is BOLT's own format; anything else takes the LCP messages. */
const lcp = (state: TraceState): boolean => NAMES.some((name) => windowsOf(state)[name] > 1)

function open(state: TraceState): readonly [Machine, Machine] {
  const windows = windowsOf(state)
  const formatName = lcp(state)
    ? `test_window_${Math.max(windows.alice, windows.bob)}`
    : 'anchors_zero_fee_htlc_tx'
  const scenario = {
    name: 'model',
    about: 'the channel that `rules.qnt` begins with',
    alice: [],
    bob: [],
    fundingSat: 100_000,
    pushMsat: 40_000_000,
    feeratePerKw: 6000,
    policy: { maxAcceptedHtlcs: 2 },
  }
  const players = openPlayers(scenario, formatName, windows)
  const machine = (name: Name): Machine => {
    const { channel, ctx } = players[name]
    const disk = records(channelWrites(undefined, channel))
    const none = () => new Set<number>()
    return {
      ctx,
      name,
      channel,
      disk,
      incoming: [],
      offered: 0,
      shown: none(),
      settled: none(),
      removed: none(),
    }
  }
  return [machine('alice'), machine('bob')]
}

function act([alice, bob]: readonly [Machine, Machine], { deed }: TraceState): void {
  switch (deed.kind) {
    case 'turn': {
      const machine = deed.side === 'alice' ? alice : bob
      const messages = machine.incoming.splice(0, deed.received)
      const before = machine.channel
      const inputs = messages.map((message): ChannelInput => ({ type: 'message', message }))
      const sent = [
        ...inputs.flatMap((input) => take(machine, input)),
        ...deed.wishes.flatMap((wish) => take(machine, wished(machine, wish))),
        ...take(machine, { type: 'flush' }),
      ]
      machine.disk = records(channelWrites(before, machine.channel), machine.disk)
      ;(machine === alice ? bob : alice).incoming.push(...sent)
      return
    }
    case 'drop':
    case 'crash': {
      const both = [alice, bob].map((machine) => {
        machine.incoming = []
        if (deed.side === machine.name) {
          const loaded = load(machine.disk)
          if (typeof loaded === 'string') throw new Error(loaded)
          machine.channel = loaded
        } else take(machine, { type: 'disconnected' })
        return [...take(machine, { type: 'connected' }), ...take(machine, { type: 'flush' })]
      })
      alice.incoming = both[1] ?? []
      bob.incoming = both[0] ?? []
      return
    }
    default:
      throw new Error(`the engine cannot do ${deed.kind}`)
  }
}

/** One input; what is sent. */
function take(machine: Machine, input: ChannelInput): Message[] {
  const result = step(machine.channel, input, machine.ctx)
  if (!result.ok) throw new Error(`${machine.name} finds a fault: ${result.error.code}: ${result.error.text}`)
  machine.channel = result.value.channel
  const sent: Message[] = []
  for (const effect of result.value.effects) {
    if (effect.type === 'send') sent.push(overTheWire(effect.message))
    if (effect.type !== 'event') continue
    if (effect.event.type === 'htlcReceived') machine.shown.add(Number(effect.event.add.id))
    if (effect.event.type === 'htlcSettled') machine.settled.add(Number(effect.event.id))
    if (effect.event.type === 'htlcRemoved') machine.removed.add(Number(effect.event.id))
  }
  return sent
}

function wished(machine: Machine, wish: Wish): ChannelInput {
  switch (wish.tag) {
    case 'Offer': {
      machine.offered += 1
      return addInput(machine.name, machine.offered, wish.value)
    }
    case 'Feerate':
      return { type: 'propose', proposal: { type: 'fee', feeratePerKw: wish.value } }
    case 'Resize':
      return { type: 'window', window: wish.value }
    case 'Resolve': {
      const id = BigInt(wish.value.id)
      if (!wish.value.paid)
        return { type: 'propose', proposal: { type: 'fail', id, reason: new Uint8Array(292) } }
      const htlc = lockedInHtlc(machine.channel, otherRole(machine.channel.role), id)
      const preimage = htlc === undefined ? undefined : preimageByHash.get(toHex(htlc.paymentHash))
      return { type: 'propose', proposal: { type: 'fulfill', id, preimage: preimage ?? new Uint8Array(32) } }
    }
  }
}

// What either says it holds, in the same words.

const byName = (indexes: Indexes) => ({ alice: indexes.opener, bob: indexes.accepter })
const sorted = (numbers: Iterable<number>): readonly number[] => [...numbers].sort((a, b) => a - b)

function engineCommitment(channel: Channel, commitment: { number: number; indexes: Indexes }): object {
  const view = viewAt(channel, commitment.indexes)
  return {
    number: commitment.number,
    indexes: byName(commitment.indexes),
    balance: { alice: Number(view.openerMsat), bob: Number(view.accepterMsat) },
    feerate: view.feeratePerKw,
    htlcs: view.htlcs.map((h) => `${named(h.offerer)} ${h.id}: ${h.amountMsat}`).sort(),
  }
}

function engineProposal(proposal: Proposal): string {
  switch (proposal.type) {
    case 'add':
      return `add ${proposal.amountMsat}`
    case 'fee':
      return `fee ${proposal.feeratePerKw}`
    default:
      return `${proposal.type} ${proposal.id}`
  }
}

function engineSide({ channel, shown, settled, removed }: Machine): object {
  return {
    logs: { alice: logLength(channel.logs.opener), bob: logLength(channel.logs.accepter) },
    local: engineCommitment(channel, channel.localTip),
    granted: channel.grantedThrough,
    tail: engineCommitment(channel, channel.remoteTail),
    pending: channel.remotePending.map((c) => engineCommitment(channel, c)),
    held: remoteGrantedThrough(channel),
    journal: channel.journal.map((e) =>
      e.kind === 'sign'
        ? `sign ${e.number}`
        : `revoke ${e.number} granting ${e.granted} from ${e.firstGranted}`,
    ),
    outbox: channel.outbox.map(engineProposal),
    online: channel.link === 'online',
    failed: channel.failure?.code ?? '',
    shown: sorted(shown),
    settled: sorted(settled),
    removed: sorted(removed),
  }
}

const modelCommitment = ({ number, indexes, view }: ModelCommitment): object => ({
  number,
  indexes: Object.fromEntries(indexes),
  balance: Object.fromEntries(view.balance),
  feerate: view.feerate,
  htlcs: view.htlcs.map((h) => `${h.by} ${h.id}: ${h.amount}`).sort(),
})

function modelProposal(update: ModelUpdate): string {
  switch (update.tag) {
    case 'Add':
      return `add ${update.value.amount}`
    case 'Fee':
      return `fee ${update.value}`
    case 'Settle':
      return `${update.value.paid ? 'fulfill' : 'fail'} ${update.value.id}`
  }
}

const modelSide = (side: ModelSide): object => ({
  logs: Object.fromEntries([...side.logs].map(([name, log]) => [name, log.length])),
  local: modelCommitment(side.local),
  granted: side.granted,
  tail: modelCommitment(side.tail),
  pending: side.pending.map(modelCommitment),
  held: side.held,
  journal: side.journal.map((e) =>
    e.tag === 'Signed'
      ? `sign ${e.value}`
      : `revoke ${e.value.number} granting ${e.value.count} from ${e.value.first}`,
  ),
  outbox: side.outbox.map(modelProposal),
  online: side.online,
  failed: side.failed,
  shown: sorted(side.shown),
  settled: sorted(side.settled),
  removed: sorted(side.removed),
})

const numbered = (indexes: { openerIndex: bigint; accepterIndex: bigint } | undefined): string =>
  indexes === undefined ? '' : ` (${indexes.openerIndex}, ${indexes.accepterIndex})`

/** A message in a line: with the LCP messages also what those say besides. */
function engineMessage(message: Message): string {
  switch (message.type) {
    case 'channel_ready':
      return 'channel_ready'
    case 'update_add_htlc':
      return `add ${message.id}: ${message.amountMsat}`
    case 'update_fulfill_htlc':
      return `fulfill ${message.id}`
    case 'update_fail_htlc':
      return `fail ${message.id}`
    case 'update_fee':
      return `fee ${message.feeratePerKw}`
    case 'commitment_signed': {
      const said = message.lcpIndexes
      return said === undefined ? 'sign' : `sign ${said.commitmentNumber}${numbered(said)}`
    }
    case 'revoke_and_ack': {
      const said = message.lcpPoints
      return said === undefined ? 'revoke' : `revoke, granting ${said.points.length} from ${said.firstNumber}`
    }
    case 'channel_reestablish':
      return `reestablish ${message.nextCommitmentNumber} ${message.nextRevocationNumber}${numbered(message.lcpState)}`
    default:
      return message.type
  }
}

function modelMessage(message: ModelMessage, lcpTerms: boolean): string {
  const at = (indexes: ReadonlyMap<string, number>): string =>
    lcpTerms ? ` (${indexes.get('alice')}, ${indexes.get('bob')})` : ''
  switch (message.tag) {
    case 'Ready':
      return 'channel_ready'
    case 'Said': {
      const update = message.value
      return update.tag === 'Add' ? `add ${update.value.id}: ${update.value.amount}` : modelProposal(update)
    }
    case 'Signature':
      return lcpTerms ? `sign ${message.value.number}${at(message.value.indexes)}` : 'sign'
    case 'Revocation':
      return lcpTerms ? `revoke, granting ${message.value.count} from ${message.value.first}` : 'revoke'
    case 'Reestablish': {
      const { nextCommitment, nextRevocation, indexes } = message.value
      return `reestablish ${nextCommitment} ${nextRevocation}${at(indexes)}`
    }
  }
}
