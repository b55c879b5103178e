import { describe, expect, it } from 'vitest'
import { toHex } from '../../engine/base/bytes.ts'
import { msat, sat } from '../../engine/base/units.ts'
import { verifySchnorr } from '../../engine/crypto/curve.ts'
import { aggregateKeys } from '../../engine/crypto/musig2.ts'
import type { Publication } from '../../engine/node/ports.ts'
import { decodeMessage } from '../../engine/wire/decode.ts'
import { encodeMessage } from '../../engine/wire/encode.ts'
import type { Message } from '../../engine/wire/messages.ts'
import { keysOfWords, provenDigest } from '../../engine/wire/proven.ts'
import type { Name, SimNode } from './node.ts'
import { connected, hasCoins, reach } from './scenario.ts'
import { World } from './world.ts'

/** One signature under the four keys of an announcement, made by two nodes (BIP 327), whatever happens to them meanwhile. */

const PAIR = ['ada', 'ben'] as const

function pair(formats: readonly string[], announce = true): World {
  const world = new World({ nodes: 2, forwards: true, formats })
  reach(world, [hasCoins('ada', 1_000_000), connected('ada', 'ben')])
  world.command(world.node('ada'), {
    type: 'openChannel',
    nodeId: world.node('ben').id,
    amountSat: sat(800_000),
    pushMsat: msat(300_000_000),
    announce,
  })
  world.settle()
  world.mine(5)
  world.settle()
  return world
}

type Proven = Extract<Publication, { readonly kind: 'proven' }>
const proven = (world: World, name: Name): readonly Proven[] =>
  world.node(name).published.filter((item): item is Proven => item.kind === 'proven')

/** What every node reads from now on. */
function listen(
  world: World,
): { readonly by: string; readonly connection: string; readonly message: Message }[] {
  const heard: { by: string; connection: string; message: Message }[] = []
  const read = world.read.bind(world)
  world.read = (end, count) => {
    const inputs = read(end, count)
    for (const input of inputs) {
      if (input.type !== 'peerMessage') continue
      const decoded = decodeMessage(input.bytes)
      if (decoded.ok) heard.push({ by: end.node.name, connection: end.connection, message: decoded.value })
    }
    return inputs
  }
  return heard
}

/** Both have the signature, of the same words, and it holds under the aggregate of all four keys. */
function expectSigned(world: World): void {
  for (const name of PAIR) {
    const told = proven(world, name).at(-1)
    if (told === undefined) throw new Error(`${name} has no signature`)
    expect(told.words).toEqual(proven(world, 'ada').at(-1)?.words)
    const key = aggregateKeys(keysOfWords(told.words)) as Uint8Array
    expect(verifySchnorr(told.signature, provenDigest(told.words), key.subarray(1))).toBe(true)
    const [half] = Object.values(world.stateOf(world.node(name)).announced)
    expect(half?.aggregate).toEqual(told.signature)
  }
}

/** One thing happens. */
function step(world: World): void {
  const asking = world.nodes.find((n) => n.requests.length > 0)
  const end = world.readable()[0]
  if (asking !== undefined) world.turn(asking, world.answers(asking.requests.splice(0)))
  else if (end !== undefined) world.deliver(end)
  else world.pass(5_000)
}

/** Nonces that were sent, each once and for one pair of parts. */
function expectFreshNonces(heard: ReturnType<typeof listen>): void {
  const nonces: string[] = []
  const parts = new Map<string, number>()
  for (const { by, connection, message } of heard) {
    if (message.type === 'announcement_nonces')
      nonces.push(toHex(message.nodeNonce), toHex(message.bitcoinNonce))
    if (message.type === 'announcement_partial_signatures')
      parts.set(`${by}/${connection}`, (parts.get(`${by}/${connection}`) ?? 0) + 1)
  }
  expect(new Set(nonces).size).toBe(nonces.length)
  for (const count of parts.values()) expect(count).toBe(1)
}

const secretsOf = (node: SimNode): readonly Uint8Array[] =>
  Object.values(node.state?.together ?? {}).flatMap(({ ours }) =>
    ours === undefined
      ? []
      : [ours.nonces.node, ours.nonces.bitcoin].flatMap(({ secret }) => [
          secret.slice(0, 32),
          secret.slice(32),
        ]),
  )

