import { describe, expect, test } from 'vitest'
import { ApiError } from '../contract/errors.ts'
import { toHex } from '../engine/base/bytes.ts'
import { publicKey } from '../engine/crypto/curve.ts'
import type { NodeInput } from '../engine/node/ports.ts'
import { type FakeSocket, fakeClock, settle, socketPair } from './fixture.ts'
import { createPeers, type Peers } from './peers.ts'
import type { MachineInput } from './ports.ts'
import type { ByteSocket } from './socket.ts'

const clock = () => fakeClock()
type TestClock = ReturnType<typeof fakeClock>

let seed = 1
/** A node with its connections; what it would dial is decided by `dial`. */
function node(time: TestClock, secretByte: number, dial: () => Promise<ByteSocket> = () => never()) {
  const localSecret = new Uint8Array(32).fill(secretByte)
  const localNodeId = toHex(publicKey(localSecret))
  const inputs: MachineInput[] = []
  let dials = 0
  const peers = createPeers({
    dial: () => {
      dials += 1
      return dial()
    },
    clock: time,
    localSecret,
    localNodeId,
    entropy: () => {
      const bytes = new Uint8Array(32).fill(7)
      // The first byte spreads retries: 128 is no spread at all.
      bytes[0] = 128
      bytes[31] = seed++ & 0xff
      return bytes
    },
    emit: (input) => inputs.push(input),
  })
  return {
    peers,
    inputs,
    nodeId: localNodeId,
    dials: () => dials,
    types: () => inputs.map((i) => i.type),
    connection: () => {
      const found = inputs.findLast((i) => i.type === 'peerConnected')
      return found?.type === 'peerConnected' ? found.connection : ''
    },
    messages: () => inputs.flatMap((i) => (i.type === 'peerMessage' ? [[...i.bytes]] : [])),
  }
}
type TestNode = ReturnType<typeof node>

const never = () => new Promise<ByteSocket>(() => {})

/** Crypto is synchronous, so a handshake needs a few rounds of microtasks only. */
async function handshake(): Promise<void> {
  await settle()
}

/** `from` dials and reaches `to` each time; the sockets of each call are kept. */
function wire(time: TestClock, to: TestNode, pausable = true) {
  const calls: [FakeSocket, FakeSocket][] = []
  const dial = () => {
    const pair = socketPair({ pausable })
    calls.push(pair)
    to.peers.accept(pair[1])
    return Promise.resolve<ByteSocket>(pair[0])
  }
  return { from: node(time, 1, dial), calls }
}

const statusOf = (peers: Peers, nodeId: string) => peers.status().find((s) => s.nodeId === nodeId)

