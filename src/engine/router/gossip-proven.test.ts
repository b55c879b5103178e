import { describe, expect, test } from 'vitest'
import { announcementOf, idOf, keysOf, nodeAnnouncementOf, updateOf } from '../../testing/network/signed.ts'
import { provenChannel } from '../../testing/network/proven.ts'
import { encodeMessage } from '../wire/encode.ts'
import { decodeMessage } from '../wire/decode.ts'
import { encodeFeatures } from '../wire/features.ts'
import type { Message } from '../wire/messages.ts'
import { concat } from '../base/bytes.ts'
import { createGraph } from './graph.ts'
import { CHANNEL, MAX_CHANNELS } from './graph-terms.ts'
import { Gossip, isGossip } from './gossip.ts'
import { BURST, type GossipOptions } from './gossip-types.ts'

/** Announcements that prove themselves, from node to node. */

const NOW = 1_760_000_000_000
const SECONDS = NOW / 1000
const OURS = encodeFeatures([7, 267])
const OTHERS = encodeFeatures([7])
const [alice, bob, carol] = [keysOf(1), keysOf(2), keysOf(3)]
const HEIGHT = 200
const { message, header, capacitySat } = provenChannel(alice, bob, HEIGHT, 5, 9)
const scid = message.shortChannelId
const update = updateOf(alice, bob, scid, SECONDS)
const headerAt = (height: number) => (height === HEIGHT ? header : undefined)

/** A node whose headers reach down to `HEIGHT`, synced unless `height` says otherwise. */
function machine(options: Partial<GossipOptions> = {}, height = 300): Gossip {
  const gossip = new Gossip(createGraph(), {
    network: 'regtest',
    nodeId: idOf(keysOf(99)),
    headerAt,
    ...options,
  })
  if (height > 0) gossip.tick(NOW, height)
  gossip.connected('peer', OURS, NOW)
  return gossip
}

function tell(gossip: Gossip, ...messages: readonly Message[]): void {
  for (const m of messages) gossip.receive('peer', encodeMessage(m))
  while (gossip.work(100, NOW));
}

function sent(gossip: Gossip, to: string): readonly string[] {
  return gossip.take().flatMap((e) => {
    if (e.type !== 'send' || e.nodeId !== to) return []
    const decoded = decodeMessage(e.bytes)
    return decoded.ok && !/^(query|reply|gossip)/.test(decoded.value.type) ? [decoded.value.type] : []
  })
}

/** Flags and capacity of the channel. */
const stateOf = (gossip: Gossip) => {
  const slot = gossip.graph.channelAt(scid)
  if (slot === -1) return 'unknown'
  const steps = (['signed', 'proven', 'unspent'] as const).filter((s) => gossip.graph.has(slot, CHANNEL[s]))
  return `${steps.join(' ')} ${gossip.graph.capacity[slot]}`
}

