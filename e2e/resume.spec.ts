import type { Page } from '@playwright/test'
import { expect, type Network, test } from './fixtures.ts'
import { paymentHashOf } from './invoices.ts'
import { proxyTo } from './proxy.ts'
import {
  activity,
  button,
  expectBalances,
  fact,
  field,
  go,
  heading,
  pressPay,
  sats,
  stateOf,
} from './screens.ts'
import { fundedWallet, invoiceOf, openTab, openTo, walletWithChannel } from './wallets.ts'

/** Whatever goes away in the middle of something, the wallet goes on with it when it is back, and does nothing twice. */

const PAID = 50_000n

/** A payment from a wallet with a channel that lil holds: neither kept nor given back. */
async function held(page: Page, network: Network, memo: string) {
  const opened = await walletWithChannel(page, network, 'lil')
  const invoice = await invoiceOf(network, 'lil', PAID, memo)
  const paymentHash = paymentHashOf(invoice)
  network.lil.setPolicy('hold')
  await pressPay(page, invoice)
  await expect(page.getByText('On its way through lil')).toBeVisible()
  await network.lil.waitFor('paymentClaimable', (event) => event.paymentHash === paymentHash)
  return { ...opened, invoice, paymentHash }
}

test.afterEach(({ network }) => network.lil.setPolicy('claim'))

test('a reload while a payment is held by the recipient: it is seen, goes on, and is paid once', async ({
  page,
  network,
}) => {
  const { invoice, paymentHash, onchainSat, spendableSat } = await held(page, network, 'Held')

  await page.reload()
  await go(page, 'Home')
  await expect(activity(page).first()).toHaveText(/^HeldPaying/)
  // Paying again what is on its way is refused, in words.
  await pressPay(page, invoice)
  await expect(page.getByRole('alert')).toContainText('A payment of this invoice is on its way.')
  await button(page, 'Done').click()

  network.lil.claim(paymentHash)
  await expect(activity(page).first()).toHaveText(/^HeldPaid/)
  await expect(activity(page).filter({ hasText: 'Held' })).toHaveCount(1)
  await expectBalances(page, spendableSat - PAID, onchainSat)
  await activity(page).first().getByRole('link').click()
  await expect(heading(page, 'Paid')).toBeVisible()
  await expect(fact(page, 'Proof of payment')).toHaveText(/[0-9a-f]{64}$/)
  const claims = network.lil.events.filter(
    (event) => event.type === 'paymentClaimed' && event.paymentHash === paymentHash,
  )
  expect(claims).toHaveLength(1)
})

test('the page is closed while a payment is held, and the recipient gives it back: so does the wallet', async ({
  page,
  context,
  network,
}) => {
  const { paymentHash, onchainSat, spendableSat } = await held(page, network, 'Returned')
  const { href } = new URL('/', page.url())
  await page.close()
  network.lil.fail(paymentHash)

  const again = await openTab(context, href)
  await expect(activity(again).first()).toHaveText(/^ReturnedThe recipient refused the payment/)
  await expectBalances(again, spendableSat, onchainSat)
})

test('a reload right after Pay: the payment is made once or not at all, and the wallet knows which', async ({
  page,
  network,
}) => {
  const { onchainSat, spendableSat } = await walletWithChannel(page, network, 'lil')
  const invoice = await invoiceOf(network, 'lil', PAID, 'At once')
  await pressPay(page, invoice)
  await page.reload()
  await go(page, 'Home')
  const channel = async () => (await stateOf(page)).channels[0]
  await expect.poll(async () => (await channel())?.connected).toBe(true)
  await expect.poll(async () => (await channel())?.htlcs).toBe(0)
  await expect(activity(page).filter({ hasText: 'Paying' })).toHaveCount(0)
  const paid = network.peer('lil').api.isPaid(invoice)
  await expect(activity(page).filter({ hasText: /^At oncePaid/ })).toHaveCount(paid ? 1 : 0)
  await expectBalances(page, spendableSat - (paid ? PAID : 0n), onchainSat)
})

test('the peer hangs up and the line is cut while a payment is held: the wallet calls again, and it is paid once', async ({
  page,
  network,
}) => {
  const { paymentHash, onchainSat, spendableSat } = await held(page, network, 'Cut off')
  const { nodeId = '' } = await stateOf(page)
  network.lil.disconnect(nodeId)
  network.lil.claim(paymentHash)
  await expect(heading(page, 'Paid')).toBeVisible()
  await button(page, 'Done').click()
  await expectBalances(page, spendableSat - PAID, onchainSat)
  await expect(activity(page).filter({ hasText: /^Cut offPaid/ })).toHaveCount(1)
})

