import { readFacts, type Told, withFacts } from '../engine/exit/facts.ts'
import { planExit } from '../engine/exit/plan.ts'
import type { Exit, Terms } from '../engine/exit/types.ts'
import { scriptFromAddress } from '../engine/bitcoin/address.ts'
import { field, h } from './dom.ts'
import { moment, t } from './text.ts'
import { channelsView, coinsView, elsewhereView, type View } from './views.ts'

/** The opened copy: what a person puts in above, and what follows from it below, made anew whenever that changes. */

const BLOCK_MS = 600_000
/** So that a person may finish typing: every transaction is signed anew. */
const PAUSE_MS = 250

/** A good guess at the newest block where blocks come every ten minutes; on a practice network they come when they are asked for. */
function guessedHeight({ about, network }: Exit): number {
  const since = network.name === 'regtest' ? 0 : Math.max(0, Date.now() - about.madeAt)
  return about.height + Math.floor(since / BLOCK_MS)
}

/** sat/vB with at most three decimals, as sat per 1000 weight. */
function readFeerate(text: string): number | undefined {
  if (!/^\d{1,4}([.,]\d{1,3})?$/.test(text.trim())) return undefined
  const perVb = Number(text.trim().replace(',', '.'))
  return perVb >= 1 && perVb <= 2000 ? Math.ceil(perVb * 250) : undefined
}

export function openedPage(exit: Exit): readonly HTMLElement[] {
  const { network, about } = exit
  const name = t.networks[network.name] ?? network.name
  const address = field(t.address, t.addressHint(name))
  const feerate = field(t.feerate, t.feerateHint, { inputmode: 'decimal', value: '5', unit: 'sat/vB' })
  const heightHint = network.name === 'regtest' ? t.heightHint : t.heightGuess
  const guessed = String(guessedHeight(exit))
  const height = field(t.height, heightHint, { inputmode: 'numeric', value: guessed })
  const since = field(t.sinceLabel, t.sinceHint, { rows: '4', class: 'hex' })
  const uses = h('ul', { class: 'uses quiet' })
  const results = h('div', { class: 'results' })
  const leftOut = new Set<string>()
  const open = new Set<string>()
  const shown = new Map<string, HTMLElement>()

  function readAddress(): Uint8Array | undefined {
    const text = address.input.value.trim()
    const script = text === '' ? undefined : scriptFromAddress(text, network)
    address.judge(
      script === undefined || script.ok
        ? undefined
        : script.error === 'wrong_network'
          ? t.addressOther
          : t.addressBad,
    )
    return script?.ok ? script.value : undefined
  }

  function readHeight(): number | undefined {
    const text = height.input.value.trim()
    const typed = /^\d{1,9}$/.test(text) ? Number(text) : undefined
    const good = typed !== undefined && typed >= about.height
    height.judge(good ? undefined : t.heightBad)
    return good ? typed : undefined
  }

  function tellUses(told: Told): void {
    uses.replaceChildren(
      ...told.uses.map((use, i) =>
        h('li', use === 'unreadable' || use === 'id' ? { class: 'trouble' } : {}, t.line(i + 1, t.uses[use])),
      ),
    )
  }

  function update(): void {
    const script = readAddress()
    const perKw = readFeerate(feerate.input.value)
    feerate.judge(perKw === undefined ? t.feerateBad : undefined)
    const block = readHeight()
    const told = withFacts(exit, readFacts(since.input.value), block ?? about.height)
    tellUses(told)
    const terms: Terms = {
      // Amounts and dates are the same whatever the address; without one no transaction is shown.
      script: script ?? exit.keys.script({ purpose: 84, change: 0, index: 0 }),
      feeratePerKw: perKw ?? 1250,
      leaveOut: leftOut,
    }
    const plan = planExit(told.exit, terms)
    const view: View = {
      exit: told.exit,
      height: told.exit.channels.reduce((n, c) => Math.max(n, c.state.height), block ?? about.height),
      ready: script !== undefined && perKw !== undefined,
      number: 0,
      open,
      shown,
      leave: (key, out) => {
        if (out) leftOut.add(key)
        else leftOut.delete(key)
        update()
      },
    }
    const focused = document.activeElement?.id
    results.replaceChildren(channelsView(view, plan), coinsView(view, plan))
    if (focused !== undefined && focused !== '') document.getElementById(focused)?.focus()
  }

  let pause: ReturnType<typeof setTimeout> | undefined
  for (const { input } of [address, feerate, height, since])
    input.addEventListener('input', () => {
      clearTimeout(pause)
      pause = setTimeout(update, PAUSE_MS)
    })
  update()

  const problems =
    exit.problems.length === 0
      ? undefined
      : h(
          'div',
          { class: 'trouble-note' },
          h('p', { class: 'trouble' }, t.problems),
          ...exit.problems.map((problem) => h('p', { class: 'breakable' }, problem)),
        )
  return [
    h(
      'header',
      { class: 'head' },
      h('h1', { tabindex: '-1' }, t.title),
      h('p', { class: 'quiet' }, t.openedAbout(moment(about.madeAt), about.height)),
    ),
    ...(problems === undefined ? [] : [problems]),
    h(
      'section',
      {},
      h('h2', {}, t.where),
      address.element,
      h('div', { class: 'pair' }, feerate.element, height.element),
    ),
    h(
      'section',
      {},
      h('h2', {}, t.since),
      h('p', { class: 'quiet' }, t.sinceAbout),
      since.element,
      h('div', { role: 'status' }, uses),
    ),
    results,
    h('section', {}, h('h2', {}, t.sendTitle), h('p', {}, t.sendAbout)),
    elsewhereView(exit),
  ]
}
