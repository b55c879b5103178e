import { afterEach, describe, expect, test } from 'vitest'
import { ApiError } from '../contract/errors.ts'
import type { Client } from '../contract/procedures.ts'
import { createClient } from '../contract/client.ts'
import type { Port } from '../contract/port.ts'
import type { Handlers } from '../contract/rpc.ts'
import type { AppState } from '../contract/schemas.ts'
import { fakeClock, settle } from '../host/fixture.ts'
import { createTab, type Leadership, type Tab } from './election.ts'
import type { ChannelPort, LockPort } from './ports.ts'

// Several tabs in one process: locks and channels are fakes, everything else is what runs in the browser.

/** The browser: locks with queues and a channel, and tabs that can die. */
function browser() {
  interface Waiting {
    readonly owner: string
    readonly grant: () => void
  }
  const held = new Map<string, { owner: string; drop: (e?: Error) => void }>()
  const queues = new Map<string, Waiting[]>()
  const channels = new Map<string, (message: unknown) => void>()

  function next(name: string): void {
    if (held.has(name)) return
    queues.get(name)?.shift()?.grant()
  }

  const locksOf = (owner: string): LockPort => ({
    request: (name, signal, hold) =>
      new Promise((resolve, reject) => {
        const entry: Waiting = {
          owner,
          grant: () => {
            signal.removeEventListener('abort', abort)
            let dropped = false
            const drop = (e?: Error) => {
              if (dropped) return
              dropped = true
              held.delete(name)
              if (e !== undefined) reject(e)
              next(name)
            }
            held.set(name, { owner, drop })
            hold().then(
              () => {
                drop()
                resolve()
              },
              (e: unknown) => {
                drop()
                reject(e instanceof Error ? e : new Error(String(e)))
              },
            )
          },
        }
        const queue = queues.get(name) ?? []
        queues.set(name, queue)
        const abort = () => {
          if (queue.includes(entry)) queue.splice(queue.indexOf(entry), 1)
          reject(new DOMException('aborted', 'AbortError'))
        }
        signal.addEventListener('abort', abort)
        queue.push(entry)
        void Promise.resolve().then(() => next(name))
      }),
  })

  const channelOf = (owner: string): ChannelPort => ({
    post: (message) => {
      if (!alive.has(owner)) return
      const copy: unknown = structuredClone(message)
      for (const [other, listener] of channels)
        if (other !== owner)
          void Promise.resolve().then(() => channels.get(other) === listener && listener(copy))
    },
    listen: (listener) => void channels.set(owner, listener),
    close: () => void channels.delete(owner),
  })

  const alive = new Set<string>()
  return {
    locksOf,
    channelOf,
    alive,
    holder: (name: string) => held.get(name)?.owner,
    /** The tab is closed: its worker vanishes between two instructions. */
    kill(owner: string) {
      alive.delete(owner)
      channels.delete(owner)
      for (const queue of queues.values())
        for (const entry of queue.filter((e) => e.owner === owner)) queue.splice(queue.indexOf(entry), 1)
      for (const lock of held.values()) if (lock.owner === owner) lock.drop()
    },
    steal: (name: string) => held.get(name)?.drop(new DOMException('stolen', 'AbortError')),
  }
}

type World = ReturnType<typeof browser>

