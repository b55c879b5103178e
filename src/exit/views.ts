import { toHex } from '../engine/base/bytes.ts'
import { toSatFloor } from '../engine/base/units.ts'
import { addressFromScript } from '../engine/bitcoin/address.ts'
import { encodeTx } from '../engine/bitcoin/tx.ts'
import { outPointKey, type Tx } from '../engine/bitcoin/types.ts'
import { isOver } from '../engine/exit/facts.ts'
import { closeByCopy } from '../engine/exit/plan.ts'
import type { ChannelPlan, Exit, ExitOutput, ExitPlan, ExitTx } from '../engine/exit/types.ts'
import { listAddresses } from '../engine/wallet/coins.ts'
import { button, copyable, facts, field, h } from './dom.ts'
import { day, moment, sats, t } from './text.ts'

/** What follows from the copy and from what was put in: channels, outputs, transactions, coins. */

export interface View {
  readonly exit: Exit
  readonly height: number
  /** There is an address, and a fee rate: transactions may be shown. */
  readonly ready: boolean
  /** Of the last transaction shown. */
  number: number
  /** Disclosures that stand open, by name: they stay so when the view is made anew. */
  readonly open: Set<string>
  /** What was made on demand and must not be lost when the view is made anew. */
  readonly shown: Map<string, HTMLElement>
  readonly leave: (coin: string, out: boolean) => void
}

const BLOCK_MS = 600_000
const words = { copy: t.copy, copied: t.copied }

/** `, about 3 Dec 2026`, for blocks that are hours away. */
function aboutWhen(view: View, block: number): string {
  const away = (block - view.height) * BLOCK_MS
  return away < 2 * BLOCK_MS ? '' : t.about(moment(Date.now() + away))
}

function disclosure(view: View, name: string, summary: string, ...children: HTMLElement[]): HTMLElement {
  const details = h('details', { class: 'disclosure', open: view.open.has(name) }, h('summary', {}, summary))
  details.addEventListener('toggle', () => {
    if (details.open) view.open.add(name)
    else view.open.delete(name)
  })
  details.append(h('div', { class: 'stack' }, ...children))
  return details
}

const rawOf = (view: View, tx: Tx): HTMLElement => {
  view.number += 1
  return copyable(t.raw(view.number), toHex(encodeTx(tx)), words)
}

// ---- channels ------------------------------------------------------------------------------------------------------

export function channelsView(view: View, plan: ExitPlan): HTMLElement {
  // What still has something to do comes first.
  const rank = ({ entry }: ChannelPlan): number => (isOver(entry.state) ? 1 : 0)
  const channels = plan.channels.toSorted((a, b) => rank(a) - rank(b))
  return h(
    'section',
    {},
    h('h2', {}, t.channels),
    ...(channels.length === 0 ? [h('p', {}, t.noChannels)] : channels.map((c) => channelView(view, c))),
  )
}

function channelView(view: View, channel: ChannelPlan): HTMLElement {
  const { entry, close, outputs, publish, txs } = channel
  const name = t.channelWith(entry.peer.slice(0, 12), sats(entry.state.snapshot.fundingSat))
  const section = h('section', {}, h('h3', {}, name))
  if (publish !== undefined)
    section.append(h('p', {}, t.publish), h('div', { class: 'transaction' }, rawOf(view, publish)))
  if (close === undefined) {
    if (publish === undefined) section.append(...liveView(view, channel))
    return section
  }
  const where = close.height === null ? t.closeWaits : t.closedAt(close.height)
  section.append(
    h('p', { class: close.kind === 'revoked' ? 'accent' : '' }, `${t.kinds[close.kind]} ${where}`),
    h('ul', { class: 'outputs' }, ...outputs.map((output) => outputView(view, channel, output))),
  )
  if (txs.length > 0) section.append(...transactionsView(view, txs))
  return section
}

