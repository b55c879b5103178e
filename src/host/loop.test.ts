import { describe, expect, test } from 'vitest'
import { ApiError } from '../contract/errors.ts'
import type { NodeEffect, NodeInput, RecordWrite } from '../engine/node/ports.ts'
import { fakeClock, settle } from './fixture.ts'
import { createLoop, type LoopStatus, type TurnResult } from './loop.ts'

type State = readonly string[]
type Answer = (inputs: readonly NodeInput[], state: State) => Partial<TurnResult<State>>

/** A loop over a scripted engine; everything that happens is noted in `log` in its order. */
function harness(answer: Answer, options: { slowStore?: boolean; unreadable?: boolean } = {}) {
  const log: string[] = []
  const clock = fakeClock()
  const commits: { writes: readonly RecordWrite[]; done: () => void; fail: (e: unknown) => void }[] = []
  const answers: ((value: unknown) => void)[] = []
  const seeds: Uint8Array[] = []
  let seed = 0
  const loop = createLoop<State>([], {
    turn: (state, inputs, context) => {
      seeds.push(context.entropySeed)
      log.push(`turn ${inputs.map((i) => (i.type === 'peerMessage' ? `m${i.bytes[0]}` : i.type)).join(' ')}`)
      return {
        state: [...state, ...inputs.map((i) => i.type)],
        writes: [],
        effects: [],
        ...answer(inputs, state),
      }
    },
    store: {
      read: (key) => {
        log.push(`read ${key}`)
        return options.unreadable === true
          ? Promise.reject(new Error('torn'))
          : Promise.resolve(Uint8Array.of(9))
      },
      commit: (writes) => {
        log.push('commit')
        return new Promise((resolve, reject) => {
          const done = () => {
            log.push('written')
            resolve()
          }
          commits.push({ writes, done, fail: reject })
          if (options.slowStore !== true) done()
        })
      },
    },
    peers: {
      send: (connection, messages) => void log.push(`send ${connection} ${messages.length}`),
      hangUp: (connection) => void log.push(`hangUp ${connection}`),
      keepConnected: (nodeId, address) => void log.push(`keep ${nodeId} ${address}`),
      letGo: (nodeId) => void log.push(`letGo ${nodeId}`),
      shutDown: () => void log.push('shutDown'),
      consumed: () => {},
    },
    esplora: {
      request: (server, _request, signal) => {
        log.push(`ask ${server}`)
        signal.addEventListener('abort', () => log.push(`aborted ${server}`))
        return new Promise((resolve) => {
          answers.push((value) => resolve({ ok: true, value }))
        })
      },
    },
    clock,
    entropy: () => new Uint8Array(32).fill(seed++),
    onDefect: (e) => void log.push(`defect ${e instanceof Error ? e.message : String(e)}`),
  })
  return { loop, log, clock, commits, answers, seeds }
}

const message = (n: number) =>
  ({ type: 'peerMessage', connection: 'c', bytes: Uint8Array.of(n) }) as const satisfies NodeInput
const write: RecordWrite = { key: 'k', value: Uint8Array.of(1) }
const send: NodeEffect = { type: 'send', connection: 'c', messages: [Uint8Array.of(1)] }
const done = (inputs: readonly NodeInput[]): NodeEffect[] =>
  inputs.flatMap((i) =>
    i.type === 'command' ? [{ type: 'reply', id: i.id, result: { ok: true, value: { type: 'done' } } }] : [],
  )

