import type { AppState } from './schemas.ts'

/** What is known where there is no wallet. */
export type Place = Pick<AppState, 'phase' | 'network' | 'version' | 'lock' | 'error' | 'moved'> & {
  readonly servers: readonly string[]
  readonly gateway: string
}

/** The state before there is a wallet. */
export function emptyState(around: Place): AppState {
  const zero = '0'
  return {
    phase: around.phase,
    ...(around.error === undefined ? {} : { error: around.error }),
    ...(around.moved === undefined ? {} : { moved: around.moved }),
    network: around.network,
    version: around.version,
    lock: around.lock,
    chain: { height: 0, blockHash: '', synced: false, headersVerified: 0, progress: 0, servers: [] },
    feeSatPerVb: { fast: 1, normal: 1, slow: 1 },
    balances: {
      spendableMsat: zero,
      lightningMsat: zero,
      receivableMsat: zero,
      onchainSpendableSat: zero,
      onchainArrivingSat: zero,
      onchainConfirmedSat: zero,
      onchainUnconfirmedSat: zero,
      onchainReservedSat: zero,
      anchorReserveSat: zero,
      closingSat: zero,
      openingSat: zero,
      totalMsat: zero,
    },
    channels: [],
    peers: [],
    activity: [],
    incidents: [],
    notices: [],
    backup: { channels: 0, exportedCurrent: false, peerCopies: 0, copies: [] },
    settings: {
      gateway: around.gateway,
      servers: [...around.servers],
      wordsConfirmed: false,
      storagePersisted: false,
      forwarding: false,
    },
  }
}
