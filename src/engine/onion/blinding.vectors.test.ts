import { describe, expect, it } from 'vitest'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import { fromHex, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { msat } from '../base/units.ts'
import type { BlindedHop } from './blinded-path.ts'
import { blindedSecret, createBlindedPath, openRecipientData } from './blinding.ts'
import { constructOnion } from './construct.ts'
import { instructionOf } from './instruction.ts'
import { decodeHopPayload, encodeHopPayload } from './payload.ts'
import { peelOnion } from './peel.ts'
import { decodeRecipientData, encodeRecipientData, relayBlinded } from './recipient-data.ts'

interface Blinding {
  vectors: {
    generate: {
      hops: {
        session_key?: string
        node_id: string
        encoded_tlvs: string
        path_key: string
        blinded_node_id: string
        encrypted_data: string
      }[]
    }
    route: { hops: { blinded_node_id: string; encrypted_data: string }[] }
    unblind: {
      hops: {
        alias: string
        node_privkey: string
        path_key: string
        blinded_privkey: string
        decrypted_data: string
        next_path_key: string
        next_path_key_override?: string
      }[]
    }
  }
}

describe.skipIf(!vectorsPresent)('BOLT 4 route-blinding-test', () => {
  const { vectors: v } = loadVectors<Blinding>('bolt04-route-blinding.json')

  it('blinds the two paths that are joined', () => {
    const { hops } = v.generate
    const blind = (from: number, to: number): readonly BlindedHop[] => {
      const part = hops.slice(from, to)
      const made = createBlindedPath(
        fromHex(part[0]?.session_key as string),
        part.map((h) => ({ nodeId: fromHex(h.node_id), data: fromHex(h.encoded_tlvs) })),
      )
      expect(made.pathKeys.map(toHex)).toEqual(part.map((h) => h.path_key))
      expect(made.path.firstPathKey).toEqual(made.pathKeys[0])
      return made.path.hops
    }
    const joined = [...blind(0, 2), ...blind(2, 4)]
    expect(
      joined.map((h) => ({
        blinded_node_id: toHex(h.blindedNodeId),
        encrypted_data: toHex(h.encryptedRecipientData),
      })),
    ).toEqual(v.route.hops)
  })

  it.each(v?.unblind.hops ?? [])('is read by $alias', (hop) => {
    const nodeSecret = fromHex(hop.node_privkey)
    const pathKey = fromHex(hop.path_key)
    const index = v.unblind.hops.indexOf(hop)
    expect(toHex(blindedSecret(nodeSecret, pathKey))).toBe(hop.blinded_privkey)
    const opened = unwrap(
      openRecipientData(nodeSecret, pathKey, fromHex(v.route.hops[index]?.encrypted_data as string)),
    )
    expect(toHex(opened.data)).toBe(hop.decrypted_data)
    expect(toHex(opened.nextPathKey)).toBe(hop.next_path_key)
    const data = unwrap(decodeRecipientData(opened.data))
    expect(data.nextPathKeyOverride && toHex(data.nextPathKeyOverride)).toBe(hop.next_path_key_override)
    expect(toHex(encodeRecipientData(data))).toBe(hop.decrypted_data)
  })

  it('reads what the hops are told', () => {
    const [bob, , , eve] = v.unblind.hops.map((h) => unwrap(decodeRecipientData(fromHex(h.decrypted_data))))
    expect(bob).toMatchObject({
      shortChannelId: 1729n,
      paymentRelay: { cltvExpiryDelta: 36, feeProportionalMillionths: 150, feeBaseMsat: 10000 },
      paymentConstraints: { maxCltvExpiry: 748005, htlcMinimumMsat: 1500n },
    })
    expect(bob?.unknown).toEqual([{ type: 561n, value: fromHex('123456') }])
    expect(eve?.pathId).toEqual(fromHex('deadbeef'))
  })
})

interface BlindedPayment {
  vectors: {
    generate: {
      session_key: string
      associated_data: string
      full_route: { hops: { alias: string; pubkey: string; payload: string }[] }
      onion: string
    }
    decrypt: { hops: { alias: string; onion: string; node_privkey: string; next_path_key?: string }[] }
  }
}

describe.skipIf(!vectorsPresent)('BOLT 4 blinded-payment-onion-test', () => {
  const { vectors: v } = loadVectors<BlindedPayment>('bolt04-blinded-payment-onion.json')

  it('builds the packet from decoded payloads', () => {
    const built = unwrap(
      constructOnion({
        sessionKey: fromHex(v.generate.session_key),
        associatedData: fromHex(v.generate.associated_data),
        hops: v.generate.full_route.hops.map((h) => ({
          pubkey: fromHex(h.pubkey),
          payload: encodeHopPayload(unwrap(decodeHopPayload(fromHex(h.payload).subarray(1)))),
        })),
      }),
    )
    expect(toHex(built.packet)).toBe(v.generate.onion)
  })

  it('is carried by Alice, enters the path at Bob and ends with Eve, amounts worked out on the way', () => {
    let pathKey: Uint8Array | undefined
    let amount = msat(110125)
    let expiry = 749150
    const kinds: string[] = []
    v.decrypt.hops.forEach((hop, i) => {
      const nodeSecret = fromHex(hop.node_privkey)
      const peeled = unwrap(
        peelOnion({
          packet: fromHex(hop.onion),
          associatedData: fromHex(v.generate.associated_data),
          nodeSecret,
          pathKey,
        }),
      )
      const following = v.decrypt.hops[i + 1]?.onion
      expect(peeled.next && toHex(peeled.next)).toBe(following)
      const payload = unwrap(decodeHopPayload(peeled.payload))
      const todo = unwrap(instructionOf(payload, peeled.next === undefined, pathKey))
      kinds.push(todo.kind)
      if (todo.kind === 'forward_blinded') {
        const opened = unwrap(openRecipientData(nodeSecret, todo.pathKey, todo.encryptedRecipientData))
        const data = unwrap(decodeRecipientData(opened.data))
        const forward = unwrap(relayBlinded(data, amount, expiry))
        amount = forward.amtToForward
        expiry = forward.outgoingCltvValue
        pathKey = data.nextPathKeyOverride ?? opened.nextPathKey
        expect(toHex(pathKey)).toBe(hop.next_path_key)
      }
      if (todo.kind === 'receive_blinded')
        expect([todo.amtToForward, todo.outgoingCltvValue, todo.totalMsat]).toEqual([
          100000n,
          749000,
          150000n,
        ])
    })
    expect(kinds).toEqual([
      'forward',
      'forward_blinded',
      'forward_blinded',
      'forward_blinded',
      'receive_blinded',
    ])
    expect([amount, expiry]).toEqual([100000n, 749000])
  })

  it('answers every fault inside the path with invalid_onion_blinding', () => {
    const bob = v.decrypt.hops[1]
    const packet = fromHex(bob?.onion as string)
    const nodeSecret = fromHex(bob?.node_privkey as string)
    const altered = packet.slice()
    altered[100] = (altered[100] as number) ^ 1
    const answer = (pathKey?: Uint8Array) =>
      peelOnion({
        packet: altered,
        associatedData: fromHex(v.generate.associated_data),
        nodeSecret,
        pathKey,
      })
    expect(answer()).toMatchObject({ error: { action: 'malformed', name: 'invalid_onion_hmac' } })
    const pathKey = fromHex(v.decrypt.hops[1]?.next_path_key as string)
    expect(answer(pathKey)).toMatchObject({
      error: { action: 'malformed', name: 'invalid_onion_blinding' },
    })
  })
})
