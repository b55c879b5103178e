import type { Output } from '../contract/procedures.ts'
import type { AppState } from '../contract/schemas.ts'
import { ok, type Result } from '../engine/base/result.ts'
import {
  channelsToKeep,
  contentDigest,
  copyContent,
  EXPORTED,
  keepsCopies,
  readBackupFile,
} from '../engine/node/backup.ts'
import type { ApiFailure } from '../engine/node/commands.ts'
import type { NodeSetup, NodeState } from '../engine/node/state.ts'
import { projectExit } from './exit-file.ts'

/** Copies of what brings channels back: the file, and what each peer is known to hold. */

const iso = (ms: number): string => new Date(ms).toISOString()

type Copy = AppState['backup']['copies'][number]

function copyAt(state: NodeState, nodeId: string, newest: string): Copy {
  const copy = state.copies[nodeId]
  if (copy !== undefined) {
    const holds = copy.content !== newest ? 'older' : copy.returned ? 'newest' : 'sent'
    return { nodeId, holds, madeAt: iso(copy.at) }
  }
  if (state.peers[nodeId]?.phase !== 'ready') return { nodeId, holds: 'unknown' }
  return { nodeId, holds: keepsCopies(state, nodeId) ? 'none' : 'refused' }
}

export function projectBackup(state: NodeState): AppState['backup'] {
  const [exportedAt, exported] = state.preferences[EXPORTED]?.split(' ') ?? []
  const { nodeId, backup } = state.foundBackup ?? {}
  const kept = channelsToKeep(state)
  const newest = copyContent(state)
  const exit = projectExit(state)
  return {
    ...(exit === undefined ? {} : { exit }),
    channels: kept.length,
    ...(exportedAt === undefined ? {} : { exportedAt: iso(Number(exportedAt)) }),
    exportedCurrent: exported === contentDigest(state),
    peerCopies: Object.values(state.sharedBackups).filter((content) => content === newest).length,
    copies: [...new Set(kept.map((channel) => channel.peer))].map((id) => copyAt(state, id, newest)),
    ...(nodeId === undefined || backup === undefined
      ? {}
      : { found: { nodeId, channels: backup.channels.length, createdAt: iso(backup.createdAt) } }),
  }
}

/** What a backup file holds, beside what this wallet has. `backupUnreadable` as for a restore. */
export function checkBackup(
  state: NodeState,
  setup: NodeSetup,
  file: Uint8Array,
): Result<Output<'verifyBackup'>, ApiFailure> {
  const read = readBackupFile(setup, file)
  if (!read.ok) return read
  const { createdAt, channels } = read.value
  const held = new Set(channels.map(({ id }) => id))
  return ok({
    madeAt: iso(createdAt),
    channels: held.size,
    missing: channelsToKeep(state).filter(({ id }) => !held.has(id)).length,
    unknown: [...held].filter((id) => state.channels[id] === undefined).length,
  })
}
