import { describe, expect, test } from 'vitest'
import { fromHex } from '../engine/base/bytes.ts'
import { createGraph } from '../engine/router/graph.ts'
import { CHANNEL, NODE } from '../engine/router/graph-terms.ts'
import { findNodes, nodeInfo } from './graph-nodes.ts'

const id = (n: number) => `02${n.toString(16).padStart(64, '0')}`
const policy = {
  timestamp: 1_700_000_000,
  disabled: false,
  cltvExpiryDelta: 80,
  feeBaseMsat: 1000,
  feeProportionalMillionths: 120,
  htlcMinimumMsat: 1,
  htlcMaximumMsat: 900_000_000,
}

/** Node 1 with three channels: to 2 (proved and unspent), to 3 (signed), to 4 (a hint). */
function network() {
  const graph = createGraph(7)
  const join = (block: number, other: number, capacitySat: number, flags: number) =>
    graph.addChannel({
      scid: BigInt(block) << 40n,
      nodeId1: fromHex(id(1)),
      nodeId2: fromHex(id(other)),
      capacitySat,
      witnessProgram: new Uint8Array(32),
      flags,
    })
  const all = CHANNEL.signed | CHANNEL.proven | CHANNEL.unspent
  const proven = join(10, 2, 500_000, all)
  const signed = join(11, 3, 0, CHANNEL.signed)
  join(12, 4, 0, 0)
  graph.setPolicy(2 * proven, policy)
  graph.setPolicy(2 * signed, policy)
  const name = (n: number, text: string) =>
    graph.setNode(graph.nodeOf(id(n)), 1, NODE.announced | NODE.basicMpp, new TextEncoder().encode(text))
  name(1, 'Harbour Light')
  name(2, 'harbour master\u202e')
  return graph
}

describe('nodes of the network', () => {
  test('are found by any part of their name, whatever its case, those with most channels first', () => {
    const { nodes, count } = findNodes(network(), 'HARBOUR')
    expect(count).toBe(2)
    // What turns text around is not shown.
    expect(nodes.map((node) => node.name)).toEqual(['Harbour Light', 'harbour master'])
    expect(nodes[0]?.channels).toBe(3)
  })

  test('are found by the beginning of their key', () => {
    expect(findNodes(network(), id(3)).nodes.map((node) => node.nodeId)).toEqual([id(3)])
    expect(findNodes(network(), '0200').count).toBe(4)
    expect(findNodes(network(), 'nobody').count).toBe(0)
  })

  test('show how far each of their channels was checked, and its size only where it is proved', () => {
    const { channels, channelCount, parts } = nodeInfo(network(), id(1))
    expect(channelCount).toBe(3)
    expect(parts).toBe(true)
    const by = (peer: number) => channels.find((channel) => channel.peer === id(peer))
    expect(by(2)).toMatchObject({ checked: 'unspent', capacitySat: '500000', shortChannelId: '10x0x0' })
    expect(by(3)).toMatchObject({ checked: 'signed', saidMsat: '900000000', out: { feeBaseMsat: 1000 } })
    expect(by(3)?.capacitySat).toBeUndefined()
    expect(by(4)).toMatchObject({ checked: 'hint' })
    expect(by(4)?.out).toBeUndefined()
  })

  test('that nobody has told of are refused', () => {
    expect(() => nodeInfo(network(), id(9))).toThrow('No public channel')
  })
})
