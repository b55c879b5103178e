import { createClient } from '../contract/client.ts'
import type { AppState } from '../contract/schemas.ts'
import { portOf } from './ports.ts'

/** Runs in a page of a real browser, for tabs.interop.test.ts: what the app's page does to get a client, and no more. */
const worker = new Worker('/worker.js', { type: 'module', name: 'switchback' })
const { port1, port2 } = new MessageChannel()
const defaults = { network: 'regtest', gateway: '', servers: ['http://127.0.0.1:9/esplora'] }
worker.postMessage({ type: 'port', port: port2, defaults }, [port2])

export const client = createClient(portOf(port1))
export const states: AppState[] = []
export const errors: string[] = []

void (async () => {
  for await (const state of client.getState()) states.push(state)
})().catch((e: unknown) => errors.push(String(e)))
worker.addEventListener('error', (event) => errors.push(event.message))
