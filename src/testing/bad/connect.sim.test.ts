import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { NETWORKS } from '../../engine/bitcoin/network.ts'
import { encodeFeatures } from '../../engine/wire/features.ts'
import { createTcpDialer } from '../../host/node/dial-tcp.node.ts'
import { type Bench, createBench, follow } from './bench.ts'
import { replacing, type Villain } from './villain.ts'

/** Peers that cannot be reached, or are not what they should be, before there is anything to lose: each is named, and the node goes on. */

const KEY = '02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619'

describe('over TCP', () => {
  let bench: Bench
  const servers: Server[] = []
  const sockets: Socket[] = []

  afterEach(async () => {
    await bench.stop()
    for (const socket of sockets.splice(0)) socket.destroy()
    for (const server of servers.splice(0)) server.close()
  })

  /** Takes connections on a port of its own. */
  function listen(onSocket: (socket: Socket) => void): Promise<number> {
    const server = createServer((socket) => {
      sockets.push(socket)
      socket.on('error', () => {})
      onSocket(socket)
    })
    servers.push(server)
    return new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => {
        const address = server.address()
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
    })
  }

  const connect = (port: number) =>
    follow(
      (async function* () {
        yield await bench.client.connectPeer({ address: `${KEY}@127.0.0.1:${port}` })
      })(),
    )

  /** Real sockets take real time, though never much. */
  async function eventually(holds: () => boolean): Promise<void> {
    for (let i = 0; i < 1000 && !holds(); i++) {
      await new Promise((resolve) => setImmediate(resolve))
      await bench.rest()
    }
    expect(holds()).toBe(true)
  }

  async function expectForgotten(): Promise<void> {
    await eventually(() => Object.keys(bench.state().peerAddresses).length === 0)
    expect(bench.state().peers).toEqual({})
    const { phase, peers } = await bench.app()
    expect(phase).toBe('running')
    expect(peers).toEqual([])
  }

  test('nobody listens: peerUnreachable, and a peer without channels is not dialled for ever', async () => {
    bench = await createBench({ dial: createTcpDialer() })
    const port = await listen(() => {})
    servers.splice(0)[0]?.close()
    const outcome = connect(port)
    await eventually(() => outcome.over)
    expect(outcome.error).toBe('peerUnreachable')
    await expectForgotten()
  })

  test('it accepts and says nothing: handshakeFailed, in its time and not before', async () => {
    bench = await createBench({ dial: createTcpDialer() })
    let heard = 0
    const port = await listen((socket) => socket.on('data', (bytes) => (heard += bytes.length)))
    const outcome = connect(port)
    // Our first act is out: the socket is open.
    await eventually(() => heard === 50)
    await bench.pass(14_000)
    expect(outcome.over).toBe(false)
    await bench.pass(2_000)
    expect(outcome).toMatchObject({ over: true, error: 'handshakeFailed' })
    await expectForgotten()
  })

  const answers: Record<string, Uint8Array> = {
    'an HTTP server': new TextEncoder().encode(
      'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'.padEnd(80),
    ),
    'random bytes': Uint8Array.from({ length: 50 }, (_, i) => (i * 37 + 11) & 0xff),
    'an act of another version': Uint8Array.of(1, 2, ...new Uint8Array(48).fill(7)),
    'a key off the curve': Uint8Array.of(0, 2, ...new Uint8Array(31), 5, ...new Uint8Array(16)),
  }
  for (const [name, answer] of Object.entries(answers)) {
    test(`${name} answers: handshakeFailed at once`, async () => {
      bench = await createBench({ dial: createTcpDialer() })
      const port = await listen((socket) => socket.once('data', () => socket.write(answer)))
      const outcome = connect(port)
      await eventually(() => outcome.over)
      expect(outcome.error).toBe('handshakeFailed')
      await expectForgotten()
    })
  }

  test('it hangs up in the middle of the handshake', async () => {
    bench = await createBench({ dial: createTcpDialer() })
    const port = await listen((socket) => socket.once('data', () => socket.end(new Uint8Array(20))))
    const outcome = connect(port)
    await eventually(() => outcome.over)
    expect(outcome.error).toBe('handshakeFailed')
    await expectForgotten()
  })
})

