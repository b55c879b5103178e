import { describe, expect, it } from 'vitest'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import { fromHex, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { decodeMessage } from '../wire/decode.ts'
import { makeOnionMessage, pathTo, peelOnionMessage } from './message.ts'

interface Hop {
  readonly blinded_node_id: string
  readonly encrypted_recipient_data: string
}
interface Vector {
  readonly vectors: {
    readonly generate: {
      readonly session_key: string
      readonly hops: readonly { readonly path_key_secret: string }[]
    }
    readonly route: {
      readonly first_node_id: string
      readonly first_path_key: string
      readonly hops: readonly Hop[]
    }
    readonly onionmessage: { readonly unknown_tag_1: string; readonly onion_message_packet: string }
    readonly decrypt: {
      readonly hops: readonly {
        readonly alias: string
        readonly privkey: string
        readonly onion_message: string
        readonly next_node_id?: string
      }[]
    }
  }
}

describe.skipIf(!vectorsPresent)('onion messages (BOLT 4)', () => {
  const { vectors } = loadVectors<Vector>('bolt04-blinded-onion-message.json')
  const blinded = (from: number) =>
    vectors.route.hops.slice(from).map((hop) => ({
      blindedNodeId: fromHex(hop.blinded_node_id),
      encryptedRecipientData: fromHex(hop.encrypted_recipient_data),
    }))
  const sent = (i: number) => {
    const message = unwrap(decodeMessage(fromHex(vectors.decrypt.hops[i]?.onion_message ?? '')))
    if (message.type !== 'onion_message') throw new Error('not an onion message')
    return { pathKey: message.pathKey, packet: message.onionMessagePacket }
  }

  it('a hop before a path that was given to us is joined to it byte for byte', () => {
    const alice = fromHex(vectors.route.first_node_id)
    const bob = fromHex('0324653eac434488002cc06bbfb7f10fe18991e35f9fe4302dbea6d2353dc0ab1c')
    const given = {
      introduction: { nodeId: bob },
      firstPathKey: fromHex('031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f'),
      hops: blinded(1),
    }
    const session = fromHex(vectors.generate.hops[0]?.path_key_secret ?? '')
    const whole = pathTo({ path: given, first: bob }, [alice], session)
    expect(toHex(whole.firstPathKey)).toBe(vectors.route.first_path_key)
    expect(whole.hops.map((hop) => toHex(hop.blindedNodeId))).toEqual(
      vectors.route.hops.map((hop) => hop.blinded_node_id),
    )
    expect(toHex(whole.hops[0]?.encryptedRecipientData ?? new Uint8Array())).toBe(
      vectors.route.hops[0]?.encrypted_recipient_data,
    )
    const unknown = [{ type: 1n, value: fromHex(vectors.onionmessage.unknown_tag_1) }]
    const made = makeOnionMessage(whole, undefined, fromHex(vectors.generate.session_key), undefined, unknown)
    expect(toHex(unwrap(made).packet)).toBe(vectors.onionmessage.onion_message_packet)
  })

  it('each hop sends on what the next one gets; the last reads it', () => {
    const { hops } = vectors.decrypt
    hops.forEach(({ privkey, next_node_id }, i) => {
      const peeled = unwrap(peelOnionMessage(sent(i), fromHex(privkey)))
      if (i < hops.length - 1) {
        if (peeled.kind !== 'forward') throw new Error('not to be sent on')
        expect('nodeId' in peeled.next && toHex(peeled.next.nodeId)).toBe(next_node_id)
        expect(peeled.message).toEqual(sent(i + 1))
        return
      }
      if (peeled.kind !== 'receive') throw new Error('not for us')
      expect(toHex(peeled.pathId ?? new Uint8Array())).toBe(
        'deadbeefbadc0ffeedeadbeefbadc0ffeedeadbeefbadc0ffeedeadbeefbadc0',
      )
      expect(peeled.unknown).toEqual([{ type: 1n, value: fromHex(vectors.onionmessage.unknown_tag_1) }])
    })
  })
})
