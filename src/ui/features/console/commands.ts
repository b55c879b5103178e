import type { ProcedureName } from '../../../contract/procedures.ts'

/** How an argument is read, and what it becomes in the procedure's input. */
export type ArgumentKind =
  | 'text' // as it is
  | 'sat' // whole sats → decimal string of sat
  | 'satToMsat' // sats, decimals allowed → decimal string of msat
  | 'satOrMax' // whole sats or `max`
  | 'invoices' // several, spaces between → requests of a duplex stream
  | 'number'
  | 'flag' // present or `true`/`false`

export interface Argument {
  /** As typed: positional in this order, or `--name value`, or `name=value`. */
  readonly name: string
  /** Field of the procedure's input. */
  readonly field: string
  readonly kind: ArgumentKind
  readonly required?: boolean
  /** Only by name. */
  readonly named?: boolean
  /** Takes all words that are left, so that text needs no quotes. */
  readonly rest?: boolean
}

export interface Command {
  readonly name: string
  readonly procedure: ProcedureName
  readonly about: string
  readonly args: readonly Argument[]
  readonly fixed?: Readonly<Record<string, unknown>>
}

const peer: Argument = { name: 'peer', field: 'peer', kind: 'text', required: true }
const feeRate: Argument = { name: 'sat_per_vbyte', field: 'feeSatPerVb', kind: 'number', named: true }
const channel: Argument = { name: 'channel', field: 'channelId', kind: 'text', required: true }
const address: Argument = { name: 'address', field: 'address', kind: 'text', required: true }
const node: Argument = { name: 'pubkey', field: 'nodeId', kind: 'text', required: true }

const command = (
  name: string,
  procedure: ProcedureName,
  about: string,
  args: readonly Argument[] = [],
): Command => ({
  name,
  procedure,
  about,
  args,
})

