import type { Page } from '@playwright/test'
import { expect, test } from './fixtures.ts'
import { invoiceBy } from './invoices.ts'
import { button, expectBalances, field, go, heading, payable, sats, stateOf } from './screens.ts'
import { fundedWallet, invoiceOf, walletWithChannel } from './wallets.ts'

/** What is wrong is named in words, says what to do, and leaves the wallet as it was. */

const WORDS = 'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon'
const alert = (page: Page) => page.getByRole('alert')

test.describe('without a wallet', () => {
  test('recovery words: an unknown one is named and corrected, a bad checksum is refused', async ({
    page,
  }) => {
    await page.goto('')
    await button(page, 'Restore a wallet').click()
    const words = field(page, 'Recovery words')
    await words.fill(`${WORDS.replace('abandon', 'abandn')} about`)
    await expect(page.getByText('Word 1, “abandn”, is not a recovery word.')).toBeVisible()
    await expect(button(page, 'Continue')).toBeDisabled()
    await button(page, 'Did you mean “abandon”?').click()
    await expect(words).toHaveValue(`${WORDS} about`)
    await words.fill(WORDS)
    await expect(page.getByText('11 words so far; there are 12 or 24.')).toBeVisible()
    await expect(button(page, 'Continue')).toBeDisabled()

    await words.fill(`${WORDS} abandon`)
    await button(page, 'Continue').click()
    await expect(alert(page)).toContainText('All are recovery words, but together they do not fit.')
    expect((await stateOf(page)).phase).toBe('noWallet')

    await words.fill(`${WORDS} about`)
    await expect(alert(page)).toBeHidden()
    await button(page, 'Continue').click()
    await expectBalances(page, 0n, 0n)
  })

  test('real money is named as such, and a wallet on it asks nobody whom its user has not chosen', async ({
    page,
  }) => {
    const asked: string[] = []
    page.context().on('request', (request) => asked.push(new URL(request.url()).origin))
    await page.goto('')
    const { origin } = new URL(page.url())
    const refusal = await page.evaluate(() =>
      globalThis.switchback?.createWallet({ network: 'bitcoin' }).then(
        () => 'made',
        (error: { code: string }) => error.code,
      ),
    )
    expect(refusal).toBe('mainnetUnconfirmed')
    expect((await stateOf(page)).phase).toBe('noWallet')

    const mainnet = page.getByRole('radio', { name: /^Bitcoin/ })
    await mainnet.click()
    await expect(heading(page, 'Real money, new software')).toBeFocused()
    await expect(button(page, 'Create a wallet')).toBeHidden()
    await button(page, 'Back').click()
    await expect(mainnet).not.toBeChecked()
    await mainnet.click()
    await expect(button(page, 'Continue')).toBeDisabled()
    await page.getByRole('checkbox', { name: /amount that I can lose/ }).check()
    await button(page, 'Continue').click()
    await expect(mainnet).toBeChecked()
    await page.getByText('Options', { exact: true }).click()
    await field(page, 'Password').fill('short')
    await expect(button(page, 'Create a wallet')).toBeDisabled()
    await field(page, 'Password').fill('correct horse')
    await button(page, 'Create a wallet').click()

    await expect(page.getByText('Waiting for you to choose chain servers')).toBeVisible()
    await expect(page.getByText('No chain server has been chosen.')).toBeVisible()
    await expect(page.getByText('No gateway has been chosen.')).toBeVisible()
    await button(page, 'Receive').click()
    expect((await stateOf(page)).network).toBe('bitcoin')
    expect([...new Set(asked)]).toEqual([origin])
    await go(page, 'Settings')
    await button(page, 'Put in two public ones').click()
    await expect(field(page, 'Chain servers')).toHaveValue(/mempool\.space[^]*blockstream\.info/)
    // Put in is not yet chosen.
    expect((await stateOf(page)).settings.servers).toEqual([])
    // The password that was wanted from the start.
    await expect(page.getByText('Opens with a password.')).toBeVisible()
    await page.reload()
    await expect(heading(page, 'Locked')).toBeVisible()
  })
})

