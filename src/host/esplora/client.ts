import type { EsploraRequest, EsploraResult } from '../../engine/chain/esplora.ts'

export interface EsploraClientOptions {
  readonly fetch: typeof fetch
  /** Until the whole answer is there; default 15 s. */
  readonly timeoutMs?: number
  /** Longest body read; default 10 MB: the hex of the largest transaction is 8 MB. */
  readonly maxBytes?: number
}

/** Executes Esplora requests. Every call resolves, never rejects. */
export interface EsploraClient {
  /** `baseUrl` without trailing slash, as in `https://mempool.space/api`. `signal` gives up: the answer is then a `network` error. */
  readonly request: (baseUrl: string, request: EsploraRequest, signal?: AbortSignal) => Promise<EsploraResult>
}

const TIMEOUT_MS = 15_000
const MAX_BYTES = 10_000_000
/** Of a server's own words only this much is kept. */
const MAX_MESSAGE = 300

interface Route {
  readonly path: string
  readonly body: 'text' | 'json'
  /** Sent by POST as text/plain: CORS allows it without a preflight, which Esplora servers do not answer. */
  readonly post?: string
}

function routeOf(r: EsploraRequest): Route {
  switch (r.kind) {
    case 'tipHash':
      return { path: '/blocks/tip/hash', body: 'text' }
    case 'blocks':
      return { path: r.height === null ? '/blocks' : `/blocks/${r.height}`, body: 'json' }
    case 'blockHash':
      return { path: `/block-height/${r.height}`, body: 'text' }
    case 'blockHeader':
      return { path: `/block/${r.hash}/header`, body: 'text' }
    case 'tx':
      return { path: `/tx/${r.txid}/hex`, body: 'text' }
    case 'merkleProof':
      return { path: `/tx/${r.txid}/merkle-proof`, body: 'json' }
    case 'outspend':
      return { path: `/tx/${r.txid}/outspend/${r.vout}`, body: 'json' }
    case 'history':
      return {
        path: `/scripthash/${r.scriptHash}/txs${r.after === null ? '' : `/chain/${r.after}`}`,
        body: 'json',
      }
    case 'broadcast':
      return { path: '/tx', body: 'text', post: r.hex }
    case 'package':
      return { path: '/txs/package', body: 'json', post: JSON.stringify(r.hexes) }
    case 'feeEstimates':
      return { path: '/fee-estimates', body: 'json' }
    default:
      return r satisfies never
  }
}

/**
 * An Esplora client over any `fetch`: browsers, workers and Node alike. It keeps to what CORS grants such servers: plain GET, and
 * POST of text/plain; no cookies, no headers of its own.
 */
export function createEsploraClient(options: EsploraClientOptions): EsploraClient {
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS
  const maxBytes = options.maxBytes ?? MAX_BYTES
  return {
    request: async (baseUrl, request, signal) => {
      const controller = new AbortController()
      let timedOut = false
      const timer = setTimeout(() => {
        timedOut = true
        controller.abort()
      }, timeoutMs)
      const giveUp = () => controller.abort()
      signal?.addEventListener('abort', giveUp, { once: true })
      if (signal?.aborted) giveUp()
      try {
        return await execute(options.fetch, baseUrl, routeOf(request), controller.signal, maxBytes)
      } catch (e) {
        if (timedOut) return fail('timeout', `no answer within ${timeoutMs} ms`)
        // Browsers give no reason for what CORS or the network refused.
        return fail('network', e instanceof Error ? e.message : 'failed')
      } finally {
        clearTimeout(timer)
        signal?.removeEventListener('abort', giveUp)
      }
    },
  }
}

async function execute(
  fetchIt: typeof fetch,
  baseUrl: string,
  route: Route,
  signal: AbortSignal,
  maxBytes: number,
): Promise<EsploraResult> {
  const init: RequestInit = { signal, credentials: 'omit', redirect: 'follow', referrerPolicy: 'no-referrer' }
  const post: RequestInit = { ...init, method: 'POST', headers: { 'content-type': 'text/plain' } }
  const response = await fetchIt(
    baseUrl + route.path,
    route.post === undefined ? init : { ...post, body: route.post },
  )
  const text = await readText(response, maxBytes)
  if (text === undefined) return fail('shape', `an answer of more than ${maxBytes} bytes`, response.status)
  if (response.status === 429) return fail('rateLimited', clip(text), 429)
  if (!response.ok) return fail('http', clip(text), response.status)
  if (route.body === 'text') return notice(text) ?? { ok: true, value: text }
  try {
    const value: unknown = JSON.parse(text)
    return notice(text) ?? { ok: true, value }
  } catch {
    return fail('shape', clip(text), response.status)
  }
}

/** Some servers word their rate limit as a 200 with a JSON notice: `{"error": "…"}` or `{"message": "…"}`. */
function notice(text: string): EsploraResult | undefined {
  if (text.length > 1000 || !text.trimStart().startsWith('{')) return undefined
  return /"(error|message|code|statusCode)"\s*:/.test(text) && /limit|too many|429|exceeded/i.test(text)
    ? fail('rateLimited', clip(text))
    : undefined
}

/** The body as text, or undefined when it is longer than `maxBytes`: reading stops there. */
async function readText(response: Response, maxBytes: number): Promise<string | undefined> {
  if (Number(response.headers.get('content-length') ?? 0) > maxBytes) {
    await response.body?.cancel()
    return undefined
  }
  const reader = response.body?.getReader()
  if (!reader) return ''
  const decoder = new TextDecoder()
  let text = ''
  let length = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    length += value.length
    if (length > maxBytes) {
      await reader.cancel()
      return undefined
    }
    text += decoder.decode(value, { stream: true })
  }
}

/** A server's words without markup and line breaks, shortened. */
const clip = (text: string): string =>
  text
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, MAX_MESSAGE)

const fail = (
  kind: 'http' | 'timeout' | 'network' | 'shape' | 'rateLimited',
  message: string,
  status?: number,
): EsploraResult => ({ ok: false, error: { kind, message, ...(status === undefined ? {} : { status }) } })