/** The engine of a tab: states are pushed by the test, calls are noted. */
function engine(name: string) {
  const calls: string[] = []
  const watchers = new Set<() => void>()
  let aborted = 0
  let height = 0
  const state = () => ({ phase: 'running', version: `${name}:${height}` }) as AppState
  let release = () => {}
  const handlers: Partial<Handlers> = {
    newAddress: () => {
      calls.push('newAddress')
      return Promise.resolve({ address: `from ${name}` })
    },
    rescan: () => {
      calls.push('rescan')
      return new Promise((resolve) => {
        release = () => resolve({})
      })
    },
    async *getState(_input, signal) {
      calls.push('getState')
      for (;;) {
        yield state()
        if (signal.aborted) break
        await new Promise<void>((resolve) => {
          watchers.add(resolve)
          signal.addEventListener('abort', () => resolve(), { once: true })
        })
        if (signal.aborted) {
          aborted += 1
          return
        }
      }
    },
    async *sendPayments(_input, requests, signal) {
      calls.push('sendPayments')
      let index = 0
      for await (const batch of requests) {
        if (signal.aborted) return
        yield batch.map((request) => ({
          status: 'failed' as const,
          index: index++,
          error: {
            code: 'noRoute',
            message: `${name} ${'invoice' in request ? request.invoice : request.destination}`,
          },
        }))
      }
    },
    async *sendPayment(_input, signal) {
      calls.push('sendPayment')
      yield { status: 'attempting', attempt: 1, channelId: 'c', amountMsat: '1' }
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    },
  }
  return {
    handlers: handlers as Handlers,
    calls,
    aborted: () => aborted,
    release: () => release(),
    push() {
      height += 1
      const all = [...watchers]
      watchers.clear()
      for (const wake of all) wake()
    },
  }
}

const tabs: Tab[] = []
afterEach(async () => {
  await Promise.all(tabs.splice(0).map((tab) => tab.stop()))
})

interface TestTab {
  readonly tab: Tab
  readonly client: Client
  readonly engine: ReturnType<typeof engine>
  readonly started: () => number
  readonly stopped: () => number
  readonly time: ReturnType<typeof fakeClock>
  readonly defects: unknown[]
  /** The states this tab's page has seen, as `phase version`. */
  readonly states: string[]
  readonly stateError: () => unknown
}

function openTab(world: World, name: string, lead?: () => Promise<Leadership>): TestTab {
  const own = engine(name)
  const time = fakeClock()
  const defects: unknown[] = []
  let started = 0
  let stopped = 0
  world.alive.add(name)
  const tab = createTab({
    wallet: 'w',
    tab: name,
    locks: world.locksOf(name),
    channel: world.channelOf(name),
    clock: time,
    onDefect: (e) => void defects.push(e),
    lead:
      lead ??
      (() => {
        started += 1
        return Promise.resolve({
          handlers: own.handlers,
          stop: () => {
            stopped += 1
            return Promise.resolve()
          },
        })
      }),
  })
  tabs.push(tab)
  const [page, worker] = portPair()
  tab.attach(worker)
  const client = createClient(page)
  const states: string[] = []
  let stateError: unknown
  void (async () => {
    for await (const state of client.getState()) states.push(`${state.phase} ${state.version}`)
    stateError = 'ended'
  })().catch((e: unknown) => {
    stateError = e
  })
  return {
    tab,
    client,
    engine: own,
    started: () => started,
    stopped: () => stopped,
    time,
    defects,
    states,
    stateError: () => stateError,
  }
}

function portPair(): [Port, Port] {
  const listeners: (((message: unknown) => void) | undefined)[] = [undefined, undefined]
  const end = (mine: 0 | 1): Port => ({
    post: (message) => {
      const copy: unknown = structuredClone(message)
      void Promise.resolve().then(() => listeners[1 - mine]?.(copy))
    },
    listen: (listener) => {
      listeners[mine] = listener
    },
    close: () => {},
  })
  return [end(0), end(1)]
}

const rest = async () => {
  for (let i = 0; i < 10; i++) await settle()
}

