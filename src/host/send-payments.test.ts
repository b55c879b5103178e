import { describe, expect, test } from 'vitest'
import { ApiError } from '../contract/errors.ts'
import type { Command, CommandResult, NodeEvent } from '../engine/node/commands.ts'
import type { NodeState } from '../engine/node/state.ts'
import type { LoopStatus } from './loop.ts'
import { type PaymentRequest, type PaymentResult, sendPayments } from './send-payments.ts'

/** A node whose channel has a number of slots: payments beyond them are refused, as a channel that is full does. */
class FakeNode {
  slots = Number.POSITIVE_INFINITY
  readonly commands: string[] = []
  readonly onTheirWay: string[] = []
  mostOnTheirWay = 0
  refusals = 0
  phase: LoopStatus<NodeState>['phase'] = 'running'
  now = 0
  readonly timers: { at: number; task: () => void }[] = []
  #events = new Set<(event: NodeEvent) => void>()
  #states = new Set<(status: LoopStatus<NodeState>) => void>()
  #channels: NodeState['channels'] = {}

  readonly loop = {
    command: (command: Command): Promise<CommandResult> => {
      if (command.type !== 'sendPayment') throw new Error('another command')
      const { invoice } = command
      this.commands.push(invoice)
      return Promise.resolve().then(() => {
        if (invoice.startsWith('bad'))
          throw new ApiError({ code: 'invoiceMalformed', message: 'This is not an invoice.' })
        if (this.onTheirWay.length >= this.slots) {
          this.refusals++
          throw new ApiError({ code: 'tooManyHtlcs', message: 'Full.' })
        }
        this.onTheirWay.push(invoice)
        this.mostOnTheirWay = Math.max(this.mostOnTheirWay, this.onTheirWay.length)
        // Ended in the very turn that answers: its event comes before the answer is read.
        if (invoice.startsWith('at-once')) this.end(invoice, 'failed')
        return { type: 'payment', paymentHash: invoice }
      })
    },
    subscribe: (listener: (event: NodeEvent) => void) => {
      this.#events.add(listener)
      return () => void this.#events.delete(listener)
    },
    onState: (listener: (status: LoopStatus<NodeState>) => void) => {
      this.#states.add(listener)
      return () => void this.#states.delete(listener)
    },
    status: (): LoopStatus<NodeState> => ({
      phase: this.phase,
      state: { channels: this.#channels } as NodeState,
    }),
  }

  get listeners(): number {
    return this.#events.size + this.#states.size
  }

  end(hash: string, how: 'succeeded' | 'failed'): void {
    this.onTheirWay.splice(this.onTheirWay.indexOf(hash), 1)
    const event: NodeEvent =
      how === 'succeeded'
        ? {
            type: 'paymentSucceeded',
            paymentHash: hash,
            preimage: hash,
            amountMsat: 1000n as never,
            feeMsat: 0n as never,
          }
        : { type: 'paymentFailed', paymentHash: hash, error: { code: 'recipientRefused', message: 'No.' } }
    for (const listener of this.#events) listener(event)
  }

  /** A turn ends; with `moved`, something in a channel has changed. */
  turn(moved = true): void {
    if (moved) this.#channels = {}
    for (const listener of this.#states) listener(this.loop.status())
  }

  readonly after = (ms: number, task: () => void): (() => void) => {
    const timer = { at: this.now + ms, task }
    this.timers.push(timer)
    return () => {
      const at = this.timers.indexOf(timer)
      if (at !== -1) this.timers.splice(at, 1)
    }
  }

  pass(ms: number): void {
    this.now += ms
    for (const timer of this.timers.filter((t) => t.at <= this.now)) {
      this.timers.splice(this.timers.indexOf(timer), 1)
      timer.task()
    }
  }

  stream(
    requests: AsyncIterable<readonly PaymentRequest[]>,
    maxInFlight?: number,
    signal = new AbortController().signal,
  ) {
    return sendPayments(
      { loop: this.loop, now: () => this.now, after: this.after },
      maxInFlight,
      requests,
      signal,
    )
  }
}

// oxlint-disable-next-line require-await
async function* batches(...all: readonly string[][]): AsyncGenerator<readonly PaymentRequest[]> {
  for (const batch of all) yield batch.map((invoice) => ({ invoice }))
}

const settle = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

async function drain(results: AsyncIterable<readonly PaymentResult[]>, into: PaymentResult[] = []) {
  for await (const batch of results) into.push(...batch)
  return into
}

describe('sendPayments', () => {
  test('results come as payments end, name their request, and failures end nothing else', async () => {
    const node = new FakeNode()
    const all = drain(node.stream(batches(['a', 'bad', 'b'], ['at-once', 'c'])))
    await settle()
    node.end('c', 'succeeded')
    node.end('a', 'failed')
    node.turn()
    node.end('b', 'succeeded')
    const results = await all
    expect(results.map((r) => [r.index, r.status])).toEqual([
      [1, 'failed'],
      [3, 'failed'],
      [4, 'succeeded'],
      [0, 'failed'],
      [2, 'succeeded'],
    ])
    expect(results.find((r) => r.index === 2)).toMatchObject({ paymentHash: 'b', amountMsat: '1000' })
    expect(results.find((r) => r.index === 1)).toMatchObject({ error: { code: 'invoiceMalformed' } })
    expect(node.listeners).toBe(0)
  })

  test('no more than the bound is on its way', async () => {
    const node = new FakeNode()
    const names = Array.from({ length: 40 }, (_, i) => `p${i}`)
    const all = drain(node.stream(batches(names), 7))
    await settle()
    // One listener for all of them: an event costs the same however many are on their way.
    expect(node.listeners).toBe(2)
    for (let i = 0; i < 40; i++) {
      await settle()
      node.end(node.onTheirWay[0] ?? '', 'succeeded')
      node.turn()
    }
    expect(await all).toHaveLength(40)
    expect(node.mostOnTheirWay).toBe(7)
  })

  test('what a channel has no room for waits and is paid, with few questions asked in vain', async () => {
    const node = new FakeNode()
    node.slots = 10
    const names = Array.from({ length: 200 }, (_, i) => `p${i}`)
    const all = drain(node.stream(batches(names)))
    await settle()
    for (let i = 0; i < 200; i++) {
      node.end(node.onTheirWay[0] ?? '', 'succeeded')
      node.turn()
      await settle()
    }
    const results = await all
    expect(results.every((r) => r.status === 'succeeded')).toBe(true)
    expect(new Set(results.map((r) => r.index)).size).toBe(200)
    // The first hundred are asked for at once; from then on about one more than there is room for.
    expect(node.refusals).toBeLessThan(90 + 2 * 200)
  })

  test('a turn in which no channel changed brings no new try; time does, and in the end says no', async () => {
    const node = new FakeNode()
    node.slots = 1
    const results: PaymentResult[] = []
    const all = drain(node.stream(batches(['a', 'b'])), results)
    await settle()
    const tried = node.commands.length
    for (let i = 0; i < 50; i++) node.turn(false)
    await settle()
    expect(node.commands.length).toBe(tried)
    node.pass(300)
    await settle()
    expect(node.commands.length).toBe(tried + 1)
    node.pass(60_000)
    await settle()
    expect(results).toMatchObject([{ index: 1, status: 'failed', error: { code: 'tooManyHtlcs' } }])
    node.end('a', 'succeeded')
    await all
  })

  test('a channel that is full with nothing on its way is a plain no', async () => {
    const node = new FakeNode()
    node.slots = 0
    expect(await drain(node.stream(batches(['a'])))).toMatchObject([{ index: 0, status: 'failed' }])
  })

  test('whoever leaves stops the intake, not the payments', async () => {
    const node = new FakeNode()
    const controller = new AbortController()
    let source = 0
    async function* endless(): AsyncGenerator<readonly PaymentRequest[]> {
      for (;;) {
        await Promise.resolve()
        yield [{ invoice: `p${source++}` }]
      }
    }
    const all = drain(node.stream(endless(), 5, controller.signal))
    await settle()
    controller.abort()
    expect(await all).toEqual([])
    await settle()
    const taken = source
    node.end('p0', 'succeeded')
    node.turn()
    await settle()
    expect(source).toBe(taken)
    expect(node.onTheirWay).toHaveLength(4)
    expect(node.listeners).toBe(0)
  })

  test('a node that stops ends the stream with its reason', async () => {
    const node = new FakeNode()
    const all = drain(node.stream(batches(['a'])))
    await settle()
    node.phase = 'frozen'
    node.turn()
    await expect(all).rejects.toMatchObject({ code: 'cancelled' })
    expect(node.listeners).toBe(0)
  })
})
