/**
 * Looks at every screen with demo data, on a phone and on a desk, in light and in dark: takes pictures, and fails on what axe finds, on
 * sideways scrolling and on errors in the page. `tsx src/testing/look.ts [--out FOLDER] [--only NAME] [--no-axe]`
 */
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import { type Browser, chromium, type Page } from '@playwright/test'
import { createServer } from 'vite'
import { fakeHash } from './fake-data.ts'

interface View {
  readonly name: string
  readonly scene: string
  readonly hash: string
  readonly act?: (page: Page) => Promise<void>
}

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const field = (page: Page, name: string) => page.getByRole('textbox', { name, exact: true })
const payable = (page: Page, text: string) => field(page, 'Paste or type anything payable').fill(text)
const ADDRESS = 'bcrt1q6rhpng9evdsfnn833a4f4vej0asu6dk5srld6x'

const VIEWS: readonly View[] = [
  { name: 'welcome', scene: 'welcome', hash: '/' },
  { name: 'welcome-public', scene: 'welcome&public', hash: '/' },
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
  { name: 'starting', scene: 'starting', hash: '/' },
  { name: 'home', scene: 'running', hash: '/' },
  {
    name: 'home-hidden',
    scene: 'following',
    hash: '/',
    act: (page) => page.getByRole('status', { name: 'Spendable balance' }).getByRole('button').click(),
  },
  { name: 'home-empty', scene: 'empty', hash: '/' },
  { name: 'frozen', scene: 'frozen', hash: '/' },
  { name: 'send', scene: 'running', hash: '/send' },
  { name: 'send-invoice', scene: 'running', hash: '/send', act: (page) => payable(page, 'lnbcrt1demo') },
  { name: 'send-any', scene: 'running', hash: '/send', act: (page) => payable(page, 'lnanyamount') },
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
      await page.locator('.step-now', { hasText: '1 of 3' }).waitFor()
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
  { name: 'payment', scene: 'running', hash: `/payment/${fakeHash(14)}` },
  { name: 'transaction', scene: 'running', hash: `/transaction/${fakeHash(17)}` },
]

const SIZES = [
  { name: 'phone', width: 360, height: 740 },
  { name: 'desk', width: 1100, height: 780 },
] as const
const SCHEMES = ['light', 'dark'] as const

const option = (name: string): string | undefined => {
  const at = process.argv.indexOf(name)
  return at === -1 ? undefined : process.argv[at + 1]
}

async function launch(): Promise<Browser> {
  const flags =
    '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'
  const system = process.env.CHROMIUM ?? '/usr/bin/chromium'
  return chromium
    .launch({ executablePath: system, args: flags.split(' ') })
    .catch(() => chromium.launch({ args: flags.split(' ') }))
}

async function main(): Promise<void> {
  const out = option('--out') ?? join(tmpdir(), 'switchback-look')
  const only = option('--only')?.split(',')
  const sizes = SIZES.filter((size) => [undefined, size.name].includes(option('--size') as never))
  const schemes = SCHEMES.filter((scheme) => [undefined, scheme].includes(option('--scheme') as never))
  const axe = !process.argv.includes('--no-axe')
  mkdirSync(out, { recursive: true })
  const server = await createServer({
    server: { port: 0, host: '127.0.0.1' },
    logLevel: 'error',
    clearScreen: false,
  })
  await server.listen()
  const origin = server.resolvedUrls?.local[0] ?? 'http://127.0.0.1:5173/'
  const browser = await launch()
  const problems: string[] = []
  let looked = 0
  for (const size of sizes) {
    for (const scheme of schemes) {
      const context = await browser.newContext({
        viewport: size,
        isMobile: size.name === 'phone',
        hasTouch: size.name === 'phone',
        colorScheme: scheme,
        reducedMotion: 'reduce',
        deviceScaleFactor: size.name === 'phone' ? 2 : 1,
      })
      const page = await context.newPage()
      page.setDefaultTimeout(15_000)
      let where = ''
      page.on('pageerror', (error) => problems.push(`${where}: ${error.message}`))
      page.on('console', (message) => {
        if (message.type() === 'error') problems.push(`${where}: console: ${message.text()}`)
      })
      for (const view of VIEWS) {
        if (only !== undefined && !only.includes(view.name)) continue
        where = `${view.name} ${size.name} ${scheme}`
        try {
          await page.goto(`${origin}?fake=${view.scene}#${view.hash}`)
          await page.reload()
          await page.locator('h1').waitFor({ state: 'attached' })
          await page.waitForTimeout(120)
          await view.act?.(page)
          await page.waitForTimeout(120)
          await page.screenshot({ path: join(out, `${view.name}-${size.name}-${scheme}.png`) })
          const wide = await page.evaluate(
            'document.documentElement.scrollWidth - document.documentElement.clientWidth',
          )
          if (Number(wide) > 0) problems.push(`${where}: scrolls sideways by ${String(wide)} px`)
          if (axe) {
            const { violations } = await new AxeBuilder({ page })
              .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
              .analyze()
            for (const violation of violations) {
              const nodes = violation.nodes.map(
                (node) => `${node.target.join(' ')} (${node.any[0]?.message ?? ''})`,
              )
              problems.push(`${where}: ${violation.id}: ${nodes.slice(0, 3).join('; ')}`)
            }
          }
          looked++
        } catch (error) {
          problems.push(
            `${where}: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`,
          )
          await page.screenshot({ path: join(out, `${view.name}-${size.name}-${scheme}-FAILED.png`) })
        }
      }
      await context.close()
    }
  }
  await browser.close()
  await server.close()
  for (const problem of problems) console.error(problem)
  console.log(`${looked} views looked at, ${problems.length} problems; pictures in ${out}`)
  process.exitCode = problems.length === 0 ? 0 : 1
}

await main()
