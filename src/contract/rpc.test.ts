import { MessageChannel } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { ApiError } from './errors.ts'
import { createClient } from './client.ts'
import { messagePort } from './port.ts'
import { type Handlers, serve } from './rpc.ts'

function connect(handlers: Partial<Handlers>) {
  const { port1, port2 } = new MessageChannel()
  // Node's ports take DOM-style listeners through `onmessage` as well.
  serve(messagePort(port1 as never), handlers as Handlers)
  return createClient(messagePort(port2 as never))
}

test('a call answers with its value', async () => {
  const client = connect({ newAddress: () => Promise.resolve({ address: 'bcrt1q' }) })
  expect(await client.newAddress()).toEqual({ address: 'bcrt1q' })
  client.close()
})

test('input that does not fit the schema never reaches the handler', async () => {
  let reached = false
  const client = connect({
    decode: () => {
      reached = true
      return Promise.reject(new Error('unreachable'))
    },
  })
  await expect(client.decode({ text: 5 as never })).rejects.toMatchObject({ code: 'invalidInput' })
  expect(reached).toBe(false)
  client.close()
})

test('a defect crosses as `internal`, without its text', async () => {
  const client = connect({ newAddress: () => Promise.reject(new Error('secret inside')) })
  const error = await client.newAddress().catch((e: unknown) => e)
  expect(error).toBeInstanceOf(ApiError)
  expect((error as ApiError).code).toBe('internal')
  expect((error as ApiError).message).not.toContain('secret')
  client.close()
})

test('a stream delivers in order, and leaving the loop aborts it at the server', async () => {
  let aborted: () => void
  const stopped = new Promise<void>((resolve) => {
    aborted = resolve
  })
  const client = connect({
    async *subscribeEvents(_input, signal) {
      signal.addEventListener('abort', () => aborted())
      for (let i = 0; ; i++) {
        yield { time: String(i), type: 'tick', data: {} }
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
  })
  const seen: string[] = []
  for await (const event of client.subscribeEvents()) {
    seen.push(event.time)
    if (seen.length === 3) break
  }
  expect(seen).toEqual(['0', '1', '2'])
  await stopped
  client.close()
})

test('names of Object.prototype are no procedures', async () => {
  const client = connect({})
  const sneaky = client as unknown as Record<string, unknown>
  expect(sneaky.constructor).not.toBeUndefined()
  const { port1, port2 } = new MessageChannel()
  serve(messagePort(port1 as never), {} as Handlers)
  const reply = new Promise((resolve) => {
    port2.on('message', resolve)
  })
  port2.postMessage({ type: 'call', id: 1, name: 'toString', input: {} })
  expect(await reply).toMatchObject({ type: 'error', error: { code: 'unknownProcedure' } })
  port2.close()
  client.close()
})

const paid = (index: number) =>
  ({
    status: 'succeeded',
    index,
    paymentHash: '00'.repeat(32),
    preimage: '00'.repeat(32),
    amountMsat: '1000',
    feeMsat: '0',
  }) as const

test('a duplex stream: requests go in, results come out as they end, and it ends when both have', async () => {
  const client = connect({
    async *sendPayments(_input, requests) {
      let index = 0
      for await (const batch of requests) yield batch.map(() => paid(index++)).reverse()
    },
  })
  const requests = Array.from({ length: 1500 }, (_, i) => ({ invoice: `ln${i}` }))
  const seen = new Set<number>()
  for await (const result of client.sendPayments(requests)) seen.add(result.index)
  expect(seen.size).toBe(1500)
  client.close()
})

test('a handler that takes nothing more stops the source: nothing is asked of it without end', async () => {
  let made = 0
  function* endless() {
    for (;;) yield { invoice: `ln${made++}` }
  }
  let letGo: () => void = () => {}
  const released = new Promise<void>((resolve) => {
    letGo = resolve
  })
  const client = connect({
    async *sendPayments(_input, requests, signal) {
      for await (const batch of requests) {
        yield [paid(batch.length)]
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        letGo()
      }
    },
  })
  const results = client.sendPayments(endless())[Symbol.asyncIterator]()
  await results.next()
  // All that is on its way arrives.
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
  const before = made
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
  expect(made).toBe(before)
  expect(made).toBeLessThanOrEqual(2 * 512)
  await results.return?.()
  await released
  client.close()
})

test('results that nobody reads stop the source too', async () => {
  let made = 0
  function* endless() {
    for (;;) yield { invoice: `ln${made++}` }
  }
  const client = connect({
    async *sendPayments(_input, requests) {
      for await (const batch of requests) yield batch.map((_, i) => paid(i))
    },
  })
  const results = client.sendPayments(endless())[Symbol.asyncIterator]()
  await results.next()
  for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve))
  const before = made
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
  expect(made).toBe(before)
  expect(made).toBeLessThanOrEqual(1024 + 512 + 64 + 1)
  // Reading sets it going again.
  for (let i = 0; i < 1000; i++) await results.next()
  expect(made).toBeGreaterThan(before)
  await results.return?.()
  client.close()
})

test('a request that does not fit the schema, or one too many, ends the stream with invalidInput', async () => {
  const handlers: Partial<Handlers> = {
    async *sendPayments(_input, requests) {
      for await (const batch of requests) yield batch.map((_, i) => paid(i))
    },
  }
  const client = connect(handlers)
  const run = async () => {
    for await (const _ of client.sendPayments([{ invoice: 'ln1' }, { invoice: 7 as never }]));
  }
  await expect(run()).rejects.toMatchObject({ code: 'invalidInput' })
  client.close()

  const { port1, port2 } = new MessageChannel()
  serve(messagePort(port1 as never), handlers as Handlers)
  const replies: { type: string; error?: { code: string } }[] = []
  const over = new Promise<void>((resolve) => {
    port2.on('message', (reply: (typeof replies)[number]) => {
      replies.push(reply)
      if (reply.type === 'error') resolve()
    })
  })
  port2.postMessage({ type: 'call', id: 1, name: 'sendPayments', input: {} })
  port2.postMessage({
    type: 'items',
    id: 1,
    items: Array.from({ length: 513 }, () => ({ invoice: 'ln' })),
  })
  await over
  expect(replies.at(-1)?.error?.code).toBe('invalidInput')
  expect(replies.some((reply) => reply.type === 'values')).toBe(false)
  port2.close()
})

test('what the source throws ends the stream with it, and the server hears that nobody listens', async () => {
  let stopped: () => void = () => {}
  const ended = new Promise<void>((resolve) => {
    stopped = resolve
  })
  const client = connect({
    async *sendPayments(_input, requests, signal) {
      signal.addEventListener('abort', () => stopped())
      for await (const batch of requests) yield batch.map((_, i) => paid(i))
    },
  })
  async function* broken() {
    yield { invoice: 'ln1' }
    await Promise.resolve()
    throw new Error('no more invoices')
  }
  const run = async () => {
    for await (const _ of client.sendPayments(broken()));
  }
  await expect(run()).rejects.toThrow('no more invoices')
  await ended
  client.close()
})