function outputView(view: View, { close }: ChannelPlan, output: ExitOutput): HTMLElement {
  const { kind, amountSat, fate, first, waiting, deadline } = output
  const label = close?.kind === 'revoked' && kind === 'toLocal' ? t.theirBalance : t.outputs[kind]
  const now = first === undefined || first <= view.height + 1
  const claim = now ? t.now : t.from(first, aboutWhen(view, first))
  const notes = [
    fate === 'claimable' ? claim : t.fates[fate],
    waiting === undefined ? undefined : t.waiting(waiting),
    deadline === undefined || fate === 'claimed' || fate === 'taken' ? undefined : t.deadline(deadline),
  ].filter((note) => note !== undefined)
  const gone = fate === 'taken' || fate === 'tooSmall'
  return h(
    'li',
    {},
    h('span', {}, label),
    h('span', { class: gone ? 'quiet' : 'money-in' }, sats(amountSat)),
    h('span', { class: 'quiet breakable' }, notes.join(' ')),
  )
}

function transactionsView(view: View, txs: readonly ExitTx[]): readonly HTMLElement[] {
  if (!view.ready) return [h('p', { class: 'callout' }, t.needAddress)]
  return [
    h('h3', {}, t.transactions),
    h('div', { class: 'stack' }, ...txs.map((tx) => transactionView(view, tx))),
  ]
}

function transactionView(view: View, tx: ExitTx): HTMLElement {
  const raw = rawOf(view, tx.tx)
  const rate = ((Number(tx.feeSat) * 4) / tx.weight).toFixed(1)
  const when =
    tx.after !== undefined
      ? t.sendAfter(tx.after.txid, tx.after.blocks)
      : tx.first > view.height + 1
        ? t.sendFrom(tx.first, aboutWhen(view, tx.first))
        : t.send
  const fromCoins = tx.kind !== 'coins' && tx.coins > 0 ? ` ${t.fromCoins(tx.coins)}` : ''
  return h(
    'div',
    { class: 'transaction' },
    h('h4', {}, `${t.order(view.number)} ${t.kindsOfTx[tx.kind]}`),
    h('p', { class: 'breakable' }, `${when}${fromCoins}`),
    facts([
      tx.paysSat > 0n ? [t.arrives, sats(tx.paysSat)] : undefined,
      [t.fee, t.feeOf(sats(tx.feeSat), rate)],
      [t.txid, h('span', { class: 'mono' }, tx.txid)],
    ]),
    raw,
  )
}

function liveView(view: View, { entry }: ChannelPlan): readonly HTMLElement[] {
  const { snapshot } = entry.state
  const { local, role, fundingOutpoint } = snapshot
  const mine = toSatFloor(role === 'opener' ? local.view.openerMsat : local.view.accepterMsat)
  const outpoint = outPointKey(fundingOutpoint)
  return [
    h('p', {}, entry.isWhole ? t.live(sats(mine)) : t.restoredLive),
    h(
      'ol',
      { class: 'numbered' },
      ...t.liveSteps(outpoint).map((step) => h('li', { class: 'breakable' }, step)),
    ),
    facts([
      [t.node, h('span', { class: 'mono' }, entry.peer)],
      entry.address === undefined ? undefined : [t.lastAt, h('span', { class: 'mono' }, entry.address)],
      [t.channel, h('span', { class: 'mono' }, outpoint)],
    ]),
    ...(entry.isWhole ? [lastResortView(view, entry)] : []),
  ]
}

/** The copy's own commitment: signed only once somebody has typed what must be true for it to be safe. */
function lastResortView(view: View, entry: ChannelPlan['entry']): HTMLElement {
  const id = entry.state.snapshot.channelId
  const name = `last ${id}`
  const known = view.shown.get(name)
  if (known !== undefined) return known
  const date = day(view.exit.about.madeAt)
  const phrase = t.lastResortTyped(date)
  const typed = field(t.lastResortLabel, phrase)
  const result = h('div', { class: 'stack', 'aria-live': 'polite' })
  const show = button(
    t.lastResortShow,
    () => {
      const tx = closeByCopy(entry)
      result.replaceChildren(
        ...(tx.ok
          ? [h('p', {}, t.lastResortAfter), rawOf(view, tx.value)]
          : [h('p', { class: 'trouble' }, t.lastResortRefused)]),
      )
      show.disabled = true
    },
    'button-danger',
  )
  show.disabled = true
  typed.input.addEventListener('input', () => {
    const same = typed.input.value.trim().replaceAll(/\s+/g, ' ').toLowerCase() === phrase.toLowerCase()
    show.disabled = !same || result.childElementCount > 0
  })
  const made = disclosure(
    view,
    name,
    t.lastResort,
    ...t.lastResortAbout(date).map((text, i) => h('p', { class: i === 1 ? 'trouble' : '' }, text)),
    typed.element,
    h('div', { class: 'buttons' }, show),
    result,
  )
  // Kept as it is: what was typed and shown stays, whatever else changes.
  view.shown.set(name, made)
  return made
}

