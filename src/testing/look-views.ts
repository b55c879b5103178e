import { AxeBuilder } from '@axe-core/playwright'
import type { Page } from '@playwright/test'
import { fakeHash } from './fake-data.ts'
import { FAR } from './fake-network.ts'

/** Every screen of the app in its states worth looking at, reached with demo data as a person would reach them. */

export interface View {
  readonly name: string
  readonly scene: string
  readonly hash: string
  readonly act?: (page: Page) => Promise<void>
}

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const field = (page: Page, name: string) => page.getByRole('textbox', { name, exact: true })
const payable = (page: Page, text: string) => field(page, 'Paste or type anything payable').fill(text)
const ADDRESS = 'bcrt1q6rhpng9evdsfnn833a4f4vej0asu6dk5srld6x'

export const VIEWS: readonly View[] = [
  { name: 'welcome', scene: 'welcome', hash: '/' },
  { name: 'welcome-public', scene: 'welcome&public', hash: '/' },
  {
    name: 'real-money',
    scene: 'welcome&public',
    hash: '/',
    async act(page) {
      await page.getByRole('radio', { name: /^Bitcoin/ }).click()
      await page.getByRole('heading', { name: 'Real money, new software' }).waitFor()
    },
  },
  {
    name: 'restore',
    scene: 'welcome',
    hash: '/',
    act: async (page) => {
      await button(page, 'Restore a wallet').click()
      await field(page, 'Recovery words').fill(
        'ribbon orbit gentel copper thrive maple island quizz tunnel velvet anchor bridge ',
      )
    },
  },
  { name: 'locked', scene: 'locked', hash: '/' },
  { name: 'moved', scene: 'moved', hash: '/' },
  { name: 'elsewhere', scene: 'elsewhere', hash: '/' },
  {
    name: 'locked-wrong',
    scene: 'locked',
    hash: '/',
    act: async (page) => {
      await field(page, 'Password').fill('open says me')
      await button(page, 'Unlock').click()
    },
  },
  {
    name: 'settings-password',
    scene: 'running',
    hash: '/settings',
    act: async (page) => {
      await button(page, 'Set a password').click()
      await field(page, 'New password').fill('open')
    },
  },
  { name: 'starting', scene: 'starting', hash: '/' },
  { name: 'home', scene: 'running', hash: '/' },
  {
    name: 'home-hidden',
    scene: 'following',
    hash: '/',
    act: (page) => page.getByRole('status', { name: 'Spendable balance' }).getByRole('button').click(),
  },
  {
    name: 'home-forwards',
    scene: 'forwarding',
    hash: '/',
    act: async (page) => {
      await page.getByRole('radio', { name: 'Passed on' }).check()
      await page.getByText('Earned').waitFor()
    },
  },
  { name: 'home-empty', scene: 'empty', hash: '/' },
  { name: 'frozen', scene: 'frozen', hash: '/' },
  { name: 'send', scene: 'running', hash: '/send' },
  { name: 'send-invoice', scene: 'running', hash: '/send', act: (page) => payable(page, 'lnbcrt1demo') },
  { name: 'send-any', scene: 'running', hash: '/send', act: (page) => payable(page, 'lnanyamount') },
  {
    name: 'send-offer',
    scene: 'running',
    hash: '/send',
    act: async (page) => {
      await payable(page, 'lno1few')
      await button(page, 'Add a note to the recipient').click()
      await field(page, 'How many').fill('3')
    },
  },
  {
    name: 'send-toobig',
    scene: 'running',
    hash: '/send',
    act: (page) => payable(page, `${ADDRESS}?lightning=lnbigamount`),
  },
  {
    name: 'send-wrong',
    scene: 'running',
    hash: '/send',
    act: (page) => payable(page, 'lnbc1mainnetinvoice'),
  },
  {
    name: 'send-chain',
    scene: 'running',
    hash: '/send',
    act: async (page) => {
      await payable(page, ADDRESS)
      await button(page, 'Max').click()
      await page.getByText('In all').waitFor()
    },
  },
  {
    name: 'paying',
    scene: 'running&pace=5000',
    hash: '/send',
    act: async (page) => {
      await payable(page, 'lnbcrt1demo')
      await button(page, 'Pay').click()
      await page.getByText('On its way through').waitFor()
    },
  },
  {
    name: 'paying-far',
    scene: 'running&pace=1500',
    hash: '/send',
    act: async (page) => {
      await payable(page, 'lnfar1demo')
      await button(page, 'Pay').click()
      await page.getByText(/^Came back/).waitFor()
      await page.getByText('through ada, then mill-pond').waitFor()
    },
  },
  {
    name: 'paying-cancelled',
    scene: 'running&pace=5000',
    hash: '/send',
    act: async (page) => {
      await payable(page, 'lnfar1demo')
      await button(page, 'Pay').click()
      await button(page, 'Cancel').click()
      await page.getByRole('heading', { name: 'Cancelling' }).waitFor()
    },
  },
  {
    name: 'paying-away',
    scene: 'running&pace=5000',
    hash: '/send',
    act: async (page) => {
      await payable(page, 'lnaway1demo')
      await button(page, 'Pay').click()
      await page.getByText('once ada is connected again').waitFor()
    },
  },
  {
    name: 'paying-many',
    scene: 'running&pace=600',
    hash: '/send',
    act: async (page) => {
      await payable(page, 'lnmany1demo')
      await button(page, 'Pay').click()
      await page.getByText('14 more parts').click()
      await page.getByText('9 earlier attempts').click()
    },
  },
  {
    name: 'paid-far',
    scene: 'running&pace=60',
    hash: '/send',
    act: async (page) => {
      await payable(page, 'lnfar1demo')
      await button(page, 'Pay').click()
      await page.getByRole('heading', { name: 'Paid' }).waitFor()
      await page.getByText('through ada, then mill-pond').waitFor()
    },
  },
  {
    name: 'paid',
    scene: 'running&pace=60',
    hash: '/send',
    act: async (page) => {
      await payable(page, 'lnbcrt1demo')
      await button(page, 'Pay').click()
      await page.getByRole('heading', { name: 'Paid' }).waitFor()
    },
  },
  {
    name: 'not-paid',
    scene: 'running&pace=60',
    hash: '/send',
    act: async (page) => {
      await payable(page, 'lnbadrefused')
      await button(page, 'Pay').click()
      await page.getByRole('heading', { name: 'Not paid' }).waitFor()
    },
  },
  { name: 'receive', scene: 'running', hash: '/receive' },
  {
    name: 'receive-rooms',
    scene: 'running',
    hash: '/receive',
    act: async (page) => {
      await field(page, 'Amount').fill('25000')
      await page.getByText('Room by channel').click()
    },
  },
  {
    name: 'receive-toobig',
    scene: 'running',
    hash: '/receive',
    act: async (page) => {
      await field(page, 'Amount').fill('400000')
      await button(page, 'Ask for 170 549 sat instead').waitFor()
    },
  },
  {
    name: 'receive-qr',
    scene: 'running',
    hash: '/receive',
    act: async (page) => {
      await field(page, 'Amount').fill('25000')
      await field(page, 'Note').fill('Dinner on Tuesday')
      await button(page, 'Continue').click()
      await page.getByText('Waiting for the payment').waitFor()
    },
  },
  {
    name: 'received',
    scene: 'running&pace=60',
    hash: '/receive',
    act: async (page) => {
      await field(page, 'Amount').fill('25000.5')
      await field(page, 'Note').fill('pay me')
      await button(page, 'Continue').click()
      await page.getByRole('heading', { name: 'Received' }).waitFor()
    },
  },
  {
    name: 'receive-offer',
    scene: 'running',
    hash: '/receive',
    act: async (page) => {
      await field(page, 'Note').fill('Tips for the band')
      await button(page, 'A code for many payments').click()
      await page.getByRole('img', { name: 'Offer as a QR code' }).waitFor()
    },
  },
  {
    name: 'receive-chain',
    scene: 'empty',
    hash: '/receive',
    act: async (page) => {
      await button(page, 'Continue').click()
      await page.getByText('Waiting for the payment').waitFor()
    },
  },
  { name: 'channels', scene: 'running', hash: '/channels' },
  { name: 'channels-empty', scene: 'empty', hash: '/channels' },
  { name: 'channel', scene: 'running', hash: `/channels/${fakeHash(101)}` },
  {
    name: 'commitments',
    scene: 'running&pace=100',
    hash: `/channels/${fakeHash(101)}/commitments`,
    act: async (page) => {
      await page.getByRole('img', { name: /^Remote chain/ }).waitFor()
      await page.getByText('updates a second').waitFor()
    },
  },
  {
    name: 'commitments-held',
    scene: 'running&pace=100',
    hash: `/channels/${fakeHash(101)}/commitments`,
    act: async (page) => {
      await page.getByRole('img', { name: /^Remote chain/ }).waitFor()
      await page.getByText(/^HTLCs,/).click()
      await button(page, 'Hold').click()
    },
  },
  {
    name: 'commitments-bolt',
    scene: 'running',
    hash: `/channels/${fakeHash(102)}/commitments`,
    act: (page) => page.getByRole('img', { name: /^Remote chain/ }).waitFor(),
  },
  { name: 'channel-forced', scene: 'running', hash: `/channels/${fakeHash(103)}` },
  {
    name: 'force-close',
    scene: 'running',
    hash: `/channels/${fakeHash(101)}`,
    act: (page) => button(page, 'Force close').click(),
  },
  {
    name: 'close',
    scene: 'running',
    hash: `/channels/${fakeHash(101)}`,
    act: (page) => button(page, 'Close channel').click(),
  },
  {
    name: 'open',
    scene: 'running',
    hash: '/channels/open',
    act: async (page) => {
      await page.getByRole('button', { name: /^ben/ }).click()
      await field(page, 'Amount').fill('250000')
    },
  },
  {
    name: 'opening',
    scene: 'running&pace=400',
    hash: '/channels/open',
    act: async (page) => {
      await page.getByRole('button', { name: /^ben/ }).click()
      await field(page, 'Amount').fill('250000')
      await button(page, 'Open channel').click()
      await page.locator('.step-now', { hasText: 'of 3' }).waitFor()
    },
  },
  {
    name: 'open-failed',
    scene: 'running&pace=60',
    hash: '/channels/open',
    act: async (page) => {
      await page.getByRole('button', { name: /^ben/ }).click()
      await field(page, 'Amount').fill('1000')
      await button(page, 'Open channel').click()
      await page.getByRole('alert').waitFor()
    },
  },
  { name: 'money', scene: 'running', hash: '/money' },
  { name: 'money-empty', scene: 'empty', hash: '/money' },
  {
    name: 'wallet',
    scene: 'running',
    hash: '/wallet',
    act: async (page) => {
      await button(page, 'New address').click()
      await page.getByRole('img', { name: 'QR code of the address' }).waitFor()
    },
  },
  { name: 'bump', scene: 'running', hash: '/wallet', act: (page) => button(page, 'Raise the fee').click() },
  { name: 'network', scene: 'running', hash: '/network' },
  { name: 'graph', scene: 'running', hash: '/network/graph' },
  {
    name: 'graph-find',
    scene: 'running',
    hash: '/network/graph',
    act: async (page) => {
      await field(page, 'Name or key of a node').fill('er')
      await page.getByRole('link', { name: /North Pier/ }).waitFor()
    },
  },
  {
    name: 'graph-node',
    scene: 'running',
    hash: `/network/graph/${FAR}`,
    act: async (page) => {
      await button(page, 'Show the ways').click()
      await page.getByText('First choice').waitFor()
    },
  },
  { name: 'settings', scene: 'running', hash: '/settings' },
  {
    name: 'settings-ask',
    scene: 'running',
    hash: '/settings',
    act: (page) => button(page, 'Show recovery words').click(),
  },
  {
    name: 'settings-words',
    scene: 'running',
    hash: '/settings',
    act: async (page) => {
      await button(page, 'Show recovery words').click()
      await button(page, 'Show them').click()
      await page.getByRole('list', { name: 'Your recovery words' }).waitFor()
    },
  },
  {
    name: 'console',
    scene: 'running',
    hash: '/console',
    act: async (page) => {
      const line = field(page, 'Command')
      await line.fill('getinfo')
      await line.press('Enter')
      await line.fill('nosuch')
      await line.press('Enter')
      await line.fill('lis')
      await line.press('Tab')
    },
  },
  {
    name: 'payment',
    scene: 'running',
    hash: `/payment/${fakeHash(14)}`,
    act: (page) => page.getByText('through ada, then mill-pond').waitFor(),
  },
  {
    name: 'payment-pending',
    scene: 'running',
    hash: `/payment/${fakeHash(11)}`,
    act: async (page) => {
      await button(page, 'Cancel').click()
      await page.getByRole('heading', { name: 'Cancelling' }).waitFor()
    },
  },
  { name: 'payment-parts', scene: 'running', hash: `/payment/${fakeHash(12)}` },
  { name: 'payment-held', scene: 'running', hash: `/payment/${fakeHash(18)}` },
  { name: 'transaction', scene: 'running', hash: `/transaction/${fakeHash(17)}` },
]

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

