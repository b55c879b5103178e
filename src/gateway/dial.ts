import { lookup } from 'node:dns/promises'
import { connect, isIP, type Socket } from 'node:net'
import { isPublicAddress, type Target } from './address.ts'
import { CloseCode, type Refusal, refusal } from './codes.ts'

export interface DialOptions {
  readonly allowPrivate: boolean
  readonly timeoutMs: number
  /** A SOCKS5 proxy for onion names (Tor). */
  readonly socks?: Target
  /** How names become addresses; the system's resolver when absent. */
  readonly resolve?: (host: string) => Promise<readonly string[]>
}

export type Dialled =
  | { readonly ok: true; readonly socket: Socket }
  | { readonly ok: false; readonly error: Refusal }

const fail = (code: number, reason: string): Dialled => ({ ok: false, error: refusal(code, reason) })

const systemResolve = async (host: string): Promise<readonly string[]> =>
  (await lookup(host, { all: true })).map((entry) => entry.address)

/** Opens TCP to an address that was checked; the socket is paused and has no listeners. */
function open(ip: string, port: number, signal: AbortSignal): Promise<Socket | string> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve('ETIMEDOUT')
    const socket = connect({ host: ip, port, noDelay: true })
    socket.pause()
    const settle = (outcome: Socket | string): void => {
      signal.removeEventListener('abort', abort)
      socket.removeAllListeners()
      if (outcome !== socket) {
        socket.on('error', () => {})
        socket.destroy()
      }
      resolve(outcome)
    }
    const abort = (): void => settle('ETIMEDOUT')
    signal.addEventListener('abort', abort, { once: true })
    socket.once('connect', () => settle(socket))
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code ?? 'error'))
  })
}

/** Reads exactly `length` bytes from a paused socket; undefined when it ends or the signal fires first. */
function read(socket: Socket, length: number, signal: AbortSignal): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const settle = (bytes: Buffer | undefined): void => {
      socket.off('readable', look)
      socket.off('end', end)
      socket.off('error', end)
      signal.removeEventListener('abort', end)
      resolve(bytes)
    }
    const end = (): void => settle(undefined)
    const look = (): void => {
      const bytes = socket.read(length) as Buffer | null
      if (bytes) settle(bytes)
    }
    socket.on('readable', look)
    socket.once('end', end)
    socket.once('error', end)
    signal.addEventListener('abort', end, { once: true })
    look()
  })
}

/** SOCKS5 CONNECT by name, no authentication (RFC 1928): the proxy resolves, we never do. */
async function openOnion(socks: Target, target: Target, signal: AbortSignal): Promise<Socket | string> {
  const socket = await open(socks.host, socks.port, signal)
  if (typeof socket === 'string') return `Tor proxy: ${socket}`
  const give = (reason: string): string => {
    socket.on('error', () => {})
    socket.destroy()
    return reason
  }
  socket.write(Uint8Array.of(5, 1, 0))
  const greeting = await read(socket, 2, signal)
  if (greeting?.[0] !== 5 || greeting[1] !== 0) return give('Tor proxy: no SOCKS5')
  const name = Buffer.from(target.host, 'ascii')
  socket.write(
    Buffer.concat([
      Uint8Array.of(5, 1, 0, 3, name.length),
      name,
      Uint8Array.of(target.port >> 8, target.port & 255),
    ]),
  )
  const reply = await read(socket, 4, signal)
  if (reply?.[0] !== 5 || reply[1] !== 0) return give(`Tor proxy: refused (${reply?.[1] ?? 'no answer'})`)
  const length = reply[3] === 1 ? 4 : reply[3] === 4 ? 16 : ((await read(socket, 1, signal))?.[0] ?? 0)
  if ((await read(socket, length + 2, signal)) === undefined) return give('Tor proxy: cut short')
  socket.removeAllListeners('readable')
  socket.pause()
  return socket
}

/**
 * Resolves the name, checks every address, and connects to a checked one: a name cannot change between check and use
 * (DNS rebinding). Private ranges are refused unless allowed.
 */
export async function dial(target: Target, options: DialOptions): Promise<Dialled> {
  const where = `${target.host}:${target.port}`
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(), options.timeoutMs)
  const outcome = (result: Socket | string): Dialled => {
    if (typeof result !== 'string') return { ok: true, socket: result }
    if (abort.signal.aborted || result === 'ETIMEDOUT')
      return fail(CloseCode.dialTimeout, `${where} did not answer in time`)
    const words: Record<string, string> = {
      ECONNREFUSED: 'refused the connection',
      EHOSTUNREACH: 'cannot be reached',
      ENETUNREACH: 'cannot be reached',
    }
    return fail(CloseCode.dialFailed, `${where} ${words[result] ?? `failed: ${result}`}`)
  }
  try {
    if (target.host.endsWith('.onion')) {
      if (!options.socks) return fail(CloseCode.forbidden, 'onion names need a gateway with a Tor proxy')
      return outcome(await openOnion(options.socks, target, abort.signal))
    }
    let addresses: readonly string[]
    if (isIP(target.host) !== 0) addresses = [target.host]
    else {
      const timeout = new Promise<never>((_, reject) => {
        abort.signal.addEventListener('abort', () => reject(new Error('ETIMEDOUT')), { once: true })
      })
      try {
        addresses = await Promise.race([(options.resolve ?? systemResolve)(target.host), timeout])
      } catch {
        if (abort.signal.aborted) return outcome('ETIMEDOUT')
        return fail(CloseCode.nameNotFound, `${target.host} does not resolve`)
      }
    }
    const usable = addresses.filter((ip) => options.allowPrivate || isPublicAddress(ip)).slice(0, 4)
    if (addresses.length === 0) return fail(CloseCode.nameNotFound, `${target.host} does not resolve`)
    if (usable.length === 0)
      return fail(
        CloseCode.forbidden,
        `${target.host} is not on the public internet; this gateway stays off it`,
      )
    let last: Socket | string = 'EHOSTUNREACH'
    for (const ip of usable) {
      last = await open(ip, target.port, abort.signal)
      if (typeof last !== 'string') break
    }
    return outcome(last)
  } finally {
    clearTimeout(timer)
  }
}
