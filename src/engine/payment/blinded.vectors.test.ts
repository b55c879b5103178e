import { describe, expect, it } from 'vitest'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import { fromHex, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { constructOnion } from '../onion/construct.ts'
import { forwardHops } from './attempt-route.ts'
import { blindedHops } from './blinded-ways.ts'
import { readOnion } from './read-onion.ts'
import type { IncomingHtlc } from './types.ts'

interface BlindedPayment {
  generate: {
    session_key: string
    associated_data: string
    final_amount_msat: number
    final_cltv: number
    blinded_payinfo: {
      fee_base_msat: number
      fee_proportional_millionths: number
      cltv_expiry_delta: number
    }
    blinded_route: {
      first_node_id: string
      first_path_key: string
      hops: { blinded_node_id: string; encrypted_data: string }[]
    }
    full_route: { hops: { pubkey: string; payload: string }[] }
    onion: string
  }
  decrypt: { hops: { onion: string; node_privkey: string; next_path_key?: string }[] }
}

describe.skipIf(!vectorsPresent)('BOLT 4 blinded-payment-onion-test, as payments use it', () => {
  const { vectors: v } = loadVectors<{ vectors: BlindedPayment }>('bolt04-blinded-payment-onion.json')

  it('a payer makes this packet from the path and the route to its beginning', () => {
    const { generate: g } = v
    const { blinded_route: given, blinded_payinfo: info } = g
    const introduction = given.first_node_id
    const final = {
      amountMsat: msat(g.final_amount_msat),
      cltvExpiry: g.final_cltv,
      totalMsat: msat(150_000),
    }
    const toBob = 110_125n
    const route = [
      { nodeId: g.full_route.hops[0]?.pubkey ?? '', scid: 0n, amountMsat: msat(toBob), cltvExpiry: 749_150 },
      { nodeId: introduction, scid: 10n, amountMsat: msat(toBob), cltvExpiry: 749_150 },
    ]
    const hops = [
      ...forwardHops(route),
      ...blindedHops(
        {
          index: 0,
          introduction,
          path: {
            introduction: { nodeId: fromHex(introduction) },
            firstPathKey: fromHex(given.first_path_key),
            hops: given.hops.map((hop) => ({
              blindedNodeId: fromHex(hop.blinded_node_id),
              encryptedRecipientData: fromHex(hop.encrypted_data),
            })),
          },
          payInfo: {
            feeBaseMsat: info.fee_base_msat,
            feeProportionalMillionths: info.fee_proportional_millionths,
            cltvExpiryDelta: info.cltv_expiry_delta,
            htlcMinimumMsat: 0n,
            htlcMaximumMsat: 0n,
            features: new Uint8Array(0),
          },
        },
        final,
      ),
    ]
    // Each of the vector's payloads is printed with its length in front.
    expect(hops.map((hop) => toHex(hop.payload))).toEqual(g.full_route.hops.map((h) => h.payload.slice(2)))
    const built = constructOnion({
      sessionKey: fromHex(g.session_key),
      associatedData: fromHex(g.associated_data),
      hops,
    })
    expect(toHex(unwrap(built).packet)).toBe(g.onion)
  })

  it('each node of the route reads what to do, and the last one that it is the last', () => {
    let amountMsat = msat(110_125)
    let cltvExpiry = 749_150
    let pathKey: Uint8Array | undefined
    const seen = v.decrypt.hops.map((hop) => {
      const htlc: IncomingHtlc = {
        channelId: '',
        id: 0n,
        amountMsat,
        paymentHash: fromHex(v.generate.associated_data),
        cltvExpiry,
        onion: fromHex(hop.onion),
        ...(pathKey === undefined ? {} : { pathKey }),
      }
      const read = readOnion(htlc, fromHex(hop.node_privkey))
      if (read.kind === 'refused') throw new Error(read.refusal)
      if (read.kind === 'receive') {
        expect(read.receive.blinded).toMatchObject({ place: 'inside', amountMsat: 100_000n })
        return 'receive'
      }
      const { forward } = read
      amountMsat = forward.amtToForward
      cltvExpiry = forward.outgoingCltvValue
      pathKey = forward.blinded?.nextPathKey
      expect(pathKey && toHex(pathKey)).toBe(hop.next_path_key)
      return forward.blinded?.place ?? 'plain'
    })
    expect(seen).toEqual(['plain', 'introduction', 'inside', 'inside', 'receive'])
    expect([amountMsat, cltvExpiry]).toEqual([100_000n, 749_000])
  })
})