describe('a light node', () => {
  test('believes two steps of three by one signature and asks nobody; the third is not for a message to say', () => {
    const gossip = machine()
    expect(isGossip(encodeMessage(message))).toBe(true)
    gossip.take()
    tell(gossip, message)
    expect(stateOf(gossip)).toBe(`signed proven ${capacitySat}`)
    expect(gossip.signatures).toBe(1)
    expect(gossip.take()).toEqual([])
    // The ordinary one behind it costs nothing any more, and terms count.
    tell(gossip, announcementOf(alice, bob, scid), message, update)
    expect([gossip.signatures, gossip.counts.known, gossip.counts.accepted]).toEqual([2, 2, 2])
  })

  test('takes a forged signature for what it is, whatever the proof, and three of them end the connection', () => {
    const gossip = machine()
    const signature = message.signature.map((b, i) => (i === 50 ? b ^ 1 : b))
    const ordered = [
      { ...message, signature },
      { ...message, features: Uint8Array.of(4) },
    ]
    tell(gossip, ...ordered, {
      ...message,
      bitcoinKey1: message.bitcoinKey2,
      bitcoinKey2: message.bitcoinKey1,
    })
    expect(gossip.counts.forged).toBe(3)
    expect(stateOf(gossip)).toBe('unknown')
    expect(gossip.take().map((e) => e.type)).toContain('hangUp')
  })

  test('does not believe a proof that leads to another header, and blames nobody: it may be of another branch', () => {
    const gossip = machine({ headerAt: () => ({ merkleRoot: '00'.repeat(32) }) })
    tell(gossip, message, message, message, message)
    expect([gossip.counts.unproven, gossip.signatures > 0, stateOf(gossip)]).toEqual([4, true, 'unknown'])
    expect(gossip.take().filter((e) => e.type === 'hangUp')).toEqual([])
  })

  test('counts a channel of a block below its checkpoint for its signature alone', () => {
    const gossip = machine({ headerAt: () => undefined })
    tell(gossip, message)
    expect(stateOf(gossip)).toBe('signed 0')
    // Known so far as it can be: no signature is looked at again.
    tell(gossip, message)
    expect([gossip.signatures, gossip.counts.known]).toEqual([1, 1])
  })

  test('keeps what comes before its headers, so much and no more, and looks at it when they are here', () => {
    const gossip = machine({}, 0)
    tell(gossip, message)
    expect([stateOf(gossip), gossip.counts.waiting, gossip.signatures]).toEqual(['unknown', 1, 0])
    const large = { ...message, fundingTx: new Uint8Array(60_000) }
    for (let i = 0; i < 40; i++) tell(gossip, large)
    gossip.tick(NOW, 300)
    expect(gossip.status().queued).toBeLessThan(20)
    while (gossip.work(100, NOW));
    expect(stateOf(gossip)).toBe(`signed proven ${capacitySat}`)
  })

  test('proves a channel that it knew by four signatures, and puts a lie of other ends right', () => {
    // The keys of an ordinary announcement of the same place are others: a rival that cannot be told from the true one by itself.
    const gossip = machine()
    tell(gossip, announcementOf(alice, carol, scid))
    expect(stateOf(gossip)).toBe('signed 0')
    tell(gossip, message)
    expect(stateOf(gossip)).toBe(`signed proven ${capacitySat}`)
    const slot = gossip.graph.channelAt(scid)
    expect([0, 1].map((s) => gossip.graph.nodeId(gossip.graph.ends[2 * slot + s] as number)).sort()).toEqual(
      [idOf(alice), idOf(bob)].sort(),
    )
    // And nobody displaces it again.
    tell(gossip, announcementOf(alice, carol, scid), provenChannel(alice, carol, HEIGHT, 5, 9).message)
    expect(stateOf(gossip)).toBe(`signed proven ${capacitySat}`)
    expect(gossip.counts.conflict).toBe(2)
  })

  test('finds room for what is proven where signatures alone have filled everything, but not in place of our own', () => {
    const gossip = machine()
    tell(gossip, announcementOf(alice, carol, 7n), announcementOf(bob, carol, 8n))
    gossip.publishChannel(announcementOf(alice, carol, 9n), 1000)
    const { graph } = gossip
    graph.channelCount += MAX_CHANNELS - 3
    tell(gossip, announcementOf(alice, bob, 10n))
    expect([gossip.counts.full, graph.channelAt(10n)]).toEqual([1, -1])
    tell(gossip, message)
    expect(stateOf(gossip)).toBe(`signed proven ${capacitySat}`)
    expect([7n, 8n, 9n].filter((id) => graph.channelAt(id) !== -1).length).toBe(2)
    expect(graph.channelAt(9n)).not.toBe(-1)
    expect(graph.channelCount).toBe(MAX_CHANNELS)
  })

  test('is made to check so many a peer and no more, and refuses what lies ahead of its tip', () => {
    const gossip = machine()
    const wrong = { ...message, branch: message.branch.slice(1) }
    for (let i = 0; i < BURST + 50; i++) gossip.receive('peer', encodeMessage(wrong))
    while (gossip.work(1000, NOW));
    expect([gossip.counts.unproven, gossip.counts.tooOften]).toEqual([BURST, 50])
    tell(gossip, { ...message, shortChannelId: (400n << 40n) | 1n })
    expect(gossip.counts.future).toBe(1)
  })
})

