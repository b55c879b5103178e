import { Agent, request } from 'node:http'

/** An error that bitcoind answered: its code (−5 not found, −25 inputs, −26 policy, …) and message. */
export class RpcError extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
    this.name = 'RpcError'
  }
}

export type RpcCall = readonly [method: string, ...params: unknown[]]

/** JSON-RPC client of one bitcoind. */
export interface Rpc {
  readonly url: string
  /** One call; rejects with RpcError when bitcoind refuses, with Error when it cannot be reached. */
  call<T>(method: string, ...params: unknown[]): Promise<T>
  /** Many calls in one request; each answer is a value or an RpcError, in the order of the calls. */
  batch<T>(calls: readonly RpcCall[]): Promise<readonly (T | RpcError)[]>
  /** Drops idle connections. */
  close(): void
}

interface Reply {
  readonly id: number
  readonly result?: unknown
  readonly error?: { readonly code: number; readonly message: string } | null
}

/** A client for `http://127.0.0.1:port/` with the given credentials. */
export function createRpc(port: number, user: string, password: string): Rpc {
  const agent = new Agent({ keepAlive: true, maxSockets: 24 })
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

  const post = (body: string, retry = true): Promise<string> =>
    new Promise((resolve, reject) => {
      const req = request(
        {
          host: '127.0.0.1',
          port,
          method: 'POST',
          path: '/',
          agent,
          headers: {
            authorization,
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
          },
        },
        (res) => {
          const parts: Buffer[] = []
          res.on('data', (part: Buffer) => parts.push(part))
          res.on('error', reject)
          res.on('end', () => {
            const text = Buffer.concat(parts).toString('utf8')
            if (res.statusCode === 200) resolve(text)
            else if (text.startsWith('{') || text.startsWith('[')) resolve(text)
            else reject(new Error(`bitcoind answered HTTP ${res.statusCode}: ${text.slice(0, 200)}`))
          })
        },
      )
      req.on('error', (error: NodeJS.ErrnoException) => {
        // bitcoind closes idle keep-alive connections; a request that met such a one was never read.
        if (retry && req.reusedSocket && error.code === 'ECONNRESET') resolve(post(body, false))
        else reject(error)
      })
      req.end(body)
    })

  const value = <T>(reply: Reply | undefined): T | RpcError => {
    if (!reply) return new RpcError(-32603, 'no reply')
    if (reply.error) return new RpcError(reply.error.code, reply.error.message)
    return reply.result as T
  }

  return {
    url: `http://127.0.0.1:${port}/`,
    async call<T>(method: string, ...params: unknown[]): Promise<T> {
      const text = await post(JSON.stringify({ jsonrpc: '2.0', id: 0, method, params }))
      const result = value<T>(JSON.parse(text) as Reply)
      if (result instanceof RpcError) throw result
      return result
    },
    async batch<T>(calls: readonly RpcCall[]): Promise<readonly (T | RpcError)[]> {
      if (calls.length === 0) return []
      const body = calls.map(([method, ...params], id) => ({ jsonrpc: '2.0', id, method, params }))
      const replies = JSON.parse(await post(JSON.stringify(body))) as Reply[]
      const byId = new Map(replies.map((reply) => [reply.id, reply]))
      return calls.map((_, id) => value<T>(byId.get(id)))
    },
    close: () => agent.destroy(),
  }
}
