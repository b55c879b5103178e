import { expect, test } from 'vitest'
import { createBench } from './bench.ts'

test('a peer that the user connected once is dialled until it is let go: through its absence, a wrong address and a restart', async () => {
  const bench = await createBench()
  const villain = bench.villain()
  const known = async () => (await bench.client.listPeers()).find((peer) => peer.nodeId === villain.id)
  const connect = (address: string) =>
    bench.client.connectPeer({ address }).then(String, (e: { code: string }) => e.code)
  await bench.client.connectPeer({ address: villain.address })
  expect((await known())?.state).toBe('connected')

  // It goes away; asking for it, even elsewhere, fails in words and forgets nothing.
  villain.down = true
  villain.hangUp()
  await bench.rest()
  const tried = connect(`${villain.id}@127.0.0.1:1`)
  await bench.pass(25_000)
  expect(await tried).toBe('peerUnreachable')
  expect((await known())?.address).toBe(villain.address)

  await bench.crash()
  expect((await known())?.address).toBe(villain.address)
  villain.down = false
  await bench.until('back', (s) => s.peers.some((peer) => peer.state === 'connected'), 120_000)

  await bench.client.disconnectPeer({ nodeId: villain.id })
  await bench.crash()
  await bench.pass(5_000)
  expect(await known()).toBeUndefined()
  await bench.stop()
})