/** The API as commands, under the names that node operators know. */
export const COMMANDS: readonly Command[] = [
  command('getinfo', 'getInfo', 'This node: key, height, peers, channels'),
  command('getstate', 'getState', 'All of the state, again at every change (stream)'),
  command('connect', 'connectPeer', 'Connect to a peer', [{ ...peer, field: 'address' }]),
  command('disconnect', 'disconnectPeer', 'Hang up on a peer', [node]),
  command('listpeers', 'listPeers', 'Peers and their connections'),
  command('describegraph', 'describeGraph', 'The network as gossip told it, and how much of it was checked'),
  command(
    'fetchsnapshot',
    'fetchSnapshot',
    'Fetch a snapshot of the network from the server named in the settings',
  ),
  command('findnodes', 'findNodes', 'Nodes of the network by name or key', [
    { name: 'text', field: 'text', kind: 'text', required: true },
  ]),
  command('getnodeinfo', 'getNodeInfo', 'A node of the network and its channels', [node]),
  command('queryroutes', 'queryRoutes', 'Ways to a node, what each hop costs, and why', [
    { name: 'dest', field: 'destination', kind: 'text', required: true },
    { name: 'amt', field: 'amountMsat', kind: 'satToMsat', required: true },
    { name: 'fee_limit', field: 'maxFeeMsat', kind: 'satToMsat' },
  ]),
  command('openchannel', 'openChannel', 'Open a channel (stream)', [
    peer,
    { name: 'local_amt', field: 'amountSat', kind: 'sat', required: true },
    { name: 'push_amt', field: 'pushMsat', kind: 'satToMsat' },
    feeRate,
  ]),
  command('closechannel', 'closeChannel', 'Close a channel; --force without the peer (stream)', [
    channel,
    { name: 'force', field: 'force', kind: 'flag', named: true },
    { name: 'anyway', field: 'anyway', kind: 'text', named: true },
    { name: 'delivery_addr', field: 'address', kind: 'text', named: true },
    feeRate,
  ]),
  command('listchannels', 'listChannels', 'Channels'),
  command('pendingchannels', 'pendingChannels', 'Channels that are opening or closing'),
  command('channelview', 'channelView', 'A channel’s commitments, logs and window, as they change (stream)', [
    channel,
  ]),
  command('sendpayment', 'sendPayment', 'Pay an invoice (stream)', [
    { name: 'pay_req', field: 'invoice', kind: 'text', required: true },
    { name: 'amt', field: 'amountMsat', kind: 'satToMsat' },
    { name: 'fee_limit', field: 'maxFeeMsat', kind: 'satToMsat', named: true },
    { name: 'timeout', field: 'timeoutSeconds', kind: 'number', named: true },
  ]),
  command('keysend', 'sendPayment', 'Pay a node that did not ask for it (stream)', [
    { name: 'dest', field: 'destination', kind: 'text', required: true },
    { name: 'amt', field: 'amountMsat', kind: 'satToMsat', required: true },
    { name: 'timeout', field: 'timeoutSeconds', kind: 'number', named: true },
  ]),
  command('sendpayments', 'sendPayments', 'Pay many invoices at once, spaces between (stream)', [
    { name: 'pay_reqs', field: 'requests', kind: 'invoices', required: true, rest: true },
    { name: 'max_in_flight', field: 'maxInFlight', kind: 'number', named: true },
  ]),
  command('previewreceive', 'previewReceive', 'Whether an amount can arrive, and by which channels', [
    { name: 'amt', field: 'amountMsat', kind: 'satToMsat' },
  ]),
  command('addinvoice', 'addInvoice', 'Ask to be paid', [
    { name: 'amt', field: 'amountMsat', kind: 'satToMsat' },
    { name: 'memo', field: 'description', kind: 'text', rest: true },
    { name: 'expiry', field: 'expirySeconds', kind: 'number', named: true },
    { name: 'hash', field: 'paymentHash', kind: 'text', named: true },
  ]),
  command('addinvoices', 'addInvoices', 'Ask to be paid many times', [
    { name: 'count', field: 'count', kind: 'number', required: true },
    { name: 'amt', field: 'amountMsat', kind: 'satToMsat' },
    { name: 'memo', field: 'description', kind: 'text', rest: true },
    { name: 'expiry', field: 'expirySeconds', kind: 'number', named: true },
  ]),
  command('addoffer', 'addOffer', 'Ask to be paid any number of times (BOLT 12)', [
    { name: 'amt', field: 'amountMsat', kind: 'satToMsat' },
    { name: 'description', field: 'description', kind: 'text', rest: true },
    { name: 'expiry', field: 'expirySeconds', kind: 'number', named: true },
  ]),
  command('listoffers', 'listOffers', 'Offers of this node'),
  command('disableoffer', 'disableOffer', 'Answer an offer no more', [
    { name: 'id', field: 'id', kind: 'text', required: true },
  ]),
  command('listofferrequests', 'listOfferRequests', 'Offers being paid whose invoice has not come'),
  command('decodepayreq', 'decode', 'Read an invoice, an address, a bitcoin: link', [
    { name: 'text', field: 'text', kind: 'text', required: true },
  ]),
  command('listinvoices', 'listInvoices', 'Invoices of this node'),
  command('subscribeinvoices', 'subscribeInvoices', 'Invoices as they are made and paid (stream)', [
    { name: 'payment_hash', field: 'paymentHash', kind: 'text' },
  ]),
  command('listpayments', 'listPayments', 'Payments sent'),
  command('cancelpayment', 'cancelPayment', 'No more attempts for a payment; what is on its way is awaited', [
    { name: 'hash', field: 'paymentHash', kind: 'text', required: true },
  ]),
  command(
    'probepayment',
    'probePayment',
    'Whether an invoice can be paid, and for what; locks money meanwhile',
    [
      { name: 'invoice', field: 'invoice', kind: 'text', required: true },
      { name: 'amt', field: 'amountMsat', kind: 'satToMsat' },
      { name: 'fee_limit', field: 'maxFeeMsat', kind: 'satToMsat', named: true },
      { name: 'timeout', field: 'timeoutSeconds', kind: 'number', named: true },
    ],
  ),
  command('walletbalance', 'walletBalance', 'Coins on chain, in sum'),
  command('channelbalance', 'channelBalance', 'Channels, in sum'),
  command('moneymap', 'moneyMap', 'Every msat: where it is, what it waits for'),
  command('newaddress', 'newAddress', 'A fresh address'),
  command('estimatefee', 'estimateFee', 'The fee rate for a number of blocks', [
    { name: 'conf_target', field: 'targetBlocks', kind: 'number' },
  ]),
  command('previewsend', 'previewSend', 'What sending coins would cost; changes nothing', [
    address,
    { name: 'amt', field: 'amountSat', kind: 'satOrMax', required: true },
    feeRate,
  ]),
  command('sendcoins', 'sendCoins', 'Send coins on chain; `max` sends all', [
    address,
    { name: 'amt', field: 'amountSat', kind: 'satOrMax', required: true },
    feeRate,
  ]),
  command('bumpfee', 'bumpFee', 'Raise the fee of a transaction', [
    { name: 'txid', field: 'txid', kind: 'text', required: true },
    { ...feeRate, named: false, required: true },
  ]),
  command('listcoins', 'listCoins', 'Coins of the wallet'),
  command('listunspent', 'listCoins', 'The same as listcoins'),
  command('listchaintxns', 'listTransactions', 'Transactions of the wallet'),
  command('rescan', 'rescan', 'Look for the wallet’s coins again'),
  command('refresh', 'refresh', 'Ask the chain servers now'),
  command('exportbackup', 'exportBackup', 'A file that brings channels back with the words, in hex'),
  command('verifybackup', 'verifyBackup', 'What such a file holds; changes nothing', [
    { name: 'backup', field: 'backup', kind: 'text', required: true },
  ]),
  command(
    'recoverchannels',
    'recoverChannels',
    'Bring back channels from such a file, or from a peer’s copy',
    [{ name: 'backup', field: 'backup', kind: 'text' }],
  ),
  command('updatesettings', 'updateSettings', 'Change settings; takes JSON', []),
  command('settleinvoice', 'settleInvoice', 'Take the payment that waits for a held invoice', [
    { name: 'hash', field: 'paymentHash', kind: 'text', required: true },
    { name: 'preimage', field: 'preimage', kind: 'text' },
  ]),
  command('cancelinvoice', 'cancelInvoice', 'Withdraw an invoice that nobody has paid', [
    { name: 'hash', field: 'paymentHash', kind: 'text', required: true },
  ]),
  command('listforwards', 'listForwards', 'Payments of others that this node passes on'),
  command(
    'decideforward',
    'decideForward',
    'Lets a held payment of others go on, or fails it; takes JSON',
    [],
  ),
  command('events', 'subscribeEvents', 'What happens, as it happens (stream)'),
  command('exportlogs', 'exportLogs', 'The logs, redacted'),
]

