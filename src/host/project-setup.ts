import type { Notice } from '../contract/schemas.ts'
import type { NetworkName } from '../engine/bitcoin/network.ts'

/** What a wallet works with, as the user chose it. */
export interface Setup {
  readonly network: NetworkName
  /** Esplora base URLs. */
  readonly servers: readonly string[]
  readonly gateway: string
  /** Whether peers are reached through a gateway alone, as in a browser. */
  readonly needsGateway: boolean
}

/** `https://a.example/api` and `https://a.example:444/other` are one operator's. */
const hostOf = (url: string): string =>
  /^[a-z]+:\/\/(\[[^\]]*\]|[^/:]*)/i.exec(url)?.[1]?.toLowerCase() ?? url

/**
 * What is missing before a wallet can do its work: nothing is asked of strangers unless the user has chosen them, so that a new wallet on
 * mainnet knows no server. One server alone can hide what it likes, which matters where money is real.
 */
export function setupNotices({ network, servers, gateway, needsGateway }: Setup): readonly Notice[] {
  const notices: Notice[] = []
  if (servers.length === 0) {
    notices.push({
      id: 'noServers',
      urgency: 'warning',
      code: 'noServers',
      message: 'No chain server has been chosen: nothing is known of the chain.',
    })
  } else if (network === 'bitcoin' && new Set(servers.map(hostOf)).size === 1) {
    notices.push({
      id: 'oneServer',
      urgency: 'warning',
      code: 'oneServer',
      message: 'All that is known of the chain comes from one place, which could hide a theft.',
    })
  }
  if (needsGateway && gateway === '' && network !== 'regtest') {
    notices.push({
      id: 'noGateway',
      urgency: 'info',
      code: 'noGateway',
      message: 'No gateway has been chosen: only peers with a WebSocket port of their own can be reached.',
    })
  }
  return notices
}