test('what cannot be paid says why', async ({ page, network }) => {
  const { onchainSat, spendableSat } = await walletWithChannel(page, network, 'lil')
  const paid = await invoiceOf(network, 'lil', 10_000n, 'Twice')
  await button(page, 'Send').click()
  await payable(page).fill(paid)
  await button(page, 'Pay').click()
  await expect(heading(page, 'Paid')).toBeVisible()
  await button(page, 'Done').click()
  const most = spendableSat - 10_000n

  /** Typed into Send, it is named right there, and there is nothing to press. */
  const refused = async (text: string, words: RegExp | string) => {
    await payable(page).fill(text)
    await expect(payable(page)).toHaveAccessibleDescription(words)
    await expect(payable(page)).toHaveAttribute('aria-invalid', 'true')
    await expect(button(page, 'Pay')).toHaveCount(0)
  }
  /** Read, but it cannot be paid as it is. */
  const notNow = async (text: string, words: RegExp | string) => {
    await payable(page).fill(text)
    await expect(alert(page)).toContainText(words)
    await expect(button(page, 'Pay')).toBeDisabled()
  }
  /** Refused by the node when it is asked to pay. `hopeless`: it always will be, so that trying again is not offered. */
  const notPaid = async (text: string, words: RegExp | string, hopeless = false) => {
    await payable(page).fill(text)
    await button(page, 'Pay').click()
    await expect(heading(page, 'Not paid')).toBeVisible()
    await expect(alert(page)).toContainText(words)
    await expect(button(page, 'Try again')).toHaveCount(hopeless ? 0 : 1)
    if (!hopeless) return button(page, 'Try again').click()
    await button(page, 'Done').click()
    await button(page, 'Send').click()
  }

  await button(page, 'Send').click()
  const good = await invoiceOf(network, 'lil', 1_000n, 'Good')
  await refused(
    `${good.slice(0, -1)}${good.endsWith('q') ? 'p' : 'q'}`,
    /^This cannot be read as something to pay\./,
  )
  await refused(good.slice(0, 60), /^This cannot be read as something to pay\./)
  await refused('bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq', /^This cannot be read as something to pay\./)
  await refused(invoiceBy({ network: 'bitcoin' }), /another Bitcoin network/)
  await refused('bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', /another Bitcoin network/)
  await refused(invoiceBy({ features: [8, 14, 100] }), /^This invoice asks for something/)
  await notNow(invoiceBy({ timestamp: 1_700_000_000 }), 'Ask the recipient for a new invoice.')
  await expect(page.getByText('expired', { exact: true })).toBeVisible()
  await notNow(
    await invoiceOf(network, 'lil', most + 1n, 'Too much'),
    `You can send at most ${sats(most)} sat over Lightning now.`,
  )
  await notPaid(paid, 'You have paid this invoice already.', true)
  await notPaid(invoiceBy({}), 'No way from your channels to this recipient is known.')
  const own = await page.evaluate(() => globalThis.switchback?.addInvoice({ amountMsat: '1000000' }))
  await notPaid(own?.invoice ?? '', 'This invoice is your own.', true)

  // All that there is can be paid.
  await payable(page).fill(await invoiceOf(network, 'lil', most, 'Everything'))
  await button(page, 'Pay').click()
  await expect(heading(page, 'Paid')).toBeVisible()
  await button(page, 'Done').click()
  await expectBalances(page, 0n, onchainSat)
})

