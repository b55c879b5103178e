import { REFERENCE_CIPHERS, useCiphers } from '../../engine/crypto/cipher.ts'
import { REFERENCE_HASHES, useHashes } from '../../engine/crypto/hash.ts'
import { attribute, peelAttribution } from '../../engine/onion/attribution.ts'
import { NODE_CIPHERS, NODE_HASHES } from '../../host/node/crypto.node.ts'
import { millisecondsOf } from './time.ts'
import type { Bench, Figures } from './types.ts'

const sharedSecret = new Uint8Array(32).fill(0x42)
/** Bytes of what is covered: a fulfilment has none, a failure 292 and more; the longest that fits a message. */
const PACKETS = { Fulfil: undefined, Fail: new Uint8Array(292), Longest: new Uint8Array(64_000) }

function measure(machine: string): Figures {
  const figures: Record<string, number> = {}
  for (const [what, returnPacket] of Object.entries(PACKETS)) {
    const received = attribute({ sharedSecret, holdTime: 1, returnPacket })
    figures[`${machine}${what}Ms`] = millisecondsOf(() => {
      attribute({ sharedSecret, holdTime: 2, returnPacket, received })
    })
    figures[`${machine}${what}PeelMs`] = millisecondsOf(() => {
      if (peelAttribution({ sharedSecret, hopsBehind: 19, returnPacket, data: received }) === undefined)
        throw new Error('attribution does not peel')
    })
  }
  return figures
}

export const attribution: Bench = {
  name: 'attribution',
  about:
    'attribution_data of fulfilments and failures: make and peel, with the hashes of browsers and of Node',
  run() {
    try {
      const browser = measure('browser')
      useHashes(NODE_HASHES)
      useCiphers(NODE_CIPHERS)
      return Promise.resolve({ ...browser, ...measure('node') })
    } finally {
      useHashes(REFERENCE_HASHES)
      useCiphers(REFERENCE_CIPHERS)
    }
  },
}
