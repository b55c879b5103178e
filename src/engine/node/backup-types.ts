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
}

/** A copy that a peer has given back. */
export interface FoundBackup {
  /** Who kept it. */
  readonly nodeId: string
  readonly backup: Backup
}
