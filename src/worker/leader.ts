import type { Port } from '../contract/port.ts'
import { type Handlers, serve } from '../contract/rpc.ts'
import { tabLock, versioned } from './messages.ts'
import type { ChannelPort, LockPort } from './ports.ts'

/** The leader's side towards other tabs: each of their ports gets a server of its own over the channel. */
export interface TabServer {
  /** A `request` of another tab. */
  request(tab: string, port: number, message: unknown): void
  /** Ends all their streams. */
  stop(): void
}

export interface TabServerOptions {
  readonly wallet: string
  readonly leader: string
  readonly handlers: Handlers
  readonly channel: ChannelPort
  readonly locks: LockPort
  readonly onDefect: (error: unknown) => void
}

export function serveTabs(options: TabServerOptions): TabServer {
  const { channel, leader } = options
  const tabs = new Map<
    string,
    Map<number, { readonly deliver: (message: unknown) => void; readonly end: () => void }>
  >()
  const over = new AbortController()

  function open(tab: string, port: number) {
    let deliver: (message: unknown) => void = () => {}
    const virtual: Port = {
      post: (message) => {
        if (!over.signal.aborted) channel.post(versioned({ type: 'reply', leader, tab, port, message }))
      },
      listen: (listener) => {
        deliver = listener
      },
      close: () => {},
    }
    const end = serve(virtual, options.handlers, options.onDefect)
    return { deliver: (message: unknown) => deliver(message), end }
  }

  function watch(tab: string): void {
    const gone = (): Promise<void> => {
      for (const { end } of tabs.get(tab)?.values() ?? []) end()
      tabs.delete(tab)
      return Promise.resolve()
    }
    // The tab holds this lock while it lives: having it means that the tab is gone and its streams are nobody's.
    options.locks.request(tabLock(options.wallet, tab), over.signal, gone).catch((e: unknown) => {
      if (!over.signal.aborted) options.onDefect(e)
    })
  }

  return {
    request(tab, port, message) {
      if (over.signal.aborted) return
      let ports = tabs.get(tab)
      if (ports === undefined) {
        ports = new Map()
        tabs.set(tab, ports)
        watch(tab)
      }
      let served = ports.get(port)
      if (served === undefined) {
        served = open(tab, port)
        ports.set(port, served)
      }
      served.deliver(message)
    },
    stop() {
      over.abort()
      for (const ports of tabs.values()) for (const { end } of ports.values()) end()
      tabs.clear()
    },
  }
}
