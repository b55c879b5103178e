import { expect, it } from 'vitest'
import { keysOf } from '../../testing/network/signed.ts'
import { compareBytes, toHex } from '../base/bytes.ts'
import { createGraph } from './graph.ts'
import { CHANNEL, NODE } from './graph-terms.ts'
import { messagePath } from './message-path.ts'

/** a – b – c – d – e, and a shorter way a – x – e over a node that passes nothing on. */
function network() {
  const graph = createGraph()
  const names = ['a', 'b', 'c', 'd', 'e', 'x'] as const
  const ids = Object.fromEntries(names.map((name, i) => [name, keysOf(i + 1).id])) as Record<
    (typeof names)[number],
    Uint8Array
  >
  const id = (name: (typeof names)[number]) => toHex(ids[name])
  let scid = 1n
  const connect = (one: (typeof names)[number], two: (typeof names)[number]): number => {
    const [first, second] = [ids[one], ids[two]].sort(compareBytes) as [Uint8Array, Uint8Array]
    return graph.addChannel({
      scid: scid++ << 40n,
      nodeId1: first,
      nodeId2: second,
      capacitySat: 1,
      witnessProgram: new Uint8Array(32),
      flags: CHANNEL.signed,
    })
  }
  for (const [one, two] of [
    ['a', 'b'],
    ['b', 'c'],
    ['c', 'd'],
    ['a', 'x'],
    ['x', 'e'],
  ] as const)
    connect(one, two)
  const last = connect('d', 'e')
  for (const name of ['a', 'b', 'c', 'd', 'e'] as const)
    graph.setNode(graph.nodeOf(id(name)), 1, NODE.announced | NODE.onionMessages, new Uint8Array(32))
  return { graph, id, last }
}

it('a way for a message is the shortest over nodes that pass messages on, from our peer to the one before its end', () => {
  const { graph, id } = network()
  expect(messagePath(graph, [id('a')], id('e'))).toEqual(['a', 'b', 'c', 'd'].map((n) => id(n as 'a')))
  expect(messagePath(graph, [id('a'), id('c')], id('e'))).toEqual([id('c'), id('d')])
  // A peer is asked whatever the graph says of it: its own words are newer.
  expect(messagePath(graph, [id('x')], id('e'))).toEqual([id('x')])
})

it('there is none to strangers, from nobody, and not over a channel that is spent', () => {
  const { graph, id, last } = network()
  expect(messagePath(graph, [id('a')], `02${'00'.repeat(32)}`)).toBeUndefined()
  expect(messagePath(graph, [], id('e'))).toBeUndefined()
  graph.mark(last, CHANNEL.spent)
  expect(messagePath(graph, [id('a')], id('e'))).toBeUndefined()
})
