import { join } from 'node:path'
import type { Locator, Page } from '@playwright/test'
import type { Client } from '../src/contract/procedures.ts'
import type { AppState } from '../src/contract/schemas.ts'
import { expect } from './fixtures.ts'

declare global {
  /** The API of the node, in the page. */
  var switchback: Client | undefined
}

/** What people find on the screens, by the names that they and screen readers know. */

export const button = (page: Page, name: string): Locator => page.getByRole('button', { name, exact: true })
export const field = (page: Page, name: string): Locator => page.getByRole('textbox', { name, exact: true })
export const heading = (page: Page, name: string): Locator => page.getByRole('heading', { name, exact: true })
export const payable = (page: Page): Locator => field(page, 'Paste or type anything payable')
export const activity = (page: Page): Locator =>
  page.getByRole('list', { name: 'Activity' }).getByRole('listitem')

/** `1234567` as the screens write it; what tests compare has its thin spaces made plain. */
export const sats = (sat: bigint | number): string => String(sat).replace(/\B(?=(\d{3})+$)/g, ' ')

export async function go(
  page: Page,
  name: 'Home' | 'Channels' | 'Wallet' | 'Network' | 'Settings' | 'Console',
): Promise<void> {
  const link = page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name, exact: true })
  await link.click()
  await expect(link).toHaveAttribute('aria-current', 'page')
}

/** A picture of the whole screen, for those who want to look: where `PICTURES` names a folder. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env.PICTURES
  if (folder !== undefined) await page.screenshot({ path: join(folder, `${name}.png`) })
}

/** From Home to the press of Pay; what comes of it is the caller's. */
export async function pressPay(page: Page, request: string): Promise<void> {
  await button(page, 'Send').click()
  await payable(page).fill(request)
  await button(page, 'Pay').click()
}

/** Home's figures, to the sat: `coinsSat` is all that the wallet has on chain, of which what it keeps for channels' fees is not shown. */
export async function expectBalances(page: Page, lightningSat: bigint, coinsSat: bigint): Promise<void> {
  const shows = (name: string, sat: bigint) =>
    expect(page.getByRole('status', { name, exact: true })).toHaveText(`${sats(sat)} sat`, { timeout: 1_000 })
  // The reserve goes with a channel's end, which may be while this looks.
  await expect(async () => {
    const keptSat = BigInt((await stateOf(page)).balances.anchorReserveSat)
    await shows('On-chain balance', coinsSat - keptSat)
    await shows('Lightning balance', lightningSat)
    await shows('Spendable balance', lightningSat + coinsSat - keptSat)
  }).toPass({ timeout: 15_000 })
}

/** Welcome to Home. */
export async function createWallet(page: Page): Promise<void> {
  await page.goto('')
  await button(page, 'Create a wallet').click()
  await expectBalances(page, 0n, 0n)
}

/** A fresh address, as the Wallet screen shows it. */
export async function freshAddress(page: Page): Promise<string> {
  await go(page, 'Wallet')
  await button(page, 'New address').click()
  await expect(page.getByRole('img', { name: 'QR code of the address' })).toBeVisible()
  return (await page.getByText(/^bcrt1[a-z0-9]+$/).innerText()).trim()
}

/** The node's state as the page's own API tells it: for ids and figures that no screen shows in full. */
export const stateOf = (page: Page): Promise<AppState> =>
  page.evaluate(async () => {
    for await (const state of globalThis.switchback?.getState() ?? []) return state
    throw new Error('the page has no node')
  })

/** The value beside a name in a list of facts. */
export const fact = (scope: Page | Locator, name: string): Locator =>
  scope.locator(`dl > div:has(> dt:text-is(${JSON.stringify(name)})) > dd`)
