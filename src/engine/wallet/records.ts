import { err, ok, type Result } from '../base/result.ts'
import { MAX_SAT, type Sat, sat } from '../base/units.ts'
import { NETWORKS, type NetworkName } from '../bitcoin/network.ts'
import { decodeTx, encodeTx, txidOf } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import type { KeyPath, Purpose } from './keys.ts'
import type {
  Branch,
  Reservation,
  ReservationPurpose,
  Spend,
  SpendInput,
  TxKind,
  WalletState,
  WalletTx,
} from './types.ts'

/**
 * The wallet as records. What follows from other records (coins, balances, which addresses are used) is not stored, so a
 * change writes the transactions, ranges of scripts and reservations that it touched and nothing else. No secret is among
 * them: a wallet can be shown while it is locked.
 */

/** Versions of the record kinds; a change of a kind's fields raises its number. */
export const WALLET_RECORD_VERSIONS = {
  'wallet/meta': 1,
  'wallet/branch': 1,
  'wallet/scripts': 1,
  'wallet/tx': 1,
  'wallet/reservation': 1,
} as const

export type WalletRecordKind = keyof typeof WALLET_RECORD_VERSIONS

/** `value` is a plain object of numbers, bigints, strings, booleans, null, bytes, arrays and such objects; null deletes. */
export interface WalletRecord {
  /** Begins with the kind: `wallet/tx/<txid>`. */
  readonly key: string
  readonly version: number
  readonly value: Readonly<Record<string, unknown>> | null
}

/** Scripts in one record: one gap. */
const CHUNK = 20

const record = (kind: WalletRecordKind, rest: string, value: WalletRecord['value']): WalletRecord => ({
  key: rest === '' ? kind : `${kind}/${rest}`,
  version: WALLET_RECORD_VERSIONS[kind],
  value,
})

/** The records to write so that a store that holds `prev` holds `next`; all of them when there is no `prev`. */
export function walletRecords(prev: WalletState | undefined, next: WalletState): readonly WalletRecord[] {
  const out: WalletRecord[] = []
  if (prev === undefined || prev.gapLimit !== next.gapLimit || prev.network !== next.network)
    out.push(record('wallet/meta', '', { network: next.network, gapLimit: next.gapLimit }))
  next.branches.forEach((branch, b) => {
    out.push(...branchRecords(prev?.branches[b], branch, b))
  })
  diff(prev?.txs ?? {}, next.txs, (txid, t) =>
    out.push(record('wallet/tx', txid, t === undefined ? null : writeTx(t))),
  )
  diff(prev?.reservations ?? {}, next.reservations, (id, r) =>
    out.push(
      record(
        'wallet/reservation',
        id,
        r === undefined ? null : { purpose: r.purpose, spend: writeSpend(r.spend) },
      ),
    ),
  )
  return out
}

function diff<T>(
  prev: Readonly<Record<string, T>>,
  next: Readonly<Record<string, T>>,
  changed: (key: string, value: T | undefined) => void,
): void {
  if (prev === next) return
  for (const [key, value] of Object.entries(next)) if (prev[key] !== value) changed(key, value)
  for (const key of Object.keys(prev)) if (!Object.hasOwn(next, key)) changed(key, undefined)
}

function branchRecords(prev: Branch | undefined, next: Branch, position: number): WalletRecord[] {
  if (prev === next) return []
  const { purpose, change, handedOut, scripts } = next
  const name = `${purpose}/${change}`
  const out: WalletRecord[] = []
  if (prev?.handedOut !== handedOut || prev.scripts.length !== scripts.length)
    out.push(record('wallet/branch', name, { position, handedOut, count: scripts.length }))
  // Scripts are only ever appended: what lies before the old end is in the store already.
  const from = prev?.scripts.length ?? 0
  for (let chunk = Math.floor(from / CHUNK); chunk * CHUNK < scripts.length; chunk++) {
    if (scripts.length === from) break
    const part = scripts.slice(chunk * CHUNK, (chunk + 1) * CHUNK)
    out.push(record('wallet/scripts', `${name}/${chunk}`, { scripts: part }))
  }
  return out
}

