import { err, ok, type Result } from '../base/result.ts'
import { exportBackup, foundBackup, readBackupFile, recoverChannels } from './backup.ts'
import { chainInput } from './chain.ts'
import { channelInput } from './channels.ts'
import type { ApiFailure, Command, CommandResult } from './commands.ts'
import { isNeverFunded, overrideHeight } from '../channel/step.ts'
import { beginOpening, cancelOpening } from './openings.ts'
import { addBlindedInvoice, payBlinded } from './blinded.ts'
import { decideHeld } from './forwards.ts'
import { decideInvoice } from './held.ts'
import { addInvoice, cancel, pay, paySpontaneous, trustedHeight } from './payments.ts'
import { addOffer, cancelRequest, disableOffer, payOffer } from './offers.ts'
import { probe } from './probes.ts'
import { dismissPeer, wantPeer } from './peers.ts'
import { sendUpdates } from './updates.ts'
import { feerateFor, type Turn } from './state.ts'
import { bump, freshAddress, rescanWallet, sendCoins } from './wallet.ts'

/** What the API asks. Each command answers at once; the rest comes as events. */
export function dispatch(turn: Turn, command: Command): Result<CommandResult, ApiFailure> {
  switch (command.type) {
    case 'connectPeer':
      wantPeer(turn, command.nodeId, command.address)
      return ok({ type: 'done' })
    case 'disconnectPeer':
      dismissPeer(turn, command.nodeId)
      return ok({ type: 'done' })
    case 'openChannel': {
      const begun = beginOpening(turn, command)
      return begun.ok ? ok({ type: 'opening', openingId: begun.id }) : begun
    }
    case 'cancelOpening':
      cancelOpening(turn, command.openingId)
      return ok({ type: 'done' })
    case 'closeChannel':
      return closeChannel(turn, command)
    case 'addInvoice': {
      const added = addInvoice(turn, command)
      return added.ok ? ok({ type: 'invoice', paymentHash: added.value }) : added
    }
    case 'sendPayment': {
      const paid = pay(turn, command)
      return paid.ok ? ok({ type: 'payment', paymentHash: paid.value }) : paid
    }
    case 'probePayment': {
      const sent = probe(turn, command)
      return sent.ok ? ok({ type: 'payment', paymentHash: sent.value }) : sent
    }
    case 'cancelPayment': {
      const cancelled = cancel(turn, command.paymentHash)
      return cancelled.ok ? ok({ type: 'done' }) : cancelled
    }
    case 'payOffer': {
      const asked = payOffer(turn, command)
      return asked.ok ? ok({ type: 'offerRequest', requestId: asked.value }) : asked
    }
    case 'cancelRequest': {
      const cancelled = cancelRequest(turn, command.requestId)
      return cancelled.ok ? ok({ type: 'done' }) : cancelled
    }
    case 'addOffer': {
      const added = addOffer(turn, command)
      return added.ok ? ok({ type: 'offer', id: added.value }) : added
    }
    case 'disableOffer': {
      const disabled = disableOffer(turn, command.id)
      return disabled.ok ? ok({ type: 'done' }) : disabled
    }
    case 'sendSpontaneous': {
      const paid = paySpontaneous(turn, command)
      return paid.ok ? ok({ type: 'payment', paymentHash: paid.value }) : paid
    }
    case 'sendByPaths': {
      const paid = payBlinded(turn, command.payee, command)
      return paid.ok ? ok({ type: 'payment', paymentHash: paid.value }) : paid
    }
    case 'addPaths': {
      const added = addBlindedInvoice(turn, command)
      return added.ok ? ok({ type: 'paths', ...added.value }) : added
    }
    case 'decideInvoice': {
      const decided = decideInvoice(turn, command.paymentHash, command.take, command.preimage)
      return decided.ok ? ok({ type: 'done' }) : decided
    }
    case 'decideForward': {
      const decided = decideHeld(turn, command.key, command.forward)
      return decided.ok ? ok({ type: 'done' }) : decided
    }
    case 'newAddress':
      return ok({ type: 'address', address: freshAddress(turn) })
    case 'sendCoins':
      return sendCoins(turn, command)
    case 'bumpFee':
      return bump(turn, command.txid, command.feeratePerKw)
    case 'rescan':
      rescanWallet(turn)
      return ok({ type: 'done' })
    case 'exportBackup':
      return exportBackup(turn)
    case 'recoverChannels': {
      const backup = command.file === undefined ? foundBackup(turn) : readBackupFile(turn.setup, command.file)
      return backup.ok ? ok({ type: 'recovered', channels: recoverChannels(turn, backup.value) }) : backup
    }
    case 'refresh':
      chainInput(turn, { type: 'refresh' })
      return ok({ type: 'done' })
    case 'setServers': {
      const current = turn.state.chain.servers.map((server) => server.url)
      for (const url of command.servers)
        if (!current.includes(url)) chainInput(turn, { type: 'addServer', url })
      for (const url of current)
        if (!command.servers.includes(url)) chainInput(turn, { type: 'removeServer', url })
      turn.state = {
        ...turn.state,
        preferences: { ...turn.state.preferences, servers: command.servers.join('\n') },
      }
      return ok({ type: 'done' })
    }
    case 'setPreference':
      turn.state = {
        ...turn.state,
        preferences: { ...turn.state.preferences, [command.name]: command.value },
      }
      // Peers learn our terms the moment that there are any.
      if (command.name === 'forwarding') sendUpdates(turn)
      return ok({ type: 'done' })
  }
}

function closeChannel(
  turn: Turn,
  command: Extract<Command, { type: 'closeChannel' }>,
): Result<CommandResult, ApiFailure> {
  const channel = turn.state.channels[command.channelId]
  if (channel === undefined) return err({ code: 'channelUnknown', message: 'There is no such channel.' })
  if (turn.state.closes[channel.id] !== undefined && !command.force) {
    return err({ code: 'channelNotOpen', message: 'The channel is closed already.' })
  }
  if (isNeverFunded(channel)) {
    return err({
      code: 'channelNotOpen',
      message: 'The channel was never funded: there is nothing to close.',
    })
  }
  if (command.force && command.unproven === true) {
    const from = overrideHeight(channel)
    if (from === undefined)
      return err({ code: 'closeFailed', message: 'The channel does not wait for such a decision.' })
    const height = trustedHeight(turn)
    if (height < from) {
      return err({
        code: 'closeFailed',
        message:
          height === 0
            ? 'Servers have not agreed on the height of the chain lately.'
            : `The peer may still close it: from block ${from} on it may be closed without its word.`,
      })
    }
    channelInput(turn, channel.id, {
      type: 'overrideUnproven',
      reason: 'The user closed it without its peer’s word that this is its newest state.',
    })
    return ok({ type: 'done' })
  }
  if (command.force) {
    if (channel.failure?.remedy === 'awaitRemote') {
      return err({
        code: 'closeFailed',
        message: 'This device holds an old state of the channel: only the peer may close it now.',
      })
    }
    channelInput(turn, channel.id, { type: 'forceClose', reason: 'The user closed the channel on chain.' })
    return ok({ type: 'done' })
  }
  if (channel.failure !== undefined) {
    return err({ code: 'channelNotOpen', message: 'The channel is being closed on chain.' })
  }
  if (channel.link === 'offline') {
    return err({
      code: 'peerNotConnected',
      message: 'The peer is offline. It has to agree to a cooperative close.',
    })
  }
  const feeratePerKw = command.feeratePerKw ?? feerateFor(turn.state, turn.setup, 6)
  channelInput(turn, channel.id, { type: 'close', feeratePerKw })
  return ok({ type: 'done' })
}