test('peers that cannot be had: the opening ends, in words, and no coin is tied', async ({
  page,
  network,
}) => {
  const all = 500_000n
  await fundedWallet(page, network, all)
  const { nodeId, port } = network.peer('lil')
  await go(page, 'Channels')
  await button(page, 'Open channel').click()
  const open = async (peer: string, sat: bigint, words: RegExp | string) => {
    await field(page, 'Peer').fill(peer)
    await field(page, 'Amount').fill(String(sat))
    await button(page, 'Open channel').click()
    await expect(alert(page)).toContainText(words)
    await button(page, 'Try again').click()
    await expect(field(page, 'Peer')).toHaveValue(peer)
  }
  await open('nobody', 100_000n, 'This is not the address of a Lightning node.')
  await open(`${nodeId}@127.0.0.1:1`, 100_000n, 'The peer cannot be reached.')
  const other = network.peer('ada').nodeId
  await open(`${other}@127.0.0.1:${port}`, 100_000n, 'it is not the node with this key')
  await open(`${nodeId}@127.0.0.1:${port}`, 900_000n, 'There are not enough coins on chain')
  await open(`${nodeId}@127.0.0.1:${port}`, 500n, 'This is too little for a channel.')

  await go(page, 'Settings')
  await field(page, 'Gateway').fill('ws://127.0.0.1:1')
  await button(page, 'Save').click()
  await expect(page.getByText('Saved.')).toBeVisible()
  await page.reload()
  await go(page, 'Channels')
  await button(page, 'Open channel').click()
  await open(`${nodeId}@127.0.0.1:${port}`, 100_000n, 'The gateway cannot be reached, so no peer can.')

  await go(page, 'Home')
  await expectBalances(page, 0n, all)
  const { balances, channels } = await stateOf(page)
  expect(balances.onchainReservedSat).toBe('0')
  expect(channels).toEqual([])
})

/** Puts a chain server in the place of the wallet's own. */
async function useServer(page: Page, url: string): Promise<void> {
  await go(page, 'Settings')
  await field(page, 'Chain servers').fill(url)
  await button(page, 'Save').click()
  await expect(page.getByText('Saved.')).toBeVisible()
  await go(page, 'Network')
  await expect(page.getByRole('listitem').filter({ hasText: url })).toContainText(
    'Agrees on the newest block',
  )
  await go(page, 'Home')
}

test('a chain server that fails in every way it can: it is said, and all is as before when it is back', async ({
  page,
  network,
  server,
}) => {
  const all = 300_000n
  await fundedWallet(page, network, all)
  await useServer(page, server.url)
  const pill = page.getByText('No chain server answers')
  for (const answer of [
    { kind: 'status', status: 503, body: 'no' },
    { kind: 'html' },
    { kind: 'tooManyRequests', cors: false },
    { kind: 'notice' },
    { kind: 'reset' },
  ] as const) {
    await test.step(answer.kind, async () => {
      server.faults.answer = () => answer
      await go(page, 'Network')
      await button(page, 'Check now').click()
      await go(page, 'Home')
      await expect(pill).toBeVisible()
      await expectBalances(page, 0n, all)
      server.faults.answer = undefined
      await go(page, 'Network')
      await button(page, 'Check now').click()
      await go(page, 'Home')
      await expect(pill).toBeHidden()
      await expectBalances(page, 0n, all)
    })
  }
})

for (const lie of ['header', 'merkle proof'] as const) {
  test(`a chain server that lies about a ${lie} is caught, and another one goes on`, async ({
    page,
    network,
    server,
  }) => {
    await fundedWallet(page, network, 300_000n)
    await useServer(page, server.url)
    const address = await page.evaluate(async () => (await globalThis.switchback?.newAddress())?.address)
    await network.api('faucet', { address, sat: 5_000 })
    await expect(page.getByText('5 000 sat waiting for a confirmation')).toBeVisible()
    if (lie === 'header') server.faults.wrongHeaderAt = new Set([network.esplora.index.height + 1])
    else server.faults.wrongProof = true
    await network.confirm()
    await expect(page.getByText('A chain server sent something false.')).toBeVisible()
    await expectBalances(page, 0n, 300_000n)
    await page.getByRole('link', { name: 'Look at the servers' }).first().click()
    await expect(page.getByText('Caught lying')).toBeVisible()
    await useServer(page, `${network.url}/esplora/api`)
    await expectBalances(page, 0n, 305_000n)
    await expect(page.getByText('A chain server sent something false.')).toBeHidden()
  })
}