/** Opens a view on a dev server and brings it to the state it is about. */
export async function show(page: Page, origin: string, view: View): Promise<void> {
  // Two views may differ in the hash alone, which would open no new document.
  await page.goto('about:blank')
  await page.goto(`${origin}?fake=${view.scene}#${view.hash}`)
  await page.locator('h1').waitFor({ state: 'attached' })
  // The screen's own code is fetched apart.
  await page.locator('.fetching').waitFor({ state: 'detached' })
  await settled(page)
  await view.act?.(page)
}

/** Waits until nothing has changed in the page for 100 ms, or, where it never rests, for a second. */
async function settled(page: Page): Promise<void> {
  await page.evaluate(`new Promise((done) => {
    let quiet = setTimeout(done, 100)
    new MutationObserver(() => {
      clearTimeout(quiet)
      quiet = setTimeout(done, 100)
    }).observe(document, { subtree: true, childList: true, attributes: true, characterData: true })
    setTimeout(done, 1000)
  })`)
}

/** What is wrong with what the page shows: sideways scrolling and, unless told otherwise, what axe finds. */
export async function problemsOf(page: Page, axe = true): Promise<string[]> {
  const problems: string[] = []
  const root = 'document.documentElement'
  const wide = Number(await page.evaluate(`${root}.scrollWidth - ${root}.clientWidth`))
  if (wide > 0) problems.push(`scrolls sideways by ${wide} px`)
  if (!axe) return problems
  const { violations } = await new AxeBuilder({ page }).setLegacyMode(true).withTags(TAGS).analyze()
  for (const violation of violations) {
    const nodes = violation.nodes.map((node) => `${node.target.join(' ')} (${node.any[0]?.message ?? ''})`)
    problems.push(`${violation.id}: ${nodes.slice(0, 3).join('; ')}`)
  }
  return problems
}

export const SIZES = {
  phone: { width: 360, height: 740 },
  desk: { width: 1100, height: 780 },
} as const
export type Size = keyof typeof SIZES
export const SCHEMES = ['light', 'dark'] as const
export type Scheme = (typeof SCHEMES)[number]

/** Options of a browser context that looks like the one or the other. */
export const contextOf = (size: Size, colorScheme: Scheme) => ({
  viewport: SIZES[size],
  isMobile: size === 'phone',
  hasTouch: size === 'phone',
  colorScheme,
  reducedMotion: 'reduce' as const,
})
