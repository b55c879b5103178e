import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { type DelayProxy, startDelayProxy } from './delay-proxy.ts'

let server: Server
let proxy: DelayProxy
const open: Socket[] = []

afterEach(async () => {
  for (const socket of open.splice(0)) socket.destroy()
  await proxy.close()
  await new Promise((closed) => server.close(closed))
})

/** A server behind a proxy; `serve` sees each connection. */
async function behind(rttMs: number, serve: (socket: Socket) => void): Promise<Socket> {
  server = createServer((socket) => {
    open.push(socket)
    serve(socket)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  proxy = await startDelayProxy({ targetPort: address.port, rttMs })
  const socket = connect({ port: proxy.port, host: '127.0.0.1', noDelay: true })
  open.push(socket)
  await new Promise((connected) => socket.once('connect', connected))
  return socket
}

const bytesUntil = (socket: Socket, count: number): Promise<Buffer> =>
  new Promise((resolve) => {
    const pieces: Buffer[] = []
    let length = 0
    socket.on('data', (piece: Buffer) => {
      pieces.push(piece)
      length += piece.length
      if (length >= count) resolve(Buffer.concat(pieces))
    })
  })

test('an echo takes one round trip, however many pieces are on the way at once', async () => {
  const client = await behind(60, (socket) => socket.pipe(socket))
  const back = bytesUntil(client, 30)
  const started = performance.now()
  for (let i = 0; i < 10; i++) {
    client.write(Buffer.alloc(3, i))
    await new Promise((next) => setImmediate(next))
  }
  const echoed = await back
  const took = performance.now() - started
  expect([...echoed]).toEqual(Array.from({ length: 30 }, (_, i) => Math.floor(i / 3)))
  expect(took).toBeGreaterThanOrEqual(58)
  // Ten round trips one after the other would be 600 ms.
  expect(took).toBeLessThan(400)
})

test('more than the line holds arrives whole and in order, and an end comes after what was said before it', async () => {
  const size = 24 * 1_048_576
  const sent = Buffer.alloc(size)
  for (let i = 0; i < size; i += 4096) sent.writeUInt32BE(i, i)
  let ended = false
  const client = await behind(10, (socket) => {
    socket.on('end', () => {
      ended = true
      socket.end()
    })
    void bytesUntil(socket, size).then((all) => socket.write(all.equals(sent) && !ended ? 'same' : 'other'))
  })
  const answer = bytesUntil(client, 4)
  client.end(sent)
  expect(String(await answer)).toBe('same')
})

test('when one side goes, so does the other, after what it said last', async () => {
  const client = await behind(10, (socket) => socket.write('bye', () => socket.destroy()))
  client.on('error', () => {})
  expect(String(await bytesUntil(client, 3))).toBe('bye')
  client.write('anybody?')
  await new Promise((closed) => client.once('close', closed))
  expect(client.destroyed).toBe(true)
})
