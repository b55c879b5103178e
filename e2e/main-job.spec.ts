import { createHash } from 'node:crypto'
import type { Page } from '@playwright/test'
import { expect, type Network, test } from './fixtures.ts'
import { paymentHashOf } from './invoices.ts'
import * as screens from './screens.ts'

/** The five minutes: a wallet, coins, channels, paying, being paid, closing, and the money back on chain, to the sat. */

const { activity, button, fact, field, go, heading, payable, picture, sats } = screens

const FUNDED = 2_000_000n
const CHANNEL = 500_000n
const PAID = 120_000n
const RECEIVED = 25_000n
/** BOLT 3: the two outputs of a commitment that anybody may spend later; who opened the channel pays for both. */
const ANCHORS = 2n * 330n

async function openChannel(page: Page, network: Network, name: 'lil' | 'ada'): Promise<void> {
  await go(page, 'Channels')
  await button(page, 'Open channel').click()
  await page.getByRole('button', { name: new RegExp(`^${name} `) }).click()
  await expect(field(page, 'Peer')).toHaveValue(new RegExp(`^${network.peer(name).nodeId}@`))
  await field(page, 'Amount').fill(String(CHANNEL))
  await picture(page, `open-${name}`)
  await button(page, 'Open channel').click()
  const now = page.getByRole('status').filter({ hasText: /./ })
  await expect(now).toHaveText(/^Waiting for the chain: 0 of \d confirmations?$/)
  await picture(page, `opening-${name}`)
  await network.confirm(3)
  await button(page, 'Done').click()
  const channel = page.getByRole('article', { name })
  await expect(channel.getByRole('status')).toHaveText('Open')
  await expect(fact(channel, 'Your balance')).toHaveText(`${sats(CHANNEL)} sat`)
  await picture(page, `channel-${name}`)
}

async function payTo(page: Page, network: Network, name: 'lil' | 'ada'): Promise<void> {
  const memo = `Coffee from ${name}`
  const { invoice } = await network.api<{ invoice: string }>('invoice', {
    peer: name,
    amountMsat: String(PAID * 1000n),
    memo,
  })
  await go(page, 'Home')
  await button(page, 'Send').click()
  await payable(page).fill(invoice)
  const review = page.getByRole('region', { name: 'Review' })
  await expect(review).toContainText(`${sats(PAID)} sat`)
  await expect(review).toContainText(memo)
  await picture(page, `review-${name}`)
  await button(page, 'Pay').click()
  await expect(heading(page, 'Paid')).toBeVisible()
  await expect(fact(page, 'Fee')).toHaveText('0 sat')
  await picture(page, `paid-${name}`)
  const proof = /[0-9a-f]{64}$/.exec(await fact(page, 'Proof of payment').innerText())?.[0] ?? ''
  expect(createHash('sha256').update(Buffer.from(proof, 'hex')).digest('hex')).toBe(paymentHashOf(invoice))
  // The proof may be here before the recipient has counted it.
  await expect.poll(() => network.peer(name).api.isPaid(invoice)).toBe(true)
  await button(page, 'Done').click()
}

async function bePaidBy(page: Page, network: Network, name: 'lil' | 'ada'): Promise<void> {
  const note = `Wages from ${name}`
  await go(page, 'Home')
  await button(page, 'Receive').click()
  await field(page, 'Amount').fill(String(RECEIVED))
  await field(page, 'Note').fill(note)
  await picture(page, `receive-${name}`)
  await button(page, 'Continue').click()
  await expect(page.getByRole('img', { name: 'QR code of the payment request' })).toBeVisible()
  await picture(page, `request-${name}`)
  await page.getByRole('radio', { name: 'Lightning' }).check()
  const invoice = await page.getByText(/^lnbcrt250u1[0-9a-z]+$/).innerText()
  const { preimage } = await network.api<{ preimage: string }>('pay', { peer: name, invoice })
  expect(preimage).toMatch(/^[0-9a-f]{64}$/)
  await expect(heading(page, 'Received')).toBeVisible()
  await expect(page.getByText(`${sats(RECEIVED)} sat`)).toBeVisible()
  await picture(page, `received-${name}`)
  await button(page, 'Done').click()
}

const channelWith = async (page: Page, name: string): Promise<void> => {
  await go(page, 'Channels')
  await page.getByRole('list', { name: 'Channel list' }).getByRole('link', { name }).click()
  await expect(page.getByRole('article', { name })).toBeVisible()
}

/** A line of the activity: what it begins and ends with; the time of day is between them. */
const line = (begin: string, ...end: string[]): RegExp =>
  new RegExp(`^${begin}.*M?${end.join('').replace('+', '\\+').replaceAll(' ', '\\s')}$`)