describe('two nodes of this project', () => {
  const five = pair(['lcp', 'anchors_zero_fee_htlc_tx'])

  it('sign together at six blocks, not at five, and tell of it beside the ordinary announcement', () => {
    expect(proven(five, 'ada')).toEqual([])
    const w = five.fork(1)
    w.mine()
    w.settle()
    expectSigned(w)
    for (const name of PAIR) {
      const kinds = w.node(name).published.map((item) => item.kind)
      expect(kinds.indexOf('channel')).toBeLessThan(kinds.indexOf('proven'))
      expect(proven(w, name)[0]?.fundingTxid).toBe(
        Object.values(w.stateOf(w.node(name)).channels)[0]?.funding.outpoint.txid,
      )
    }
  })

  it('begin anew with other nonces wherever the connection breaks or one of them dies, and no secret nonce is ever written', () => {
    let interrupted = 0
    // From the first nonce to the last part.
    for (let after = 2; after < 12; after++) {
      const how = after % 2 === 0 ? 'cut' : 'crash'
      const w = five.fork(20 + after)
      const heard = listen(w)
      const secrets = new Set<string>()
      w.mine()
      w.pass(15_000)
      for (let i = 0; i < after; i++) {
        step(w)
        for (const node of w.nodes) for (const secret of secretsOf(node)) secrets.add(toHex(secret))
      }
      const link = w.linkBetween(w.node('ada'), w.node('ben'))
      if (secrets.size > 0 && proven(w, 'ada').length + proven(w, 'ben').length < 2) interrupted++
      if (how === 'cut' && link !== undefined) w.cut(link)
      else w.crash(w.node('ben'))
      w.boot(w.node('ben'))
      w.settle()
      w.pass(10_000)
      w.settle()
      expectSigned(w)
      expectFreshNonces(heard)
      for (const node of w.nodes) {
        expect(secretsOf(node)).toEqual([])
        const disk = [...node.store.values()].map(toHex).join(' ')
        for (const secret of secrets) expect(disk.includes(secret)).toBe(false)
      }
    }
    expect(interrupted).toBeGreaterThan(7)
  })

  it('do not sign a second time for other nonces of the same connection', () => {
    const w = five.fork(3)
    const heard = listen(w)
    w.mine()
    w.settle()
    const sent = heard.find((h) => h.by === 'ada' && h.message.type === 'announcement_nonces')?.message
    if (sent?.type !== 'announcement_nonces') throw new Error('no nonces')
    const ada = w.node('ada')
    const connection = w.stateOf(ada).peers[w.node('ben').id]?.connection as string
    const before = heard.length
    for (const nonce of [sent.bitcoinNonce, sent.nodeNonce])
      w.turn(ada, [
        {
          type: 'peerMessage',
          connection,
          bytes: encodeMessage({ ...sent, nodeNonce: nonce, bitcoinNonce: nonce }),
        },
      ])
    w.settle()
    const more = heard.slice(before).filter((h) => h.message.type.startsWith('announcement_'))
    expect(more).toEqual([])
  })

  it('keep the ordinary announcement alone where a part is not the peer’s, and say so', () => {
    const w = five.fork(4)
    w.mine()
    w.pass(15_000)
    const ada = w.node('ada')
    for (let i = 0; i < 60; i++) {
      const end = w.readable().find((e) => e.node === ada)
      const [item] = end?.inbox ?? []
      // Ben's parts are spoilt on their way.
      if (item?.type === 'message' && item.bytes[0] === 0xe8 && item.bytes[1] === 0x19)
        end?.inbox.splice(0, 1, { type: 'message', bytes: item.bytes.map((b, j) => (j === 60 ? b ^ 1 : b)) })
      step(w)
    }
    expect(proven(w, 'ada')).toEqual([])
    expect(ada.published.some((item) => item.kind === 'channel')).toBe(true)
    expect(ada.events.some((e) => e.type === 'notice' && e.code === 'peerWarning')).toBe(true)
    // The next connection heals it.
    const link = w.linkBetween(ada, w.node('ben'))
    if (link === undefined) throw new Error('no link')
    w.cut(link)
    w.settle()
    w.pass(10_000)
    w.settle()
    expectSigned(w)
  })
})

describe('nobody is asked to sign together', () => {
  it('who does not know how, nor for a channel that stays between two', () => {
    for (const w of [pair(['anchors_zero_fee_htlc_tx']), pair(['lcp', 'anchors_zero_fee_htlc_tx'], false)]) {
      const heard = listen(w)
      w.mine(3)
      w.settle()
      expect(heard.filter((h) => /nonces|partial/.test(h.message.type))).toEqual([])
      for (const name of PAIR) expect(proven(w, name)).toEqual([])
    }
  })
})