describe('one engine', () => {
  test('runs in the first tab; the second is a live view of it', async () => {
    const world = browser()
    const a = openTab(world, 'a')
    await rest()
    const b = openTab(world, 'b')
    await rest()
    expect([a.tab.role(), b.tab.role()]).toEqual(['leading', 'following'])
    expect([a.started(), b.started()]).toEqual([1, 0])
    expect(a.states).toEqual(['running a:0'])
    expect(b.states).toEqual(['following a:0'])
    a.engine.push()
    await rest()
    expect(b.states.at(-1)).toBe('following a:1')
    expect(await b.client.newAddress()).toEqual({ address: 'from a' })
  })

  test('when several tabs open at once, one leads and all have a view', async () => {
    const world = browser()
    const all = ['a', 'b', 'c', 'd'].map((name) => openTab(world, name))
    await rest()
    expect(all.map((t) => t.started()).reduce((x, y) => x + y)).toBe(1)
    expect(all.map((t) => t.states.length)).toEqual([1, 1, 1, 1])
    expect(all.filter((t) => t.tab.role() === 'following')).toHaveLength(3)
  })

  test('errors of the node cross tabs with their codes', async () => {
    const world = browser()
    const a = openTab(world, 'a')
    Object.assign(a.engine.handlers, {
      newAddress: () => Promise.reject(new ApiError({ code: 'frozen', message: 'm' })),
    })
    await rest()
    const b = openTab(world, 'b')
    await expect(b.client.newAddress()).rejects.toMatchObject({ code: 'frozen', message: 'm' })
  })

  test('requests of a following tab stream to the leader, their results back, and both ends are told', async () => {
    const world = browser()
    const a = openTab(world, 'a')
    const b = openTab(world, 'b')
    await rest()
    for (const { client } of [a, b]) {
      const requests = Array.from({ length: 700 }, (_, i) => ({ invoice: `ln${i}` }))
      const messages: string[] = []
      for await (const result of client.sendPayments(requests))
        messages.push(result.status === 'failed' ? result.error.message : '')
      expect(messages).toEqual(requests.map(({ invoice }) => `a ${invoice}`))
    }
    expect(b.engine.calls).toEqual([])
  })

  test('leaving a stream in one tab ends it in the other', async () => {
    const world = browser()
    const a = openTab(world, 'a')
    await rest()
    const b = openTab(world, 'b')
    const controller = new AbortController()
    void (async () => {
      for await (const _ of b.client.getState({}, { signal: controller.signal }));
    })()
    await rest()
    controller.abort()
    await rest()
    expect(a.engine.aborted()).toBe(1)
  })
})

describe('when the leading tab goes', () => {
  async function two() {
    const world = browser()
    const a = openTab(world, 'a')
    await rest()
    const b = openTab(world, 'b')
    await rest()
    return { world, a, b }
  }

  test('the next one takes over and its page sees it without asking', async () => {
    const { world, b } = await two()
    world.kill('a')
    await rest()
    expect(b.tab.role()).toBe('leading')
    expect(b.states).toEqual(['following a:0', 'running b:0'])
    b.engine.push()
    await rest()
    expect(b.states.at(-1)).toBe('running b:1')
    expect(await b.client.newAddress()).toEqual({ address: 'from b' })
  })

  test('a third one follows the new leader, its stream resumed', async () => {
    const { world, b } = await two()
    const c = openTab(world, 'c')
    await rest()
    world.kill('a')
    await rest()
    expect(c.states).toEqual(['following a:0', 'following b:0'])
    b.engine.push()
    await rest()
    expect(c.states.at(-1)).toBe('following b:1')
  })

  test('calls and payments under way fail with `cancelled` and are not done twice', async () => {
    const { world, a, b } = await two()
    const call = b.client.rescan()
    const seen: string[] = []
    const payment = (async () => {
      for await (const update of b.client.sendPayment({ invoice: 'ln' })) seen.push(update.status)
    })()
    const callFailed = expect(call).rejects.toMatchObject({ code: 'cancelled' })
    const paymentFailed = expect(payment).rejects.toMatchObject({ code: 'cancelled' })
    await rest()
    expect(seen).toEqual(['attempting'])
    world.kill('a')
    await callFailed
    await paymentFailed
    await rest()
    expect(a.engine.calls.filter((c) => c === 'sendPayment')).toHaveLength(1)
    expect(b.engine.calls).toEqual(['getState'])
  })

  test('a leader that stops in good order hands over as well', async () => {
    const { a, b } = await two()
    await a.tab.stop()
    await rest()
    expect(a.stopped()).toBe(1)
    expect(b.tab.role()).toBe('leading')
    expect(b.states.at(-1)).toBe('running b:0')
  })

  test('a leader whose lock is taken ends its engine, and follows', async () => {
    const { world, a, b } = await two()
    world.steal('switchback/w')
    await rest()
    expect(a.stopped()).toBe(1)
    expect(b.tab.role()).toBe('leading')
    expect(a.states.at(-1)).toBe('following b:0')
    expect(a.stateError()).toBeUndefined()
  })
})

