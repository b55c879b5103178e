import * as v from 'valibot'

/** What tabs say to each other. The version is that of this file: a tab of another version is not understood, and not disturbed. */
const VERSION = 1

const id = v.pipe(v.string(), v.maxLength(100))

const tabMessage = v.variant('type', [
  /** A new tab asks who leads. */
  v.object({ v: v.literal(VERSION), type: v.literal('who') }),
  /** `leader` leads and answers; said once on taking over and to everyone who asks. */
  v.object({ v: v.literal(VERSION), type: v.literal('leader'), leader: id }),
  /** A message of the contract's protocol from port `port` of tab `tab`, for the leader. */
  v.object({
    v: v.literal(VERSION),
    type: v.literal('request'),
    leader: id,
    tab: id,
    port: v.number(),
    message: v.unknown(),
  }),
  /** An answer to it. */
  v.object({
    v: v.literal(VERSION),
    type: v.literal('reply'),
    leader: id,
    tab: id,
    port: v.number(),
    message: v.unknown(),
  }),
])

export type TabMessage = v.InferOutput<typeof tabMessage>
type Unversioned<T> = T extends unknown ? Omit<T, 'v'> : never

/** Puts the version on a message. */
export const versioned = (message: Unversioned<TabMessage>): TabMessage =>
  ({ v: VERSION, ...message }) as TabMessage

/** A message from another tab; undefined when it is not understood. */
export function readTabMessage(data: unknown): TabMessage | undefined {
  const parsed = v.safeParse(tabMessage, data)
  return parsed.success ? parsed.output : undefined
}

/** Held by the tab that runs the engine. */
export const leaderLock = (wallet: string): string => `switchback/${wallet}`
/** Held by a tab for as long as it lives: the leader learns from it that the tab is gone. */
export const tabLock = (wallet: string, tab: string): string => `switchback/${wallet}/tab/${tab}`
