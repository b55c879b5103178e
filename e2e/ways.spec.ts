import { createHash } from 'node:crypto'
import type { Page } from '@playwright/test'
import { expect, type Network, test } from './fixtures.ts'
import { paymentHashOf } from './invoices.ts'
import { activity, button, fact, field, go, heading, payable, picture, pressPay, stateOf } from './screens.ts'
import { fundedWallet, invoiceOf, openTo } from './wallets.ts'

/** Payments across the network as the app shows them: a way that fails and says why, parts, and what cannot come in. */

/** Moves what ada could pass on to ben to ben, in pieces that a channel takes at once; resolves with the way back. */
async function drain(network: Network): Promise<() => Promise<void>> {
  const { api } = network.peer('ada')
  const ben = network.peer('ben').nodeId
  const outbound = () => api.channels().find((channel) => channel.peer === ben)?.outboundMsat ?? 0n
  const pay = async (from: 'ada' | 'ben', to: 'ada' | 'ben', sat: bigint) =>
    network.api('pay', { peer: from, invoice: await invoiceOf(network, to, sat, 'moved') })
  const moved: bigint[] = []
  for (let left = outbound() / 1000n - 20_000n; left > 0n; left -= 800_000n) {
    const sat = left > 800_000n ? 800_000n : left
    await pay('ada', 'ben', sat)
    moved.push(sat)
  }
  return async () => {
    for (const sat of moved) await pay('ben', 'ada', sat)
  }
}

/** Waits until gossip has told what payments to ben may cost: the terms of ada and of lil towards ben, and of ada towards lil. */
async function networkKnown(page: Page, network: Network): Promise<void> {
  const towards = (name: 'ben' | 'lil') =>
    page.evaluate(async (nodeId) => {
      const node = await globalThis.switchback?.getNodeInfo({ nodeId }).catch(() => undefined)
      return node?.channels.flatMap(({ back, peer }) => (back === undefined ? [] : [peer])) ?? []
    }, network.peer(name).nodeId)
  const [ada, lil] = [network.peer('ada').nodeId, network.peer('lil').nodeId]
  const soon = { timeout: 30_000 }
  await expect.poll(() => towards('ben'), soon).toEqual(expect.arrayContaining([ada, lil]))
  await expect.poll(() => towards('lil'), soon).toContain(ada)
}

async function pay(page: Page, invoice: string): Promise<void> {
  await go(page, 'Home')
  await button(page, 'Send').click()
  await payable(page).fill(invoice)
  await button(page, 'Pay').click()
  await expect(heading(page, 'Paid')).toBeVisible({ timeout: 30_000 })
}