test('a wallet from its making to the money back on chain', async ({ page, network }) => {
  await screens.createWallet(page)

  await test.step('the words are shown and noted down', async () => {
    await page.getByRole('link', { name: 'Show the words' }).click()
    await button(page, 'Show recovery words').click()
    await button(page, 'Show them').click()
    const words = page.getByRole('list', { name: 'Your recovery words' }).getByRole('listitem')
    await expect(words).toHaveCount(12)
    for (const word of await words.allInnerTexts()) expect(word).toMatch(/^[a-z]{3,8}$/)
    await picture(page, 'words')
    await button(page, 'I wrote them down').click()
    await expect(page.getByText('You have confirmed that you wrote them down.')).toBeVisible()
    await go(page, 'Home')
    await expect(page.getByText('Write down your recovery words.')).toBeHidden()
  })

  await test.step('coins arrive', async () => {
    const address = await screens.freshAddress(page)
    await network.api('faucet', { address, sat: Number(FUNDED) })
    await go(page, 'Home')
    await expect(page.getByText(`${sats(FUNDED)} sat waiting for a confirmation`)).toBeVisible()
    await screens.expectBalances(page, 0n, 0n)
    await network.confirm()
    await screens.expectBalances(page, 0n, FUNDED)
  })

  await openChannel(page, network, 'lil')
  await openChannel(page, network, 'ada')
  await payTo(page, network, 'lil')
  await payTo(page, network, 'ada')
  await bePaidBy(page, network, 'lil')
  await bePaidBy(page, network, 'ada')

  for (const name of ['lil', 'ada']) {
    await channelWith(page, name)
    const channel = page.getByRole('article', { name })
    await expect(fact(channel, 'Your balance')).toHaveText(`${sats(CHANNEL - PAID + RECEIVED)} sat`)
    await expect(fact(channel, 'Their balance')).toHaveText(`${sats(PAID - RECEIVED)} sat`)
  }

  await test.step('one channel is closed together', async () => {
    await channelWith(page, 'lil')
    await button(page, 'Close channel').click()
    await picture(page, 'close')
    await page.getByRole('dialog').getByRole('button', { name: 'Close channel' }).click()
    await expect(page.getByText('The closing transaction is on its way into a block.')).toBeVisible()
    await network.confirm()
    await expect(page.getByText('The closing transaction is confirmed.')).toBeVisible()
    await picture(page, 'closed')
  })

  await test.step('the other is closed by force', async () => {
    await channelWith(page, 'ada')
    await button(page, 'Force close').click()
    await picture(page, 'force')
    await page.getByRole('dialog').getByRole('button', { name: 'Force close' }).click()
    await expect(page.getByText('The closing transaction is on its way into a block.')).toBeVisible()
    await network.confirm()
    await expect(page.getByText('The closing transaction is confirmed.')).toBeVisible()
  })

  const { channels } = await screens.stateOf(page)
  const of = (name: 'lil' | 'ada') => {
    const found = channels.find((channel) => channel.peer === network.peer(name).nodeId)
    if (found?.fundingTxid === undefined || found.closeTxid === undefined)
      throw new Error(`${name}: not closed`)
    return { fundingTxid: found.fundingTxid, closeTxid: found.closeTxid }
  }
  const openFees = (await network.feeOf(of('lil').fundingTxid)) + (await network.feeOf(of('ada').fundingTxid))
  const left = CHANNEL - PAID + RECEIVED
  const backFromLil = left - (await network.feeOf(of('lil').closeTxid))
  const delayed = left - (await network.feeOf(of('ada').closeTxid)) - ANCHORS

  await test.step('what was closed by force waits for its delay', async () => {
    const output = page.getByRole('listitem').filter({ hasText: 'Your balance, after its delay' })
    await expect(output).toContainText(`${sats(delayed)} sat`)
    await expect(output).toContainText('in 144 blocks')
    await picture(page, 'forced')
    await go(page, 'Home')
    await screens.expectBalances(page, 0n, FUNDED - 2n * CHANNEL - openFees + backFromLil)
    await expect(page.getByText(`${sats(delayed)} sat on the way back from closing channels`)).toBeVisible()
    await picture(page, 'home-closing')
    await network.mine(144)
    await channelWith(page, 'ada')
    await expect(output).toContainText('On its way to the wallet')
    await network.confirm()
    await expect(output).toContainText('In the wallet')
    await picture(page, 'forced-swept')
  })

  await test.step('all the money is back on chain, to the sat', async () => {
    const sweep = (await screens.stateOf(page)).channels.flatMap((channel) => channel.closingOutputs)
    const sweepTxid = sweep.find((output) => output.kind === 'toLocal')?.sweepTxid ?? ''
    const back = backFromLil + delayed - (await network.feeOf(sweepTxid))
    await go(page, 'Home')
    await screens.expectBalances(page, 0n, FUNDED - 2n * CHANNEL - openFees + back)
    await expect(page.getByText('on the way back')).toBeHidden()
    await picture(page, 'home-end')
    const opened = async (name: 'lil' | 'ada') => {
      const fee = await network.feeOf(of(name).fundingTxid)
      return line(`Channel opened with ${name}`, `−${sats(CHANNEL + fee)}`, `fee ${sats(fee)}`)
    }
    await expect(activity(page)).toHaveText([
      line('Channel closed with ada', `+${sats(back - backFromLil)}`),
      line('Channel closed with lil', `+${sats(backFromLil)}`),
      line('Wages from adaReceived', `+${sats(RECEIVED)}`),
      line('Wages from lilReceived', `+${sats(RECEIVED)}`),
      line('Coffee from adaPaid', `−${sats(PAID)}`),
      line('Coffee from lilPaid', `−${sats(PAID)}`),
      await opened('ada'),
      await opened('lil'),
      line('Received on chain', `+${sats(FUNDED)}`),
    ])
    await go(page, 'Channels')
    await expect(page.getByRole('list', { name: 'Channel list' }).getByRole('link')).toHaveCount(0)
    await expect(page.getByRole('list', { name: 'Closed' }).getByRole('link')).toHaveCount(2)
    await picture(page, 'channels-end')
  })
})