const writeTx = (t: WalletTx): Record<string, unknown> => ({
  raw: encodeTx(t.tx),
  height: t.height,
  seenIn: t.seenIn,
  own: t.own,
  seq: t.seq,
  timeSec: t.timeSec,
  kind: t.kind,
  label: t.label,
  feeSat: t.feeSat ?? null,
})

const writePath = ({ purpose, change, index }: KeyPath): Record<string, unknown> => ({
  purpose,
  change,
  index,
})

const writeSpend = (s: Spend): Record<string, unknown> => ({
  raw: encodeTx(s.tx),
  inputs: s.inputs.map(({ outpoint, valueSat, script, path }) => ({
    txid: outpoint.txid,
    vout: outpoint.vout,
    valueSat,
    script,
    path: writePath(path),
  })),
  feeSat: s.feeSat,
  weight: s.weight,
  outputIndexes: s.outputIndexes,
  change: s.change
    ? { outputIndex: s.change.outputIndex, valueSat: s.change.valueSat, path: writePath(s.change.path) }
    : null,
  replaces: s.replaces ?? null,
})

export interface WalletLoadError {
  /** `record_too_new`: written by a later version of the program, which must not be touched (house law 8). */
  readonly code: 'record_too_new' | 'record_invalid' | 'record_missing'
  readonly key: string
}

/** The state that records hold, in any order. Records of other rooms are left aside; nothing is repaired silently. */
export function loadWallet(records: readonly WalletRecord[]): Result<WalletState, WalletLoadError> {
  let meta: { network: NetworkName; gapLimit: number } | undefined
  const branches: (Omit<Branch, 'scripts'> & { position: number; count: number })[] = []
  const chunks = new Map<string, readonly Uint8Array[]>()
  const txs: Record<string, WalletTx> = {}
  const reservations: Record<string, Reservation> = {}
  for (const { key, version, value } of records) {
    const [room, name, ...path] = key.split('/')
    const kind = `${room}/${name}`
    if (room !== 'wallet' || value === null) continue
    if (!isKind(kind)) return err({ code: 'record_too_new', key })
    if (version > WALLET_RECORD_VERSIONS[kind]) return err({ code: 'record_too_new', key })
    try {
      const f = new Fields(value)
      const rest = path.join('/')
      if (kind === 'wallet/meta') meta = { network: f.network('network'), gapLimit: f.count('gapLimit') }
      else if (kind === 'wallet/branch')
        branches.push({
          purpose: purposeOf(path[0]),
          change: path[1] === '1' ? 1 : 0,
          position: f.count('position'),
          count: f.count('count'),
          handedOut: f.count('handedOut'),
        })
      else if (kind === 'wallet/scripts') chunks.set(rest, f.list('scripts', bytes))
      else if (kind === 'wallet/tx') txs[rest] = readTx(f, rest)
      else
        reservations[rest] = {
          id: rest,
          purpose: f.reservation('purpose'),
          spend: readSpend(f.object('spend')),
        }
    } catch (e) {
      if (e instanceof Invalid) return err({ code: 'record_invalid', key })
      throw e
    }
  }
  if (meta === undefined) return err({ code: 'record_missing', key: 'wallet/meta' })
  const full: Branch[] = []
  for (const { purpose, change, handedOut, count } of branches.sort((a, b) => a.position - b.position)) {
    const scripts: Uint8Array[] = []
    for (let chunk = 0; scripts.length < count; chunk++) {
      const key = `${purpose}/${change}/${chunk}`
      const part = chunks.get(key)
      if (part === undefined || part.length === 0)
        return err({ code: 'record_missing', key: `wallet/scripts/${key}` })
      scripts.push(...part)
    }
    full.push({ purpose, change, scripts: scripts.slice(0, count), handedOut })
  }
  if (full.length === 0) return err({ code: 'record_missing', key: 'wallet/branch' })
  return ok({ ...meta, branches: full, txs, reservations })
}

class Invalid extends Error {}

const isKind = (kind: string): kind is WalletRecordKind => Object.hasOwn(WALLET_RECORD_VERSIONS, kind)

