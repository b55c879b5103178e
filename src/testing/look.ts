/**
 * Looks at every screen with demo data, on a phone and on a desk, in light and in dark: takes pictures, and fails on what axe finds, on
 * sideways scrolling and on errors in the page. `e2e/look.spec.ts` is a quarter of it, in every test run.
 *
 * `tsx src/testing/look.ts [--out FOLDER] [--only NAME,NAME] [--size phone|desk] [--scheme light|dark] [--no-axe]`
 */
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from '@playwright/test'
import { CHROMIUM_FLAGS, findChromium } from './chromium.ts'
import { serveLookSite } from './look-site.ts'
import { contextOf, problemsOf, SCHEMES, type Size, SIZES, show, VIEWS } from './look-views.ts'

const option = (name: string): string | undefined => {
  const at = process.argv.indexOf(name)
  return at === -1 ? undefined : process.argv[at + 1]
}

async function main(): Promise<void> {
  const out = option('--out') ?? join(tmpdir(), 'switchback-look')
  const only = option('--only')?.split(',')
  const sizes = (Object.keys(SIZES) as Size[]).filter((size) => (option('--size') ?? size) === size)
  const schemes = SCHEMES.filter((scheme) => (option('--scheme') ?? scheme) === scheme)
  const axe = !process.argv.includes('--no-axe')
  mkdirSync(out, { recursive: true })
  const site = await serveLookSite()
  const browser = await chromium.launch({ executablePath: findChromium(), args: [...CHROMIUM_FLAGS] })
  const problems: string[] = []
  let looked = 0
  for (const size of sizes) {
    for (const scheme of schemes) {
      const context = await browser.newContext({ ...contextOf(size, scheme), deviceScaleFactor: 2 })
      const page = await context.newPage()
      page.setDefaultTimeout(15_000)
      let where = ''
      const note = (what: string) => problems.push(`${where}: ${what}`)
      page.on('pageerror', (error) => note(error.message))
      page.on('console', (message) => {
        if (message.type() === 'error') note(`console: ${message.text()}`)
      })
      for (const view of VIEWS) {
        if (only !== undefined && !only.includes(view.name)) continue
        where = `${view.name} ${size} ${scheme}`
        try {
          await show(page, site.origin, view)
          for (const problem of await problemsOf(page, axe)) note(problem)
          looked++
        } catch (error) {
          note(error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error))
        }
        await page.screenshot({ path: join(out, `${view.name}-${size}-${scheme}.png`) })
      }
      await context.close()
    }
  }
  await browser.close()
  await site.close()
  for (const problem of problems) console.error(problem)
  console.log(`${looked} views looked at, ${problems.length} problems; pictures in ${out}`)
  process.exitCode = problems.length === 0 ? 0 : 1
}

await main()
