import { openExit } from '../engine/exit/open.ts'
import type { Exit } from '../engine/exit/types.ts'
import { readBackup, readHeader } from '../host/vault/container.ts'
import { facts, field, h, mark } from './dom.ts'
import { openedPage } from './page.ts'
import './style.css'
import { moment, t } from './text.ts'

/** The exit file: a page that holds a sealed copy of a wallet, and this program. It starts here, opens the copy, and shows what is in it. */

/** The copy, which the app put into the page as base64; undefined in the empty form. */
function sealedCopy(): Uint8Array | undefined {
  const text = document.getElementById('sealed')?.textContent?.trim() ?? ''
  if (text === '') return undefined
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  } catch {
    return new Uint8Array(0)
  }
}

function start(root: HTMLElement): void {
  const sealed = sealedCopy()
  const opening = h('div', { class: 'opening' }, mark(), h('h1', {}, t.title))
  root.replaceChildren(opening)
  if (sealed === undefined) return opening.append(h('p', {}, t.empty))
  const header = readHeader(sealed)
  if (!header.ok) return opening.append(h('p', { class: 'trouble', role: 'alert' }, t.errors[header.error]))
  const { created, network } = header.value
  const password = field(t.password, t.passwordHint, { type: 'password', autocomplete: 'current-password' })
  const open = h('button', { type: 'submit', class: 'button button-primary button-wide' }, t.open)
  const status = h('p', { role: 'status', class: 'quiet' })
  const tryIt = async (): Promise<void> => {
    password.judge(undefined)
    open.disabled = true
    status.textContent = t.opening
    // The words above are on the screen before the slow part begins.
    await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted, 0)))
    const exit = await openCopy(sealed, password.input.value)
    status.textContent = ''
    open.disabled = false
    if (typeof exit === 'string') {
      password.judge(t.errors[exit])
      password.input.focus()
      return
    }
    password.input.value = ''
    root.replaceChildren(...openedPage(exit))
    root.querySelector<HTMLElement>('h1')?.focus()
  }
  const form = h(
    'form',
    {
      submit: (event) => {
        event.preventDefault()
        if (!open.disabled) void tryIt()
      },
    },
    password.element,
    open,
    status,
  )
  opening.append(
    h('p', { class: 'quiet' }, t.intro),
    facts([
      [t.made, moment(created)],
      [t.network, t.networks[network] ?? network],
    ]),
    form,
  )
  password.input.focus()
}

async function openCopy(sealed: Uint8Array, password: string): Promise<Exit | keyof typeof t.errors> {
  const opened = await readBackup(sealed, password)
  if (!opened.ok) return opened.error
  const exit = openExit(opened.value.records)
  return exit.ok ? exit.value : exit.error
}

const root = document.getElementById('exit')
if (root !== null) start(root)