test('when a following tab goes, the leader ends its streams', async () => {
  const world = browser()
  const a = openTab(world, 'a')
  await rest()
  openTab(world, 'b')
  await rest()
  expect(a.engine.aborted()).toBe(0)
  world.kill('b')
  await rest()
  expect(a.engine.aborted()).toBe(1)
  a.engine.push()
  await rest()
  expect(a.states.at(-1)).toBe('running a:1')
})

describe('while nobody leads', () => {
  test('calls wait for the engine to start', async () => {
    const world = browser()
    let start: (leadership: Leadership) => void = () => {}
    const a = openTab(
      world,
      'a',
      () =>
        new Promise((resolve) => {
          start = resolve
        }),
    )
    const call = a.client.newAddress()
    await rest()
    const { handlers } = engine('late')
    start({ handlers, stop: () => Promise.resolve() })
    expect(await call).toEqual({ address: 'from late' })
    await rest()
    expect(a.states).toEqual(['running late:0'])
  })

  test('a call is told so after 15 seconds, a view goes on waiting', async () => {
    const world = browser()
    const a = openTab(world, 'a', () => new Promise(() => {}))
    const call = a.client.newAddress()
    const failed = expect(call).rejects.toMatchObject({ code: 'notReady' })
    await rest()
    await a.time.advance(14_999)
    await a.time.advance(1)
    await failed
    expect(a.stateError()).toBeUndefined()
    tabs.splice(0)
  })

  test('an engine that cannot start says why, lets others try and tries again', async () => {
    const world = browser()
    let works = false
    const { handlers } = engine('second')
    const a = openTab(world, 'a', () =>
      works
        ? Promise.resolve({ handlers, stop: () => Promise.resolve() })
        : Promise.reject(new ApiError({ code: 'storageFailed', message: 'newer' })),
    )
    await rest()
    expect(a.stateError()).toMatchObject({ code: 'storageFailed', message: 'newer' })
    await expect(a.client.newAddress()).rejects.toMatchObject({ code: 'storageFailed' })
    expect(world.holder('switchback/w')).toBeUndefined()
    works = true
    await a.time.advance(5_000)
    await rest()
    expect(await a.client.newAddress()).toEqual({ address: 'from second' })
  })

  test('a tab that cannot lead follows one that can', async () => {
    const world = browser()
    const a = openTab(world, 'a', () =>
      Promise.reject(new ApiError({ code: 'storageFailed', message: 'newer' })),
    )
    await rest()
    openTab(world, 'b')
    await rest()
    expect(await a.client.newAddress()).toEqual({ address: 'from b' })
    expect(a.tab.role()).toBe('following')
  })
})

test('where the browser grants no locks, the page is told so', async () => {
  const world = browser()
  world.locksOf = () => ({
    request: () => Promise.reject(new ApiError({ code: 'notAvailable', message: 'https' })),
  })
  const a = openTab(world, 'a')
  await rest()
  expect(a.stateError()).toMatchObject({ code: 'notAvailable' })
  await expect(a.client.newAddress()).rejects.toMatchObject({ code: 'notAvailable' })
  expect(a.started()).toBe(0)
})

test('what other versions or other programs say on the channel is ignored', async () => {
  const world = browser()
  const a = openTab(world, 'a')
  await rest()
  const stranger = world.channelOf('x')
  world.alive.add('x')
  for (const message of [
    null,
    'text',
    { v: 2, type: 'leader', leader: 'x' },
    { v: 1, type: 'leader', leader: 'x' },
    { v: 1, type: 'request', leader: 'other', tab: 'x', port: 0, message: { type: 'call' } },
    { v: 1, type: 'reply', leader: 'a.1', tab: 'a', port: 0, message: { type: 'end', id: 1 } },
  ])
    stranger.post(message)
  await rest()
  a.engine.push()
  await rest()
  expect(a.states).toEqual(['running a:0', 'running a:1'])
  expect(a.defects).toEqual([])
})
