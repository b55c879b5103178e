import { expect, test } from '@playwright/test'
import { fakeHash } from '../src/testing/fake-data.ts'
import { serveLookSite } from '../src/testing/look-site.ts'
import { contextOf, problemsOf, SCHEMES, show, type Size, VIEWS } from '../src/testing/look-views.ts'

/**
 * Every screen with demo data, for what is the same whatever the node does: readable by everybody (axe), nothing wider than the page,
 * no errors on the way. Each view is looked at once, the four combinations of size and colours taking turns; all of them with
 * pictures is `tsx src/testing/look.ts`.
 */

let site: Awaited<ReturnType<typeof serveLookSite>>
test.beforeAll(async () => {
  site = await serveLookSite()
})
test.afterAll(() => site.close())

const SIZES: readonly Size[] = ['phone', 'desk']
const combinations = SIZES.flatMap((size) => SCHEMES.map((scheme) => ({ size, scheme })))

for (const [turn, { size, scheme }] of combinations.entries()) {
  test(`screens can be read by everybody, on a ${size} in ${scheme}`, async ({ browser }) => {
    test.setTimeout(300_000)
    const context = await browser.newContext(contextOf(size, scheme))
    const page = await context.newPage()
    const problems: string[] = []
    let where = ''
    page.on('pageerror', (error) => problems.push(`${where}: ${error.message}`))
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(`${where}: ${message.text()}`)
    })
    for (const view of VIEWS.filter((_, index) => index % combinations.length === turn)) {
      where = view.name
      await test.step(where, async () => {
        await show(page, site.origin, view)
        for (const problem of await problemsOf(page)) problems.push(`${where}: ${problem}`)
      })
    }
    expect(problems).toEqual([])
    await context.close()
  })
}

test('the second click of a double click on a dialog reaches nothing behind it', async ({ browser }) => {
  const context = await browser.newContext(contextOf('phone', 'light'))
  const page = await context.newPage()
  await show(page, site.origin, {
    name: 'force-close',
    scene: 'running',
    hash: `/channels/${fakeHash(101)}`,
  })
  await page.getByRole('button', { name: 'Force close', exact: true }).click()
  // On a phone the dialog's buttons lie where the navigation is.
  await page.getByRole('dialog').getByRole('button', { name: 'Force close', exact: true }).dblclick()
  await expect(page.getByRole('dialog')).toHaveCount(0)
  expect(new URL(page.url()).hash).toBe(`#/channels/${fakeHash(101)}`)
  // The next click counts again, and the page is where the answer shows.
  expect(await page.evaluate('scrollY')).toBe(0)
  await page.getByRole('link', { name: 'Settings' }).click()
  await expect(page.getByRole('heading', { name: 'Settings', level: 1 })).toBeVisible()
  await context.close()
})