// ---- coins ---------------------------------------------------------------------------------------------------------

export function coinsView(view: View, { coins }: ExitPlan): HTMLElement {
  const section = h('section', {}, h('h2', {}, t.coins))
  if (coins.coins.length === 0) section.append(h('p', {}, t.noCoins))
  else
    section.append(
      h('p', { class: 'quiet' }, t.coinsAbout),
      h('ul', { class: 'coins' }, ...coins.coins.map((coin) => coinView(view, coin))),
    )
  const isFree = coins.coins.some((coin) => coin.reservedFor === null)
  if (coins.problem !== undefined && isFree) section.append(h('p', {}, t.coinsProblem[coins.problem]))
  if (coins.tx !== undefined) section.append(...transactionsView(view, [coins.tx]))
  if (coins.pending.length > 0)
    section.append(h('p', {}, t.pending), ...coins.pending.map((tx) => rawOf(view, tx)))
  section.append(addressesView(view))
  return section
}

function coinView(view: View, coin: ExitPlan['coins']['coins'][number]): HTMLElement {
  const key = outPointKey(coin.outpoint)
  const id = `coin-${key.replaceAll(/\W/g, '-')}`
  const address = addressFromScript(coin.script, view.exit.network) ?? ''
  const out = coin.reservedFor === 'left-out'
  const box = h('input', { type: 'checkbox', id, checked: !out })
  box.addEventListener('change', () => view.leave(key, !box.checked))
  const note =
    coin.height === null ? t.coinUnconfirmed : coin.reservedFor === null || out ? undefined : t.coinUsed
  return h(
    'li',
    {},
    h('label', { class: 'check', for: id }, box, h('span', { class: 'mono breakable' }, address)),
    h('span', { class: out ? 'quiet' : '' }, sats(coin.valueSat)),
    note && h('span', { class: 'quiet' }, note),
  )
}

/** Addresses that were given out, and the next few: what a scan would look at. */
function addressesView(view: View): HTMLElement {
  const { keys, wallet } = view.exit
  const listed = listAddresses(wallet).map(({ path }) => path)
  const next = wallet.branches.flatMap(({ purpose, change }) => {
    const from = listed.filter((p) => p.purpose === purpose && p.change === change).length
    return Array.from({ length: 5 }, (_, i) => ({ purpose, change, index: from + i }))
  })
  return disclosure(
    view,
    'addresses',
    t.addresses,
    h('p', { class: 'quiet' }, t.addressesAbout),
    h(
      'ul',
      { class: 'stack' },
      ...[...listed, ...next].map((path) => h('li', { class: 'mono breakable' }, keys.address(path))),
    ),
  )
}

// ---- other wallets -------------------------------------------------------------------------------------------------

export function elsewhereView(exit: Exit): HTMLElement {
  const secret = h('div', { class: 'stack' })
  const reveal = button(t.reveal, () => {
    reveal.remove()
    secret.replaceChildren(
      h('h3', {}, t.words),
      h('ol', { class: 'words', 'aria-label': t.words }, ...exit.words.map((word) => h('li', {}, word))),
      ...(exit.passphrase === ''
        ? []
        : [facts([[t.passphrase, h('span', { class: 'mono' }, exit.passphrase)]])]),
      h('h3', {}, t.spend),
      ...exit.descriptors.map((d) => copyable(`${t.spend} ${d.purpose}`, d.spend.join('\n'), words)),
    )
  })
  return h(
    'section',
    {},
    h('h2', {}, t.elsewhere),
    h('p', {}, t.elsewhereAbout),
    h('h3', {}, t.watch),
    ...exit.descriptors.map((d) => copyable(`${t.watch} ${d.purpose}`, d.watch.join('\n'), words)),
    h('p', { class: 'quiet' }, t.revealAbout),
    secret,
    h('div', { class: 'buttons' }, reveal),
  )
}
