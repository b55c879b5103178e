import { loadChannels } from '../../engine/channel/records.ts'
import type { Channel } from '../../engine/channel/types.ts'

/** What is stored of a channel, by the records that a real node writes. */

/** The records on a disk after some writes. */
export const records = (
  writes: readonly { readonly key: string; readonly value: Uint8Array | null }[],
  over: ReadonlyMap<string, Uint8Array> = new Map(),
): Map<string, Uint8Array> => {
  const disk = new Map(over)
  for (const { key, value } of writes) {
    if (value === null) disk.delete(key)
    else disk.set(key, value)
  }
  return disk
}

/** Whether two disks hold the same bytes under the same keys. */
export const sameRecords = (
  a: ReadonlyMap<string, Uint8Array>,
  b: ReadonlyMap<string, Uint8Array>,
): boolean =>
  a.size === b.size &&
  [...a].every(([key, bytes]) => {
    const other = b.get(key)
    return other !== undefined && Buffer.compare(bytes, other) === 0
  })

/** The channel that a disk holds, or why there is none. */
export function load(disk: ReadonlyMap<string, Uint8Array>): Channel | string {
  const loaded = loadChannels(disk)
  if (!loaded.ok) return `the records cannot be loaded: ${loaded.error}`
  return Object.values(loaded.value)[0] ?? 'no channel is loaded'
}
