import { ApiError, type ApiErrorData } from '../contract/errors.ts'
import type { Port } from '../contract/port.ts'
import { type Handlers, serve } from '../contract/rpc.ts'
import type { Clock } from '../host/ports.ts'
import { type PageRouter, routePage, type Target } from './follower.ts'
import { serveTabs, type TabServer } from './leader.ts'
import { leaderLock, readTabMessage, tabLock, type TabMessage, versioned } from './messages.ts'
import type { ChannelPort, LockPort } from './ports.ts'

/** A tab that could not start the engine lets another one try and stands again after this. */
const STAND_AGAIN_MS = 5_000

/** The engine of this tab, while it leads. */
export interface Leadership {
  readonly handlers: Handlers
  /** Ends the engine; resolves when nothing of it writes or sends any more. */
  stop(): Promise<void>
}

export interface TabOptions {
  /** Names the wallet: one leader a name. */
  readonly wallet: string
  /** Unique among the tabs of this origin. */
  readonly tab: string
  readonly locks: LockPort
  readonly channel: ChannelPort
  readonly clock: Clock
  /** Starts the engine in this tab. Called only while the lock is held; rejects when it cannot (storage of a newer version). */
  readonly lead: () => Promise<Leadership>
  readonly onDefect?: (error: unknown) => void
}

export interface Tab {
  /** Serves the contract to a page, from here or through the leader. */
  attach(page: Port): void
  role(): 'leading' | 'following' | 'waiting'
  /** Ends the engine if it runs here, and lets the lock go. */
  stop(): Promise<void>
}

/**
 * House law 8: one engine a wallet. A Web Lock elects the tab whose worker runs it; the other tabs' workers pass their pages' messages
 * to it over a channel, and the next in the lock's queue takes over when it goes.
 */
export function createTab(options: TabOptions): Tab {
  const { channel, locks, wallet } = options
  const onDefect = options.onDefect ?? (() => {})
  const over = new AbortController()
  const routers: PageRouter[] = []
  /** Set while the engine runs here and answers. */
  let leading: { readonly id: string; readonly handlers: Handlers; readonly tabs: TabServer } | undefined
  let localServers: (() => void)[] = []
  /** The leader elsewhere, as last announced. */
  let following: string | undefined
  /** The lock is ours: nobody else leads, whatever an old message says. */
  let ruling = false
  /** Why the engine did not start here, until somebody leads. */
  let failure: ApiErrorData | undefined
  let terms = 0
  let step = (): void => {}
  let cancelStanding = (): void => {}

  // ── following ─────────────────────────────────────────────────────────────────────────────────────────────────────

  const remoteTarget = (leader: string, port: number): Target => ({
    remote: true,
    post: (message) => channel.post(versioned({ type: 'request', leader, tab: options.tab, port, message })),
  })

  /** Points one page to wherever the engine is now. */
  function point(router: PageRouter, port: number): void {
    if (leading !== undefined) router.retarget(localTarget(router, leading.handlers))
    else if (failure !== undefined) router.fail(failure)
    else router.retarget(following === undefined ? undefined : remoteTarget(following, port))
  }

  function localTarget(router: PageRouter, handlers: Handlers): Target {
    let deliver: (message: unknown) => void = () => {}
    let alive = true
    const inside: Port = {
      // What a server that was ended still says would be taken for its successor's answer.
      post: (message) => alive && router.deliver(message),
      listen: (listener) => {
        deliver = listener
      },
      close: () => {},
    }
    const end = serve(inside, handlers, onDefect)
    localServers.push(() => {
      alive = false
      end()
    })
    return { remote: false, post: (message) => deliver(message) }
  }

  function hear(message: TabMessage): void {
    switch (message.type) {
      case 'who':
        if (leading !== undefined) channel.post(versioned({ type: 'leader', leader: leading.id }))
        return
      case 'leader':
        if (ruling || following === message.leader) return
        following = message.leader
        failure = undefined
        return routers.forEach(point)
      case 'request':
        if (message.leader === leading?.id) leading.tabs.request(message.tab, message.port, message.message)
        return
      case 'reply':
        if (leading === undefined && message.leader === following && message.tab === options.tab)
          routers[message.port]?.deliver(message.message)
        return
      default:
        return message satisfies never
    }
  }

  // ── leading ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** With the lock held: runs the engine until `stop` or until the lock is taken away. */
  async function rule(): Promise<void> {
    // Whoever led before is gone.
    ruling = true
    following = undefined
    failure = undefined
    routers.forEach(point)
    const leadership = await options.lead()
    const id = `${options.tab}.${++terms}`
    const tabs = serveTabs({ wallet, leader: id, handlers: leadership.handlers, channel, locks, onDefect })
    const dismissed = new Promise<void>((resolve) => {
      step = resolve
    })
    if (over.signal.aborted) step()
    else {
      leading = { id, handlers: leadership.handlers, tabs }
      routers.forEach(point)
      channel.post(versioned({ type: 'leader', leader: id }))
    }
    await dismissed
    leading = undefined
    ruling = false
    tabs.stop()
    for (const end of localServers) end()
    localServers = []
    routers.forEach(point)
    await leadership.stop()
  }

  function cannotStart(e: unknown): void {
    onDefect(e)
    if (over.signal.aborted) return
    failure = asFailure(e)
    routers.forEach(point)
  }

  async function stand(): Promise<void> {
    let ruled: Promise<void> | undefined
    try {
      await locks.request(leaderLock(wallet), over.signal, () => {
        ruled = rule()
        return ruled
      })
    } catch (e) {
      if (over.signal.aborted && ruled === undefined) return
      const started = leading !== undefined
      // The lock was taken away under a running engine: it ends before anything else.
      step()
      await ruled?.catch(() => {})
      ruling = false
      if (started) onDefect(e)
      else cannotStart(e)
      if (over.signal.aborted) return
      cancelStanding = options.clock.after(STAND_AGAIN_MS, begin)
      // Somebody may have announced himself while we took him for a usurper.
      channel.post(versioned({ type: 'who' }))
    }
  }

  let standing: Promise<void> = Promise.resolve()
  function begin(): void {
    standing = stand()
  }

  // The lock that says that this tab lives is held before anything is asked of a leader, who watches it.
  const held = new Promise<void>((resolve, reject) => {
    locks
      .request(tabLock(wallet, options.tab), over.signal, () => {
        resolve()
        return new Promise((end) => over.signal.addEventListener('abort', () => end(), { once: true }))
      })
      .catch(reject)
  })
  held.then(() => {
    if (over.signal.aborted) return
    channel.listen((data) => {
      const message = readTabMessage(data)
      if (message !== undefined) hear(message)
    })
    channel.post(versioned({ type: 'who' }))
    begin()
  }, cannotStart)

  return {
    attach(page) {
      const router = routePage(page, options.clock)
      routers.push(router)
      point(router, routers.length - 1)
    },
    role: () => (leading !== undefined ? 'leading' : following !== undefined ? 'following' : 'waiting'),
    async stop() {
      over.abort()
      cancelStanding()
      step()
      await standing
      channel.close()
    },
  }
}

function asFailure(error: unknown): ApiErrorData {
  if (error instanceof ApiError) return { code: error.code, message: error.message, data: error.data }
  return { code: 'internal', message: 'The node could not be started in this tab.' }
}
