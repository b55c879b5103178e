import { AxeBuilder } from '@axe-core/playwright'
import type { Locator } from '@playwright/test'
import { expect, test } from './fixtures.ts'
import { activity, button, field, go, heading, payable, picture } from './screens.ts'
import { fundedWallet, invoiceOf, openTo } from './wallets.ts'

/** Every main screen, with a real wallet in it, as those see and use it who do not see it or have no pointer. */

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

test('no screen has anything that axe finds, in light and in dark, and none scrolls sideways', async ({
  page,
  network,
}) => {
  const look = (name: string) =>
    test.step(name, async () => {
      await expect(page.getByRole('heading', { level: 1 })).toBeAttached()
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
        await picture(page, `${colorScheme}-${name}`)
        const axe = new AxeBuilder({ page }).setLegacyMode(true)
        // Only colours differ between the two.
        const chosen = colorScheme === 'light' ? axe.withTags(TAGS) : axe.withRules(['color-contrast'])
        const { violations } = await chosen.analyze()
        const found = violations.flatMap(({ id, nodes }) =>
          nodes.map((node) => `${id}: ${node.target.join(' ')} ${node.failureSummary ?? ''}`),
        )
        expect(found, `${name}, ${colorScheme}`).toEqual([])
      }
      const root = 'document.documentElement'
      expect(await page.evaluate(`${root}.scrollWidth - ${root}.clientWidth`), name).toBe(0)
    })
  await page.goto('')
  await expect(button(page, 'Create a wallet')).toBeVisible()
  await look('welcome')
  await button(page, 'Restore a wallet').click()
  await field(page, 'Recovery words').fill('abandn abandon')
  await look('restore')
  await fundedWallet(page, network, 1_000_000n)
  await openTo(page, network, 'lil', 500_000n)

  await button(page, 'Send').click()
  await look('send')
  await payable(page).fill('lnbcrt1nonsense')
  await expect(payable(page)).toHaveAttribute('aria-invalid', 'true')
  await look('send-wrong')
  await payable(page).fill('bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080')
  await field(page, 'Amount').fill('1000')
  await look('send-chain')
  await payable(page).fill(await invoiceOf(network, 'lil', 100_000n, 'Coffee'))
  await expect(button(page, 'Pay')).toBeEnabled()
  await look('review')
  await button(page, 'Pay').click()
  await expect(heading(page, 'Paid')).toBeVisible()
  await look('paid')
  await button(page, 'Done').click()
  await expect(activity(page).first()).toContainText('Coffee')
  await look('home')
  await activity(page).first().getByRole('link').click()
  await expect(heading(page, 'Paid')).toBeVisible()
  await look('payment')
  await go(page, 'Home')
  await button(page, 'Receive').click()
  await look('receive')
  await field(page, 'Amount').fill('1000')
  await button(page, 'Continue').click()
  await expect(page.getByRole('img', { name: 'QR code of the payment request' })).toBeVisible()
  await look('request')
  await go(page, 'Channels')
  await look('channels')
  await page.getByRole('list', { name: 'Channel list' }).getByRole('link').click()
  await expect(page.getByRole('article', { name: 'lil' })).toBeVisible()
  await look('channel')
  await button(page, 'Force close').click()
  await look('force-close')
  await button(page, 'Keep it open').click()
  await go(page, 'Channels')
  await button(page, 'Open channel').click()
  await look('open')
  await go(page, 'Wallet')
  await expect(page.getByText('Coins', { exact: true })).toBeVisible()
  await look('wallet')
  for (const name of ['Network', 'Settings', 'Console'] as const) {
    await go(page, name)
    await expect(page.getByRole('heading', { name, level: 1 })).toBeVisible()
    await look(name.toLowerCase())
  }
})

test('from Home to the receipt with the keyboard alone', async ({ page, network }) => {
  await fundedWallet(page, network, 1_000_000n)
  await openTo(page, network, 'lil', 500_000n)
  const invoice = await invoiceOf(network, 'lil', 12_345n, 'By hand')

  const tabTo = async (wanted: Locator) => {
    for (let presses = 0; presses < 40; presses++) {
      if ((await page.locator(':focus').and(wanted).count()) > 0) return
      await page.keyboard.press('Tab')
    }
    await expect(wanted).toBeFocused()
  }
  const outlined = () =>
    page.evaluate(`(() => {
      const focused = document.activeElement
      return [focused, focused.parentElement].some((element) => {
        const { boxShadow, outlineStyle } = getComputedStyle(element)
        return boxShadow !== 'none' || outlineStyle !== 'none'
      })
    })()`)
  await tabTo(page.getByRole('link', { name: 'Skip to content' }))
  await page.keyboard.press('Enter')
  await tabTo(button(page, 'Send'))
  expect(await outlined(), 'the focus is seen').toBe(true)
  await page.keyboard.press('Enter')
  await tabTo(payable(page))
  await page.keyboard.insertText(invoice)
  await tabTo(button(page, 'Pay'))
  expect(await outlined(), 'the focus is seen').toBe(true)
  await page.keyboard.press('Enter')
  await expect(heading(page, 'Paid')).toBeVisible()
  await tabTo(button(page, 'Done'))
  await page.keyboard.press('Enter')
  await expect(activity(page).first()).toHaveText(/^By handPaid/)
})
