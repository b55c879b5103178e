import { AxeBuilder } from '@axe-core/playwright'
import type { Browser, Page } from '@playwright/test'
import { expect, type Network, test } from './fixtures.ts'
import { button, expectBalances, field, go, heading, payable, picture, stateOf } from './screens.ts'
import { invoiceOf, openTab, walletWithChannel } from './wallets.ts'

/** A wallet with a live channel moves from one browser to another: it goes on there, and nowhere else. */

const PASSWORD = 'correct horse battery'

/** Chooses and confirms the password of a file, and returns where the browser has put it. */
async function saved(page: Page, confirm: string): Promise<string> {
  await field(page, 'Password of the file').fill(PASSWORD)
  await field(page, 'Password again').fill(PASSWORD)
  const download = page.waitForEvent('download')
  await button(page, confirm).click()
  return (await download).path()
}

/** Another browser, with the file and its password filled in. */
async function elsewhere(
  browser: Browser,
  network: Network,
  file: string,
  password = PASSWORD,
): Promise<Page> {
  const context = await browser.newContext({
    baseURL: `${network.url}/`,
    viewport: { width: 390, height: 844 },
    deviceScaleFactor: 2,
  })
  const page = await context.newPage()
  await page.goto('')
  await button(page, 'Restore a wallet').click()
  await page.getByRole('radio', { name: 'Moved wallet' }).check()
  await page.getByLabel('Wallet file').setInputFiles(file)
  await field(page, 'Password of the file').fill(password)
  return page
}

/** What axe finds, and a picture of each scheme. */
async function look(page: Page, name: string): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await picture(page, `move-${name}-${colorScheme}`)
    const { violations } = await new AxeBuilder({ page }).analyze()
    expect(
      violations.map(({ id }) => id),
      `${name}, ${colorScheme}`,
    ).toEqual([])
  }
}

async function pays(
  page: Page,
  network: Network,
  sat: bigint,
  memo: string,
  peer: 'ada' | 'lil' = 'ada',
): Promise<void> {
  await go(page, 'Home')
  await button(page, 'Send').click()
  await payable(page).fill(await invoiceOf(network, peer, sat, memo))
  await button(page, 'Pay').click()
  await expect(heading(page, 'Paid')).toBeVisible()
  await button(page, 'Done').click()
}

const channelOf = async (page: Page) => {
  const [channel] = (await stateOf(page)).channels
  return {
    channelId: channel?.channelId,
    localMsat: channel?.localMsat,
    local: channel?.localCommitmentNumber,
    remote: channel?.remoteCommitmentNumber,
  }
}

test('the channel pays from the other browser; the first one has stopped for good; a third one stops by itself', async ({
  page,
  context,
  browser,
  network,
}) => {
  await page.setViewportSize({ width: 390, height: 844 })
  const { onchainSat, spendableSat } = await walletWithChannel(page, network, 'ada')
  await pays(page, network, 10_000n, 'Before the move')
  const before = await channelOf(page)
  const tab = await openTab(context, network.url)
  await expectBalances(tab, spendableSat - 10_000n, onchainSat)

  await go(page, 'Settings')
  await button(page, 'Move this wallet…').click()
  await look(page, 'ask')
  const file = await saved(page, 'Stop and save')
  await expect(heading(page, 'This wallet has moved')).toBeVisible()
  await expect(heading(tab, 'This wallet has moved')).toBeVisible()
  await page.reload()
  await expect(heading(page, 'This wallet has moved')).toBeVisible()
  await look(page, 'moved')
  await tab.close()

  const other = await elsewhere(browser, network, file, 'incorrect horse battery')
  await button(other, 'Continue').click()
  await expect(other.getByText('That does not open this wallet.')).toBeVisible()
  await look(other, 'open')
  await field(other, 'Password of the file').fill(PASSWORD)
  await button(other, 'Continue').click()
  await expectBalances(other, spendableSat - 10_000n, onchainSat)
  expect(await channelOf(other)).toEqual(before)
  await pays(other, network, 20_000n, 'After the move')
  await expectBalances(other, spendableSat - 30_000n, onchainSat)

  // The same state once more, from the device that it left, and in a browser that is not the one that it went to.
  await button(page, 'Save the file again').click()
  const again = await saved(page, 'Save the file')
  const third = await elsewhere(browser, network, again)
  await button(third, 'Continue').click()
  await expect(heading(third, 'This wallet is on another device')).toBeVisible()
  await third.reload()
  await expect(heading(third, 'This wallet is on another device')).toBeVisible()
  await look(third, 'elsewhere')
  await button(third, 'Bring it back here…').click()
  await look(third, 'back')
  await expect(button(third, 'Bring it back')).toBeDisabled()
  await button(third, 'Cancel').click()
  await button(third, 'Erase it here').click()
  await button(third, 'Erase it').click()
  await expect(button(third, 'Create a wallet')).toBeVisible()

  // Nothing of that has closed the channel, or is known where the wallet goes on.
  await pays(other, network, 5_000n, 'And on')
  expect(await network.mempoolSize()).toBe(0)
  await go(other, 'Settings')
  await expect(other.getByText(/^ada (was given|keeps) the newest copy/)).toBeVisible()
  await expect(heading(page, 'This wallet has moved')).toBeVisible()
  await third.context().close()
  await other.context().close()
})

test('nobody opened the file: brought back, the wallet goes on with a peer of another make that keeps no copies', async ({
  page,
  network,
}) => {
  const { onchainSat, spendableSat } = await walletWithChannel(page, network, 'lil')
  await go(page, 'Settings')
  await button(page, 'Move this wallet…').click()
  await saved(page, 'Stop and save')
  await button(page, 'Bring it back here…').click()
  await field(page, 'Type “bring back” to confirm').fill('bring back')
  await button(page, 'Bring it back').click()
  await go(page, 'Home')
  await expectBalances(page, spendableSat, onchainSat)
  await pays(page, network, 10_000n, 'Back again', 'lil')
  expect(await network.mempoolSize()).toBe(0)
})
