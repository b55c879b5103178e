import { unwrap } from '../../engine/base/result.ts'
import { publicKey } from '../../engine/crypto/curve.ts'
import { constructOnion } from '../../engine/onion/construct.ts'
import { peelOnion } from '../../engine/onion/peel.ts'
import { millisecondsOf } from './time.ts'
import type { Bench, Figures } from './types.ts'

function measure(count: number): Figures {
  const secrets = Array.from({ length: count }, (_, i) => new Uint8Array(32).fill(i + 1))
  const hops = secrets.map((secret) => ({
    pubkey: publicKey(secret),
    payload: new Uint8Array(32).fill(1),
  }))
  const associatedData = new Uint8Array(32).fill(0x42)
  const construct = () =>
    unwrap(constructOnion({ sessionKey: new Uint8Array(32).fill(0x77), associatedData, hops }))
  const { packet } = construct()
  const nodeSecret = secrets[0] ?? new Uint8Array(32)
  const peel = () => {
    if (!peelOnion({ packet, associatedData, nodeSecret }).ok) throw new Error('the onion does not peel')
  }
  return {
    [`hops${count}ConstructMs`]: millisecondsOf(construct),
    ...(count === 1 ? { peelMs: millisecondsOf(peel) } : {}),
  }
}

export const onion: Bench = {
  name: 'onion',
  about: 'BOLT 4 packets: construct for 1, 4 and 20 hops, peel one layer',
  run: () => Promise.resolve(Object.assign({}, ...[1, 4, 20].map(measure)) as Figures),
}
