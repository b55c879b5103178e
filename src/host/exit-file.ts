import type { AppState } from '../contract/schemas.ts'
import { toHex, utf8 } from '../engine/base/bytes.ts'
import { sha256 } from '../engine/crypto/hash.ts'
import { recordsForExit } from '../engine/exit/open.ts'
import type { ExitAbout } from '../engine/exit/types.ts'
import { channelsToKeep, contentDigest } from '../engine/node/backup.ts'
import { loadLease } from '../engine/node/lease.ts'
import type { Store } from '../engine/node/ports.ts'
import type { NodeState } from '../engine/node/state.ts'
import { type Records, sealContainer, walletFingerprint } from './vault/container.ts'
import type { ScryptCost } from './vault/keyring.ts'

/**
 * The sealed copy for an exit file: what claims on chain need and nothing else (`engine/exit/open.ts` says what that is). The node may run:
 * a store is read as of one moment. Nothing may ever bring such a copy to life, so it may be made as often as one likes.
 */

/** Of the court's records; some hundred thousand states. The file has to open on a phone, and to be sent by mail. */
const COURT_BYTES = 12 * 1024 * 1024
const NO_DEVICE = '0'.repeat(32)

export async function exitCopy(
  store: Store,
  identity: { readonly network: string; readonly nodeId: string },
  about: ExitAbout,
  password: string,
  options: { readonly entropy: () => Uint8Array; readonly cost?: ScryptCost },
): Promise<Uint8Array<ArrayBuffer>> {
  const all: Records = await store.load()
  const lease = loadLease(all)
  // Told for whoever compares files; a copy binds nobody, so none at all is no reason to refuse one.
  const { epoch = 0, device = '' } = lease.ok ? lease.value : {}
  return sealContainer(
    {
      kind: 'copy',
      network: identity.network,
      created: about.madeAt,
      epoch,
      device: device === '' ? NO_DEVICE : device,
      wallet: walletFingerprint(identity.nodeId),
    },
    recordsForExit(all, about, COURT_BYTES),
    password,
    options,
  )
}

// ---- how fresh it is -----------------------------------------------------------------------------------------------

/** The preference that holds `<ms since 1970> <channels> <states>` of the copy that was saved last. */
export const EXIT_SAVED = 'exitSaved'

/** Eight bytes in hex that change with every state of any channel. */
const statesDigest = (state: NodeState): string => {
  const states = channelsToKeep(state).map(
    ({ id, localTip, remoteTail, remotePending }) =>
      `${id} ${localTip.number} ${remoteTail.number + remotePending.length}`,
  )
  return toHex(sha256(utf8(states.join())).slice(0, 8))
}

/** What is noted of a copy of this state. */
export const exitNote = (state: NodeState, at: number): string =>
  `${at} ${contentDigest(state)} ${statesDigest(state)}`

/** When a copy was saved last, and what of today it holds; undefined when there is none. */
export function projectExit(state: NodeState): AppState['backup']['exit'] {
  const [at, channels, states] = state.preferences[EXIT_SAVED]?.split(' ') ?? []
  if (at === undefined) return undefined
  const holds =
    channels !== contentDigest(state) ? 'older' : states === statesDigest(state) ? 'all' : 'channels'
  return { savedAt: new Date(Number(at)).toISOString(), holds }
}
