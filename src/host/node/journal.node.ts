import {
  close,
  fdatasync,
  fsync,
  open,
  openSync,
  closeSync,
  fsyncSync,
  readdirSync,
  readFileSync,
  unlink,
  write,
} from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { RecordWrite } from '../../engine/node/ports.ts'

/**
 * An append-only journal of batches: files of frames, each written and flushed (fdatasync) before the next one begins.
 *
 * ```
 * frame:  length of the body (4)  CRC-32 of what follows (4)  number (8)  body
 * body:   per record: length of the key (4)  key  1 + length of the value, or 0 for a deletion (4)  value
 * ```
 * Integers are little-endian. Numbers follow each other without a gap, over all files. Since a frame is on disk before the next one is
 * written, only the last frame of the last file can be torn: whatever else does not check is damage, and is said, not skipped.
 */

const HEADER = 16
const NAME = /^(\d{16})\.log$/

export interface Frame {
  readonly number: number
  readonly writes: readonly RecordWrite[]
}

/** What was read is not what was written. */
export class JournalDamage extends Error {}

/** A frame's bytes. Values are copied into them. */
export function encodeFrame(number: number, batches: readonly (readonly RecordWrite[])[]): Buffer {
  let length = 0
  for (const writes of batches)
    for (const { key, value } of writes) length += 8 + Buffer.byteLength(key) + (value?.length ?? 0)
  const bytes = Buffer.allocUnsafe(HEADER + length)
  bytes.writeUInt32LE(length, 0)
  bytes.writeBigUInt64LE(BigInt(number), 8)
  let at = HEADER
  for (const writes of batches) {
    for (const { key, value } of writes) {
      const written = bytes.write(key, at + 4, 'utf8')
      bytes.writeUInt32LE(written, at)
      at += 4 + written
      bytes.writeUInt32LE(value === null ? 0 : value.length + 1, at)
      at += 4
      if (value !== null) {
        bytes.set(value, at)
        at += value.length
      }
    }
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(8)), 4)
  return bytes
}

/** The records of a frame; their values are views into it. */
export function recordsOf(frame: Buffer): RecordWrite[] {
  const writes: RecordWrite[] = []
  for (let at = HEADER; at < frame.length; ) {
    const keyLength = frame.readUInt32LE(at)
    const key = frame.toString('utf8', at + 4, at + 4 + keyLength)
    at += 4 + keyLength
    const length = frame.readUInt32LE(at)
    at += 4
    writes.push({ key, value: length === 0 ? null : frame.subarray(at, at + length - 1) })
    if (length > 0) at += length - 1
  }
  return writes
}

/** Bytes of the frame that begins at `at`, or undefined when there is no whole one. */
function frameAt(bytes: Buffer, at: number): { readonly number: number; readonly end: number } | undefined {
  if (at + HEADER > bytes.length) return undefined
  const end = at + HEADER + bytes.readUInt32LE(at)
  const number = Number(bytes.readBigUInt64LE(at + 8))
  if (end > bytes.length || crc32(bytes.subarray(at + 8, end)) !== bytes.readUInt32LE(at + 4))
    return undefined
  return { number, end }
}

/** Whether a frame with a number just above `number` begins anywhere from `from` on: then what is before it was whole once. */
function goesOn(bytes: Buffer, from: number, number: number): boolean {
  for (let at = from; at + HEADER <= bytes.length; at++) {
    // Most places are none at a glance.
    const distance = bytes.readUInt32LE(at + 8) + bytes.readUInt32LE(at + 12) * 2 ** 32 - number
    if (distance > 0 && distance < 1_000_000 && frameAt(bytes, at) !== undefined) return true
  }
  return false
}

const nameOf = (first: number): string => `${String(first).padStart(16, '0')}.log`

const filesIn = (folder: string): readonly string[] =>
  readdirSync(folder)
    .filter((name) => NAME.test(name))
    .sort()

/**
 * The frames above number `after`, in order, up to a torn end. Throws `JournalDamage` when frames are missing or spoilt that had been
 * flushed.
 */
export function readJournal(folder: string, after: number): readonly Frame[] {
  const frames: Frame[] = []
  const files = filesIn(folder)
  let last = after
  for (const [i, name] of files.entries()) {
    const bytes = readFileSync(join(folder, name))
    let at = 0
    // Files that were spilled and could not be deleted begin below; a gap above is damage.
    let expected = Number(NAME.exec(name)?.[1])
    if (expected > last + 1) throw new JournalDamage(`${name}: frames from ${last + 1} on are missing`)
    for (let frame = frameAt(bytes, at); frame?.number === expected; frame = frameAt(bytes, at)) {
      if (expected > last) {
        frames.push({ number: expected, writes: recordsOf(bytes.subarray(at, frame.end)) })
        last = expected
      }
      at = frame.end
      expected++
    }
    if (at === bytes.length) continue
    if (i < files.length - 1 && expected > last)
      throw new JournalDamage(`${name}: torn, and not the last file`)
    if (goesOn(bytes, at, expected)) throw new JournalDamage(`${name}: frame ${expected} is spoilt`)
  }
  return frames
}

const call = (run: (done: (error: Error | null) => void) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    run((error) => (error === null ? resolve() : reject(error)))
  })

/** Makes names in a folder durable. */
export function flushFolder(folder: string): void {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** The file that is being written. */
export interface JournalFile {
  /** Resolves when the frame is on disk. One at a time. */
  append(frame: Buffer): Promise<void>
  close(): Promise<void>
}

/** Begins a file in a folder that is there; its first frame will have this number. */
export async function beginFile(folder: string, first: number): Promise<JournalFile> {
  const fd = await new Promise<number>((resolve, reject) => {
    // Fails when it exists: nothing that may hold records is ever written over.
    open(join(folder, nameOf(first)), 'wx', (error, opened) =>
      error === null ? resolve(opened) : reject(error),
    )
  })
  await call((done) => fsync(fd, done))
  flushFolder(folder)
  let at = 0
  const writeAll = (bytes: Buffer, from: number, done: (error: Error | null) => void): void => {
    write(fd, bytes, from, bytes.length - from, at + from, (error, written) => {
      if (error !== null) done(error)
      else if (from + written < bytes.length) writeAll(bytes, from + written, done)
      else done(null)
    })
  }
  return {
    async append(frame) {
      await call((done) =>
        writeAll(frame, 0, (error) => {
          if (error === null) fdatasync(fd, done)
          else done(error)
        }),
      )
      at += frame.length
    },
    close: () => call((done) => close(fd, done)),
  }
}

/** Deletes the files that hold nothing above number `through`; the newest only when that is infinite. */
export async function deleteFiles(folder: string, through: number): Promise<void> {
  const files = filesIn(folder)
  for (const [i, name] of files.entries()) {
    const next = files[i + 1]
    const end = next === undefined ? Number.POSITIVE_INFINITY : Number(NAME.exec(next)?.[1])
    if (end <= through + 1) await call((done) => unlink(join(folder, name), done))
  }
}
