import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

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

/** One dishonest server: passes on what the real one says, until it is told to tamper. */
export interface BadServer {
  readonly url: string
  /** Undefined: honest. Changed at any moment. */
  tamper:
    | ((asked: Asked, honest: () => Promise<{ status: number; body: string }>) => Promise<Answer>)
    | undefined
}

export interface Proxy {
  /** A further server of its own address. */
  server(): BadServer
  close(): Promise<void>
}

const MAX_BODY = 8_000_000
const DRIP_MS = 200

/** Servers in front of a real Esplora, each of which may turn bad. */
export async function createProxy(upstream: string): Promise<Proxy> {
  const servers: BadServer[] = []
  const turns: number[] = []
  let base = ''

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, number = '', path = '/'] = /^\/s(\d+)\/api(\/.*)$/.exec(request.url ?? '') ?? []
    const index = Number(number)
    const method = request.method ?? 'GET'
    const body = await readBody(request)
    const honest = async (): Promise<{ status: number; body: string }> => {
      const init = method === 'POST' ? { method, body, headers: { 'content-type': 'text/plain' } } : {}
      const answer = await fetch(upstream + path, init)
      return { status: answer.status, body: await answer.text() }
    }
    const tamper = servers[index]?.tamper
    const turn = turns[index] ?? 0
    if (tamper !== undefined) turns[index] = turn + 1
    const answer = tamper === undefined ? await honest() : await tamper({ method, path, body, turn }, honest)
    give(response, answer)
  }

  const listening = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`
  return {
    server() {
      const made: BadServer = { url: `${base}/s${servers.length}/api`, tamper: undefined }
      servers.push(made)
      return made
    },
    async close() {
      listening.closeAllConnections()
      await new Promise((resolve) => listening.close(resolve))
    },
  }
}

function give(response: ServerResponse, answer: Answer): void {
  if (answer === 'silence') return
  if (answer === 'cut') {
    response.destroy()
    return
  }
  if (answer === 'drip') {
    const timer = setInterval(() => response.write(' '), DRIP_MS)
    response.on('close', () => clearInterval(timer))
    return
  }
  if (answer === 'flood') {
    const more = (): void => {
      if (!response.destroyed) response.write('[1,'.repeat(20_000), () => setImmediate(more))
    }
    more()
    return
  }
  response.writeHead(answer.status, { 'content-type': 'text/plain' }).end(answer.body)
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const part of request) {
    body += String(part)
    if (body.length > MAX_BODY) throw new Error('too long')
  }
  return body
}
