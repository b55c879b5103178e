import { describe, expect, test } from 'vitest'
import { ApiError } from '../contract/errors.ts'
import type { CommandResult, NodeEvent } from '../engine/node/commands.ts'
import { bobsInvoice } from '../engine/payment/fixture.ts'
import type { NodeState } from '../engine/node/state.ts'
import type { LoopStatus } from './loop.ts'
import { eventStream } from './streams.ts'
import { createPaymentGate, paymentCommand, type PaymentGate } from './send-payment.ts'

interface FakeNode {
  slots: number
  now: number
  readonly asked: string[]
  phase: LoopStatus<NodeState>['phase']
  channels: NodeState['channels']
  status(): LoopStatus<NodeState>
  busy(busy: boolean): void
  turn(): void
  wait(): void
  watchers(): number
  readonly gate: PaymentGate
}

/** A node with a number of slots, and something on its way while `busy`. */
function fakeNode(slots: number): FakeNode {
  const listeners = new Set<(status: LoopStatus<NodeState>) => void>()
  const timers = new Set<() => void>()
  const channel = (busy: boolean) => ({
    base: { htlcs: busy ? [1] : [] },
    logs: { opener: { entries: [] }, accepter: { entries: [] } },
    outbox: [],
  })
  const node: FakeNode = {
    slots,
    now: 0,
    asked: [],
    phase: 'running',
    channels: { a: channel(true) } as unknown as NodeState['channels'],
    status: () => ({ phase: node.phase, state: { channels: node.channels } as NodeState }),
    busy(busy: boolean) {
      node.channels = { a: channel(busy) } as unknown as NodeState['channels']
    },
    turn() {
      for (const listener of listeners) listener(node.status())
    },
    wait() {
      const due = Array.from(timers)
      timers.clear()
      for (const task of due) task()
    },
    watchers: () => listeners.size + timers.size,
    gate: createPaymentGate({
      loop: {
        command(command): Promise<CommandResult> {
          if (command.type !== 'sendPayment') throw new Error('another command')
          node.asked.push(command.invoice)
          if (command.invoice === 'bad') return Promise.reject(new ApiError({ code: 'noRoute', message: '' }))
          if (node.slots === 0 || command.invoice.startsWith('held'))
            return Promise.reject(fullFor(command.invoice))
          node.slots--
          return Promise.resolve({ type: 'payment', paymentHash: command.invoice })
        },
        subscribe: () => () => {},
        onState(listener) {
          listeners.add(listener)
          return () => void listeners.delete(listener)
        },
        status: () => node.status(),
      },
      now: () => node.now,
      after(_, task) {
        timers.add(task)
        return () => void timers.delete(task)
      },
    }),
  }
  return node
}

/** How a direct channel says that it is full, and how a payment by a route hears that the channels are, or that it is too much. */
const fullFor = (invoice: string): ApiError =>
  invoice.startsWith('by a route') || invoice.startsWith('too much')
    ? new ApiError({
        code: 'exceedsSpendable',
        message: '',
        data: { reason: invoice.startsWith('too much') ? 'balance' : 'inFlight' },
      })
    : new ApiError({ code: 'tooManyHtlcs', message: '' })

const settle = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}
const SIGNAL = new AbortController().signal

const begin = (node: FakeNode, invoice: string, signal = SIGNAL) =>
  node.gate.begin(paymentCommand({ invoice, timeoutSeconds: 10 }), signal).then(
    () => 'begun',
    (e: unknown) => (e instanceof ApiError ? e.code : 'defect'),
  )