describe('a connection', () => {
  test('both ends learn of each other, and messages of one turn travel in one frame', async () => {
    const time = clock()
    const lsp = node(time, 2)
    const { from, calls } = wire(time, lsp)
    from.peers.keepConnected(lsp.nodeId, 'lsp.example:9735')
    await handshake()
    expect(from.inputs).toEqual([
      { type: 'peerConnected', connection: 'c1', nodeId: lsp.nodeId, address: 'lsp.example:9735' },
    ])
    expect(lsp.inputs).toEqual([{ type: 'peerConnected', connection: 'c1', nodeId: from.nodeId }])
    const before = calls[0]?.[0].written.length ?? 0
    from.peers.send('c1', [Uint8Array.of(1), Uint8Array.of(2, 2), Uint8Array.of()])
    await settle()
    expect(calls[0]?.[0].written.length).toBe(before + 1)
    expect(lsp.messages()).toEqual([[1], [2, 2], []])
    lsp.peers.send('c1', [Uint8Array.of(3)])
    await settle()
    expect(from.messages()).toEqual([[3]])
    expect(statusOf(from.peers, lsp.nodeId)).toEqual({
      nodeId: lsp.nodeId,
      address: `${lsp.nodeId}@lsp.example:9735`,
      state: 'connected',
      inbound: false,
    })
    expect(statusOf(lsp.peers, from.nodeId)).toEqual({
      nodeId: from.nodeId,
      state: 'connected',
      inbound: true,
    })
  })

  test('hanging up lets what was sent before arrive, and both ends are told once', async () => {
    const time = clock()
    const lsp = node(time, 2)
    const { from } = wire(time, lsp)
    from.peers.keepConnected(lsp.nodeId, 'h:1')
    await handshake()
    from.peers.letGo(lsp.nodeId)
    from.peers.send('c1', [Uint8Array.of(9)])
    from.peers.hangUp('c1', 'enough')
    from.peers.hangUp('c1', 'enough')
    from.peers.send('c1', [Uint8Array.of(8)])
    await settle()
    expect(from.inputs.at(-1)).toEqual({ type: 'peerDisconnected', connection: 'c1', reason: 'enough' })
    expect(lsp.types()).toEqual(['peerConnected', 'peerMessage', 'peerDisconnected'])
    expect(from.types()).toEqual(['peerConnected', 'peerDisconnected'])
    await time.advance(200_000)
    expect(from.dials()).toBe(1)
  })

  test('bytes that are not the peer’s end it, after what was genuine before them', async () => {
    const time = clock()
    const lsp = node(time, 2)
    const { from, calls } = wire(time, lsp)
    from.peers.keepConnected(lsp.nodeId, 'h:1')
    await handshake()
    from.peers.send('c1', [Uint8Array.of(5)])
    calls[0]?.[0].write(new Uint8Array(40))
    await settle()
    expect(lsp.messages()).toEqual([[5]])
    expect(lsp.types()).toEqual(['peerConnected', 'peerMessage', 'peerDisconnected'])
    expect(calls[0]?.[1].closed).toBe(true)
  })

  test('a peer that does not read is let go', async () => {
    const time = clock()
    const lsp = node(time, 2)
    const { from, calls } = wire(time, lsp)
    from.peers.keepConnected(lsp.nodeId, 'h:1')
    await handshake()
    const socket = calls[0]?.[0]
    if (socket) socket.bufferedAmount = 17 * 1024 * 1024
    from.peers.send('c1', [Uint8Array.of(5)])
    expect(from.inputs.at(-1)).toMatchObject({ type: 'peerDisconnected' })
    expect(socket?.closed).toBe(true)
  })
})

