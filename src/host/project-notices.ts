import type { Notice } from '../contract/schemas.ts'
import { receivableMsat } from '../engine/channel/limits.ts'
import { isRestored } from '../engine/channel/restore.ts'
import { FUNDING_TIMEOUT_BLOCKS } from '../engine/channel/step.ts'
import type { Channel } from '../engine/channel/types.ts'
import { heightOf, type NodeState } from '../engine/node/state.ts'
import { defeatedAt } from '../engine/wallet/ledger.ts'
import { awayNotices } from './project-incidents.ts'
import { channelStatus } from './project-channel.ts'

/** What a person should know or do, from the state of channels, servers and the wallet. */

/** Blocks after which the opener of a channel is told that its funding takes long, and that the peer may not wait much longer. */
const FUNDING_SLOW_BLOCKS = 12
const FUNDING_URGENT_BLOCKS = FUNDING_TIMEOUT_BLOCKS / 2

/** What stands against a funding transaction of ours. */
function fundingNotices(state: NodeState, channel: Channel): Notice[] {
  const { tx, outpoint, confirmedHeight, createdHeight } = channel.funding
  if (tx === undefined || confirmedHeight !== undefined) return []
  const channelId = channel.id
  if (defeatedAt(state.wallet, outpoint.txid) !== undefined) {
    const message = 'A block holds another transaction that spends the coins of the channel.'
    return [{ id: `conflict/${channelId}`, urgency: 'urgent', code: 'fundingConflict', message, channelId }]
  }
  const waited = heightOf(state) - createdHeight
  if (waited < FUNDING_SLOW_BLOCKS) return []
  const urgency = waited < FUNDING_URGENT_BLOCKS ? 'warning' : 'urgent'
  const message = `The funding transaction waits since ${waited} blocks; the peer may forget the channel after ${FUNDING_TIMEOUT_BLOCKS}.`
  return [{ id: `stuck/${channelId}`, urgency, code: 'fundingStuck', message, channelId }]
}

/** What a person should know, most urgent first. */
export function projectNotices(state: NodeState, extra: readonly Notice[]): Notice[] {
  const notices: Notice[] = [...extra, ...awayNotices(state)]
  const channels = Object.values(state.channels).map((channel) => ({
    status: channelStatus(channel, state.closes[channel.id]),
    receivable: receivableMsat(channel),
  }))
  for (const channel of Object.values(state.channels)) {
    const close = state.closes[channel.id]
    const status = channelStatus(channel, close)
    if (status === 'failed') {
      notices.push({
        id: `failed/${channel.id}`,
        urgency: 'urgent',
        code: 'channelFailed',
        message: channel.failure?.reason ?? 'The channel failed.',
        channelId: channel.id,
      })
    } else if (isRestored(channel) && close?.close === undefined && status !== 'closed') {
      notices.push({
        id: `restored/${channel.id}`,
        urgency: 'info',
        code: 'channelRestored',
        message: 'A channel from a backup waits for its peer to close it.',
        channelId: channel.id,
      })
    } else if (status === 'forceClosing') {
      const theirs = close?.close !== undefined && close.close.kind !== 'local'
      notices.push({
        id: `closing/${channel.id}`,
        urgency: 'warning',
        code: theirs ? 'peerForceClosed' : 'closingWaits',
        message: channel.failure?.reason ?? 'A channel is being closed on chain.',
        channelId: channel.id,
      })
    } else if (status === 'confirming') notices.push(...fundingNotices(state, channel))
  }
  if (state.foundBackup !== undefined) {
    notices.push({
      id: 'backupFound',
      urgency: 'urgent',
      code: 'backupFound',
      message: 'A peer has a copy of channels that this wallet does not know.',
    })
  }
  if (channels.some((c) => c.status === 'open') && !channels.some((c) => c.receivable > 0n)) {
    notices.push({
      id: 'noInbound',
      urgency: 'info',
      code: 'noInbound',
      message: 'All that open channels hold is on this side: nothing can be received over Lightning.',
    })
  }
  // Channels live on this device alone; coins come back from the words.
  if (state.preferences.storagePersisted === 'false' && channels.some((c) => c.status !== 'closed')) {
    notices.push({
      id: 'storageNotDurable',
      urgency: 'warning',
      code: 'storageNotDurable',
      message: 'The browser does not promise to keep what is stored, and channels are nowhere else.',
    })
  }
  for (const server of state.chain.servers) {
    if (server.status !== 'lying') continue
    notices.push({
      id: `lies/${server.url}`,
      urgency: 'warning',
      code: 'serverLies',
      message: `${server.url}: ${server.lastError ?? 'it sent something false'}`,
    })
  }
  const { servers, headers } = state.chain
  // A server of regtest that has less work than our own headers: its chain was started over (`npm start -- --fresh`).
  if (headers.network === 'regtest' && servers.some((s) => s.status === 'behind' && s.tip === null)) {
    notices.push({
      id: 'practiceChainReset',
      urgency: 'urgent',
      code: 'practiceChainReset',
      message:
        'The practice network was started over: this wallet’s coins and channels are not on its chain.',
    })
  }
  if (state.chain.allFail) {
    notices.push({
      id: 'serversUnreachable',
      urgency: 'warning',
      code: 'serversUnreachable',
      message: 'No chain server answers.',
    })
  }
  if (state.chain.staleTip) {
    notices.push({
      id: 'noNewBlocks',
      urgency: 'urgent',
      code: 'noNewBlocks',
      message: 'No server shows a new block for longer than chance explains: they may hide them.',
    })
  }
  const lost = Object.values(state.chain.broadcasts).find((broadcast) => broadcast.lost)
  if (lost !== undefined) {
    notices.push({
      id: `notRelayed/${lost.txid}`,
      urgency: 'warning',
      code: 'notRelayed',
      message: `At most one server shows the transaction ${lost.txid}, which was taken.`,
    })
  }
  if (Object.values(state.chain.watches).some((watch) => watch.kind === 'spend' && watch.disagreed)) {
    notices.push({
      id: 'serversDisagree',
      urgency: 'urgent',
      code: 'serversDisagree',
      message: 'Servers disagree about whether a channel has been closed.',
    })
  }
  if (state.preferences.wordsConfirmed !== 'true') {
    notices.push({
      id: 'backUpWords',
      urgency: 'warning',
      code: 'backUpWords',
      message: 'Write down the recovery words: without them a lost device means lost coins.',
    })
  }
  const order = { urgent: 0, warning: 1, info: 2 }
  return notices.sort((a, b) => order[a.urgency] - order[b.urgency])
}
