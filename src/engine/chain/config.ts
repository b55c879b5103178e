import type { NetworkName } from '../bitcoin/network.ts'
import type { ChainConfig } from './types.ts'

/** For public servers: about 5 requests a second and 700 an hour an address. */
const PUBLIC: Omit<ChainConfig, 'network'> = {
  pollMs: 60_000,
  fastPollMs: 30_000,
  spendPollMs: 60_000,
  historyPollMs: 120_000,
  spendSpacingMs: 12_000,
  historySpacingMs: 10_000,
  feePollMs: 600_000,
  rebroadcastMs: 600_000,
  quorum: 2,
  maxInFlight: 4,
  requestTimeoutMs: 15_000,
  backoffMs: 5_000,
  backoffMaxMs: 600_000,
  rateLimitMs: 120_000,
  lieMs: 3_600_000,
  // One interval of ten minutes in three million is that long by chance.
  staleTipMs: 9_000_000,
  requestsPerHour: 700,
  requestsPerSecond: 5,
  keepHeaders: 60_480,
  maxReorg: 2016,
}

/** For a server of one's own on the same machine. */
const LOCAL: Omit<ChainConfig, 'network'> = {
  ...PUBLIC,
  pollMs: 1_500,
  fastPollMs: 1_000,
  spendPollMs: 1_500,
  historyPollMs: 1_500,
  spendSpacingMs: 20,
  historySpacingMs: 50,
  feePollMs: 60_000,
  rebroadcastMs: 5_000,
  maxInFlight: 8,
  requestTimeoutMs: 8_000,
  backoffMs: 500,
  backoffMaxMs: 10_000,
  rateLimitMs: 5_000,
  lieMs: 60_000,
  staleTipMs: 0,
  requestsPerHour: 0,
  requestsPerSecond: 0,
}

/** How a network is followed unless the user says otherwise. */
export const chainConfig = (network: NetworkName): ChainConfig => ({
  network,
  ...(network === 'regtest' ? LOCAL : PUBLIC),
})
