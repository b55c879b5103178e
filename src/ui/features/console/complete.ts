import { COMMANDS, findCommand, LOCAL_COMMANDS } from './commands.ts'

/** What the node knows that arguments may be. */
export interface Known {
  readonly channels: readonly string[]
  readonly peers: readonly string[]
  readonly addresses: readonly string[]
}

export interface Completion {
  /** The line with as much completed as is certain. */
  readonly line: string
  /** What could stand where the line ends, when there is a choice. */
  readonly candidates: readonly string[]
}

function commonStart(words: readonly string[]): string {
  const [first = '', ...others] = words
  let length = first.length
  for (const other of others) {
    while (!other.startsWith(first.slice(0, length))) length--
  }
  return first.slice(0, length)
}

const COMMAND_NAMES = [...COMMANDS, ...LOCAL_COMMANDS].map((command) => command.name).toSorted()

function candidatesFor(words: readonly string[], known: Known): readonly string[] {
  if (words.length === 1) return COMMAND_NAMES
  const name = words[0] ?? ''
  if (name === 'help') return words.length === 2 ? COMMAND_NAMES : []
  const command = findCommand(name)
  if (command === undefined) return []
  const flags = command.args.filter((arg) => arg.named === true).map((arg) => `--${arg.name}`)
  const place = words.slice(1).filter((word) => !word.startsWith('--')).length - 1
  const arg = command.args.filter((candidate) => candidate.named !== true)[place]
  const values =
    arg === undefined
      ? []
      : arg.field === 'channelId'
        ? known.channels
        : arg.name === 'peer'
          ? known.addresses
          : arg.name === 'pubkey'
            ? known.peers
            : arg.kind === 'satOrMax'
              ? ['max']
              : []
  return (words.at(-1) ?? '').startsWith('-') ? flags : values
}

/** Completes the end of a line: the whole word when only one fits, else what those that fit have in common. */
export function complete(line: string, known: Known): Completion {
  const words = line.trimStart().split(/\s+/)
  const last = words.at(-1) ?? ''
  const fitting = candidatesFor(words, known).filter((candidate) => candidate.startsWith(last))
  if (fitting.length === 0) return { line, candidates: [] }
  const start = line.slice(0, line.length - last.length)
  if (fitting.length === 1) return { line: `${start}${fitting[0]} `, candidates: [] }
  return { line: start + commonStart(fitting), candidates: fitting }
}