test('a reload between the funding transaction and its block: the opening goes on', async ({
  page,
  network,
}) => {
  await fundedWallet(page, network, 1_000_000n)
  await go(page, 'Channels')
  await button(page, 'Open channel').click()
  await page.getByRole('button', { name: /^lil / }).click()
  await field(page, 'Amount').fill('400000')
  await button(page, 'Open channel').click()
  await expect(page.getByRole('status').filter({ hasText: '0 of 1 confirmation' })).toBeVisible()

  await page.reload()
  const row = page.getByRole('list', { name: 'Channel list' }).getByRole('link')
  await go(page, 'Channels')
  await expect(row).toContainText('0 of 1 confirmation')
  await go(page, 'Home')
  await expect(page.getByText('400 000 sat in channels that are opening')).toBeVisible()
  await network.confirm(3)
  await go(page, 'Channels')
  await expect(row).toHaveText(/^lil.*Open/)
  await expect(row).toHaveCount(1)
})

test('a reload before the peer has signed: no channel, and the coins are free again', async ({
  page,
  network,
}) => {
  await fundedWallet(page, network, 1_000_000n)
  const { nodeId, port } = network.peer('lil')
  const proxy = await proxyTo(port)
  const address = `${nodeId}@127.0.0.1:${proxy.port}`
  await page.evaluate((at) => globalThis.switchback?.connectPeer({ address: at }), address)
  // Once open_channel (at least 355 bytes with its frame) and funding_created (166) have left, funding_signed is held back.
  proxy.holdOnce(355, 166)
  await go(page, 'Channels')
  await button(page, 'Open channel').click()
  await field(page, 'Peer').fill(address)
  await field(page, 'Amount').fill('400000')
  await button(page, 'Open channel').click()
  await proxy.held
  await expect(page.getByRole('status').filter({ hasText: 'Agreeing on the channel' })).toBeVisible()
  await expect.poll(async () => (await stateOf(page)).balances.onchainReservedSat).not.toBe('0')

  await page.reload()
  await go(page, 'Home')
  await expectBalances(page, 0n, 1_000_000n)
  const { balances, channels } = await stateOf(page)
  expect(balances).toMatchObject({ onchainReservedSat: '0', openingSat: '0' })
  expect(channels).toEqual([])
  await proxy.close()
  // The same coins open a channel now.
  const { onchainSat } = await openTo(page, network, 'lil', 900_000n)
  expect(onchainSat).toBeLessThan(100_000n)
})

test('a reload right after Force close, and another before its block: the money still comes back', async ({
  page,
  network,
}) => {
  const { channelId, onchainSat } = await walletWithChannel(page, network, 'ada')
  await page.goto(`#/channels/${channelId}`)
  await button(page, 'Force close').click()
  await page.getByRole('dialog').getByRole('button', { name: 'Force close' }).click()
  await page.reload()
  const channel = page.getByRole('article', { name: 'ada' })
  // The click has either reached the node or it has not; a person who sees the channel open clicks again.
  await expect(channel.getByRole('status').first()).toHaveText(/^(Open|Peer is away|Closing by force)$/)
  if ((await channel.getByRole('status').first().innerText()) !== 'Closing by force') {
    await button(page, 'Force close').click()
    await page.getByRole('dialog').getByRole('button', { name: 'Force close' }).click()
  }
  await expect(channel.getByRole('status').first()).toHaveText('Closing by force')
  await page.reload()
  await expect.poll(() => network.mempoolSize()).toBe(1)
  await network.confirm()
  // The peer has heard of it and closes too. Whose commitment comes first into a block is open; from the peer's there is no delay.
  const output = page.getByRole('listitem').filter({ hasText: 'Your balance' })
  await expect(output).toContainText(/in 144 blocks|On its way to the wallet/)
  if ((await output.innerText()).includes('in 144 blocks')) await network.mine(144)
  await expect(output).toContainText('On its way to the wallet')
  await network.confirm()
  await expect(output).toContainText('In the wallet')
  const { channels } = await stateOf(page)
  const closed = channels.find((candidate) => candidate.channelId === channelId)
  const sweepTxid = closed?.closingOutputs.find(({ kind }) => kind !== 'anchor')?.sweepTxid ?? ''
  const fees = (await network.feeOf(closed?.closeTxid ?? '')) + (await network.feeOf(sweepTxid))
  await go(page, 'Home')
  // Our anchor stays behind; a peer who has nothing in the commitment has none in it (BOLT 3 §Commitment Transaction Outputs).
  await expectBalances(page, 0n, onchainSat + 500_000n - 330n - fees)
})

test('the app opens when the server it came from is gone', async ({ browser, network }) => {
  const proxy = await proxyTo(Number(new URL(network.url).port))
  const context = await browser.newContext({ baseURL: `http://localhost:${proxy.port}/` })
  const page = await context.newPage()
  await fundedWallet(page, network, 700_000n)
  await page.evaluate('navigator.serviceWorker.ready.then(() => undefined)')
  await proxy.close()
  await page.reload()
  await expectBalances(page, 0n, 700_000n)
  for (const screen of ['Channels', 'Wallet', 'Network', 'Settings', 'Console', 'Home'] as const)
    await go(page, screen)
  await expect(activity(page).first()).toContainText(`+${sats(700_000n)}`)
  await context.close()
})
