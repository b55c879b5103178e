import type { ProcedureName } from '../../../contract/procedures.ts'
import { parseSats, satFloor } from '../../text/amounts.ts'
import { type Argument, type Command, findCommand, usageOf } from './commands.ts'

export type Parsed =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'help'; readonly topic: string }
  | { readonly kind: 'clear' }
  | { readonly kind: 'demo'; readonly payments: number }
  | {
      readonly kind: 'run'
      readonly procedure: ProcedureName
      readonly input: Readonly<Record<string, unknown>>
    }
  | { readonly kind: 'wrong'; readonly message: string }

const wrong = (message: string): Parsed => ({ kind: 'wrong', message })

/** Words of a line: spaces separate, quotes hold together, a backslash takes the next character as it is. */
export function splitLine(line: string): string[] | undefined {
  const words: string[] = []
  let word: string | undefined
  let quote: string | undefined
  for (let i = 0; i < line.length; i++) {
    const character = line[i] ?? ''
    if (character === '\\' && quote !== "'" && i + 1 < line.length) {
      word = (word ?? '') + (line[++i] ?? '')
    } else if (quote !== undefined) {
      if (character === quote) quote = undefined
      else word += character
    } else if (character === '"' || character === "'") {
      quote = character
      word ??= ''
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else {
      word = (word ?? '') + character
    }
  }
  if (quote !== undefined) return undefined
  if (word !== undefined) words.push(word)
  return words
}

type Value = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly message: string }

function read(arg: Argument, text: string): Value {
  const no = (what: string): Value => ({ ok: false, message: `${arg.name}: ${what}` })
  switch (arg.kind) {
    case 'text':
      return { ok: true, value: text }
    case 'invoices':
      return { ok: true, value: text.split(/\s+/).map((invoice) => ({ invoice })) }
    case 'number':
      return /^\d+(\.\d+)?$/.test(text) ? { ok: true, value: Number(text) } : no('a number, please')
    case 'flag':
      if (text === 'true' || text === 'false') return { ok: true, value: text === 'true' }
      return no('true or false, please')
    case 'satOrMax':
    case 'sat': {
      if (arg.kind === 'satOrMax' && text === 'max') return { ok: true, value: 'max' }
      const parsed = parseSats(text, 0)
      if (parsed.ok) return { ok: true, value: satFloor(parsed.msat).toString() }
      return no(arg.kind === 'sat' ? 'an amount in whole sats, please' : 'whole sats or max, please')
    }
    case 'satToMsat': {
      if (/^0+$/.test(text)) return { ok: true, value: '0' }
      const parsed = parseSats(text, 3)
      return parsed.ok ? { ok: true, value: parsed.msat.toString() } : no('an amount in sats, please')
    }
  }
}

function readJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

function readArguments(command: Command, words: readonly string[]): Parsed {
  const input: Record<string, unknown> = { ...command.fixed }
  const set = (arg: Argument, text: string): string | undefined => {
    if (arg.field in input) return `${arg.name} is there twice`
    const value = read(arg, text)
    if (!value.ok) return value.message
    input[arg.field] = value.value
    return undefined
  }
  const positional = command.args.filter((arg) => arg.named !== true)
  let next = 0
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? ''
    const named = /^--?([a-z_]+)(?:=(.*))?$/s.exec(word) ?? /^([a-z_]+)=(.*)$/s.exec(word)
    const arg =
      named === null
        ? undefined
        : command.args.find(({ name, field }) => name === named[1] || field === named[1])
    let problem: string | undefined
    if (named !== null && (arg !== undefined || word.startsWith('-'))) {
      if (arg === undefined) return wrong(`${command.name} has no ${word}\n${usageOf(command)}`)
      const given = named[2] ?? (arg.kind === 'flag' ? 'true' : words[++i])
      if (given === undefined) return wrong(`${arg.name}: its value is missing`)
      problem = set(arg, given)
    } else {
      while (positional[next] !== undefined && (positional[next]?.field ?? '') in input) next++
      const place = positional[next]
      if (place === undefined) return wrong(`too much: ${word}\n${usageOf(command)}`)
      next++
      if (place.rest === true) {
        // Up to the first named argument.
        const end = words.findIndex((candidate, index) => index > i && candidate.startsWith('--'))
        const until = end === -1 ? words.length : end
        problem = set(place, words.slice(i, until).join(' '))
        i = until - 1
      } else problem = set(place, word)
    }
    if (problem !== undefined) return wrong(problem)
  }
  const missing = command.args.find((arg) => arg.required === true && !(arg.field in input))
  if (missing !== undefined) return wrong(`${missing.name} is missing\n${usageOf(command)}`)
  return { kind: 'run', procedure: command.procedure, input }
}

/** A line of the console as what it asks for. Never throws. */
export function parseLine(line: string): Parsed {
  const trimmed = line.trim()
  if (trimmed === '') return { kind: 'nothing' }
  const space = trimmed.search(/\s/)
  const name = space === -1 ? trimmed : trimmed.slice(0, space)
  const rest = space === -1 ? '' : trimmed.slice(space).trim()
  if (name === 'help' || name === '?') return { kind: 'help', topic: rest }
  if (name === 'clear') return { kind: 'clear' }
  if (name === 'demo') {
    const count = /^stream(?:\s+([1-9]\d{0,4}))?$/.exec(rest)
    return count === null
      ? wrong('demo stream [N], with at most 99999 payments')
      : { kind: 'demo', payments: Number(count[1] ?? 2000) }
  }
  const command = findCommand(name)
  if (command === undefined) return wrong(`there is no command ${name}; help lists them`)
  if (rest.startsWith('{')) {
    const input = readJson(rest)
    return input === undefined
      ? wrong('this is not a JSON object')
      : { kind: 'run', procedure: command.procedure, input }
  }
  const words = splitLine(rest)
  return words === undefined ? wrong('a quote is not closed') : readArguments(command, words)
}
