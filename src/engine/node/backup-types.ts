import type { ChannelBackup } from '../channel/restore.ts'

/** All that a copy of the channels holds. */
export interface Backup {
  readonly network: string
  readonly nodeId: string
  /** ms since 1970 */
  readonly createdAt: number
  readonly channels: readonly ChannelBackup[]
  /** Where their peers were last reached, by node id. */
  readonly addresses: Readonly<Record<string, string>>
  /** Which device went on with the wallet, in which epoch (`lease.ts`); absent in copies from before there were epochs. */
  readonly lease?: { readonly epoch: number; readonly device: string }
  /** Of the channels: those whose live state that device does not have, since they were brought back from a copy themselves. */
  readonly lost?: readonly string[]
}

/** A copy that a peer has given back. */
export interface FoundBackup {
  /** Who kept it. */
  readonly nodeId: string
  readonly backup: Backup
}
