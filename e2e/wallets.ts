import { type BrowserContext, expect, type Page } from '@playwright/test'
import type { Network } from './fixtures.ts'
import { createWallet, expectBalances, stateOf } from './screens.ts'

/** Wallets that begin in the middle: made through the page's own API, for tests of what comes after. */

/** A wallet with confirmed coins, on Home. */
export async function fundedWallet(page: Page, network: Network, sat: bigint): Promise<void> {
  await createWallet(page)
  const address = await page.evaluate(async () => (await globalThis.switchback?.newAddress())?.address)
  await network.api('faucet', { address, sat: Number(sat) })
  await network.confirm()
  await expectBalances(page, 0n, sat)
}

export interface Opened {
  readonly channelId: string
  /** What the wallet can send, in sat. */
  readonly spendableSat: bigint
  /** What is left on chain, in sat. */
  readonly onchainSat: bigint
}

/** Opens a channel from the wallet in the page, and mines until it is open. */
export async function openTo(
  page: Page,
  network: Network,
  name: 'lil' | 'ada',
  sat: bigint,
): Promise<Opened> {
  const { nodeId, port } = network.peer(name)
  const channelId = await page.evaluate(
    async (input) => {
      for await (const update of globalThis.switchback?.openChannel(input) ?? [])
        if (update.status === 'pending') return update.channelId
      throw new Error('the opening ended before its funding was sent')
    },
    { peer: `${nodeId}@127.0.0.1:${port}`, amountSat: String(sat) },
  )
  await network.confirm(3)
  const channel = async () =>
    (await stateOf(page)).channels.find((candidate) => candidate.channelId === channelId)
  await expect.poll(async () => (await channel())?.status, { timeout: 15_000 }).toBe('open')
  await expect
    .poll(async () => (await stateOf(page)).balances.onchainUnconfirmedSat, { timeout: 15_000 })
    .toBe('0')
  const { balances } = await stateOf(page)
  return {
    channelId,
    spendableSat: BigInt((await channel())?.spendableMsat ?? 0) / 1000n,
    onchainSat: BigInt(balances.onchainConfirmedSat),
  }
}

/** A wallet of a million sat, half of it in a channel to a peer. */
export async function walletWithChannel(page: Page, network: Network, name: 'lil' | 'ada'): Promise<Opened> {
  await fundedWallet(page, network, 1_000_000n)
  return openTo(page, network, name, 500_000n)
}

/** An invoice of a peer. */
export async function invoiceOf(
  network: Network,
  peer: 'lil' | 'ada' | 'ben',
  sat: bigint,
  memo: string,
): Promise<string> {
  const amountMsat = String(sat * 1000n)
  return (await network.api<{ invoice: string }>('invoice', { peer, amountMsat, memo })).invoice
}

/** Another tab of the same browser, on the same wallet. */
export async function openTab(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage()
  await page.goto(url)
  return page
}
