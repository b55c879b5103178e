import { fromHex } from '../base/bytes.ts'
import type { OutPoint } from '../bitcoin/types.ts'

/**
 * The channel_id of a funding outpoint: the txid as hashed (internal order, as funding_created carries it), its last two
 * bytes combined with the output index by exclusive or (BOLT 2 §Definition of channel_id). 32 bytes.
 */
export function channelIdOf(funding: OutPoint): Uint8Array {
  const id = fromHex(funding.txid).reverse()
  if (id.length !== 32 || funding.vout < 0 || funding.vout > 0xffff)
    throw new RangeError(`funding outpoint ${funding.txid}:${funding.vout}`)
  id[30] = (id[30] ?? 0) ^ (funding.vout >> 8)
  id[31] = (id[31] ?? 0) ^ (funding.vout & 0xff)
  return id
}

/** The channel_id that stands for all channels with the sender in `error` and `warning` (BOLT 1): 32 zero bytes. */
export const isAllChannels = (channelId: Uint8Array): boolean => channelId.every((byte) => byte === 0)
