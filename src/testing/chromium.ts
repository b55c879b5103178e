import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium } from '@playwright/test'

/** Flags for a browser in a container, as root, without a screen, that talks to nobody by itself. */
export const CHROMIUM_FLAGS: readonly string[] = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome'] as const
const MAC = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'

const MISSING = `No Chromium was found. Any of these will do:
  npx playwright install chromium      Playwright's own, where its downloads can be reached
  sudo apt-get install chromium        Debian's package (other systems have one of the same name)
  CHROMIUM=/path/to/chrome             one that is installed already`

function runnable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * The path of a Chromium to test with: `CHROMIUM`, Playwright's own, `/usr/bin/chromium`, then by name in the PATH.
 * Throws with what to install when there is none.
 */
export function findChromium(): string {
  const wanted = process.env.CHROMIUM
  if (wanted !== undefined && wanted !== '') {
    if (runnable(wanted)) return wanted
    throw new Error(`CHROMIUM=${wanted} is not a program that can be run.`)
  }
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  const places = [
    chromium.executablePath(),
    '/usr/bin/chromium',
    ...NAMES.flatMap((name) => folders.map((folder) => join(folder, name))),
    MAC,
  ]
  const found = places.find((file) => file !== '' && runnable(file))
  if (found === undefined) throw new Error(MISSING)
  return found
}
