import { lockedIn, viewAt } from '../../engine/channel/log.ts'
import type { ChannelInput } from '../../engine/channel/types.ts'
import { otherRole } from '../../engine/commitment/types.ts'
import type { Machine } from './machine.ts'
import type { World } from './world.ts'

/**
 * From rest, everything that still stands can be brought to an end: HTLCs are settled or failed, what waited gets its turn, and the
 * channel closes with one transaction that both have.
 */

interface Side {
  readonly machine: Machine
  local: number
  readonly queue: number[]
}

const MAX_ROUNDS = 40

/** What cannot be brought to an end, or undefined. */
export function drainProblem(world: World, a: number, b: number): string | undefined {
  const [alice, bob] = world.machines
  const sides: readonly [Side, Side] = [
    { machine: alice, local: a, queue: [] },
    { machine: bob, local: b, queue: [] },
  ]
  const channelOf = (side: Side) => side.machine.at(side.local).channel
  if (sides.some((side) => !channelOf(side).readySent || !channelOf(side).readyReceived)) return undefined
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const inputs = sides.map((side) => removals(side))
    if (inputs.every((list) => list.length === 0)) break
    const problem = act(world, sides, inputs)
    if (problem !== undefined) return problem
  }
  for (const side of sides) {
    const { base, outbox } = channelOf(side)
    if (base.htlcs.length > 0) return `F: ${side.machine.name}: HTLCs cannot be brought to an end`
    if (outbox.length > 0) return `F: ${side.machine.name}: ${outbox.length} proposals wait for ever`
  }
  const close: ChannelInput = { type: 'close', feeratePerKw: 1000 }
  const problem = act(world, sides, [[close], []])
  if (problem !== undefined) return problem
  const [x, y] = sides.map((side) => side.machine.at(side.local).node.closedTxid)
  return x !== undefined && x === y ? undefined : 'F: the channel does not close'
}

/** Settles HTLCs of even ids and fails the others. */
function removals({ machine, local }: Side): readonly ChannelInput[] {
  const { channel } = machine.at(local)
  const them = otherRole(channel.role)
  return viewAt(channel, lockedIn(channel))
    .htlcs.filter((htlc) => htlc.offerer === them)
    .map((htlc): ChannelInput => {
      const settle = htlc.id % 2n === 0n ? machine.settleInput(channel, htlc.id) : undefined
      return (
        settle ?? {
          type: 'propose',
          proposal: { type: 'fail', id: htlc.id, reason: new Uint8Array(292) },
        }
      )
    })
}

/** Gives each side its inputs, then delivers until both are silent. */
function act(
  world: World,
  sides: readonly [Side, Side],
  inputs: readonly (readonly ChannelInput[])[],
): string | undefined {
  for (const [i, side] of sides.entries()) {
    const edge = side.machine.other(side.local, [...(inputs[i] ?? []), { type: 'flush' }])
    if (edge.problem !== undefined) return edge.problem
    side.local = edge.next
    sides[1 - i]?.queue.push(...world.lists.at(edge.sends))
  }
  for (let turn = 0; turn < 1000; turn++) {
    const [first, second] = sides
    const side = first.queue.length > 0 ? first : second
    const waiting = world.lists.of(side.queue.splice(0))
    if (waiting === 0) return undefined
    const index = side === first ? 0 : 1
    const outcome = world.turn(index, side.local, waiting, world.lists.at(waiting).length)
    if (outcome.problem !== undefined) return outcome.problem
    side.local = outcome.next
    sides[1 - index]?.queue.push(...world.lists.at(outcome.sends))
  }
  return 'F: the two sides never fall silent'
}
