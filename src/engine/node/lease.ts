import { toHex } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import type { Entropy } from '../crypto/entropy.ts'
import { decodeRecord, encodeRecord } from '../records/codec.ts'
import type { RecordWrite } from './ports.ts'

/**
 * Who may go on with the live state of this wallet. A state that two devices go on with loses money: each would revoke what the other
 * still holds. So a state belongs to an epoch, an epoch to one device, and a move ends one and begins the next.
 *
 * ```
 *  device A, epoch n ──retire──► handed out ═══file═══► device B: take over ──► epoch n + 1, channels unproven
 *        │  ▲                        │                                                   │ peer's copy and channel_reestablish
 *        │  └── take over, n + 1 ────┘                                                   ▼
 *        └─ a peer's copy, or its proof, is of another device ─► elsewhere            goes on
 * ```
 */
export interface Lease {
  /** 0 for a wallet that was never moved; one more with every move. */
  readonly epoch: number
  /** Drawn when the wallet came to this device: 32 hex digits. Empty until the first turn. */
  readonly device: string
  /** The epoch has ended here: its state was handed out as a file, and nothing goes on before another epoch begins. */
  readonly retired?: { readonly at: number }
  /** A peer has shown that the wallet goes on elsewhere, by its copy or by a secret of ours: nothing goes on here. */
  readonly elsewhere?: {
    readonly at: number
    /** The epoch and the device of the copy, and the peer that kept it. Without a copy: our epoch, no device, and the peer that proved it. */
    readonly epoch: number
    readonly device: string
    readonly peer: string
  }
  /**
   * The user has brought the wallet here knowing that another device had gone on with it: channels that did are given up to their peers
   * now, instead of everything standing still again.
   */
  readonly insists?: true
}

export const LEASE_KEY = 'lease'
const VERSION = 1
const DEVICE_BYTES = 16
/** Epochs are counted by hand, one a move: far above any real one, and far below where numbers end. */
export const MAX_EPOCH = 2 ** 31

export const FIRST_LEASE: Lease = { epoch: 0, device: '' }

/** Whether nothing may go on here: no peer, no signature, no broadcast. */
export const isHalted = (lease: Lease): boolean =>
  lease.retired !== undefined || lease.elsewhere !== undefined

export const newDevice = (entropy: Pick<Entropy, 'bytes'>): string => toHex(entropy.bytes(DEVICE_BYTES))

export const leaseWrite = (lease: Lease): RecordWrite => ({
  key: LEASE_KEY,
  value: encodeRecord(VERSION, lease),
})

const isEpoch = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_EPOCH

/** The stored lease; a wallet from before there were any has the first one. One that cannot be read is never taken for none. */
export function loadLease(records: ReadonlyMap<string, Uint8Array>): Result<Lease> {
  const bytes = records.get(LEASE_KEY)
  if (bytes === undefined) return ok(FIRST_LEASE)
  const decoded = decodeRecord(bytes)
  if (!decoded.ok) return err(`${LEASE_KEY}: ${decoded.error}`)
  if (decoded.value.version !== VERSION) return err(`${LEASE_KEY}: version ${decoded.value.version}`)
  const lease = decoded.value.value as Partial<Lease> | null
  if (!isEpoch(lease?.epoch) || typeof lease?.device !== 'string') return err(`${LEASE_KEY}: damaged`)
  return ok(lease as Lease)
}

/** The write that hands the wallet out. Its state ends with it. */
export const retire = (lease: Lease, now: number): RecordWrite =>
  leaseWrite({ epoch: lease.epoch, device: lease.device, retired: { at: now } })
