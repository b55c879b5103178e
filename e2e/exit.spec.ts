import { copyFileSync, readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { AxeBuilder } from '@axe-core/playwright'
import type { Locator, Page } from '@playwright/test'
import { expect, test } from './fixtures.ts'
import { button, field, go, heading, picture } from './screens.ts'
import { walletWithChannel } from './wallets.ts'

/** The app is gone for good: one saved page, opened from the disk without any network, takes the money out. */

/** Nobody's: BIP 173's own example. */
const HOME = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'
const PASSWORD = 'fresh mountain air'
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

/** Looks at the page in both themes, as those do who do not see it. */
async function look(page: Page, name: string): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await picture(page, `${colorScheme}-${name}`)
    const axe = new AxeBuilder({ page })
    const chosen = colorScheme === 'light' ? axe.withTags(TAGS) : axe.withRules(['color-contrast'])
    const { violations } = await chosen.analyze()
    const found = violations.flatMap(({ id, nodes }) => nodes.map((n) => `${id}: ${n.target.join(' ')}`))
    expect(found, `${name}, ${colorScheme}`).toEqual([])
  }
  const root = 'document.documentElement'
  expect(await page.evaluate(`${root}.scrollWidth - ${root}.clientWidth`), name).toBeLessThanOrEqual(0)
}

/** Every raw transaction on the page, in order. */
const transactions = (page: Page): Locator => page.getByRole('textbox', { name: /^Transaction \d+, raw$/ })

test('saved in the app, opened from the disk with no network: closes the channel by itself, and all of the money arrives', async ({
  page,
  browser,
  network,
}) => {
  const { rpc } = network.bitcoind
  const { spendableSat, onchainSat } = await walletWithChannel(page, network, 'ada')
  await go(page, 'Settings')
  await expect(page.getByText('Not saved yet.')).toBeVisible()
  await button(page, 'Save exit file').click()
  await field(page, 'Password of the file').fill(PASSWORD)
  await field(page, 'Password again').fill(PASSWORD)
  await picture(page, 'exit-save')
  const download = page.waitForEvent('download')
  await page.getByRole('dialog').getByRole('button', { name: 'Save', exact: true }).click()
  const saved = await download
  expect(saved.suggestedFilename()).toMatch(/^switchback-regtest-exit-\d{4}-\d\d-\d\d\.html$/)
  await expect(page.getByText(/^Saved .+\. Nothing has happened in your channels since\.$/)).toBeVisible()
  await picture(page, 'exit-saved')
  const file = await saved.path()
  expect(gzipSync(readFileSync(file)).length).toBeLessThan(250_000)
  // The device is lost.
  await page.close()

  const offline = await browser.newContext({
    offline: true,
    permissions: ['clipboard-read', 'clipboard-write'],
    viewport: { width: 390, height: 844 },
  })
  const exit = await offline.newPage()
  const asked: string[] = []
  const troubles: string[] = []
  exit.on('request', (request) => asked.push(request.url()))
  exit.on('pageerror', (error) => troubles.push(error.message))
  exit.on('console', (message) => troubles.push(message.text()))
  // As it was saved: a page of its own, on the disk.
  const home = `${file}.html`
  copyFileSync(file, home)
  const url = pathToFileURL(home).href
  await exit.goto(url)
  await look(exit, 'exit-locked')
  await field(exit, 'Password').fill('not this one')
  await button(exit, 'Open').click()
  await expect(exit.getByText('This is not the password of this file.')).toBeVisible()
  await field(exit, 'Password').fill(PASSWORD)
  await button(exit, 'Open').click()
  await expect(heading(exit, 'Where the money is to go')).toBeVisible()
  await expect(exit.getByText(/Open when the copy was made\. About \d/)).toBeVisible()
  await expect(transactions(exit)).toHaveCount(0)
  await field(exit, 'Address').fill('bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4')
  await expect(exit.getByText('This is an address of another network.')).toBeVisible()
  await field(exit, 'Address').fill(HOME)
  // The coins, at once.
  await expect(transactions(exit)).toHaveCount(1)
  await look(exit, 'exit-open')
  const coins = await transactions(exit).inputValue()
  await exit.getByRole('button', { name: /^Copy: Transaction 1/ }).click()
  expect(await exit.evaluate('navigator.clipboard.readText()')).toBe(coins)
  await rpc.call('sendrawtransaction', coins)

  await exit.getByText('If the peer never closes it').click()
  await expect(button(exit, 'Show the closing transaction')).toBeDisabled()
  await field(exit, 'To confirm, type').fill(
    `nothing happened since ${new Date().toISOString().slice(0, 10)}`,
  )
  await button(exit, 'Show the closing transaction').click()
  await expect(transactions(exit)).toHaveCount(2)
  await look(exit, 'exit-last-resort')
  const close = await transactions(exit).first().inputValue()
  await rpc.call('sendrawtransaction', close)
  await network.confirm()
  const height = await rpc.call<number>('getblockcount')
  await field(exit, 'Transactions').fill(`${height} ${close}\n${height} ${coins}`)
  await expect(exit.getByText('Line 1 closes a channel of this wallet.')).toBeVisible()
  await expect(exit.getByText('Line 2 brings or takes coins of this wallet.')).toBeVisible()
  await expect(exit.getByText(/^Can be claimed from block \d+, about .+\.$/)).toBeVisible()
  await expect(transactions(exit)).toHaveCount(1)
  await picture(exit, 'exit-closed')
  const sweep = await transactions(exit).inputValue()
  const early = await rpc.call<{ 'reject-reason': string }[]>('testmempoolaccept', [sweep])
  expect(early[0]?.['reject-reason']).toBe('non-BIP68-final')
  const [, from] =
    /from block (\d+)/.exec(await exit.getByText(/^Can be claimed from block/).innerText()) ?? []
  await network.mine(Number(from) - 1 - height)
  await rpc.call('sendrawtransaction', sweep)
  await network.confirm()
  const scan = await rpc.call<{ total_amount: number }>('scantxoutset', 'start', [`addr(${HOME})`])
  const arrived = BigInt(Math.round(scan.total_amount * 1e8))
  const all = spendableSat + onchainSat
  expect(all - arrived).toBeLessThan(10_000n)
  expect(asked).toEqual([url])
  expect(troubles).toEqual([])
  await offline.close()
})