describe('what goes wrong has a name', () => {
  const failing = async (code: 'gatewayUnreachable' | 'peerUnreachable') => {
    const time = clock()
    const from = node(time, 1, () => Promise.reject(new ApiError({ code, message: 'because' })))
    const lsp = node(time, 2)
    from.peers.keepConnected(lsp.nodeId, 'h:1')
    await settle()
    expect(statusOf(from.peers, lsp.nodeId)).toMatchObject({
      state: 'waiting',
      lastError: { code, message: 'because' },
      retryAt: time.now() + 1_000,
    })
    expect(from.inputs).toEqual([])
  }
  test('the gateway cannot be reached', () => failing('gatewayUnreachable'))
  test('the peer cannot be reached', () => failing('peerUnreachable'))

  test('the node there has another key', async () => {
    const time = clock()
    const lsp = node(time, 2)
    const other = node(time, 3)
    const { from } = wire(time, lsp)
    from.peers.keepConnected(other.nodeId, 'h:1')
    await handshake()
    expect(statusOf(from.peers, other.nodeId)?.lastError?.code).toBe('handshakeFailed')
    expect(from.inputs).toEqual([])
    expect(lsp.inputs).toEqual([])
  })

  test('whoever answers says nothing: 15 seconds, then the handshake has failed', async () => {
    const time = clock()
    const [mine, theirs] = socketPair()
    theirs.onData(() => {})
    const from = node(time, 1, () => Promise.resolve<ByteSocket>(mine))
    const lsp = node(time, 2)
    from.peers.keepConnected(lsp.nodeId, 'h:1')
    await settle()
    await time.advance(14_999)
    expect(statusOf(from.peers, lsp.nodeId)?.state).toBe('connecting')
    await time.advance(1)
    expect(statusOf(from.peers, lsp.nodeId)).toMatchObject({
      state: 'waiting',
      lastError: { code: 'handshakeFailed' },
    })
    expect(mine.closed).toBe(true)
  })

  test('a caller that says nothing is cut off, and so is one that babbles', async () => {
    const time = clock()
    const lsp = node(time, 2)
    const [silent, lspSilent] = socketPair()
    const [babbling, lspBabbling] = socketPair()
    lsp.peers.accept(lspSilent)
    lsp.peers.accept(lspBabbling)
    babbling.write(new Uint8Array(50).fill(0xff))
    await settle()
    expect(lspBabbling.closed).toBe(true)
    expect(lspSilent.closed).toBe(false)
    await time.advance(15_000)
    expect(lspSilent.closed).toBe(true)
    expect(lsp.inputs).toEqual([])
    silent.close()
  })

  test('a dialer that never answers is given up after 30 seconds, and its late socket is closed', async () => {
    const time = clock()
    let late: (socket: ByteSocket) => void = () => {}
    const from = node(
      time,
      1,
      () =>
        new Promise((resolve) => {
          late = resolve
        }),
    )
    const lsp = node(time, 2)
    from.peers.keepConnected(lsp.nodeId, 'h:1')
    await time.advance(30_000)
    expect(statusOf(from.peers, lsp.nodeId)).toMatchObject({ lastError: { code: 'peerUnreachable' } })
    const [socket] = socketPair()
    late(socket)
    await settle()
    expect(socket.closed).toBe(true)
  })

  test('an address that cannot be read is not dialled at all', async () => {
    const time = clock()
    const from = node(time, 1)
    const lsp = node(time, 2)
    from.peers.keepConnected(lsp.nodeId, 'no address')
    expect(from.dials()).toBe(0)
    expect(statusOf(from.peers, lsp.nodeId)).toMatchObject({
      state: 'disconnected',
      lastError: { code: 'peerAddressInvalid' },
    })
    from.peers.keepConnected(lsp.nodeId, `${from.nodeId}@h:1`)
    expect(statusOf(from.peers, lsp.nodeId)?.lastError?.code).toBe('peerAddressInvalid')
    from.peers.keepConnected(lsp.nodeId, 'h:1')
    await settle()
    expect(statusOf(from.peers, lsp.nodeId)?.state).toBe('connecting')
  })
})

