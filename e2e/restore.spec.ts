import { button, expectBalances, field, go, heading, payable, picture, stateOf } from './screens.ts'
import { expect, test } from './fixtures.ts'
import { invoiceOf, walletWithChannel } from './wallets.ts'

/** A device is lost: words and the backup file bring back the coins and, through its close, the channel with a node of another make. */

test('words and the backup file on another device: the peer closes, and the money is back', async ({
  page,
  browser,
  network,
}) => {
  const { onchainSat, spendableSat } = await walletWithChannel(page, network, 'lil')
  await go(page, 'Home')
  await button(page, 'Send').click()
  await payable(page).fill(await invoiceOf(network, 'lil', 12_345n, 'Before the loss'))
  await button(page, 'Pay').click()
  await expect(heading(page, 'Paid')).toBeVisible()
  const words = await page.evaluate(async () => (await globalThis.switchback?.showWords())?.words.join(' '))
  const [before] = (await stateOf(page)).channels
  await go(page, 'Settings')
  await expect(page.getByText('No file saved yet.')).toBeVisible()
  const download = page.waitForEvent('download')
  await button(page, 'Save backup file').click()
  const file = await (await download).path()
  await expect(page.getByText(/^Saved .+, with every channel of today in it\.$/)).toBeVisible()
  await picture(page, 'backup')
  await page.close()

  const elsewhere = await browser.newContext({ baseURL: `${network.url}/` })
  const other = await elsewhere.newPage()
  await other.goto('')
  await button(other, 'Restore a wallet').click()
  await field(other, 'Recovery words').fill(words ?? '')
  const bad = { name: 'cat.png', mimeType: 'image/png', buffer: Buffer.from('not a backup') }
  await other.getByLabel('Backup file').setInputFiles(bad)
  await expect(other.getByText('This is no file of this app.')).toBeVisible()
  await expect(button(other, 'Continue')).toBeDisabled()
  await other.getByLabel('Backup file').setInputFiles(file)
  await picture(other, 'restore-with-file')
  await button(other, 'Continue').click()
  // Words and file together: Settings says what came of it, and takes files later as well.
  await expect(other.getByText('1 channel found.')).toBeVisible()
  await other.getByLabel('Backup file').setInputFiles(bad)
  await expect(other.getByText('This backup cannot be used here.')).toBeVisible()
  await other.getByLabel('Backup file').setInputFiles(file)
  await expect(other.getByText('Every channel of this copy is in the wallet already.')).toBeVisible()
  await go(other, 'Home')
  await expectBalances(other, 0n, BigInt(onchainSat))
  // The second, when the peer's close is seen sooner than this is looked at.
  const told = /^(A channel is being brought back|A peer closed a channel by force)\.$/
  await expect(other.getByText(told)).toBeVisible()
  await picture(other, 'restored')
  // The peer has heard that the state is lost, and closes.
  await network.confirm()
  await expect
    .poll(async () => (await stateOf(other)).channels[0]?.closingOutputs.map((output) => output.state))
    .toContainEqual(expect.stringMatching(/^(waiting|sweeping)$/))
  await network.confirm()
  const left = BigInt(before?.localMsat ?? 0) / 1000n
  expect(left).toBeLessThan(spendableSat)
  await expect
    .poll(async () => BigInt((await stateOf(other)).balances.onchainConfirmedSat), { timeout: 15_000 })
    .toBeGreaterThan(onchainSat + left - 5_000n)
  await other.goto(`#/channels/${before?.channelId}`)
  await expect(other.getByRole('article', { name: 'lil' }).getByRole('status').first()).toHaveText('Closed')
  await picture(other, 'restored-done')
  await elsewhere.close()
})
