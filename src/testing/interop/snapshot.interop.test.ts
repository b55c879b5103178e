import { Logger, Network, NetworkGraph, type NodeId, Option_u64Z, RapidGossipSync } from 'lightningdevkit'
import { beforeAll, expect, test } from 'vitest'
import { NETWORKS } from '../../engine/bitcoin/network.ts'
import { createGraph } from '../../engine/router/graph.ts'
import { CHANNEL, NO_LIMIT_MSAT } from '../../engine/router/graph-terms.ts'
import { SnapshotReader } from '../../engine/router/snapshot.ts'
import { writeSnapshot } from '../../engine/router/snapshot-write.ts'
import { isNull, loadLdk } from '../ldk/wasm.ts'
import { announcementOf, keysOf } from '../network/signed.ts'

/** Snapshots as LDK reads them: the format is its own. */

beforeAll(() => loadLdk())

test('LDK reads what we write: the same channels, ends and terms', () => {
  const now = Math.floor(Date.now() / 1000)
  const { chainHash } = NETWORKS.regtest
  const graph = createGraph()
  const keys = Array.from({ length: 12 }, (_, i) => keysOf(i + 1))
  for (let i = 0; i < 30; i++) {
    const [a, b] = [keys[i % 12], keys[(i * 5 + 1 + Math.floor(i / 12)) % 12]]
    if (a === undefined || b === undefined || a === b) continue
    const scid = (BigInt(100 + 7 * i) << 40n) | BigInt((i % 3) << 16)
    const { nodeId1, nodeId2 } = announcementOf(a, b, scid)
    const slot = graph.addChannel({
      scid,
      nodeId1,
      nodeId2,
      capacitySat: 0,
      witnessProgram: new Uint8Array(32),
      flags: CHANNEL.signed,
    })
    for (const side of i % 4 === 0 ? [0] : [0, 1])
      graph.setPolicy(2 * slot + side, {
        timestamp: now - 100,
        disabled: i % 5 === side,
        cltvExpiryDelta: 40 + (i % 3),
        feeBaseMsat: 1000 * (i % 2),
        feeProportionalMillionths: 10 * i,
        htlcMinimumMsat: 1 + (i % 2),
        htlcMaximumMsat: i === 7 ? NO_LIMIT_MSAT : 1_000_000 * (i + 1),
      })
  }
  const bytes = writeSnapshot(graph, chainHash, now)
  const logger = Logger.new_impl({ log: () => {} })
  const theirs = NetworkGraph.constructor_new(Network.LDKNetwork_Regtest, logger)
  const sync = RapidGossipSync.constructor_new(theirs, logger)
  const result = sync.update_network_graph_no_std(bytes, Option_u64Z.constructor_some(BigInt(now)))
  expect(Boolean(result.is_ok())).toBe(true)
  const view = theirs.read_only()
  expect(new Set([...view.list_channels()].map(BigInt))).toEqual(
    new Set(Array.from({ length: graph.channelSlots }, (_, slot) => graph.scid(slot))),
  )
  // And so do we.
  const ours = createGraph()
  const reader = new SnapshotReader(ours, bytes, { chainHash, nowSeconds: now, height: 0 })
  expect(reader.step(10_000)).toEqual({ ok: true, value: true })
  for (let slot = 0; slot < graph.channelSlots; slot++) {
    const channel = view.channel(graph.scid(slot))
    const copy = ours.channelAt(graph.scid(slot))
    const idOf = (id: NodeId) => Buffer.from(id.as_slice()).toString('hex')
    expect([idOf(channel.get_node_one()), idOf(channel.get_node_two())]).toEqual(
      [0, 1].map((side) => ours.nodeId(ours.ends[2 * copy + side] as number)),
    )
    for (const side of [0, 1] as const) {
      const terms = side === 0 ? channel.get_one_to_two() : channel.get_two_to_one()
      const policy = ours.policy(2 * copy + side)
      if (policy === undefined) {
        expect(isNull(terms)).toBe(true)
        continue
      }
      expect({
        timestamp: terms.get_last_update(),
        disabled: !terms.get_enabled(),
        cltvExpiryDelta: terms.get_cltv_expiry_delta(),
        feeBaseMsat: terms.get_fees().get_base_msat(),
        feeProportionalMillionths: terms.get_fees().get_proportional_millionths(),
        htlcMinimumMsat: Number(terms.get_htlc_minimum_msat()),
        htlcMaximumMsat: Math.min(Number(terms.get_htlc_maximum_msat()), NO_LIMIT_MSAT),
      }).toEqual(policy)
    }
  }
})
