import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { t } from '../ui/text/en.ts'
import { MARK_PATH } from '../ui/widgets/Mark.tsx'

test('what the page shows before the app is there is what the app shows first', () => {
  const html = readFileSync('index.html', 'utf8')
  const root = html.slice(html.indexOf('<div id="root">'), html.indexOf('<noscript>'))
  expect(root).toContain(`d="${MARK_PATH}"`)
  expect(root).toContain(`<p>${t.app.starting}</p>`)
  // Styles and scripts in the page itself are forbidden by its own policy.
  expect(root).not.toMatch(/style=|<style|<script/)
})
