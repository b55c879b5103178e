import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type ClientOptions, WebSocket } from 'ws'
import { CloseCode } from './codes.ts'
import { BEARER_PREFIX, createGateway, type Gateway, type GatewayOptions, SUBPROTOCOL } from './gateway.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** A TCP server that hands over each connection; its port. */
async function tcp(onConnection: (socket: Socket) => void): Promise<number> {
  const open = new Set<Socket>()
  const server: Server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => {})
    onConnection(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  ends.push(() => {
    for (const socket of open) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}
const echo = (): Promise<number> => tcp((socket) => socket.pipe(socket))

async function start(options: GatewayOptions = {}): Promise<{ gateway: Gateway; url: string }> {
  const gateway = createGateway({ allowPrivate: true, ...options })
  const { url } = await gateway.listen(0)
  ends.push(() => gateway.drain(0))
  return { gateway, url }
}

interface Client {
  readonly ws: WebSocket
  readonly opened: Promise<void>
  readonly closed: Promise<{ code: number; reason: string }>
  /** Resolves with the next text frame. */
  readonly said: Promise<string>
  readonly bytes: () => Buffer
  readonly until: (length: number) => Promise<Buffer>
}
function dial(url: string, protocols: string[] = [SUBPROTOCOL], options: ClientOptions = {}): Client {
  const ws = new WebSocket(url, protocols, options)
  ends.push(() => ws.terminate())
  const parts: Buffer[] = []
  let length = 0
  let look = (): void => {}
  const said = new Promise<string>((resolve) => {
    ws.on('message', (data, binary) => {
      const bytes = data as Buffer
      if (!binary) return resolve(bytes.toString('utf8'))
      parts.push(bytes)
      length += bytes.length
      look()
    })
  })
  ws.on('error', () => {})
  return {
    ws,
    said,
    opened: new Promise((resolve) => ws.once('open', () => resolve())),
    closed: new Promise((resolve) =>
      ws.once('close', (code, reason) => resolve({ code, reason: reason.toString('utf8') })),
    ),
    bytes: () => Buffer.concat(parts),
    until: (wanted) =>
      new Promise((resolve) => {
        look = () => {
          if (length >= wanted) resolve(Buffer.concat(parts))
        }
        look()
      }),
  }
}
/** What passes for act one: 50 bytes from version 0 on. */
const act = (): Buffer => Buffer.concat([Buffer.alloc(1), randomBytes(49)])

describe('carrying bytes', () => {
  it('says that TCP is open before anything flows, then carries both ways byte for byte', async () => {
    const port = await echo()
    const { gateway, url } = await start()
    const client = dial(`${url}/v1/127.0.0.1/${port}`)
    expect(JSON.parse(await client.said)).toEqual({ type: 'connected' })
    const first = act()
    client.ws.send(first)
    expect(await client.until(50)).toEqual(first)
    const more = randomBytes(200_000)
    client.ws.send(more)
    expect((await client.until(200_050)).subarray(50).equals(more)).toBe(true)
    expect(gateway.metrics()).toContain('switchback_gateway_bytes_total{direction="up"} 200050')
    expect(gateway.metrics()).toContain('switchback_gateway_connections 1')
  })

  it('speaks the older form: dots as underscores, no subprotocol, no text frame, bytes held until TCP is open', async () => {
    const port = await echo()
    const { url } = await start()
    const client = dial(`${url}/v1/127_0_0_1/${port}`, [])
    let text = false
    void client.said.then(() => {
      text = true
    })
    await client.opened
    const first = act()
    client.ws.send(first)
    expect(await client.until(50)).toEqual(first)
    expect(client.ws.protocol).toBe('')
    expect(text).toBe(false)
  })

  it('tells the client when the peer hangs up, after all it had sent', async () => {
    const port = await tcp((socket) => {
      socket.once('data', () => socket.end(Buffer.alloc(300_000)))
    })
    const { url } = await start()
    const client = dial(`${url}/v1/127.0.0.1/${port}`)
    await client.said
    client.ws.send(act())
    expect(await client.closed).toEqual({
      code: CloseCode.peerClosed,
      reason: 'the peer closed the connection',
    })
    expect(client.bytes().length).toBe(300_000)
  })

  it('closes the peer’s TCP when the client leaves, after all it had sent', async () => {
    let received = 0
    let settle: () => void = () => {}
    const done = new Promise<void>((resolve) => {
      settle = resolve
    })
    const port = await tcp((socket) => {
      socket.on('data', (bytes: Buffer) => {
        received += bytes.length
      })
      socket.once('end', settle)
    })
    const { url } = await start({ lightningOnly: false })
    const client = dial(`${url}/v1/127.0.0.1/${port}`)
    await client.said
    client.ws.send(Buffer.alloc(500_000))
    client.ws.close()
    await done
    expect(received).toBe(500_000)
  })
})

describe('back-pressure', () => {
  const SIZE = 64 * 1024 * 1024

  it('a client that does not read holds its peer back: memory stays bounded, nothing is lost', async () => {
    let accepted = 0
    let finished = false
    const hash = createHash('sha256')
    const port = await tcp((socket) => {
      const chunk = randomBytes(64 * 1024)
      chunk[0] = 0
      const pump = (): void => {
        while (accepted < SIZE) {
          accepted += chunk.length
          hash.update(chunk)
          if (!socket.write(chunk)) return void socket.once('drain', pump)
        }
        finished = true
        socket.end()
      }
      socket.once('data', pump)
    })
    const { url } = await start()
    const client = dial(`${url}/v1/127.0.0.1/${port}`, [SUBPROTOCOL])
    await client.said
    client.ws.pause()
    client.ws.send(act())
    // Wait until the sender makes no more progress: what it could push is what all buffers on the way hold.
    for (let last = -1; last !== accepted || accepted === 0; ) {
      last = accepted
      await new Promise((resolve) => setTimeout(resolve, 150))
    }
    expect(finished).toBe(false)
    expect(accepted).toBeLessThan(SIZE / 3)
    expect(process.memoryUsage().arrayBuffers).toBeLessThan(48 * 1024 * 1024)
    client.ws.resume()
    expect((await client.closed).code).toBe(CloseCode.peerClosed)
    expect(createHash('sha256').update(client.bytes()).digest('hex')).toBe(hash.digest('hex'))
  })

  it('a peer that does not read holds the client back, and gets everything in the end', async () => {
    let peer: Socket | undefined
    const port = await tcp((socket) => {
      peer = socket
      socket.pause()
    })
    const { url } = await start({ lightningOnly: false, limits: { bytesPerHour: 2 * SIZE } })
    const client = dial(`${url}/v1/127.0.0.1/${port}`)
    await client.said
    const chunk = Buffer.alloc(256 * 1024)
    for (let sent = 0; sent < SIZE; sent += chunk.length) client.ws.send(chunk)
    for (let last = -1; last !== client.ws.bufferedAmount; ) {
      last = client.ws.bufferedAmount
      await new Promise((resolve) => setTimeout(resolve, 150))
    }
    // Most of it still waits at the client.
    expect(client.ws.bufferedAmount).toBeGreaterThan(SIZE / 2)
    let received = 0
    const all = new Promise<void>((resolve) => {
      peer?.on('data', (bytes: Buffer) => {
        received += bytes.length
        if (received === SIZE) resolve()
      })
    })
    peer?.resume()
    await all
  })
})

describe('what it refuses, and how the client learns why', () => {
  const refused = async (
    path: string,
    options: GatewayOptions = {},
    protocols = [SUBPROTOCOL],
    headers = {},
  ) => {
    const { url } = await start(options)
    return dial(`${url}${path}`, protocols, { headers }).closed
  }

  it('a closed port', async () => {
    const port = await echo()
    await ends.pop()?.()
    expect(await refused(`/v1/127.0.0.1/${port}`)).toEqual({
      code: CloseCode.dialFailed,
      reason: `127.0.0.1:${port} refused the connection`,
    })
  })
  it('a name that does not resolve', async () => {
    const resolve = () => Promise.reject(new Error('ENOTFOUND'))
    expect(await refused('/v1/no.such.name/9735', { resolve })).toEqual({
      code: CloseCode.nameNotFound,
      reason: 'no.such.name does not resolve',
    })
  })
  it('a peer that never answers the dial', async () => {
    const resolve = () => new Promise<string[]>(() => {})
    const answer = await refused('/v1/slow.example/9735', { resolve, limits: { dialMs: 50 } })
    expect(answer.code).toBe(CloseCode.dialTimeout)
  })
  it('private ranges, by address and by a name that leads there', async () => {
    const port = await echo()
    const closed = { allowPrivate: false }
    expect((await refused(`/v1/127.0.0.1/${port}`, closed)).code).toBe(CloseCode.forbidden)
    expect((await refused(`/v1/[::ffff:127.0.0.1]/${port}`, closed)).code).toBe(CloseCode.forbidden)
    const resolve = () => Promise.resolve(['127.0.0.1', '10.0.0.1'])
    expect((await refused(`/v1/public.example/${port}`, { ...closed, resolve })).code).toBe(
      CloseCode.forbidden,
    )
  })
  it('targets that are not on the list', async () => {
    expect((await refused('/v1/127.0.0.1/1', { allow: ['127.0.0.1:9735'] })).code).toBe(CloseCode.forbidden)
  })
  it('paths that name no target, the relay that is not there yet, onions without Tor', async () => {
    expect((await refused('/v1/what')).code).toBe(CloseCode.badAddress)
    expect((await refused('/v1/relay/02ab')).code).toBe(CloseCode.noRelay)
    expect((await refused('/v1/abc.onion/9735')).reason).toContain('Tor')
  })
  it('pages of other origins, but not programs without one', async () => {
    const port = await echo()
    const options = { origins: ['https://wallet.example'] }
    const other = { origin: 'https://evil.example' }
    expect((await refused(`/v1/127.0.0.1/${port}`, options, [SUBPROTOCOL], other)).code).toBe(
      CloseCode.forbidden,
    )
    const { url } = await start(options)
    const right = dial(`${url}/v1/127.0.0.1/${port}`, [SUBPROTOCOL], {
      headers: { origin: 'https://wallet.example' },
    })
    expect(await right.said).toContain('connected')
    expect(await dial(`${url}/v1/127.0.0.1/${port}`).said).toContain('connected')
  })
  it('clients without the token; with it as a subprotocol or in the query they pass', async () => {
    const port = await echo()
    const { url } = await start({ tokens: ['secret-1', 'secret-2'] })
    const target = `${url}/v1/127.0.0.1/${port}`
    expect((await dial(target).closed).code).toBe(CloseCode.unauthorized)
    expect((await dial(`${target}?token=secret-3`).closed).code).toBe(CloseCode.unauthorized)
    const client = dial(target, [SUBPROTOCOL, `${BEARER_PREFIX}secret-2`])
    expect(await client.said).toContain('connected')
    expect(client.ws.protocol).toBe(SUBPROTOCOL)
    expect(await dial(`${target}?token=secret-1`).said).toContain('connected')
  })
  it('services that are not Lightning: they speak first, or answer in another tongue; clients that start otherwise', async () => {
    const mail = await tcp((socket) => socket.write('220 mail.example ESMTP\r\n'))
    expect((await refused(`/v1/127.0.0.1/${mail}`)).code).toBe(CloseCode.notLightning)
    const { url } = await start()
    const web = await tcp((socket) =>
      socket.once('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')),
    )
    const one = dial(`${url}/v1/127.0.0.1/${web}`)
    await one.said
    one.ws.send(act())
    expect((await one.closed).code).toBe(CloseCode.notLightning)
    let leaked = 0
    const silent = await tcp((socket) => socket.on('data', (bytes: Buffer) => (leaked += bytes.length)))
    const two = dial(`${url}/v1/127.0.0.1/${silent}`)
    await two.said
    two.ws.send(Buffer.from('GET / HTTP/1.1\r\n\r\n'))
    expect((await two.closed).code).toBe(CloseCode.notLightning)
    const three = dial(`${url}/v1/127.0.0.1/${silent}`)
    await three.said
    three.ws.send(Buffer.concat([act(), Buffer.from('QUIT')]))
    expect((await three.closed).code).toBe(CloseCode.notLightning)
    expect(leaked).toBe(0)
  })
  it('text where bytes belong, and frames that are too large', async () => {
    const port = await echo()
    const { url } = await start({ limits: { frameBytes: 1000 } })
    const text = dial(`${url}/v1/127.0.0.1/${port}`)
    await text.said
    text.ws.send('hello')
    expect((await text.closed).code).toBe(CloseCode.binaryOnly)
    const large = dial(`${url}/v1/127.0.0.1/${port}`)
    await large.said
    large.ws.send(Buffer.alloc(1001))
    expect((await large.closed).code).not.toBe(1000)
  })
})

describe('limits', () => {
  it('connections at a time, and the place is free again after one leaves', async () => {
    const port = await echo()
    const { url } = await start({ limits: { connectionsPerClient: 2 } })
    const target = `${url}/v1/127.0.0.1/${port}`
    const [a, b] = [dial(target), dial(target)]
    await Promise.all([a.said, b.said])
    expect(await dial(target).closed).toEqual({
      code: CloseCode.tooMany,
      reason: 'at most 2 connections at a time',
    })
    a.ws.close()
    await a.closed
    expect(await dial(target).said).toContain('connected')
  })
  it('new connections a minute, counted by the address a trusted proxy tells', async () => {
    const port = await echo()
    const { url } = await start({ trustProxy: true, limits: { dialsPerMinute: 1 } })
    const from = (ip: string): Client =>
      dial(`${url}/v1/127.0.0.1/${port}`, [SUBPROTOCOL], { headers: { 'x-forwarded-for': `9.9.9.9, ${ip}` } })
    expect(await from('1.1.1.1').said).toContain('connected')
    expect((await from('1.1.1.1').closed).code).toBe(CloseCode.tooMany)
    expect(await from('2.2.2.2').said).toContain('connected')
  })
  it('bytes an hour', async () => {
    const port = await echo()
    const { url } = await start({ limits: { bytesPerHour: 150 } })
    const client = dial(`${url}/v1/127.0.0.1/${port}`)
    await client.said
    client.ws.send(act())
    await client.until(50)
    client.ws.send(Buffer.alloc(51))
    expect((await client.closed).code).toBe(CloseCode.byteLimit)
  })
  it('silence', async () => {
    const port = await echo()
    const { url } = await start({ limits: { idleMs: 60 } })
    expect((await dial(`${url}/v1/127.0.0.1/${port}`).closed).code).toBe(CloseCode.idle)
  })
  it('a client that answers no ping is let go, one that does stays', async () => {
    const port = await echo()
    const { gateway, url } = await start({ limits: { pingMs: 50 } })
    const live = dial(`${url}/v1/127.0.0.1/${port}`)
    const dead = dial(`${url}/v1/127.0.0.1/${port}`, [SUBPROTOCOL], { autoPong: false })
    await Promise.all([live.said, dead.said])
    let pings = 0
    const pinged = new Promise<void>((resolve) => live.ws.on('ping', () => ++pings === 4 && resolve()))
    expect((await dead.closed).code).toBe(1006)
    await pinged
    expect(live.ws.readyState).toBe(WebSocket.OPEN)
    expect(gateway.metrics()).toContain('switchback_gateway_connections 1')
  })
})

it('drains: takes nobody new, lets those finish who can, ends the rest with a code that says so', async () => {
  const port = await echo()
  const gateway = createGateway({ allowPrivate: true })
  const { url, port: own } = await gateway.listen(0)
  const target = `${url}/v1/127.0.0.1/${port}`
  const [a, b] = [dial(target), dial(target)]
  await Promise.all([a.said, b.said])
  expect((await fetch(`http://127.0.0.1:${own}/health`)).status).toBe(200)
  const drained = gateway.drain(300)
  a.ws.close()
  expect((await a.closed).code).toBe(1005)
  expect(await b.closed).toEqual({ code: CloseCode.goingAway, reason: 'this gateway restarts' })
  await drained
  await expect(fetch(`http://127.0.0.1:${own}/health`)).rejects.toThrow()
})

it('answers plain HTTP: metrics, health, a hint on /v1, 404 elsewhere', async () => {
  const { url } = await start()
  const http = url.replace('ws:', 'http:')
  expect(await (await fetch(`${http}/metrics`)).text()).toContain(
    '# TYPE switchback_gateway_connections gauge',
  )
  expect((await fetch(`${http}/v1/host/9735`)).status).toBe(426)
  expect((await fetch(`${http}/else`)).status).toBe(404)
})
