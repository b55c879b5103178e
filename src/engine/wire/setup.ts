import { blob, bytes32, extended, plain, point, readItems, u16 } from './fields.ts'
import { tlv, tlvBytes } from './tlv.ts'

/** More chains than anybody serves; a peer that lists more is not read further (our bound). */
const MAX_NETWORKS = 64

/** BOLT 1 §Setup Messages, §Control Messages, §Peer Storage; BOLT 4 §Onion Messages. */
export const SETUP = {
  warning: plain(1, 'warning', { channelId: bytes32, data: blob }),
  peer_storage: plain(7, 'peer_storage', { blob }),
  peer_storage_retrieval: plain(9, 'peer_storage_retrieval', { blob }),
  init: extended(
    16,
    'init',
    { globalfeatures: blob, features: blob },
    {
      networks: tlv<readonly Uint8Array[]>(
        1,
        (r) => readItems(r, MAX_NETWORKS, (item) => item.bytes(32, 'chain_hash')),
        (w, chains) => chains.forEach((chain) => w.bytes(chain, 32)),
      ),
      remoteAddr: tlvBytes(3),
    },
  ),
  error: plain(17, 'error', { channelId: bytes32, data: blob }),
  ping: plain(18, 'ping', { numPongBytes: u16, ignored: blob }),
  pong: plain(19, 'pong', { ignored: blob }),
  onion_message: plain(513, 'onion_message', { pathKey: point, onionMessagePacket: blob }),
} as const