describe('dialling again', () => {
  const unreachable = () =>
    Promise.reject<ByteSocket>(new ApiError({ code: 'peerUnreachable', message: 'no' }))

  test('waits 1, 2, 4 … 60 seconds', async () => {
    const time = clock()
    const from = node(time, 1, unreachable)
    const lsp = node(time, 2)
    from.peers.keepConnected(lsp.nodeId, 'h:1')
    await settle()
    const waits: number[] = []
    for (let i = 0; i < 8; i++) {
      const wait = (statusOf(from.peers, lsp.nodeId)?.retryAt ?? 0) - time.now()
      waits.push(wait / 1000)
      await time.advance(wait - 1)
      expect(from.dials()).toBe(i + 1)
      await time.advance(1)
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60])
  })

  test('a connection that held for a minute starts the waiting anew; a shorter one does not', async () => {
    const time = clock()
    const lsp = node(time, 2)
    const { from, calls } = wire(time, lsp)
    from.peers.keepConnected(lsp.nodeId, 'h:1')
    const wait = () => (statusOf(from.peers, lsp.nodeId)?.retryAt ?? 0) - time.now()
    const seen: number[] = []
    for (const lasts of [10_000, 10_000, 60_000, 10_000]) {
      await handshake()
      await time.advance(lasts)
      calls.at(-1)?.[0].end({ reason: 'network' })
      await settle()
      seen.push(wait())
      await time.advance(wait())
    }
    expect(seen).toEqual([1_000, 2_000, 1_000, 2_000])
  })

  test('when the network is back, whoever waits is dialled at once', async () => {
    const time = clock()
    const from = node(time, 1, unreachable)
    const lsp = node(time, 2)
    from.peers.keepConnected(lsp.nodeId, 'h:1')
    await time.advance(10_000)
    const before = from.dials()
    from.peers.online()
    await settle()
    expect(from.dials()).toBe(before + 1)
    expect(statusOf(from.peers, lsp.nodeId)?.retryAt).toBe(time.now() + 1_000)
  })

  test('asking again while waiting dials at once, a new address replaces an attempt under way', async () => {
    const time = clock()
    let answer = unreachable
    const from = node(time, 1, () => answer())
    const lsp = node(time, 2)
    from.peers.keepConnected(lsp.nodeId, 'h:1')
    await settle()
    answer = never
    from.peers.keepConnected(lsp.nodeId, 'h:1')
    expect(from.dials()).toBe(2)
    from.peers.keepConnected(lsp.nodeId, 'h:1')
    expect(from.dials()).toBe(2)
    from.peers.keepConnected(lsp.nodeId, 'h:2')
    expect(from.dials()).toBe(3)
  })

  test('letting go ends it, also in the middle of an attempt', async () => {
    const time = clock()
    const [mine, theirs] = socketPair()
    const from = node(time, 1, () => Promise.resolve<ByteSocket>(mine))
    const lsp = node(time, 2)
    from.peers.keepConnected(lsp.nodeId, 'h:1')
    await settle()
    from.peers.letGo(lsp.nodeId)
    expect(mine.closed).toBe(true)
    expect(from.peers.status()).toEqual([])
    await time.advance(100_000)
    expect(from.dials()).toBe(1)
    theirs.close()
  })

  test('whoever waits for a connection hears how the next attempt ends', async () => {
    const time = clock()
    const lsp = node(time, 2)
    let answer: () => Promise<ByteSocket> = unreachable
    const from = node(time, 1, () => answer())
    from.peers.keepConnected(lsp.nodeId, 'h:1')
    await expect(from.peers.whenConnected(lsp.nodeId)).rejects.toMatchObject({ code: 'peerUnreachable' })
    answer = () => {
      const [mine, theirs] = socketPair()
      lsp.peers.accept(theirs)
      return Promise.resolve<ByteSocket>(mine)
    }
    const second = from.peers.whenConnected(lsp.nodeId)
    await time.advance(1_000)
    await second
    await from.peers.whenConnected(lsp.nodeId)
    from.peers.letGo(lsp.nodeId)
    from.peers.hangUp(from.connection(), 'x')
    const third = from.peers.whenConnected(lsp.nodeId)
    from.peers.shutDown('over')
    await expect(third).rejects.toMatchObject({ code: 'cancelled' })
  })
})

describe('one connection a peer', () => {
  test('a newer one replaces an older one, and the engine sees them one after the other', async () => {
    const time = clock()
    const lsp = node(time, 2)
    const { from } = wire(time, lsp)
    from.peers.keepConnected(lsp.nodeId, 'h:1')
    await handshake()
    // The same wallet, started again; its old socket has not been noticed to be dead.
    const { from: again } = wire(time, lsp)
    again.peers.keepConnected(lsp.nodeId, 'h:1')
    await handshake()
    expect(lsp.types()).toEqual(['peerConnected', 'peerDisconnected', 'peerConnected'])
    expect(lsp.peers.status()).toHaveLength(1)
    again.peers.send(again.connection(), [Uint8Array.of(4)])
    await settle()
    expect(lsp.messages()).toEqual([[4]])
  })

  test('two nodes that call each other at the same time end with the same one connection', async () => {
    const time = clock()
    const nodes: TestNode[] = []
    const call = (to: number) => () => {
      const [mine, theirs] = socketPair()
      nodes[to]?.peers.accept(theirs)
      return Promise.resolve<ByteSocket>(mine)
    }
    const a = node(time, 1, call(1))
    const b = node(time, 2, call(0))
    nodes.push(a, b)
    a.peers.keepConnected(b.nodeId, 'b:1')
    b.peers.keepConnected(a.nodeId, 'a:1')
    await handshake()
    await time.advance(120_000)
    const [greater, lesser] = a.nodeId > b.nodeId ? [a, b] : [b, a]
    expect(greater.peers.status()).toMatchObject([{ state: 'connected', inbound: false }])
    expect(lesser.peers.status()).toMatchObject([{ state: 'connected', inbound: true }])
    expect(a.dials() + b.dials()).toBe(2)
    a.peers.send(a.connection(), [Uint8Array.of(1)])
    b.peers.send(b.connection(), [Uint8Array.of(2)])
    await settle()
    expect(b.messages()).toEqual([[1]])
    expect(a.messages()).toEqual([[2]])
  })

  test('a kept peer that calls us is not dialled again', async () => {
    const time = clock()
    const lsp = node(time, 2, () =>
      Promise.reject(new ApiError({ code: 'peerUnreachable', message: 'behind a router' })),
    )
    const { from } = wire(time, lsp)
    lsp.peers.keepConnected(from.nodeId, 'h:1')
    await settle()
    from.peers.keepConnected(lsp.nodeId, 'h:1')
    await handshake()
    const before = lsp.dials()
    await time.advance(300_000)
    expect(lsp.dials()).toBe(before)
    expect(statusOf(lsp.peers, from.nodeId)).toMatchObject({ state: 'connected', inbound: true })
  })
})

