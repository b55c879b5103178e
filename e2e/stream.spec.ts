import { AxeBuilder } from '@axe-core/playwright'
import type { Page } from '@playwright/test'
import { expect, test } from './fixtures.ts'
import { button, field, go, picture, stateOf } from './screens.ts'
import { walletWithChannel } from './wallets.ts'

/** Many small payments at once, and the view of the machine that carries them. */

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
const PAYMENTS = 400

/** What a stream that runs in the page has come to. */
interface Streaming {
  paid: number
  failed: string[]
  /** Times between one commitment view and the next, ms; and how the last one stood. */
  gaps: number[]
  settled: boolean
}
declare global {
  var streaming: Streaming | undefined
}

/** Pays from the page, and watches the channel from there; resolves when both have begun. */
function startStream(page: Page, channelId: string, invoices: readonly string[]): Promise<void> {
  return page.evaluate(
    ([id, all]) => {
      const client = globalThis.switchback
      if (client === undefined) throw new Error('no client')
      const now: Streaming = { paid: 0, failed: [], gaps: [], settled: false }
      globalThis.streaming = now
      void (async () => {
        let last = performance.now()
        for await (const view of client.channelView({ channelId: id })) {
          now.gaps.push(performance.now() - last)
          last = performance.now()
          now.settled = view.htlcs.count === 0 && view.inFlight.signatures === 0
        }
      })()
      void (async () => {
        for await (const result of client.sendPayments(all.map((invoice) => ({ invoice })))) {
          if (result.status === 'succeeded') now.paid++
          else now.failed.push(result.error.code)
        }
      })()
    },
    [channelId, invoices] as const,
  )
}

const streaming = async (page: Page): Promise<Streaming> =>
  (await page.evaluate(() => globalThis.streaming)) ?? { paid: 0, failed: [], gaps: [], settled: false }

test('payments stream while the commitment view shows the machine at work, for everybody', async ({
  page,
  network,
}) => {
  const { channelId } = await walletWithChannel(page, network, 'ada')
  await go(page, 'Channels')
  await page.getByRole('list', { name: 'Channel list' }).getByRole('link').click()
  await page.getByRole('link', { name: 'Commitment view' }).click()
  const remote = page.getByRole('img', { name: /^Remote chain/ })
  await expect(remote).toBeVisible()
  const tails = async () =>
    Number(/tail ([\d\s]+),/.exec((await remote.getAttribute('aria-label')) ?? '')?.[1])
  const before = await tails()

  const { invoices } = await network.api<{ invoices: string[] }>('invoices', {
    peer: 'ada',
    count: PAYMENTS,
    amountMsat: 1000,
    memo: 'stream',
  })
  await startStream(page, channelId, invoices)
  // A reading moves while the stream runs.
  const updates = page.locator('.reading', { hasText: 'updates a second' }).locator('dd')
  await expect(updates).not.toHaveText('0')
  await picture(page, 'commitments-streaming')

  await button(page, 'Hold').click()
  await expect(page.getByRole('status').filter({ hasText: 'Held: this is how it was.' })).toBeAttached()
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await picture(page, `commitments-held-${colorScheme}`)
    const { violations } = await new AxeBuilder({ page }).withTags(TAGS).analyze()
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.target.join(' ')}`)).toEqual([])
  }
  await button(page, 'Run').click()

  await expect.poll(async () => (await streaming(page)).paid, { timeout: 30_000 }).toBe(PAYMENTS)
  await expect.poll(async () => (await streaming(page)).settled).toBe(true)
  const { failed, gaps } = await streaming(page)
  expect(failed).toEqual([])
  // At most ten a second.
  const watchedMs = gaps.reduce((sum, gap) => sum + gap, 0)
  expect(gaps.length).toBeLessThanOrEqual(2 + watchedMs / 100)
  expect(gaps.length).toBeGreaterThan(2)

  // The last state always shows: it is the channel's own.
  const channel = async () => (await stateOf(page)).channels.find((one) => one.channelId === channelId)
  await expect(page.getByRole('img', { name: /^Local chain/ })).toHaveAttribute(
    'aria-label',
    new RegExp(`tail ${(await channel())?.localCommitmentNumber}, `),
  )
  expect(await tails()).toBeGreaterThan(before)
  await expect(page.getByText('HTLCs, 0')).toBeVisible()
  expect((await channel())?.remoteMsat).toBe(String(PAYMENTS * 1000))

  // The same as a command.
  await go(page, 'Console')
  await field(page, 'Command').fill('demo stream 50')
  await field(page, 'Command').press('Enter')
  await expect(page.getByRole('log')).toContainText(/50 payments in \d+\.\d\d s/, { timeout: 30_000 })
  await expect(page.getByRole('log')).toContainText('our commitment')
  await expect.poll(async () => (await channel())?.remoteMsat).toBe(String((PAYMENTS + 50) * 1000))
})
