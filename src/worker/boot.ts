import { useCurve } from '../engine/crypto/curve.ts'
import type { Defaults } from '../host/control.ts'
import { createWebSocketDialer } from '../host/dial-websocket.ts'
import { createDownload } from '../host/download.ts'
import { createEsploraClient } from '../host/esplora/client.ts'
import { systemClock, systemEntropy } from '../host/ports.ts'
import { createWalletHost, type WalletHost } from '../host/wallet-host.ts'
import type { Leadership } from './election.ts'
import { openIdbStore } from './store-idb.ts'

/** Starts the engine over the browser's ports. Called only by the tab that leads; rejects with `ApiError` when the store cannot be had. */
export async function boot(wallet: string, defaults: Defaults): Promise<Leadership> {
  let host: WalletHost | undefined
  const store = await openIdbStore(`switchback/${wallet}`, {
    onLost: (failure) => host?.running()?.loop.freeze(failure, failure),
  })
  const started = await createWalletHost({
    store,
    esplora: createEsploraClient({ fetch: (input, init) => fetch(input, init) }),
    download: createDownload((input, init) => fetch(input, init)),
    clock: systemClock,
    entropy: systemEntropy,
    dialer: (gateway) => createWebSocketDialer({ gateway }),
    defaults,
    needsGateway: true,
  }).catch(async (e: unknown) => {
    await store.close()
    throw e
  })
  host = started
  const online = () => started.running()?.peers.online()
  globalThis.addEventListener('online', online)
  return {
    handlers: started.handlers,
    stop: () => {
      globalThis.removeEventListener('online', online)
      return started.stop()
    },
  }
}

/**
 * Puts the fast curve in the reference's place as soon as it is there; where the browser refuses WASM, the reference stays. Not waited
 * for: a wallet that opens now is worth more than one that signs fast.
 */
export async function speedUp(): Promise<void> {
  const { loadWasmCurve } = await import('../host/curve-wasm.ts')
  useCurve(await loadWasmCurve(systemEntropy()))
}
