import type { Message } from '../../engine/wire/messages.ts'
import type { Violation } from './search.ts'
import { NAMES, type Step, type World } from './world.ts'

/** A way to a violation, in words: what each side received, did and sent. */

export function describeMessage(message: Message): string {
  switch (message.type) {
    case 'update_add_htlc':
      return `${message.type} ${message.id} (${message.amountMsat} msat)`
    case 'update_fulfill_htlc':
    case 'update_fail_htlc':
    case 'update_fail_malformed_htlc':
      return `${message.type} ${message.id}`
    case 'update_fee':
      return `${message.type} ${message.feeratePerKw}`
    case 'commitment_signed': {
      const said = message.lcpIndexes
      const where =
        said === undefined ? '' : ` ${said.commitmentNumber} (${said.openerIndex}, ${said.accepterIndex})`
      return `${message.type}${where}`
    }
    case 'revoke_and_ack': {
      const points = message.lcpPoints
      const granted =
        points === undefined ? '' : ` granting ${points.points.length} from ${points.firstNumber}`
      return `${message.type}${granted}`
    }
    case 'channel_reestablish':
      return `${message.type} (next ${message.nextCommitmentNumber}, revocation ${message.nextRevocationNumber})`
    case 'closing_signed':
      return `${message.type} ${message.feeSatoshis}`
    default:
      return message.type
  }
}

function describeStep(world: World, before: number, step: Step): readonly string[] {
  const { action } = step
  const names = (list: number): string[] =>
    world.lists.at(list).map((id) => describeMessage(world.messages.at(id)))
  switch (action.type) {
    case 'turn': {
      const name = NAMES[action.side] ?? '?'
      const { received, ops, sends } = action.outcome
      const incoming = world.lists.at(world.states.word(before, action.side === 0 ? 5 : 4)).slice(0, received)
      const lines = incoming.map((id) => `    ← ${describeMessage(world.messages.at(id))}`)
      lines.push(...ops.map((op) => `    · ${op.name}`), ...names(sends).map((text) => `    → ${text}`))
      return [`${name} takes a turn:`, ...lines]
    }
    case 'write':
      return [`${NAMES[action.side] ?? '?'} writes`]
    case 'drop':
      return ['the connection drops and is made again; both send channel_reestablish']
    case 'backup':
      return [`a copy is made of what ${NAMES[action.side] ?? '?'} has stored`]
    case 'restore':
      return [`${NAMES[action.side] ?? '?'} starts again from the copy; both send channel_reestablish`]
    case 'crash':
      return [`${NAMES[action.side] ?? '?'} ends and starts again; both send channel_reestablish`]
  }
}

/** The lines of a violation: the steps that were chosen, then those that settling takes. */
export function describeViolation(world: World, violation: Violation): readonly string[] {
  const lines: string[] = []
  let state = world.start
  for (const [index, step] of violation.steps.entries()) {
    if (index === violation.chosen) lines.push('— and from here on everything in flight is delivered:')
    for (const [i, line] of describeStep(world, state, step).entries()) {
      lines.push(i === 0 ? `${String(index + 1).padStart(3)}. ${line}` : line)
    }
    state = step.state
  }
  lines.push(`Violated: ${violation.problem}`)
  return lines
}