describe('write, then act', () => {
  test('nothing of a turn leaves before its records are on disk', async () => {
    const { loop, log, commits } = harness(() => ({ writes: [write], effects: [send] }), { slowStore: true })
    loop.push(message(1))
    await settle()
    expect(log).toEqual(['turn m1', 'commit'])
    expect(loop.status().state).toEqual([])
    commits[0]?.done()
    await settle()
    expect(log).toEqual(['turn m1', 'commit', 'written', 'send c 1'])
    expect(loop.status().state).toEqual(['peerMessage'])
  })

  test('what arrives while a write is pending makes one turn, after it', async () => {
    const { loop, log, commits } = harness(() => ({ writes: [write], effects: [send] }), { slowStore: true })
    loop.push(message(1))
    await settle()
    for (const n of [2, 3, 4]) {
      loop.push(message(n))
      await settle()
    }
    expect(log).toEqual(['turn m1', 'commit'])
    commits[0]?.done()
    await settle()
    expect(log.slice(2)).toEqual(['written', 'send c 1', 'turn m2 m3 m4', 'commit'])
  })

  test('more than a turn takes makes several, in order, each written before it acts', async () => {
    const { loop, log, commits } = harness(() => ({ writes: [write], effects: [send] }), { slowStore: true })
    for (let n = 0; n < 150; n++) loop.push(message(n))
    for (let turn = 0; turn < 3; turn++) {
      await settle()
      expect(commits).toHaveLength(turn + 1)
      commits[turn]?.done()
    }
    await settle()
    const turns = log.filter((line) => line.startsWith('turn'))
    expect(turns.flatMap((line) => line.split(' ').slice(1))).toEqual(
      Array.from({ length: 150 }, (_, n) => `m${n}`),
    )
    expect(turns.map((line) => line.split(' ').length - 1)).toEqual([64, 64, 22])
    expect(log.filter((line) => !line.startsWith('turn'))).toEqual(
      turns.flatMap(() => ['commit', 'written', 'send c 1']),
    )
    expect(loop.status().state).toHaveLength(150)
  })

  test('a record that the engine asks for comes with a later turn; one that cannot be read stops the node', async () => {
    const asks: Answer = (inputs) =>
      inputs[0]?.type === 'tick'
        ? { writes: [write], effects: [{ type: 'readRecord', key: 'court/c/7' }, send] }
        : {}
    const good = harness(asks)
    good.loop.push({ type: 'tick' })
    await settle()
    expect(good.log).toEqual(['turn tick', 'commit', 'written', 'read court/c/7', 'send c 1', 'turn record'])
    const bad = harness(asks, { unreadable: true })
    bad.loop.push({ type: 'tick' })
    await settle()
    expect(bad.loop.status()).toMatchObject({ phase: 'frozen', error: { code: 'storageFailed' } })
  })

  test('a turn without records does not bother the store', async () => {
    const { loop, log } = harness(() => ({ effects: [send] }))
    loop.push(message(1))
    loop.push(message(2))
    await settle()
    expect(log).toEqual(['turn m1 m2', 'send c 1'])
  })

  test('effects run in their order, each turn with fresh entropy', async () => {
    const { loop, log, seeds } = harness((inputs) => ({
      effects:
        inputs[0]?.type === 'tick'
          ? [
              { type: 'keepConnected', nodeId: 'n', address: 'a' },
              send,
              { type: 'hangUp', connection: 'c', reason: 'r' },
              { type: 'letGo', nodeId: 'n' },
            ]
          : [],
    }))
    loop.start()
    await settle()
    expect(log).toEqual(['turn tick', 'keep n a', 'send c 1', 'hangUp c', 'letGo n'])
    loop.push(message(1))
    await settle()
    expect(seeds[0]).not.toEqual(seeds[1])
  })
})

