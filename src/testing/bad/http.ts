import type { EsploraRequest } from '../../engine/chain/esplora.ts'
import type { SimChain } from '../sim/chain.ts'

/** How a server answers instead of properly. */
export type Mood = 'html' | 'tooMany' | 'notice' | 'error500' | 'cut' | 'silence' | 'otherJson' | 'empty'

/** `fetch` over a made-up chain, as Esplora servers answer, with moods: what is at the other end of a client that is the real one. */
export function fetchOver(chain: SimChain, mood: (url: URL) => Mood | undefined): typeof fetch {
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    const signal = init?.signal
    switch (mood(url)) {
      case 'html':
        return reply('<!doctype html><html><body>Please sign in to the network</body></html>', 200)
      case 'tooMany':
        return reply('Too Many Requests', 429)
      case 'notice':
        return reply('{"error":"You have exceeded your request limit"}', 200)
      case 'error500':
        return reply('upstream failure', 502)
      case 'otherJson':
        return reply('{"ok":true,"data":[1,2,3]}', 200)
      case 'empty':
        return reply('', 200)
      case 'cut':
        throw new TypeError('fetch failed')
      case 'silence':
        return new Promise((_, reject) => {
          signal?.addEventListener('abort', () => reject(new Error('aborted')))
        })
      case undefined:
    }
    const request = read(url.pathname.replace(/^\/api/, ''), init)
    if (request === undefined) return reply('endpoint does not exist', 404)
    const answer = chain.answer(request)
    if (answer.ok)
      return reply(typeof answer.value === 'string' ? answer.value : JSON.stringify(answer.value), 200)
    return reply(answer.error.message, answer.error.status ?? 500)
  }
}

const reply = (body: string, status: number): Response => new Response(body, { status })

function read(path: string, init: RequestInit | undefined): EsploraRequest | undefined {
  const [room, id = '', what = '', rest = ''] = path.slice(1).split('/')
  if (path === '/blocks/tip/hash') return { kind: 'tipHash' }
  if (path === '/fee-estimates') return { kind: 'feeEstimates' }
  if (room === 'blocks') return { kind: 'blocks', height: id === '' ? null : Number(id) }
  if (room === 'block-height') return { kind: 'blockHash', height: Number(id) }
  if (room === 'block') return { kind: 'blockHeader', hash: id }
  if (path === '/tx' && init?.method === 'POST')
    return { kind: 'broadcast', hex: typeof init.body === 'string' ? init.body : '' }
  if (room === 'tx' && what === 'hex') return { kind: 'tx', txid: id }
  if (room === 'tx' && what === 'merkle-proof') return { kind: 'merkleProof', txid: id }
  if (room === 'tx' && what === 'outspend') return { kind: 'outspend', txid: id, vout: Number(rest) }
  if (room === 'scripthash' && what === 'txs')
    return { kind: 'history', scriptHash: id, after: path.split('/')[5] ?? null }
  return undefined
}