const bytes = (v: unknown): Uint8Array => {
  if (v instanceof Uint8Array) return v
  throw new Invalid()
}
const text = (v: unknown): string => {
  if (typeof v === 'string') return v
  throw new Invalid()
}
const natural = (v: unknown): number => {
  if (typeof v === 'number' && Number.isSafeInteger(v) && v >= 0) return v
  throw new Invalid()
}
const amount = (v: unknown): Sat => {
  if (typeof v === 'bigint' && v >= 0n && v <= MAX_SAT) return sat(v)
  throw new Invalid()
}
const oneOf = <T extends string>(v: unknown, ...choices: readonly T[]): T => {
  const found = choices.find((c) => c === v)
  if (found === undefined) throw new Invalid()
  return found
}
const purposeOf = (v: unknown): Purpose => {
  if (v === 84 || v === '84') return 84
  if (v === 86 || v === '86') return 86
  throw new Invalid()
}
const transaction = (v: unknown): Tx => {
  const tx = decodeTx(bytes(v))
  if (!tx.ok) throw new Invalid()
  return tx.value
}

/** Reads the fields of one record; throws `Invalid` at the first that is not what it should be. */
class Fields {
  private readonly value: Readonly<Record<string, unknown>>
  constructor(value: unknown) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Invalid()
    this.value = value as Readonly<Record<string, unknown>>
  }
  get(name: string): unknown {
    return Object.hasOwn(this.value, name) ? this.value[name] : undefined
  }
  count(name: string): number {
    return natural(this.get(name))
  }
  optional<T>(name: string, read: (v: unknown) => T): T | null {
    const v = this.get(name)
    return v === null ? null : read(v)
  }
  list<T>(name: string, read: (v: unknown) => T): readonly T[] {
    const v = this.get(name)
    if (!Array.isArray(v)) throw new Invalid()
    return v.map(read)
  }
  object(name: string): Fields {
    return new Fields(this.get(name))
  }
  flag(name: string): boolean {
    const v = this.get(name)
    if (typeof v !== 'boolean') throw new Invalid()
    return v
  }
  network(name: string): NetworkName {
    return oneOf(this.get(name), ...(Object.keys(NETWORKS) as NetworkName[]))
  }
  reservation(name: string): ReservationPurpose {
    return oneOf(this.get(name), 'send', 'funding', 'bump', 'claim')
  }
}

const KINDS: readonly TxKind[] = ['receive', 'send', 'funding', 'close', 'sweep', 'child']

function readTx(f: Fields, txid: string): WalletTx {
  const tx = transaction(f.get('raw'))
  // The id is the key: a record under a wrong one would let two records stand for one transaction.
  if (txidOf(tx) !== txid) throw new Invalid()
  const feeSat = f.optional('feeSat', amount)
  return {
    tx,
    height: f.optional('height', natural),
    seenIn: f.list('seenIn', text),
    own: f.flag('own'),
    seq: f.count('seq'),
    timeSec: f.count('timeSec'),
    kind: f.optional('kind', (v) => oneOf(v, ...KINDS)),
    label: text(f.get('label')),
    ...(feeSat === null ? {} : { feeSat }),
  }
}

const readPath = (v: unknown): KeyPath => {
  const f = new Fields(v)
  return {
    purpose: purposeOf(f.get('purpose')),
    change: f.count('change') === 1 ? 1 : 0,
    index: f.count('index'),
  }
}

const readInput = (v: unknown): SpendInput => {
  const f = new Fields(v)
  return {
    outpoint: { txid: text(f.get('txid')), vout: f.count('vout') },
    valueSat: amount(f.get('valueSat')),
    script: bytes(f.get('script')),
    path: readPath(f.get('path')),
  }
}

function readSpend(f: Fields): Spend {
  const change = f.optional('change', (v) => {
    const c = new Fields(v)
    return {
      outputIndex: c.count('outputIndex'),
      valueSat: amount(c.get('valueSat')),
      path: readPath(c.get('path')),
    }
  })
  const replaces = f.optional('replaces', text)
  return {
    tx: transaction(f.get('raw')),
    inputs: f.list('inputs', readInput),
    feeSat: amount(f.get('feeSat')),
    weight: f.count('weight'),
    outputIndexes: f.list('outputIndexes', natural),
    ...(change === null ? {} : { change }),
    ...(replaces === null ? {} : { replaces }),
  }
}
