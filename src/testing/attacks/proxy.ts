import { seeded } from '../random.ts'

/** What a server answers: a body, or one of the ways not to. */
export type Answer =
  | { readonly status: number; readonly body: string }
  /** Nothing ever comes; a byte now and then; without end; the connection is cut. */
  | 'silence'
  | 'drip'
  | 'flood'
  | 'cut'

export interface Asked {
  readonly method: string
  /** What follows the API's base. */
  readonly path: string
  readonly body: string
  /** How often this server has been asked anything under attack. */
  readonly turn: number
}

export interface Plain {
  readonly status: number
  readonly body: string
}

/** One dishonest server: passes on what the real one says, until it is told to tamper. */
export interface BadServer {
  readonly url: string
  /** Undefined: honest. Changed at any moment. */
  tamper: ((asked: Asked, honest: () => Promise<Plain>) => Promise<Answer>) | undefined
}

export interface Proxy {
  /** A further server of its own address. */
  server(): BadServer
  /** An address that is always answered honestly. */
  readonly honest: string
  /** What clients ask through: HTTP but for the sockets, so that many wallets fit in one process. */
  readonly fetch: typeof fetch
}

const DRIP_MS = 200
/** The longest that a server takes to answer: each has its own. */
const SLOWEST_MS = [1, 20, 80, 200]

/**
 * Servers in front of a real Esplora, each of which may turn bad. How long each takes for each answer is drawn from `seed`: whose comes first
 * must not matter. Without one they answer at once.
 */
export function createProxy(
  upstream: (method: string, path: string, body: string) => Promise<Plain>,
  seed?: number,
): Proxy {
  const servers: BadServer[] = []
  const random = seeded(seed ?? 0)
  const slowest = new Map<string, number>()
  const pause = (host: string): Promise<void> => {
    if (seed === undefined) return Promise.resolve()
    const most = slowest.get(host) ?? random.pick(SLOWEST_MS)
    slowest.set(host, most)
    return new Promise((resolve) => setTimeout(resolve, random.int(most)))
  }
  const turns: number[] = []

  const proxyFetch: typeof fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    const method = init?.method ?? 'GET'
    const body = typeof init?.body === 'string' ? init.body : ''
    const path = url.pathname.replace(/^\/api/, '')
    const signal = init?.signal ?? undefined
    const honest = (): Promise<Plain> => upstream(method, path, body)
    const index = Number(/^s(\d+)\./.exec(url.host)?.[1] ?? -1)
    const tamper = servers[index]?.tamper
    const turn = turns[index] ?? 0
    if (tamper !== undefined) turns[index] = turn + 1
    await pause(url.host)
    const answer = tamper === undefined ? await honest() : await tamper({ method, path, body, turn }, honest)
    return respond(answer, signal)
  }

  return {
    server() {
      const made: BadServer = { url: `http://s${servers.length}.test/api`, tamper: undefined }
      servers.push(made)
      return made
    },
    honest: 'http://honest.test/api',
    fetch: proxyFetch,
  }
}

function respond(answer: Answer, signal: AbortSignal | undefined): Response | Promise<Response> {
  const aborted = new Promise<never>((_, reject) => {
    signal?.addEventListener('abort', () => reject(new Error('aborted')))
  })
  aborted.catch(() => {})
  if (answer === 'silence') return aborted
  if (answer === 'cut') throw new TypeError('fetch failed')
  if (answer !== 'drip' && answer !== 'flood') return new Response(answer.body, { status: answer.status })
  const chunk = new TextEncoder().encode(answer === 'drip' ? ' ' : '[1,'.repeat(20_000))
  let timer: NodeJS.Timeout | undefined
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      signal?.addEventListener('abort', () => {
        clearTimeout(timer)
        controller.error(new Error('aborted'))
      })
    },
    pull: (controller) =>
      new Promise((resolve) => {
        timer = setTimeout(
          () => {
            controller.enqueue(chunk)
            resolve()
          },
          answer === 'drip' ? DRIP_MS : 0,
        )
      }),
    cancel: () => clearTimeout(timer),
  })
  return new Response(stream)
}