describe('back-pressure', () => {
  const flood = async (pausable: boolean) => {
    const time = clock()
    const lsp = node(time, 2)
    const { from, calls } = wire(time, lsp, pausable)
    from.peers.keepConnected(lsp.nodeId, 'h:1')
    await handshake()
    const send = async (megabytes: number) => {
      for (let i = 0; i < megabytes * 16; i++) from.peers.send('c1', [new Uint8Array(65_535)])
      for (let i = 0; i < 20; i++) await settle()
    }
    const received = () => lsp.inputs.filter((i): i is NodeInput & MachineInput => i.type === 'peerMessage')
    return { lsp, send, received, socket: calls[0]?.[1] }
  }

  test('reading stops when too much waits for the engine and goes on when it is through', async () => {
    const { lsp, send, received, socket } = await flood(true)
    await send(3)
    expect(socket?.isPaused).toBe(true)
    const first = received()
    expect(first.length).toBeLessThan(20)
    lsp.peers.consumed(first.slice(0, 2))
    expect(socket?.isPaused).toBe(true)
    lsp.peers.consumed(first.slice(2))
    for (let i = 0; i < 20; i++) await settle()
    expect(received().length).toBeGreaterThan(first.length)
    expect(lsp.types()).not.toContain('peerDisconnected')
  })

  test('where reading cannot be stopped, a flood ends the connection', async () => {
    const { lsp, send, received } = await flood(false)
    await send(17)
    expect(lsp.inputs.at(-1)).toMatchObject({ type: 'peerDisconnected' })
    expect(received().length).toBeLessThan(270)
  })
})

test('shutting down closes everything, dials nobody and takes no calls', async () => {
  const time = clock()
  const lsp = node(time, 2)
  const { from, calls } = wire(time, lsp)
  from.peers.keepConnected(lsp.nodeId, 'h:1')
  await handshake()
  from.peers.shutDown('frozen')
  expect(calls[0]?.[0].closed).toBe(true)
  from.peers.keepConnected(lsp.nodeId, 'h:1')
  from.peers.online()
  const [, theirs] = socketPair()
  from.peers.accept(theirs)
  expect(theirs.closed).toBe(true)
  await settle()
  await time.advance(100_000)
  expect(from.dials()).toBe(1)
  expect(from.peers.status()).toEqual([])
})

test('callers that do not finish their handshake are bounded in number', () => {
  const time = clock()
  const lsp = node(time, 2)
  const calls = Array.from({ length: 40 }, () => socketPair())
  for (const [, theirs] of calls) lsp.peers.accept(theirs)
  expect(calls.filter(([, theirs]) => theirs.closed)).toHaveLength(8)
})
