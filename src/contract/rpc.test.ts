import { MessageChannel } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { ApiError } from './errors.ts'
import { createClient, type Handlers, messagePort, serve } from './rpc.ts'

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
