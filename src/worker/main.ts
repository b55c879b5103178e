import { toHex } from '../engine/base/bytes.ts'
import { systemClock, systemEntropy } from '../host/ports.ts'
import type { Defaults } from '../host/control.ts'
import { createTab, type Tab } from './election.ts'
import { broadcastChannel, portOf, webLocks } from './ports.ts'

/** The worker's entry: the page sends `{type: 'port', port, defaults}`; the first one's defaults start the tab. */

interface PortMessage {
  readonly type: 'port'
  readonly port: MessagePort
  readonly defaults: Defaults
}

/**
 * The engine, nine tenths of this program, loads beside the election: what a first visit shows needs none of it. The page begins with
 * what it can say by itself (`ui/app/connect.ts`).
 */
const engine = import('./boot.ts')

/** One wallet an origin, for now. */
const WALLET = 'wallet'

let tab: Tab | undefined

globalThis.addEventListener('message', (event) => {
  const message = event.data as PortMessage
  if (message.type !== 'port') return
  tab ??= createTab({
    wallet: WALLET,
    tab: toHex(systemEntropy().subarray(0, 8)),
    locks: webLocks,
    channel: broadcastChannel(`switchback/${WALLET}`),
    clock: systemClock,
    lead: async () => (await engine).boot(WALLET, message.defaults),
  })
  tab.attach(portOf(message.port))
})

// That it could not be loaded is told by whoever leads.
engine.then(({ speedUp }) => speedUp()).catch(() => {})