describe('freezing', () => {
  test('a failed commit: nothing is sent, everybody is hung up, the state stays, listeners and callers are told', async () => {
    const { loop, log, commits } = harness(
      (inputs) => ({ writes: [write], effects: [send, ...done(inputs)] }),
      {
        slowStore: true,
      },
    )
    const seen: LoopStatus<State>[] = []
    loop.onState((status) => seen.push(status))
    const command = loop.command({ type: 'newAddress' })
    const rejected = expect(command).rejects.toMatchObject({ code: 'storageFailed' })
    await settle()
    loop.push(message(2))
    commits[0]?.fail(new Error('disk full'))
    await rejected
    await settle()
    expect(log).toEqual(['turn command', 'commit', 'defect disk full', 'shutDown'])
    expect(seen).toEqual([
      {
        phase: 'frozen',
        state: [],
        error: expect.objectContaining({ code: 'storageFailed' }) as object,
      },
    ])
    loop.push(message(3))
    await settle()
    expect(log).toHaveLength(4)
    await expect(loop.command({ type: 'refresh' })).rejects.toMatchObject({ code: 'frozen' })
  })

  test('a store that names its failure is quoted', async () => {
    const { loop, commits } = harness(() => ({ writes: [write] }), { slowStore: true })
    loop.push(message(1))
    await settle()
    commits[0]?.fail(new ApiError({ code: 'storageFailed', message: 'full', data: { reason: 'quota' } }))
    await settle()
    expect(loop.status().error).toEqual({ code: 'storageFailed', message: 'full', data: { reason: 'quota' } })
  })

  test('a defect of the engine’s own: neither written nor sent, and its text does not reach the API', async () => {
    const { loop, log } = harness(() => {
      throw new Error('invariant: secret 42')
    })
    loop.start()
    await settle()
    expect(log).toEqual(['turn tick', 'defect invariant: secret 42', 'shutDown'])
    expect(loop.status()).toMatchObject({ phase: 'frozen', state: [], error: { code: 'internal' } })
    expect(loop.status().error?.message).not.toContain('42')
  })

  test('frozen while a write is pending: its effects do not run even if the write succeeds', async () => {
    const { loop, log, commits } = harness(() => ({ writes: [write], effects: [send] }), { slowStore: true })
    loop.push(message(1))
    await settle()
    loop.freeze({ code: 'storageFailed', message: 'lost' })
    commits[0]?.done()
    await settle()
    expect(log).not.toContain('send c 1')
    expect(loop.status().state).toEqual([])
  })

  test('requests under way are aborted and their answers are not heard', async () => {
    const { loop, log, answers } = harness(() => ({
      effects: [{ type: 'esplora', id: 1, server: 's', request: { kind: 'tipHash' } }],
    }))
    loop.push(message(1))
    await settle()
    loop.freeze({ code: 'storageFailed', message: 'lost' })
    answers[0]?.('late')
    await settle()
    expect(log).toEqual(['turn m1', 'ask s', 'defect lost', 'aborted s', 'shutDown'])
  })

  test('no timer is left behind', async () => {
    const { loop, clock } = harness(() => ({}))
    loop.start()
    await settle()
    loop.freeze({ code: 'internal', message: 'x' })
    expect(clock.waiting()).toBe(0)
  })
})

