import { expect, test } from 'vitest'
import app from '../../../index.html?raw'
import form from '../../exit/exit.html?raw'
import { fillExitPage } from './exit-page.ts'

test('the copy stands where the page looks for it, whole', () => {
  const copy = Uint8Array.from({ length: 33_000 }, (_, i) => i * 7)
  const page = fillExitPage(form, copy)
  const [, sealed = ''] = /<script type="text\/plain" id="sealed">([^<]*)<\/script>/.exec(page) ?? []
  expect(Uint8Array.from(atob(sealed), (character) => character.charCodeAt(0))).toEqual(copy)
  expect(page.replace(sealed, '')).toBe(form)
})

test('what is not the form, an app page in its place, is never saved as one', () => {
  const copy = new Uint8Array(10)
  expect(() => fillExitPage(app, copy)).toThrow()
  expect(() => fillExitPage(fillExitPage(form, copy), copy)).toThrow()
})
