import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { toHex } from '../../engine/base/bytes.ts'
import { publicKey } from '../../engine/crypto/curve.ts'
import { createGateway, type GatewayOptions } from '../../gateway/gateway.ts'
import { createWebSocketDialer, type WebSocketConstructor } from '../dial-websocket.ts'
import { type PeerAddress, parsePeerAddress } from '../peer-address.ts'
import { createPeers, type Peers } from '../peers.ts'
import { type MachineInput, systemClock, systemEntropy } from '../ports.ts'
import type { ByteSocket } from '../socket.ts'
import { createTcpDialer, listenTcp, tcpSocket } from './dial-tcp.node.ts'

// Real sockets on the loopback interface: this gateway, a WebSocket server, TCP.

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const ID = toHex(publicKey(new Uint8Array(32).fill(1)))
const signal = new AbortController().signal

function at(place: string): PeerAddress {
  const parsed = parsePeerAddress(`${ID}@${place}`)
  if (!parsed.ok) throw new Error(parsed.error.message)
  return parsed.value
}

async function tcpServer(onConnection: (socket: Socket) => void): Promise<number> {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => {})
    onConnection(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  ends.push(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A port where nobody listens. */
async function deadPort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function gatewayUrl(options: GatewayOptions = {}): Promise<string> {
  const gateway = createGateway({ allowPrivate: true, lightningOnly: false, ...options })
  const { url } = await gateway.listen(0)
  ends.push(() => gateway.drain(0))
  return url.replace(/^http/, 'ws')
}

const dialer = (gateway: string | undefined, token?: string) =>
  createWebSocketDialer({
    gateway: () => gateway,
    token: () => token,
    WebSocket: WebSocket as unknown as WebSocketConstructor,
  })

const echo = () => tcpServer((socket) => socket.pipe(socket))

/** Sends bytes and waits until as many have come back. */
async function roundTrip(socket: ByteSocket, bytes: Uint8Array): Promise<Uint8Array> {
  const parts: number[] = []
  const back = new Promise<Uint8Array>((resolve) => {
    socket.onData((chunk) => {
      for (const b of chunk) parts.push(b)
      if (parts.length >= bytes.length) resolve(Uint8Array.from(parts))
    })
  })
  socket.write(bytes)
  return back
}

describe('through the gateway', () => {
  test('bytes go there and back', async () => {
    const port = await echo()
    const socket = await dialer(await gatewayUrl())(at(`127.0.0.1:${port}`), signal)
    expect(await roundTrip(socket, Uint8Array.of(0, 1, 2, 255))).toEqual(Uint8Array.of(0, 1, 2, 255))
    socket.close()
  })

  test('a turn of several megabytes passes the gateway’s bound of a frame', async () => {
    const port = await echo()
    const socket = await dialer(await gatewayUrl())(at(`127.0.0.1:${port}`), signal)
    const large = new Uint8Array(3_000_000).map((_, i) => i & 0xff)
    const back = await roundTrip(socket, large)
    expect(back.length).toBe(large.length)
    expect(back.every((b, i) => b === large[i])).toBe(true)
    socket.close()
  })

  test('nobody listens at the peer’s port: peerUnreachable', async () => {
    const dial = dialer(await gatewayUrl())
    await expect(dial(at(`127.0.0.1:${await deadPort()}`), signal)).rejects.toMatchObject({
      code: 'peerUnreachable',
    })
  })

  test('nobody listens at the gateway’s port: gatewayUnreachable', async () => {
    const dial = dialer(`ws://127.0.0.1:${await deadPort()}`)
    await expect(dial(at('127.0.0.1:9735'), signal)).rejects.toMatchObject({ code: 'gatewayUnreachable' })
  })

  test('no gateway is set: gatewayUnreachable', async () => {
    await expect(dialer(undefined)(at('127.0.0.1:9735'), signal)).rejects.toMatchObject({
      code: 'gatewayUnreachable',
    })
  })

  test('the gateway does not dial that: gatewayUnreachable, with its words', async () => {
    const dial = dialer(await gatewayUrl({ allow: ['only.example'] }))
    await expect(dial(at('127.0.0.1:9735'), signal)).rejects.toMatchObject({
      code: 'gatewayUnreachable',
      message: expect.stringContaining('not on this gateway') as string,
    })
  })

  test('a token opens a gateway that wants one', async () => {
    const port = await echo()
    const url = await gatewayUrl({ tokens: ['secret-1'] })
    await expect(dialer(url)(at(`127.0.0.1:${port}`), signal)).rejects.toMatchObject({
      code: 'gatewayUnreachable',
    })
    const socket = await dialer(url, 'secret-1')(at(`127.0.0.1:${port}`), signal)
    socket.close()
  })

  test('a gateway of the older kind, without subprotocol and with underscores, is understood', async () => {
    const paths: string[] = []
    const old = new WebSocketServer({
      port: 0,
      host: '127.0.0.1',
      // As old proxies are: whoever offers a subprotocol is turned away.
      verifyClient: ({ req }: { req: { headers: Record<string, unknown> } }) =>
        req.headers['sec-websocket-protocol'] === undefined,
    })
    await once(old, 'listening')
    ends.push(() => {
      for (const client of old.clients) client.terminate()
      old.close()
    })
    old.on('connection', (ws, request) => {
      paths.push(request.url ?? '')
      ws.on('message', (data) => ws.send(data))
    })
    const dial = dialer(`ws://127.0.0.1:${(old.address() as AddressInfo).port}/`)
    const socket = await dial(at('127.0.0.1:9735'), signal)
    expect(await roundTrip(socket, Uint8Array.of(5))).toEqual(Uint8Array.of(5))
    expect(paths).toEqual(['/v1/127_0_0_1/9735'])
    socket.close()
  })

  test('when the peer goes, the socket says so', async () => {
    const port = await tcpServer((socket) => socket.end(Buffer.from([7])))
    const socket = await dialer(await gatewayUrl())(at(`127.0.0.1:${port}`), signal)
    // Both may have arrived already: they are kept for whoever listens.
    const data: Uint8Array[] = []
    socket.onData((bytes) => data.push(bytes))
    const end = await new Promise<{ reason: string }>((resolve) => socket.onClose(resolve))
    expect(end.reason).toContain('peer closed')
    expect(data).toEqual([Uint8Array.of(7)])
  })

  test('giving up closes the attempt', async () => {
    let closed = () => {}
    const gone = new Promise<void>((resolve) => {
      closed = resolve
    })
    const silent = await tcpServer((socket) => socket.on('close', () => closed()).resume())
    const controller = new AbortController()
    const attempt = dialer(`ws://127.0.0.1:${silent}`)(at('127.0.0.1:1'), controller.signal)
    setImmediate(() => controller.abort())
    await expect(attempt).rejects.toMatchObject({ name: 'ApiError' })
    await gone
  })
})

describe('directly', () => {
  test('a node’s own WebSocket port', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    await once(server, 'listening')
    ends.push(() => {
      for (const client of server.clients) client.terminate()
      server.close()
    })
    server.on('connection', (ws) => ws.on('message', (data) => ws.send(data)))
    const { port } = server.address() as AddressInfo
    const socket = await dialer(undefined)(at(`ws://127.0.0.1:${port}`), signal)
    expect(await roundTrip(socket, Uint8Array.of(1, 2))).toEqual(Uint8Array.of(1, 2))
    socket.close()
    await expect(dialer(undefined)(at(`ws://127.0.0.1:${await deadPort()}`), signal)).rejects.toMatchObject({
      code: 'peerUnreachable',
    })
  })

  test('TCP', async () => {
    const port = await echo()
    const socket = await createTcpDialer()(at(`127.0.0.1:${port}`), signal)
    expect(await roundTrip(socket, Uint8Array.of(1, 2))).toEqual(Uint8Array.of(1, 2))
    socket.close()
    await expect(createTcpDialer()(at(`127.0.0.1:${await deadPort()}`), signal)).rejects.toMatchObject({
      code: 'peerUnreachable',
    })
  })

  test('what was written before close still arrives over TCP', async () => {
    let got: (text: string) => void = () => {}
    const all = new Promise<string>((resolve) => {
      got = resolve
    })
    const port = await tcpServer((socket) => {
      let text = ''
      socket.on('data', (chunk) => {
        text += String(chunk)
      })
      socket.on('end', () => got(text))
    })
    const socket = await createTcpDialer()(at(`127.0.0.1:${port}`), signal)
    socket.write(Buffer.from('last words'))
    socket.close()
    expect(await all).toBe('last words')
  })

  test('a paused TCP socket holds its sender back', async () => {
    let sender: Socket | undefined
    const port = await tcpServer((socket) => {
      sender = socket
      for (let i = 0; i < 200; i++) socket.write(new Uint8Array(100_000))
    })
    const socket = await createTcpDialer()(at(`127.0.0.1:${port}`), signal)
    let received = 0
    let first = () => {}
    const started = new Promise<void>((resolve) => {
      first = resolve
    })
    let all = () => {}
    const finished = new Promise<void>((resolve) => {
      all = resolve
    })
    socket.onData((bytes) => {
      if (received === 0) {
        socket.pause?.()
        first()
      }
      received += bytes.length
      if (received === 20_000_000) all()
    })
    await started
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(received).toBeLessThan(200_000)
    expect(sender?.writableLength ?? 0).toBeGreaterThan(1_000_000)
    socket.resume?.()
    await finished
    socket.close()
  })
})

/** A node with real sockets, and a way to wait for one of its inputs. */
function realNode(secretByte: number, dial: Parameters<typeof createPeers>[0]['dial']) {
  const localSecret = new Uint8Array(32).fill(secretByte)
  const inputs: MachineInput[] = []
  let look = () => {}
  const peers: Peers = createPeers({
    dial,
    clock: systemClock,
    localSecret,
    localNodeId: toHex(publicKey(localSecret)),
    entropy: systemEntropy,
    emit: (input) => {
      inputs.push(input)
      look()
    },
  })
  ends.push(() => peers.shutDown('test over'))
  const next = (type: MachineInput['type']) =>
    new Promise<MachineInput>((resolve) => {
      look = () => {
        const found = inputs.find((i) => i.type === type)
        if (found !== undefined) resolve(found)
      }
      look()
    })
  return { peers, nodeId: toHex(publicKey(localSecret)), next }
}

test('two nodes shake hands over TCP and through the gateway with its Lightning filter on', async () => {
  const lsp = realNode(2, createTcpDialer())
  const listener = await listenTcp({ port: 0 }, (socket) => lsp.peers.accept(socket))
  ends.push(() => listener.close())
  const wallet = realNode(1, dialer(await gatewayUrl({ lightningOnly: true })))
  wallet.peers.keepConnected(lsp.nodeId, `127.0.0.1:${listener.port}`)
  const connected = await wallet.next('peerConnected')
  expect(connected).toMatchObject({ nodeId: lsp.nodeId })
  if (connected.type !== 'peerConnected') return
  wallet.peers.send(connected.connection, [Uint8Array.of(1, 2, 3)])
  expect(await lsp.next('peerMessage')).toMatchObject({ bytes: Uint8Array.of(1, 2, 3) })
  wallet.peers.hangUp(connected.connection, 'done')
  await lsp.next('peerDisconnected')
})

test('what answers is no Lightning node: handshakeFailed, told by the gateway', async () => {
  const mail = await tcpServer((socket) => socket.write('220 mail.example ESMTP\r\n'))
  const wallet = realNode(1, dialer(await gatewayUrl({ lightningOnly: true })))
  wallet.peers.keepConnected(ID, `127.0.0.1:${mail}`)
  // Its key is its own here, which does not matter: nobody gets that far.
  await expect(wallet.peers.whenConnected(ID)).rejects.toMatchObject({ code: 'handshakeFailed' })
})

test('a socket from a listener keeps what arrived before anybody listened', async () => {
  const taken = new Promise<ByteSocket>((resolve) => {
    void tcpServer((socket) => resolve(tcpSocket(socket))).then(async (port) => {
      const socket = await createTcpDialer()(at(`127.0.0.1:${port}`), signal)
      socket.write(Uint8Array.of(1))
      ends.push(() => socket.close())
    })
  })
  const socket = await taken
  await new Promise((resolve) => setTimeout(resolve, 20))
  const first = new Promise<Uint8Array>((resolve) => socket.onData(resolve))
  expect(await first).toEqual(Uint8Array.of(1))
})