/** Commands of the console itself. */
export const LOCAL_COMMANDS = [
  { name: 'help', about: 'This list, or `help COMMAND`' },
  { name: 'clear', about: 'Empty the screen' },
  { name: 'demo', about: '`demo stream [N]`: N payments of 1 sat to a node of the practice network' },
] as const

export function findCommand(name: string): Command | undefined {
  const lower = name.toLowerCase()
  return (
    COMMANDS.find((candidate) => candidate.name === lower) ??
    COMMANDS.find((candidate) => candidate.procedure.toLowerCase() === lower)
  )
}

/** `openchannel PEER LOCAL_AMT [PUSH_AMT] [--sat_per_vbyte N]` */
export function usageOf(command: Command): string {
  const parts = command.args.map((arg) => {
    const word = arg.name.toUpperCase()
    if (arg.named === true)
      return arg.kind === 'flag' ? `[--${arg.name}]` : `[--${arg.name} ${arg.kind === 'text' ? 'TEXT' : 'N'}]`
    return arg.required === true ? word : `[${word}]`
  })
  return [command.name, ...parts].join(' ')
}

/** All of help, or help on one command. */
export function helpText(topic?: string): string | undefined {
  if (topic !== undefined && topic !== '') {
    const command = findCommand(topic)
    if (command === undefined) return undefined
    return `${usageOf(command)}\n${command.about}.\nArguments in this order, or by name: --name value, name=value, or one JSON object.\nAmounts are in sat.`
  }
  const lines = [...COMMANDS, ...LOCAL_COMMANDS].map(({ name, about }) => `${name.padEnd(18)}${about}`)
  return [
    ...lines,
    '',
    'Names of the API work too, with JSON: decode {"text":"lnbc…"}. help COMMAND says more.',
  ].join('\n')
}
