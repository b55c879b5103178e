import { isIP } from 'node:net'

export interface Limits {
  readonly connections: number
  readonly connectionsPerClient: number
  readonly dialsPerMinute: number
  /** Both directions together. */
  readonly bytesPerHour: number
  /** Nothing passes in either direction for this long: closed. */
  readonly idleMs: number
  readonly pingMs: number
  readonly dialMs: number
  /** The largest frame a client may send, bytes. */
  readonly frameBytes: number
  /** Above this many bytes on their way to a client its peer is not read. */
  readonly highWaterBytes: number
}

/** A phone with a few peers is far below these; a scanner or a file transfer is above. */
export const DEFAULT_LIMITS: Limits = {
  connections: 4_000,
  connectionsPerClient: 24,
  dialsPerMinute: 60,
  bytesPerHour: 512 * 1024 * 1024,
  idleMs: 5 * 60_000,
  pingMs: 30_000,
  dialMs: 12_000,
  frameBytes: 1024 * 1024,
  highWaterBytes: 256 * 1024,
}

interface Account {
  open: number
  /** Tokens of a bucket that refills at `dialsPerMinute`. */
  dials: number
  dialsAt: number
  bytes: number
  bytesSince: number
}

/** One client is one IPv4 address or one IPv6 /64, which is what one subscriber gets. */
export function clientKey(address: string): string {
  const ip = address.replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, '')
  if (isIP(ip) !== 6) return ip
  const [head = '', tail = ''] = ip.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === '' ? [] : tail.split(':')
  const groups = ip.includes('::')
    ? [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right]
    : left
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}

/** What each client has open and has used. Accounts without use are dropped, so their number is bounded by use. */
export class Accounts {
  readonly #limits: Limits
  readonly #now: () => number
  readonly #accounts = new Map<string, Account>()
  #open = 0

  constructor(limits: Limits, now: () => number = Date.now) {
    this.#limits = limits
    this.#now = now
  }

  get open(): number {
    return this.#open
  }

  #account(client: string): Account {
    const now = this.#now()
    let account = this.#accounts.get(client)
    if (!account) {
      if (this.#accounts.size >= 10_000) this.sweep()
      account = { open: 0, dials: this.#limits.dialsPerMinute, dialsAt: now, bytes: 0, bytesSince: now }
      this.#accounts.set(client, account)
    }
    const refill = ((now - account.dialsAt) / 60_000) * this.#limits.dialsPerMinute
    account.dials = Math.min(this.#limits.dialsPerMinute, account.dials + refill)
    account.dialsAt = now
    if (now - account.bytesSince >= 3_600_000) {
      account.bytes = 0
      account.bytesSince = now
    }
    return account
  }

  /** Takes a place for one more connection, or says in words why there is none. */
  enter(client: string): string | undefined {
    const account = this.#account(client)
    if (this.#open >= this.#limits.connections) return 'this gateway is full; try another'
    if (account.open >= this.#limits.connectionsPerClient)
      return `at most ${this.#limits.connectionsPerClient} connections at a time`
    if (account.dials < 1) return `at most ${this.#limits.dialsPerMinute} new connections a minute`
    account.dials -= 1
    account.open++
    this.#open++
    return undefined
  }

  leave(client: string): void {
    const account = this.#accounts.get(client)
    if (account) account.open--
    this.#open--
  }

  /** Counts bytes; false once the hour's allowance is used up. */
  spend(client: string, bytes: number): boolean {
    const account = this.#account(client)
    account.bytes += bytes
    return account.bytes <= this.#limits.bytesPerHour
  }

  /** Forgets clients with nothing open whose allowances are whole again. */
  sweep(): void {
    for (const [client] of this.#accounts) {
      const account = this.#account(client)
      if (account.open === 0 && account.bytes === 0 && account.dials >= this.#limits.dialsPerMinute)
        this.#accounts.delete(client)
    }
  }
}
