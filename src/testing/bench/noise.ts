import { publicKey } from '../../engine/crypto/curve.ts'
import { NoiseConnection } from '../../engine/noise/connection.ts'
import { millisecondsOf } from './time.ts'
import type { Bench, Figures } from './types.ts'

const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)

function handshake(): readonly [NoiseConnection, NoiseConnection] {
  const { connection: caller, act1 } = NoiseConnection.initiate({
    localSecret: key(1),
    ephemeralSecret: key(2),
    remotePubkey: publicKey(key(3)),
  })
  const called = NoiseConnection.respond({ localSecret: key(3), ephemeralSecret: key(4) })
  let toCalled: readonly Uint8Array[] = [act1]
  while (toCalled.length > 0) {
    const toCaller = toCalled.flatMap((bytes) => called.receive(bytes).toSend)
    toCalled = toCaller.flatMap((bytes) => caller.receive(bytes).toSend)
  }
  if (!caller.ready || !called.ready) throw new Error('the handshake did not complete')
  return [caller, called]
}

/** A message of `length` bytes from one end to the other; `count` of them in one frame. */
function transfer(length: number, count: number): number {
  const [caller, called] = handshake()
  const messages = Array.from({ length: count }, () => new Uint8Array(length).fill(7))
  return millisecondsOf(() => {
    const got = called.receive(caller.encryptMany(messages)).messages.length
    if (got !== count) throw new Error(`${got} messages instead of ${count}`)
  })
}

export const noise: Bench = {
  name: 'noise',
  about: 'BOLT 8 in both ends together: a handshake, and messages encrypted, cut and decrypted',
  run: () => {
    const figures: Figures = {
      handshakeMs: millisecondsOf(handshake),
      bytes100Ms: transfer(100, 1),
      bytes1450Ms: transfer(1450, 1),
      bytes1450Times100Ms: transfer(1450, 100),
      bytes65535Ms: transfer(65_535, 1),
    }
    return Promise.resolve(figures)
  },
}