describe('with a handshake', () => {
  let bench: Bench
  let villain: Villain
  afterEach(() => bench.stop())

  const connect = (address: string = villain.address) =>
    follow(
      (async function* () {
        yield await bench.client.connectPeer({ address })
      })(),
    )

  /** After whatever it was, the same peer connects when it behaves. */
  async function expectUsable(): Promise<void> {
    villain.tamper = undefined
    villain.deaf = undefined
    expect((await bench.app()).phase).toBe('running')
    const outcome = connect()
    await bench.until('connected', () => outcome.over, 120_000)
    expect(outcome).toMatchObject({ error: undefined, updates: [{ nodeId: villain.id }] })
  }

  async function begin(): Promise<void> {
    bench = await createBench()
    villain = bench.villain()
  }

  test('it has another key than its address says: handshakeFailed', async () => {
    await begin()
    const other = bench.villain('cal')
    // Whoever answers at the address of one node holds the key of another.
    other.onSocket = (socket) => villain.accept(socket)
    const outcome = connect(other.address)
    await bench.rest()
    expect(outcome).toMatchObject({ over: true, error: 'handshakeFailed' })
    await expectUsable()
  })

  test('garbage after the handshake ends the connection', async () => {
    await begin()
    const first = connect()
    await bench.rest()
    expect(first).toMatchObject({ over: true, error: undefined })
    villain.write(new Uint8Array(1000).fill(3))
    await bench.rest()
    expect(bench.state().peers).toEqual({})
    await expectUsable()
  })

  const inits: Record<string, Parameters<typeof replacing<'init'>>[1]> = {
    'needs a feature that nobody knows': (m) => [{ ...m, features: encodeFeatures([12, 14, 1_000]) }],
    'needs one in the old field': (m) => [{ ...m, globalfeatures: encodeFeatures([100]) }],
    'lacks what one of its features needs': (m) => [{ ...m, features: encodeFeatures([9, 61]) }],
    'is on another network': (m) => [{ ...m, networks: [NETWORKS.bitcoin.chainHash] }],
  }
  for (const [name, change] of Object.entries(inits)) {
    test(`its init ${name}: peerIncompatible, and the connection ends`, async () => {
      await begin()
      villain.tamper = replacing('init', change)
      const outcome = connect()
      await bench.rest()
      expect(outcome).toMatchObject({ over: true, error: 'peerIncompatible' })
      expect(villain.connected).toBe(false)
      await expectUsable()
    })
  }

  test('it never says init: peerUnreachable in time, and the connection ends', async () => {
    await begin()
    villain.tamper = replacing('init', () => [])
    const outcome = connect()
    await bench.rest()
    await bench.pass(19_000)
    expect(outcome.over).toBe(false)
    await bench.pass(2_000)
    expect(outcome).toMatchObject({ over: true, error: 'peerUnreachable' })
    await bench.pass(20_000)
    expect(villain.connected).toBe(false)
    await expectUsable()
  })

  test('it says something else before init: the connection ends', async () => {
    await begin()
    villain.tamper = replacing('init', (m) => [
      { type: 'ping', numPongBytes: 1, ignored: new Uint8Array(0) },
      m,
    ])
    const outcome = connect()
    await bench.rest()
    expect(villain.connected).toBe(false)
    expect(outcome).toMatchObject({ over: true, error: 'peerDisconnected' })
    await expectUsable()
  })

  test('its init cannot be read', async () => {
    await begin()
    villain.tamper = replacing('init', () => [Uint8Array.of(0, 16, 0xff, 0xff, 1)])
    const outcome = connect()
    await bench.rest()
    expect(outcome).toMatchObject({ over: true, error: 'peerDisconnected' })
    await expectUsable()
  })

  test('it hangs up on our init: said at once', async () => {
    await begin()
    villain.tamper = replacing('init', () => ['hangUp'])
    const outcome = connect()
    await bench.rest()
    expect(outcome).toMatchObject({ over: true, error: 'peerDisconnected' })
    await expectUsable()
  })

  test('it falls silent: pinged, and let go when it does not answer', async () => {
    await begin()
    connect()
    await bench.rest()
    villain.deaf = () => true
    await bench.pass(45_000)
    expect(villain.all('ping')).toHaveLength(1)
    expect(villain.connected).toBe(true)
    await bench.pass(40_000)
    expect(bench.state().peers[villain.id]?.connection).not.toBe('c1')
    await expectUsable()
  })

  test('forty strangers call and say nothing: a peer that is one still gets through', async () => {
    await begin()
    const peers = bench.host.running()?.peers
    const { socketPair } = await import('../../host/fixture.ts')
    for (let i = 0; i < 40; i++) peers?.accept(socketPair()[0])
    await bench.rest()
    // We call it, so that the strangers do not stand in its way.
    await expectUsable()
    await bench.pass(20_000)
    // The strangers' time is up: calls are taken again.
    const other = bench.villain('cal')
    await bench.call(other)
    expect(bench.state().peers[other.id]?.phase).toBe('ready')
  })

  test('it calls again and again: one connection a peer', async () => {
    await begin()
    for (let i = 0; i < 10; i++) await bench.call(villain)
    expect(Object.keys(bench.state().connections)).toHaveLength(1)
    expect(bench.state().peers[villain.id]?.phase).toBe('ready')
  })

  test('a hundred kilobytes of errors and warnings are read and shown in plain words at most', async () => {
    await begin()
    connect()
    await bench.rest()
    const data = new Uint8Array(60_000).fill(0x1b)
    villain.say(
      { type: 'warning', channelId: new Uint8Array(32), data },
      { type: 'error', channelId: new Uint8Array(32), data },
      { type: 'error', channelId: new Uint8Array(32).fill(9), data },
    )
    await bench.rest()
    const { text } = await bench.client.exportLogs()
    expect(text.length).toBeLessThan(20_000)
    expect(text).not.toContain('\u001b')
    await expectUsable()
  })
})
