/** The page's few ways to make elements. Text is only ever text: nothing of it is read as HTML. */

export type Child = Node | string | undefined | false

type Attributes = Readonly<Record<string, string | boolean | undefined | ((event: Event) => void)>>

/** An element: strings are attributes, `true` is an empty one, functions listen to the event of their name. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value)
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value)
  }
  element.append(...children.filter((child) => child !== undefined && child !== false))
  return element
}

/** The switchback, which is the program's mark. */
export function mark(): SVGSVGElement {
  const space = 'http://www.w3.org/2000/svg'
  const svg = document.createElementNS(space, 'svg')
  svg.setAttribute('viewBox', '0 0 64 64')
  svg.setAttribute('class', 'mark')
  svg.setAttribute('aria-hidden', 'true')
  const path = document.createElementNS(space, 'path')
  path.setAttribute('class', 'mark-line')
  path.setAttribute('d', 'M21 57 46 38 18 27 43 7')
  svg.append(path)
  return svg
}

let fields = 0

export interface Field {
  readonly element: HTMLElement
  readonly input: HTMLInputElement | HTMLTextAreaElement
  /** Says what is wrong, or the hint again. */
  readonly judge: (problem: string | undefined) => void
}

/** A labelled field with a note below it. */
export function field(
  label: string,
  hint: string,
  attributes: Attributes & { readonly rows?: string; readonly value?: string; readonly unit?: string } = {},
): Field {
  fields += 1
  const id = `field-${fields}`
  const { unit, value, ...rest } = attributes
  const common = {
    id,
    autocomplete: 'off',
    autocapitalize: 'none',
    autocorrect: 'off',
    spellcheck: 'false',
    'aria-describedby': `${id}-note`,
    ...rest,
  }
  const input = rest.rows === undefined ? h('input', { type: 'text', ...common }) : h('textarea', common)
  if (value !== undefined) input.value = value
  const note = h('p', { id: `${id}-note`, class: 'field-note', 'aria-live': 'polite' }, hint)
  const box = h(
    'div',
    { class: 'field-box' },
    input,
    unit && h('span', { class: 'field-unit', 'aria-hidden': 'true' }, unit),
  )
  return {
    element: h('div', { class: 'field' }, h('label', { class: 'field-label', for: id }, label), box, note),
    input,
    judge(problem) {
      note.textContent = problem ?? hint
      note.classList.toggle('trouble', problem !== undefined)
      box.classList.toggle('field-box-bad', problem !== undefined)
      input.setAttribute('aria-invalid', String(problem !== undefined))
    },
  }
}

export const button = (label: string, onClick: (event: Event) => void, look = ''): HTMLButtonElement =>
  h('button', { type: 'button', class: `button ${look}`, click: onClick }, label)

/** A list of names and values. */
export const facts = (rows: readonly (readonly [string, Child] | undefined)[]): HTMLElement =>
  h(
    'dl',
    { class: 'facts' },
    ...rows.flatMap((row) =>
      row === undefined
        ? []
        : [
            h(
              'div',
              // Ids are longer than a line.
              { class: row[1] instanceof HTMLElement ? 'fact fact-code' : 'fact' },
              h('dt', {}, row[0]),
              h('dd', {}, row[1]),
            ),
          ],
    ),
  )

/** Text that is read with the page and copied whole, with the button for it. Works where there is no clipboard to ask for. */
export function copyable(label: string, text: string, words: { copy: string; copied: string }): HTMLElement {
  const area = h('textarea', {
    class: 'raw',
    readonly: true,
    rows: '3',
    'aria-label': label,
    spellcheck: 'false',
  })
  area.value = text
  const copy = button(words.copy, () => {
    area.select()
    const done = () => {
      copy.textContent = words.copied
    }
    const byHand = () => {
      if (document.execCommand('copy')) done()
    }
    // Absent where the page is not trusted with it.
    const clipboard = navigator.clipboard as Clipboard | undefined
    if (clipboard === undefined) byHand()
    else clipboard.writeText(text).then(done, byHand)
  })
  copy.setAttribute('aria-label', `${words.copy}: ${label}`)
  return h('div', { class: 'stack' }, area, h('div', { class: 'buttons' }, copy))
}