describe('a single payment', () => {
  test('begins at once where there is room, and what is wrong with it is said at once', async () => {
    const node = fakeNode(1)
    expect(await begin(node, 'a')).toBe('begun')
    expect(await begin(node, 'bad')).toBe('noRoute')
    expect(node.watchers()).toBe(0)
  })

  test('waits for room and takes it in the order of coming, as channels move', async () => {
    const node = fakeNode(0)
    const done: string[] = []
    const all = ['a', 'b', 'c'].map((name) => begin(node, name).then((how) => done.push(`${name} ${how}`)))
    await settle()
    // A turn that moved nothing in a channel is no reason to ask again.
    node.turn()
    await settle()
    expect(node.asked).toEqual(['a', 'b', 'c'])
    node.slots = 2
    node.busy(true)
    node.turn()
    await settle()
    expect(done).toEqual(['a begun', 'b begun'])
    // Where only time can tell, time does.
    node.slots = 1
    node.wait()
    await Promise.all(all)
    expect(done).toEqual(['a begun', 'b begun', 'c begun'])
    expect(node.watchers()).toBe(0)
  })

  test('waits where its channels are full for now, by a route, too, and not where they will never bear it', async () => {
    const node = fakeNode(0)
    const waiting = begin(node, 'by a route')
    expect(await begin(node, 'too much')).toBe('exceedsSpendable')
    node.slots = 1
    node.wait()
    expect(await waiting).toBe('begun')
  })

  test('is refused after its own time, when nothing is on its way that could make room, and when the node stops', async () => {
    const node = fakeNode(0)
    const late = begin(node, 'late')
    await settle()
    node.now = 10_000
    node.wait()
    expect(await late).toBe('tooManyHtlcs')
    node.busy(false)
    expect(await begin(node, 'never')).toBe('tooManyHtlcs')
    node.busy(true)
    const waiting = begin(node, 'waiting')
    await settle()
    node.phase = 'frozen'
    node.turn()
    expect(await waiting).toBe('tooManyHtlcs')
    expect(node.watchers()).toBe(0)
  })

  test('keeps nothing of what happens to others while it waits, and nobody listens for one that was refused', async () => {
    const node = fakeNode(0)
    const asks: boolean[] = []
    const command = paymentCommand({ invoice: 'a', timeoutSeconds: 10 })
    const begun = node.gate.begin(command, SIGNAL, undefined, (asking) => asks.push(asking))
    await settle()
    expect(asks).toEqual([true, false])
    node.slots = 1
    node.wait()
    await begun
    expect(asks).toEqual([true, false, true])

    const listeners = new Set<(event: NodeEvent) => void>()
    const source = {
      subscribe(listener: (event: NodeEvent) => void) {
        listeners.add(listener)
        return () => void listeners.delete(listener)
      },
    }
    let mine = 'b'
    const wanted = (event: NodeEvent) => 'paymentHash' in event && event.paymentHash === mine
    const events = eventStream(source, SIGNAL, 2, wanted)
    const tell = (paymentHash: string) => {
      for (const listener of listeners) listener({ type: 'offerPaid', paymentHash } as unknown as NodeEvent)
    }
    for (let n = 0; n < 100; n++) tell('c')
    expect(listeners.size).toBe(1)
    tell('b')
    mine = 'd'
    tell('b')
    tell('d')
    const seen: unknown[] = []
    events.stop()
    for await (const event of events) seen.push('paymentHash' in event && event.paymentHash)
    expect(seen).toEqual(['b', 'd'])
    expect(listeners.size).toBe(0)
  })

  test('is not begun any more once nobody waits for it', async () => {
    const node = fakeNode(0)
    const controller = new AbortController()
    const waiting = begin(node, 'a', controller.signal)
    await settle()
    controller.abort()
    node.slots = 1
    node.wait()
    expect(await waiting).toBe('cancelled')
    expect(node.asked).toEqual(['a'])
  })

  test('that its user cancels while it waits is never begun; of others nothing is cancelled', async () => {
    const node = fakeNode(0)
    const [one, other] = [bobsInvoice(), bobsInvoice()]
    const waiting = begin(node, one.bolt11)
    const next = begin(node, other.bolt11)
    await settle()
    expect(node.gate.cancel('00'.repeat(32))).toBe(false)
    expect(node.gate.cancel(one.paymentHash)).toBe(true)
    expect(await waiting).toBe('paymentCancelled')
    expect(node.gate.cancel(one.paymentHash)).toBe(false)
    node.slots = 1
    node.wait()
    expect(await next).toBe('begun')
    expect(node.asked.filter((invoice) => invoice === one.bolt11)).toHaveLength(1)
  })

  test('that its user cancels before it begins is never begun: while what comes first is done, too', async () => {
    const node = fakeNode(1)
    const { bolt11, paymentHash } = bobsInvoice()
    const command = paymentCommand({ invoice: bolt11, timeoutSeconds: 10 })
    let done = () => {}
    const first = () => new Promise<void>((resolve) => (done = resolve))
    const begun = node.gate.begin(command, SIGNAL, first)
    expect(node.gate.cancel(paymentHash)).toBe(true)
    await expect(begun).rejects.toMatchObject({ code: 'paymentCancelled' })
    const again = node.gate.begin(command, SIGNAL, first)
    done()
    await again
    expect(node.asked).toEqual([bolt11])
    // What the node has been told of is the node's to cancel.
    expect(node.gate.cancel(paymentHash)).toBe(false)
    await expect(
      node.gate.begin(command, SIGNAL, () => Promise.reject(new Error('a defect'))),
    ).rejects.toThrow('a defect')
  })

  test('many that wait are tried a few at a time: the oldest, and of the others each in its turn', async () => {
    const node = fakeNode(0)
    for (let i = 0; i < 100; i++) void begin(node, `p${i}`)
    await settle()
    const retried = async (): Promise<string> => {
      node.asked.length = 0
      node.wait()
      await settle()
      return node.asked.join(' ')
    }
    expect(await retried()).toBe('p0 p1 p2 p3 p4 p5 p6 p7 p8 p9 p10 p11')
    expect(await retried()).toBe('p0 p1 p2 p3 p12 p13 p14 p15 p16 p17 p18 p19')
    for (let i = 0; i < 20; i++) await retried()
    // All have had their turn, and it begins anew.
    expect(await retried()).toMatch(/^p0 p1 p2 p3 p8\d /)
  })

  test('thousands begin in the order of their coming, however little room there is at a time', async () => {
    const node = fakeNode(7)
    const begun: number[] = []
    const order = Array.from({ length: 2_000 }, (_, i) => i)
    const all = order.map((i) => begin(node, `p${i}`).then((how) => how === 'begun' && begun.push(i)))
    await settle()
    for (let room = 1; begun.length < order.length; room = (room % 97) + 1) {
      node.slots = room
      node.busy(true)
      node.turn()
      for (let i = 0; i < 20; i++) await settle()
      expect(node.slots === 0 || begun.length === order.length).toBe(true)
    }
    await Promise.all(all)
    expect(begun).toEqual(order)
    expect(node.watchers()).toBe(0)
  })

  test('those whose own channel has room do not wait for the oldest, whose channel is held', async () => {
    const node = fakeNode(0)
    const done: string[] = []
    const names = [...Array.from({ length: 40 }, (_, i) => `held${i}`), 'free']
    for (const name of names) void begin(node, name).then((how) => done.push(`${name} ${how}`))
    await settle()
    node.slots = 1
    for (let i = 0; i < 5; i++) {
      node.wait()
      await settle()
    }
    expect(done).toEqual(['free begun'])
    // Their time ends all the same, for all of them at once.
    node.now = 10_000
    node.wait()
    await settle()
    expect(done).toHaveLength(41)
    expect(new Set(done.slice(1).map((how) => how.split(' ')[1]))).toEqual(new Set(['tooManyHtlcs']))
    expect(node.watchers()).toBe(0)
  })
})