describe('an input that the engine throws at', () => {
  const throwsAt =
    (bad: (input: NodeInput) => boolean): Answer =>
    (inputs) => {
      if (inputs.some(bad)) throw new Error('a defect')
      return { effects: done(inputs) }
    }
  const isMessage = (n: number) => (i: NodeInput) => i.type === 'peerMessage' && i.bytes[0] === n

  test('of a peer: costs its connection and nothing else, wherever in a turn it stands', async () => {
    const { loop, log } = harness(throwsAt(isMessage(2)))
    const other = { type: 'peerMessage', connection: 'd', bytes: Uint8Array.of(9) } as const
    for (const input of [message(1), message(2), other, message(3)]) loop.push(input)
    const command = loop.command({ type: 'refresh' })
    await expect(command).resolves.toEqual({ type: 'done' })
    // All of it, then one by one; m3 came by the connection that is no more.
    expect(log).toEqual([
      'turn m1 m2 m9 m3 command',
      'turn m1',
      'turn m2',
      'defect a defect',
      'hangUp c',
      'turn m9 command',
    ])
    expect(loop.status()).toMatchObject({
      phase: 'running',
      state: ['peerMessage', 'peerMessage', 'command'],
    })
  })

  test('of a server: counts as no answer', async () => {
    const results: boolean[] = []
    const { loop, log, answers } = harness((inputs) => {
      for (const i of inputs) {
        if (i.type !== 'esploraResponse') continue
        results.push(i.result.ok)
        if (i.result.ok) throw new Error('a defect')
      }
      return inputs[0]?.type === 'tick'
        ? { effects: [{ type: 'esplora', id: 1, server: 's', request: { kind: 'tipHash' } }] }
        : {}
    })
    loop.start()
    await settle()
    answers[0]?.('poison')
    await settle()
    expect(results).toEqual([true, false])
    expect(log).toContain('defect a defect')
    expect(loop.status().phase).toBe('running')
  })

  test('of the API: is refused, and says no more than that', async () => {
    const { loop } = harness(throwsAt((i) => i.type === 'command' && i.command.type === 'refresh'))
    await expect(loop.command({ type: 'refresh' })).rejects.toMatchObject({
      code: 'internal',
      message: 'The node met a defect and did not do this.',
    })
    await expect(loop.command({ type: 'newAddress' })).resolves.toEqual({ type: 'done' })
  })

  test('of the node itself, a tick among them, stops it', async () => {
    const { loop } = harness(throwsAt((i) => i.type === 'tick'))
    loop.push(message(1))
    loop.start()
    await settle()
    expect(loop.status()).toMatchObject({ phase: 'frozen', state: ['peerMessage'] })
  })
})

describe('commands', () => {
  test('the reply comes only after the commit', async () => {
    const { loop, commits } = harness((inputs) => ({ writes: [write], effects: done(inputs) }), {
      slowStore: true,
    })
    let answered = false
    const reply = loop.command({ type: 'rescan' }).then((value) => {
      answered = true
      return value
    })
    await settle()
    expect(answered).toBe(false)
    commits[0]?.done()
    expect(await reply).toEqual({ type: 'done' })
  })

  test('a reply may come turns later, and errors keep their code, message and figures', async () => {
    const { loop } = harness((inputs) => ({
      effects: inputs.some((i) => i.type === 'peerMessage')
        ? [
            {
              type: 'reply',
              id: 1,
              result: {
                ok: false,
                error: { code: 'insufficientFunds', message: 'm', data: { missingSat: '5' } },
              },
            },
          ]
        : [],
    }))
    const command = loop.command({ type: 'newAddress' })
    await settle()
    loop.push(message(1))
    const error = await command.catch((e: unknown) => e)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ code: 'insufficientFunds', message: 'm', data: { missingSat: '5' } })
  })

  test('a code that the contract does not know becomes `internal`', async () => {
    const { loop } = harness((inputs) => ({
      effects: inputs.flatMap((i) =>
        i.type === 'command'
          ? [{ type: 'reply', id: i.id, result: { ok: false, error: { code: 'toString', message: 'm' } } }]
          : [],
      ),
    }))
    await expect(loop.command({ type: 'refresh' })).rejects.toMatchObject({ code: 'internal' })
  })
})

test('events and the new state are seen after the write, and a listener that throws harms nobody', async () => {
  const { loop, log, commits } = harness(
    () => ({ writes: [write], effects: [{ type: 'event', event: { type: 'walletChanged' } }, send] }),
    { slowStore: true },
  )
  loop.subscribe(() => {
    throw new Error('listener')
  })
  loop.subscribe((event) => log.push(`event ${event.type} ${loop.status().state.length}`))
  loop.push(message(1))
  await settle()
  expect(log).toEqual(['turn m1', 'commit'])
  commits[0]?.done()
  await settle()
  expect(log.slice(3)).toEqual(['defect listener', 'event walletChanged 1', 'send c 1'])
  expect(loop.status().phase).toBe('running')
})

