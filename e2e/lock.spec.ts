import { button, expectBalances, field, go, heading, picture, stateOf } from './screens.ts'
import { expect, test } from './fixtures.ts'
import { walletWithChannel } from './wallets.ts'

/** All that IndexedDB holds, as text: a script, since tests are not typed as pages are. */
const READ_STORAGE = `(async () => {
  const done = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
  let text = ''
  for (const { name } of await indexedDB.databases()) {
    const db = await done(indexedDB.open(name))
    for (const store of db.objectStoreNames)
      for (const value of await done(db.transaction(store).objectStore(store).getAll()))
        if (value instanceof Uint8Array) text += new TextDecoder('latin1').decode(value)
    db.close()
  }
  return text
})()`

/** The lock before the wallet: what is sealed opens with the password or the passkey, and with nothing else. */

test('a password: the wallet is sealed and opens with it alone; a channel goes on after it', async ({
  page,
  network,
}) => {
  const { onchainSat, spendableSat } = await walletWithChannel(page, network, 'ada')
  const { nodeId } = await stateOf(page)
  await go(page, 'Settings')
  await button(page, 'Set a password').click()
  await field(page, 'New password').fill('correct horse')
  await field(page, 'New password again').fill('correct horse')
  await picture(page, 'set-password')
  expect(await page.evaluate<string>(READ_STORAGE)).toContain('passphrase')
  await button(page, 'Set password').click()
  await expect(page.getByText('Opens with a password.')).toBeVisible()

  await page.reload()
  await expect(heading(page, 'Locked')).toBeVisible()
  // The seed's record names its fields; sealed, not even those can be read.
  const readable = await page.evaluate<string>(READ_STORAGE)
  expect(readable.length).toBeGreaterThan(1000)
  expect(readable).not.toContain('passphrase')

  await field(page, 'Password').fill('correct house')
  await button(page, 'Unlock').click()
  await expect(page.getByText('That does not open this wallet.')).toBeVisible()
  await picture(page, 'locked')
  await field(page, 'Password').fill('correct horse')
  await button(page, 'Unlock').click()
  await go(page, 'Home')
  await expectBalances(page, spendableSat, onchainSat)
  expect((await stateOf(page)).nodeId).toBe(nodeId)
  await expect.poll(async () => (await stateOf(page)).channels[0]?.status).toBe('open')

  await go(page, 'Settings')
  await button(page, 'Lock now').click()
  await expect(heading(page, 'Locked')).toBeVisible()
  await field(page, 'Password').fill('correct horse')
  await field(page, 'Password').press('Enter')
  await go(page, 'Settings')
  await button(page, 'Remove password').click()
  await field(page, 'Current password').fill('correct horse')
  await button(page, 'Remove').click()
  await expect(page.getByText('Not locked: whoever can use this browser can use this wallet.')).toBeVisible()
  await page.reload()
  await go(page, 'Home')
  await expectBalances(page, spendableSat, onchainSat)
})

test('a passkey opens the wallet; one that its user does not confirm does not', async ({ page }) => {
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      ctap2Version: 'ctap2_1',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      hasPrf: true,
    },
  })
  await page.goto('')
  await button(page, 'Create a wallet').click()
  await expectBalances(page, 0n, 0n)
  const { nodeId } = await stateOf(page)
  await go(page, 'Settings')
  await button(page, 'Add a passkey').click()
  await button(page, 'Add passkey').click()
  await expect(page.getByText('Opens with a passkey.')).toBeVisible()
  await page.reload()
  await button(page, 'Use your passkey').click()
  await go(page, 'Home')
  await expectBalances(page, 0n, 0n)
  expect((await stateOf(page)).nodeId).toBe(nodeId)

  await page.reload()
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false })
  await button(page, 'Use your passkey').click()
  await expect(page.getByText('The passkey was not used.')).toBeVisible()
  expect(await stateOf(page)).not.toHaveProperty('nodeId')
})