test('a way that fails is named with its reason, large sums go in parts, and too large ones are refused in advance', async ({
  page,
  network,
}) => {
  await fundedWallet(page, network, 2_000_000n)
  await openTo(page, network, 'ada', 400_000n)
  await openTo(page, network, 'lil', 400_000n)
  await networkKnown(page, network)
  const ways = page.getByRole('list', { name: 'Its ways' }).getByRole('listitem')
  const spendable = async () => BigInt((await stateOf(page)).balances.spendableMsat)
  const before = await spendable()

  await test.step('on its way in parts, and cancelled: cancelling until all of it is back, whatever becomes of the page', async () => {
    network.lil.setPolicy('hold')
    const held = await invoiceOf(network, 'lil', 500_000n, 'Held back')
    const paymentHash = paymentHashOf(held)
    await pressPay(page, held)
    await network.lil.waitFor('paymentClaimable', (event) => event.paymentHash === paymentHash)
    network.lil.setPolicy('claim')
    await expect(heading(page, 'Paying')).toBeVisible()
    // One channel leads straight there and has no room for all of it: the rest goes round by the other.
    await expect(fact(page, 'On its way')).toHaveText('500 000 of 500 000 sat')
    await expect(fact(page, 'Fee so far')).toHaveText(/^[1-9].*\ssat, at most 5\s000\ssat$/)
    await expect(ways.filter({ hasText: 'straight to the recipient' }).first()).toContainText('On its way')
    await expect(ways.filter({ hasText: 'through ada' }).first()).toContainText('On its way')
    await picture(page, 'ways-live')

    // One that hangs is no bar to another.
    await button(page, 'Pay something else').click()
    await payable(page).fill(await invoiceOf(network, 'ada', 1_000n, 'Meanwhile'))
    await button(page, 'Pay').click()
    await expect(heading(page, 'Paid')).toBeVisible()
    await button(page, 'Done').click()

    const line = activity(page).filter({ hasText: 'Held back' })
    await line.getByRole('link').click()
    await button(page, 'Cancel').click()
    await expect(heading(page, 'Cancelling')).toBeVisible()
    await expect(page.getByText('the recipient may still take it')).toBeVisible()
    await expect(button(page, 'Cancel')).toHaveCount(0)
    await picture(page, 'ways-cancelling')
    await go(page, 'Home')
    await expect(line).toContainText('Cancelling')
    await line.getByRole('link').click()
    await page.reload()
    await expect(heading(page, 'Cancelling')).toBeVisible()
    await expect(fact(page, 'On its way')).toHaveText('500 000 of 500 000 sat')
    network.lil.fail(paymentHash)
    await expect(heading(page, 'Cancelled')).toBeVisible()
    await expect(page.getByText('Your money did not move.')).toBeVisible()
    // All but what was paid meanwhile.
    await expect.poll(async () => before - (await spendable())).toBe(1_000_000n)
    await picture(page, 'ways-cancelled')
  })

  await test.step('cancelled too late: the recipient took it, and that is what is said', async () => {
    network.lil.setPolicy('hold')
    const after = network.lil.events.length
    await go(page, 'Home')
    await pressPay(page, await invoiceOf(network, 'lil', 5_000n, 'Taken'))
    const { paymentHash } = await network.lil.waitFor('paymentClaimable', undefined, { after })
    network.lil.setPolicy('claim')
    await button(page, 'Cancel').click()
    await expect(heading(page, 'Cancelling')).toBeVisible()
    // Leaving the screen and coming back changes nothing of it.
    await button(page, 'Close').click()
    await button(page, 'Send').click()
    await expect(heading(page, 'Cancelling')).toBeVisible()
    network.lil.claim(paymentHash)
    await expect(heading(page, 'Paid')).toBeVisible()
    await button(page, 'Done').click()
    await expect(activity(page).first()).toHaveText(/^TakenPaid/)
  })

  const restore = await drain(network)

  await test.step('both channels together, in parts; what ada cannot pass on comes back', async () => {
    await pay(page, await invoiceOf(network, 'ben', 600_000n, 'A boat'))
    await picture(page, 'ways-paid')
    // Neither channel has room for it alone.
    expect(await ways.filter({ hasText: 'Arrived' }).count()).toBeGreaterThanOrEqual(2)
    const back = ways.filter({ hasText: 'Came back' })
    await expect(back.first()).toContainText('ada had no room to pass it on to ben.')
  })

  await test.step('the activity keeps it: parts, attempts, fee, proof', async () => {
    await button(page, 'Done').click()
    await activity(page).filter({ hasText: 'A boat' }).getByRole('link').click()
    await expect(fact(page, 'Attempts')).toHaveText(/^\d+ parts in \d+ attempts$/)
    await expect(fact(page, 'Fee')).toHaveText(/^[1-9]/)
    await expect(ways.filter({ hasText: 'Came back' }).first()).toContainText('ada had no room')
    await picture(page, 'ways-past')
  })

  await test.step('what cannot come in is said before there is a code', async () => {
    await go(page, 'Home')
    await button(page, 'Receive').click()
    const verdict = page.getByRole('region', { name: 'Can it arrive?' })
    await field(page, 'Amount').fill('100000')
    await expect(verdict).toContainText('It can arrive over Lightning, and on chain.')
    await field(page, 'Amount').fill('500000')
    await expect(verdict).toContainText('It can arrive over Lightning in parts')
    await field(page, 'Amount').fill('900000')
    await expect(verdict).toContainText(/only [\d\s.]+ sat can arrive, [\d\s.]+ sat less than this/)
    await expect(verdict).toContainText('Ask a peer to open a channel to you.')
    await picture(page, 'ways-receive')
    // What can arrive is one press away, and it is an amount that can.
    await page.getByRole('button', { name: /^Ask for [\d\s]+ sat instead$/ }).click()
    await expect(verdict).toContainText('It can arrive over Lightning in parts')
    await field(page, 'Amount').fill('900000')
    await button(page, 'Continue').click()
    await expect(page.getByText('Payable on chain. It counts once it is in a block.')).toBeVisible()
  })

  await test.step('the network page knows who is there, and how one would be paid', async () => {
    await go(page, 'Network')
    await page.getByRole('link', { name: 'Look into it' }).click()
    // Its size, how new it is, and how much of it is proved.
    await expect(fact(page, 'Nodes')).toHaveText(/^[3-9]$/)
    await expect(fact(page, 'Public channels')).toHaveText(/^[2-9]$/)
    await expect(fact(page, 'Told within 14 days')).toHaveText('100 %')
    await expect(fact(page, 'Newest terms')).toHaveText(/ ago$/)
    const step = (name: string) => page.getByRole('listitem').filter({ hasText: name })
    await expect(step('Signed by its four keys')).toContainText(/[2-9] · 100 %/)
    await expect(step('Funding proved on the chain')).toContainText(/[1-9] · [1-9]\d* %/)
    await field(page, 'Name or key of a node').fill(network.peer('ben').nodeId.slice(0, 12))
    await page.getByRole('list', { name: 'Find a node' }).getByRole('link').click()
    await button(page, 'Show the ways').click()
    await expect(page.getByText('First choice')).toBeVisible()
    await picture(page, 'ways-graph')
  })

  await test.step('an offer is paid from the field, with the amount and the words that it leaves to its payer', async () => {
    await go(page, 'Home')
    await button(page, 'Send').click()
    await payable(page).fill(`  LIGHTNING:${network.lil.createOffer().toUpperCase()} `)
    await expect(button(page, 'Pay')).toBeDisabled()
    await field(page, 'Amount').fill('4321.5')
    await button(page, 'Add a note to the recipient').click()
    await field(page, 'Note to the recipient').fill('For the roof')
    await picture(page, 'ways-offer')
    await button(page, 'Pay').click()
    await expect(heading(page, 'Paid')).toBeVisible({ timeout: 30_000 })
    const proof = /[0-9a-f]{64}$/.exec(await fact(page, 'Proof of payment').innerText())?.[0] ?? ''
    const paymentHash = createHash('sha256').update(Buffer.from(proof, 'hex')).digest('hex')
    await network.lil.waitFor('paymentClaimed', (event) => event.paymentHash === paymentHash)
    await button(page, 'Done').click()
    await expect(activity(page).first()).toContainText('4 321.500')
  })
  await restore()
})

test.afterEach(({ network }) => network.lil.setPolicy('claim'))
