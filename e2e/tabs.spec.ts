import type { Page } from '@playwright/test'
import { expect, type Network, test } from './fixtures.ts'
import { activity, button, expectBalances, go, heading, pressPay, stateOf } from './screens.ts'
import { invoiceOf, openTab, walletWithChannel } from './wallets.ts'

/** One engine a wallet: the second tab is a live view of it that can do everything, and takes over when the first goes. */

const PAID = 30_000n
const LIVE_VIEW = 'Live view: another tab runs this wallet'

test.afterEach(({ network }) => network.lil.setPolicy('claim'))

async function pay(page: Page, network: Network, memo: string): Promise<void> {
  // Browsers draw only the tab in front.
  await page.bringToFront()
  await go(page, 'Home')
  await pressPay(page, await invoiceOf(network, 'lil', PAID, memo))
  await expect(heading(page, 'Paid')).toBeVisible()
  await button(page, 'Done').click()
}

test('a second tab follows, pays, and takes over when the first is closed', async ({
  page,
  context,
  network,
}) => {
  const { onchainSat, spendableSat } = await walletWithChannel(page, network, 'lil')
  const second = await openTab(context, network.url)
  await expect(second.getByText(LIVE_VIEW)).toBeVisible()
  await expectBalances(second, spendableSat, onchainSat)
  expect((await stateOf(second)).phase).toBe('following')
  expect((await stateOf(page)).phase).toBe('running')

  await pay(second, network, 'From the second tab')
  for (const tab of [page, second]) {
    await tab.bringToFront()
    await go(tab, 'Home')
    await expect(activity(tab).first()).toHaveText(/^From the second tabPaid/)
    await expectBalances(tab, spendableSat - PAID, onchainSat)
  }
  // What the first does, the second sees without being asked.
  await pay(page, network, 'From the first tab')
  await expect(activity(second).first()).toHaveText(/^From the first tabPaid/)

  await page.close()
  await expect(second.getByText(LIVE_VIEW)).toBeHidden()
  await expect.poll(async () => (await stateOf(second)).phase).toBe('running')
  await expect.poll(async () => (await stateOf(second)).channels[0]?.connected).toBe(true)
  await pay(second, network, 'After the first has gone')
  await expectBalances(second, spendableSat - 3n * PAID, onchainSat)
  await expect(activity(second)).toHaveCount(5)
})

test('the first tab goes while a payment of the second is held: it is paid once, and shown', async ({
  page,
  context,
  network,
}) => {
  const { onchainSat, spendableSat } = await walletWithChannel(page, network, 'lil')
  const second = await openTab(context, network.url)
  await expect(second.getByText(LIVE_VIEW)).toBeVisible()
  network.lil.setPolicy('hold')
  const after = network.lil.events.length
  await pressPay(second, await invoiceOf(network, 'lil', PAID, 'Held'))
  const { paymentHash } = await network.lil.waitFor('paymentClaimable', undefined, { after })
  await page.close()
  // Not known here, since it was the other tab that had sent it; but nothing is called lost, and nothing is sent again.
  await expect(heading(second, 'Not known yet')).toBeVisible()
  await second.getByRole('link', { name: 'See what became of it' }).click()
  await expect(heading(second, 'Paying')).toBeVisible()
  await go(second, 'Home')
  await expect(activity(second).first()).toHaveText(/^HeldPaying/)
  network.lil.claim(paymentHash)
  await expect(activity(second).first()).toHaveText(/^HeldPaid/)
  await expectBalances(second, spendableSat - PAID, onchainSat)
})
