import { ApiError } from '../contract/errors.ts'
import type { Port } from '../contract/port.ts'

/** What the worker needs of the browser, injected so that tests can be two tabs in one process. */

export interface LockPort {
  /**
   * Waits for the lock, calls `hold` with it, and lets it go when `hold`'s promise settles; settles as that does. Rejects when
   * `signal` fires before the lock is granted, or when it is taken away. A worker that dies loses its locks.
   */
  request(name: string, signal: AbortSignal, hold: () => Promise<void>): Promise<void>
}

/** Reaches all other tabs of this origin that opened it; never the sender itself. */
export type ChannelPort = Port

export const webLocks: LockPort = {
  request(name, signal, hold) {
    // Absent where the page did not come over https (or from this machine).
    const locks = (navigator as { readonly locks?: LockManager }).locks
    if (locks !== undefined) return locks.request(name, { signal }, hold)
    return Promise.reject(
      new ApiError({ code: 'notAvailable', message: 'This page has to come over https to run a wallet.' }),
    )
  },
}

export function broadcastChannel(name: string): ChannelPort {
  const channel = new BroadcastChannel(name)
  return {
    post: (message) => channel.postMessage(message),
    listen: (listener) => {
      channel.onmessage = (event: MessageEvent<unknown>) => listener(event.data)
    },
    close: () => channel.close(),
  }
}

/** The DOM's MessagePort as the contract's. */
export const portOf = (port: MessagePort): Port => ({
  post: (message) => port.postMessage(message),
  listen: (listener) => {
    port.onmessage = (event: MessageEvent<unknown>) => listener(event.data)
  },
  close: () => port.close(),
})
