import type { ApiErrorData } from './errors.ts'

/**
 * The contract over any port that carries structured messages: a MessagePort in the page, a BroadcastChannel between tabs, a
 * socket in Node. Small on purpose: 2 KB in place of a framework's 24 KB, since procedures and schemas are data already.
 */
export interface Port {
  post(message: unknown): void
  /** Registers the only listener. */
  listen(listener: (message: unknown) => void): void
  close(): void
}

/** What a server answers. */
export type Reply =
  | { readonly type: 'value'; readonly id: number; readonly value: unknown }
  | { readonly type: 'values'; readonly id: number; readonly values: readonly unknown[] }
  /** So many more requests may be sent. */
  | { readonly type: 'want'; readonly id: number; readonly count: number }
  | { readonly type: 'end'; readonly id: number }
  | { readonly type: 'error'; readonly id: number; readonly error: ApiErrorData }

/** A browser or Node MessagePort as a `Port`. */
export function messagePort(port: {
  postMessage(message: unknown): void
  onmessage: ((event: { data: unknown }) => void) | null
  close(): void
}): Port {
  return {
    post: (message) => port.postMessage(message),
    listen: (listener) => {
      port.onmessage = (event) => listener(event.data)
    },
    close: () => port.close(),
  }
}