describe('time', () => {
  test('a tick comes every five seconds, also while wishes far ahead keep coming', async () => {
    const { loop, log, clock } = harness(() => ({
      effects: [{ type: 'wakeAt', ms: Number.MAX_SAFE_INTEGER }],
    }))
    loop.start()
    await settle()
    for (let i = 0; i < 12; i++) {
      await clock.advance(1_000)
      loop.push(message(1))
      await settle()
    }
    expect(log.filter((l) => l === 'turn tick')).toHaveLength(3)
  })

  test('a tick comes at the time asked for, once', async () => {
    let asked = false
    const { loop, log, clock } = harness((inputs) => {
      if (inputs[0]?.type !== 'peerMessage' || asked) return {}
      asked = true
      return { effects: [{ type: 'wakeAt', ms: clock.now() + 300 }] }
    })
    loop.start()
    await settle()
    loop.push(message(1))
    await settle()
    await clock.advance(299)
    expect(log).toEqual(['turn tick', 'turn m1'])
    await clock.advance(1)
    expect(log.slice(2)).toEqual(['turn tick'])
    await clock.advance(4_000)
    expect(log.slice(3)).toEqual([])
  })

  test('a later wish replaces an earlier one', async () => {
    const wishes = [1_000, 3_000]
    const { loop, log, clock } = harness((inputs) => {
      const wish = inputs[0]?.type === 'peerMessage' ? wishes.shift() : undefined
      return wish === undefined ? {} : { effects: [{ type: 'wakeAt', ms: clock.now() + wish }] }
    })
    loop.start()
    await settle()
    loop.push(message(1))
    await settle()
    loop.push(message(2))
    await settle()
    await clock.advance(2_999)
    expect(log).toEqual(['turn tick', 'turn m1', 'turn m2'])
    await clock.advance(1)
    expect(log).toHaveLength(4)
  })

  test('an engine that always asks for the past does not spin', async () => {
    const { loop, log, clock } = harness(() => ({ effects: [{ type: 'wakeAt', ms: 0 }] }))
    loop.start()
    await clock.advance(1_000)
    expect(log.length).toBeLessThan(60)
  })

  test('ticks do not pile up behind a slow write', async () => {
    const { loop, log, clock, commits } = harness(() => ({ writes: [write] }), { slowStore: true })
    loop.start()
    await settle()
    await clock.advance(60_000)
    commits[0]?.done()
    await settle()
    expect(log).toEqual(['turn tick', 'commit', 'written', 'turn tick', 'commit'])
  })
})

describe('Esplora', () => {
  test('an answer comes back as an input with its id; a cancelled one does not', async () => {
    const inputs: NodeInput[] = []
    const { loop, log, answers } = harness((given) => {
      inputs.push(...given)
      if (given[0]?.type === 'tick')
        return {
          effects: [1, 2].map((id) => ({
            type: 'esplora',
            id,
            server: `s${id}`,
            request: { kind: 'tipHash' },
          })),
        }
      return given[0]?.type === 'peerMessage' ? { effects: [{ type: 'esploraCancel', id: 1 }] } : {}
    })
    loop.start()
    await settle()
    loop.push(message(1))
    await settle()
    expect(log).toContain('aborted s1')
    answers[0]?.('one')
    answers[1]?.('two')
    await settle()
    expect(inputs.filter((i) => i.type === 'esploraResponse')).toEqual([
      { type: 'esploraResponse', id: 2, result: { ok: true, value: 'two' } },
    ])
  })
})

test('stopping lets the pending turn finish, then hangs up and answers open commands', async () => {
  const { loop, log, commits } = harness(() => ({ writes: [write], effects: [send] }), { slowStore: true })
  const command = loop.command({ type: 'refresh' })
  const cancelled = expect(command).rejects.toMatchObject({ code: 'cancelled' })
  await settle()
  const stopped = loop.stop()
  loop.push(message(2))
  commits[0]?.done()
  await stopped
  await cancelled
  expect(log).toEqual(['turn command', 'commit', 'written', 'send c 1', 'shutDown'])
  expect(loop.status().phase).toBe('stopped')
})