describe('who passes it on', () => {
  /** A node that serves others, told of one channel by `peer`. */
  function server(...messages: readonly Message[]): Gossip {
    const gossip = machine({ shelf: 100, flushMs: 1000 })
    for (const [name, features] of [
      ['ours', OURS],
      ['other', OTHERS],
    ] as const) {
      gossip.connected(name, features, NOW)
      const filter: Message = {
        type: 'gossip_timestamp_filter',
        chainHash: message.chainHash,
        firstTimestamp: SECONDS - 10,
        timestampRange: 1000,
      }
      gossip.receive(name, encodeMessage(filter))
    }
    tell(gossip, ...messages)
    gossip.take()
    gossip.tick(NOW + 2000, 300)
    return gossip
  }

  test('tells peers that know it first by the proof, and others nothing that they cannot read', () => {
    const effects = server(message, update).take()
    const to = (name: string) =>
      effects.flatMap((e) => (e.type === 'send' && e.nodeId === name ? [decodeMessage(e.bytes)] : []))
    expect(to('ours').map((d) => (d.ok ? d.value : undefined))).toEqual([message, update])
    expect(to('other')).toEqual([])
  })

  test('tells everybody else by the ordinary announcement once it has that too', () => {
    const signed = announcementOf(alice, bob, scid)
    const gossip = server(message, signed, update)
    const effects = gossip.take()
    const types = (name: string) =>
      effects.flatMap((e) => {
        const d = e.type === 'send' && e.nodeId === name ? decodeMessage(e.bytes) : undefined
        return d?.ok === true ? [d.value.type] : []
      })
    expect(types('ours')).toEqual(['proven_channel_announcement', 'channel_announcement', 'channel_update'])
    expect(types('other')).toEqual(['channel_announcement', 'channel_update'])
  })

  test('answers queries in the same way, and names to each peer what it can be told of', () => {
    const gossip = server(message, update, nodeAnnouncementOf(alice, SECONDS))
    gossip.take()
    for (const [name, ids, types] of [
      ['ours', 1, ['proven_channel_announcement', 'channel_update', 'node_announcement']],
      ['other', 0, []],
    ] as const) {
      gossip.receive(
        name,
        encodeMessage({
          type: 'query_channel_range',
          chainHash: message.chainHash,
          firstBlocknum: 0,
          numberOfBlocks: 1000,
        }),
      )
      while (gossip.work(10, NOW));
      const [reply] = gossip.take().flatMap((e) => (e.type === 'send' ? [decodeMessage(e.bytes)] : []))
      expect(reply?.ok === true && reply.value.type === 'reply_channel_range').toBe(true)
      if (reply?.ok === true && reply.value.type === 'reply_channel_range')
        expect(reply.value.shortChannelIds.length).toBe(ids)
      gossip.receive(
        name,
        encodeMessage({
          type: 'query_short_channel_ids',
          chainHash: message.chainHash,
          shortChannelIds: [scid],
        }),
      )
      while (gossip.work(10, NOW));
      expect(sent(gossip, name)).toEqual(types)
    }
  })

  test('passes on what was signed and proven, not what somebody wrote behind it', () => {
    const gossip = machine({ shelf: 100 })
    // An unknown odd record behind the fields: type 65537, two bytes.
    const tail = Uint8Array.of(0xfe, 0, 1, 0, 1, 2, 7, 7)
    gossip.receive('peer', concat(encodeMessage(message), tail))
    while (gossip.work(10, NOW));
    expect(gossip.shelf.channels.get(scid)?.proven).toEqual(encodeMessage(message))
  })

  test('of its own channels tells peers that know it both, when the proof is there, and others the ordinary one', () => {
    const gossip = new Gossip(createGraph(), { network: 'regtest', nodeId: idOf(alice), headerAt })
    gossip.connected('ours', OURS, NOW)
    gossip.connected('other', OTHERS, NOW)
    gossip.publishProven(message)
    expect(gossip.take()).toEqual([])
    gossip.publishChannel(announcementOf(alice, bob, scid), capacitySat)
    gossip.publishUpdate(update)
    gossip.take()
    gossip.publishProven(message)
    const effects = gossip.take()
    expect(effects.every((e) => e.nodeId === 'ours')).toBe(true)
    expect(effects.length).toBe(3)
    gossip.connected('later', OURS, NOW)
    expect(sent(gossip, 'later')[0]).toBe('proven_channel_announcement')
  })
})
