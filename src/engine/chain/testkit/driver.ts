import { chainConfig } from '../config.ts'
import type { EsploraRequest, EsploraResult } from '../esplora.ts'
import type { HeaderChain } from '../headers.ts'
import { chainStep, initialChain } from '../step.ts'
import type { ChainConfig, ChainEvent, ChainInput, ChainState } from '../types.ts'
import type { FakeEsplora } from './fakeEsplora.ts'

type EventOf<T extends ChainEvent['type']> = Extract<ChainEvent, { readonly type: T }>

interface Scheduled {
  readonly at: number
  readonly input: ChainInput
}

/** Runs the machine against fake servers on a clock of its own: the same calls give the same events, every time. */
export class Driver {
  state: ChainState
  now: number
  readonly events: ChainEvent[] = []
  /** Inputs taken, to see that nothing spins. */
  steps = 0
  private queue: Scheduled[] = []
  private wakeAt = Number.POSITIVE_INFINITY
  private readonly servers: Readonly<Record<string, FakeEsplora>>
  private readonly latencyMs: (request: EsploraRequest, server: string) => number

  constructor(
    servers: Readonly<Record<string, FakeEsplora>>,
    options: {
      readonly config?: Partial<ChainConfig>
      readonly headers?: HeaderChain
      readonly latencyMs?: number | ((request: EsploraRequest, server: string) => number)
      readonly now?: number
    } = {},
  ) {
    this.servers = servers
    const { latencyMs = 20 } = options
    this.latencyMs = typeof latencyMs === 'number' ? () => latencyMs : latencyMs
    this.now = options.now ?? 1_900_000_000_000
    this.state = initialChain({ ...chainConfig('regtest'), ...options.config }, options.headers)
    for (const url of Object.keys(servers)) this.input({ type: 'addServer', url })
    this.input({ type: 'start' })
  }

  /** Gives the machine an input now. */
  input(input: ChainInput): readonly ChainEvent[] {
    this.steps++
    const step = chainStep(this.state, input, { now: this.now })
    this.state = step.state
    this.events.push(...step.events)
    for (const effect of step.effects) {
      if (effect.type === 'wakeAt') this.wakeAt = effect.ms
      else if (effect.type === 'request') {
        const result = this.servers[effect.server]?.answer(effect.request) ?? 'silence'
        if (result !== 'silence')
          this.answer(effect.id, result, this.latencyMs(effect.request, effect.server))
      }
    }
    return step.events
  }

  private answer(id: number, result: EsploraResult, latencyMs: number): void {
    this.queue.push({ at: this.now + latencyMs, input: { type: 'response', id, result } })
  }

  /** Lets `ms` pass: answers arrive and timers fire in order. */
  run(ms: number): void {
    const end = this.now + ms
    for (;;) {
      const next = this.queue.reduce<Scheduled | undefined>((a, b) => (a && a.at <= b.at ? a : b), undefined)
      const at = Math.min(next?.at ?? Number.POSITIVE_INFINITY, this.wakeAt)
      if (at > end) break
      this.now = Math.max(this.now, at)
      if (next && next.at <= this.wakeAt) {
        this.queue = this.queue.filter((q) => q !== next)
        this.input(next.input)
      } else {
        this.wakeAt = Number.POSITIVE_INFINITY
        this.input({ type: 'tick' })
      }
    }
    this.now = end
  }

  /** Lets time pass as in sleep: timers do not fire, answers are lost. */
  sleep(ms: number): void {
    this.queue = []
    this.now += ms
    this.input({ type: 'tick' })
  }

  of<T extends ChainEvent['type']>(type: T, token?: string): EventOf<T>[] {
    return this.events.filter(
      (e): e is EventOf<T> => e.type === type && (token === undefined || ('token' in e && e.token === token)),
    )
  }

  last<T extends ChainEvent['type']>(type: T, token?: string): EventOf<T> | undefined {
    return this.of(type, token).at(-1)
  }

  alarms(): string[] {
    return this.of('alarm').map((e) => e.alarm.kind)
  }
}
