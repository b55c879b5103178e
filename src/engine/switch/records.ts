import { err, ok, type Result } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { decodeRecord, encodeRecord } from '../records/codec.ts'
import type { SeenOnions } from './replay.ts'
import { bucketOf } from './replay.ts'
import type { Circuit, ForwardTotals } from './types.ts'

/** What the switch stores: a record a circuit, one an onion, one for what all forwards brought. */

const VERSION = 1
const CIRCUIT = 'circuit/'
const ONION = 'onion/'
const TOTALS = 'forwards/totals'

export const circuitRecord = (circuit: Circuit) => ({
  key: CIRCUIT + circuit.key,
  value: encodeRecord(VERSION, circuit),
})
export const circuitGone = (key: string) => ({ key: CIRCUIT + key, value: null })
export const onionRecord = (id: string, expiry: number) => ({
  key: ONION + id,
  value: encodeRecord(VERSION, expiry),
})
export const onionGone = (id: string) => ({ key: ONION + id, value: null })
export const totalsRecord = (totals: ForwardTotals) => ({ key: TOTALS, value: encodeRecord(VERSION, totals) })

export interface StoredSwitch {
  readonly circuits: Readonly<Record<string, Circuit>>
  readonly seenOnions: SeenOnions
  readonly forwards: ForwardTotals
}

export const EMPTY_SWITCH: StoredSwitch = {
  circuits: {},
  seenOnions: {},
  forwards: { count: 0, amountMsat: msat(0), feeMsat: msat(0), lostMsat: msat(0) },
}

export function loadSwitch(records: ReadonlyMap<string, Uint8Array>): Result<StoredSwitch> {
  const circuits: Record<string, Circuit> = {}
  const onions: Record<string, Record<string, number>> = {}
  let { forwards } = EMPTY_SWITCH
  for (const [key, bytes] of records) {
    if (!key.startsWith(CIRCUIT) && !key.startsWith(ONION) && key !== TOTALS) continue
    const decoded = decodeRecord(bytes)
    if (!decoded.ok) return err(`${key}: ${decoded.error}`)
    if (decoded.value.version !== VERSION) return err(`${key}: version ${decoded.value.version}`)
    const { value } = decoded.value
    if (key === TOTALS) forwards = value as ForwardTotals
    else if (key.startsWith(CIRCUIT)) circuits[key.slice(CIRCUIT.length)] = value as Circuit
    else {
      const id = key.slice(ONION.length)
      const bucket = onions[bucketOf(id)] ?? {}
      bucket[id] = value as number
      onions[bucketOf(id)] = bucket
    }
  }
  return ok({ circuits, seenOnions: onions, forwards })
}
