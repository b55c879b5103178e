import type { Page } from '@playwright/test'
import { expect, type Network, test } from './fixtures.ts'
import { activity, button, fact, field, go, heading, payable, picture } from './screens.ts'
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
  const restore = await drain(network)
  const ways = page.getByRole('list', { name: 'Its ways' }).getByRole('listitem')

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
    await field(page, 'Amount').fill('500000')
    await expect(verdict).toContainText('It can arrive over Lightning in parts')
    await field(page, 'Amount').fill('900000')
    await expect(verdict).toContainText(/Lightning lacks [\d\s.]+ sat of room/)
    await expect(verdict).toContainText('Ask a peer to open a channel to you.')
    await picture(page, 'ways-receive')
    await button(page, 'Continue').click()
    await expect(page.getByText('Payable on chain. It counts once it is in a block.')).toBeVisible()
  })

  await test.step('the network page knows who is there, and how one would be paid', async () => {
    await go(page, 'Network')
    await page.getByRole('link', { name: 'Look into it' }).click()
    await field(page, 'Name or key of a node').fill(network.peer('ben').nodeId.slice(0, 12))
    await page.getByRole('list', { name: 'Find a node' }).getByRole('link').click()
    await button(page, 'Show the ways').click()
    await expect(page.getByText('First choice')).toBeVisible()
    await picture(page, 'ways-graph')
  })
  await restore()
})
