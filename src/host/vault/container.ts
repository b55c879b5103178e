import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { scryptAsync } from '@noble/hashes/scrypt.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { err, ok, type Result } from '../../engine/base/result.ts'
import { decodeRecord, encodeRecord } from '../../engine/records/codec.ts'
import { SCRYPT_COST, type ScryptCost } from './keyring.ts'

/**
 * The sealed file of a whole wallet (format: `container.md` beside this file). Pure but for the password's slow function: whoever has the
 * bytes and the password has the records, with nothing of the wallet running.
 *
 * ```
 *  magic │ header length │ header (in clear, authenticated) │ frame 0 │ frame 1 │ … │ last frame
 *                          kdf, nonce, box: the file's key     each: 1 MiB of the dump, sealed; 16 bytes more
 * ```
 */

/**
 * `move`: live state, to be opened on another device once. `copy`: the same for claiming what is on the chain; it grows old without
 * harm because nothing may ever bring it to life.
 */
export type ContainerKind = 'move' | 'copy'

/** What is known of a file without its password. None of it is secret, all of it is authenticated once the file is opened. */
export interface ContainerHeader {
  readonly kind: ContainerKind
  readonly network: string
  /** ms since 1970 */
  readonly created: number
  /** The epoch that the state belongs to, and which ends with a `move`. */
  readonly epoch: number
  /** The device that wrote the file: 32 hex digits. */
  readonly device: string
  /** Tells one wallet from another: 16 hex digits, see `walletFingerprint`. */
  readonly wallet: string
  /** Records in the dump. */
  readonly records: number
  /** Bytes of the dump. */
  readonly bytes: number
}

export type Records = ReadonlyMap<string, Uint8Array>

/**
 * Why a file does not open. `notOurs`: no such file at all; `version`: written by a later one; `wrongPassword`: the password, or the header
 * was changed; `damaged`: cut off, altered or inconsistent; `tooLarge`: beyond what is read.
 */
export type ContainerError = 'notOurs' | 'version' | 'wrongPassword' | 'damaged' | 'tooLarge'

const MAGIC = utf8ToBytes('switchback wallet file\n')
const VERSION = 1
const DUMP_VERSION = 1
const TAG_BYTES = 16
const KEY_BYTES = 32
const PREFIX_BYTES = 16
/** Bytes of the dump in each frame but the last. */
const FRAME_BYTES = 1024 * 1024

/**
 * The most that is read or written: the court's records of a million and a quarter states. All of it is in memory several times over while
 * it is sealed or opened: 100,000 states are 31 MB and a second, a million 307 MB, twenty seconds and 2.3 GB (Node, a laptop).
 */
export const MAX_DUMP_BYTES = 400 * 1024 * 1024
export const MAX_RECORDS = 2_000_000
const MAX_HEADER_BYTES = 4096
const MAX_KEY_BYTES = 512
/** As in the keyring: beyond this a cost is damage, and would only end the tab. */
const MAX_MEMORY = 512 * 1024 * 1024

interface StoredHeader extends ContainerHeader {
  /** scrypt (RFC 7914) of the password, normalised NFKC. */
  readonly kdf: ScryptCost & { readonly salt: Uint8Array }
  /** 24 bytes, and the file's key sealed under the password's key: 48 bytes. */
  readonly nonce: Uint8Array
  readonly box: Uint8Array
  /** The first 16 bytes of every frame's nonce. */
  readonly prefix: Uint8Array
}

/** Tells wallets apart without telling which node it is: 16 hex digits. */
export const walletFingerprint = (nodeId: string): string =>
  bytesToHex(sha256(utf8ToBytes(`switchback wallet ${nodeId}`))).slice(0, 16)

/**
 * All records as one byte string, the same for the same records: version (1 byte), count (4 bytes), then for each, sorted by name, the
 * name's length (2), the name, the value's length (4), the value. Integers are big-endian. Throws `RangeError` beyond the bounds.
 */
export function encodeDump(records: Records): Uint8Array {
  const parts = [...records]
    .map(([name, value]) => ({ name, bytes: utf8ToBytes(name), value }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const length = parts.reduce((sum, { bytes, value }) => sum + 6 + bytes.length + value.length, 5)
  if (length > MAX_DUMP_BYTES || parts.length > MAX_RECORDS)
    throw new RangeError(`a wallet of ${parts.length} records and ${length} bytes fits no file`)
  const out = new Uint8Array(length)
  const view = new DataView(out.buffer)
  out[0] = DUMP_VERSION
  view.setUint32(1, parts.length)
  let at = 5
  for (const { name, bytes, value } of parts) {
    if (bytes.length === 0 || bytes.length > MAX_KEY_BYTES) throw new RangeError(`a record named ${name}`)
    view.setUint16(at, bytes.length)
    out.set(bytes, at + 2)
    at += 2 + bytes.length
    view.setUint32(at, value.length)
    out.set(value, at + 4)
    at += 4 + value.length
  }
  return out
}

/** Reads a dump; undefined for one that is not exactly as `encodeDump` writes it. Values are copies. */
export function decodeDump(dump: Uint8Array): Records | undefined {
  const view = new DataView(dump.buffer, dump.byteOffset, dump.byteLength)
  if (dump.length < 5 || dump[0] !== DUMP_VERSION) return undefined
  const count = view.getUint32(1)
  if (count > MAX_RECORDS) return undefined
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const records = new Map<string, Uint8Array>()
  let at = 5
  let last = ''
  for (let i = 0; i < count; i++) {
    if (at + 2 > dump.length) return undefined
    const nameLength = view.getUint16(at)
    at += 2
    if (nameLength === 0 || nameLength > MAX_KEY_BYTES || at + nameLength + 4 > dump.length) return undefined
    let name: string
    try {
      name = decoder.decode(dump.subarray(at, at + nameLength))
    } catch {
      return undefined
    }
    // Strictly ascending: no record twice, and one form for one content.
    if (name <= last) return undefined
    last = name
    at += nameLength
    const length = view.getUint32(at)
    at += 4
    if (length > dump.length - at) return undefined
    records.set(name, dump.slice(at, at + length))
    at += length
  }
  return at === dump.length ? records : undefined
}

/** SHA-256 of the dump in hex: equal for equal records. */
export const recordsDigest = (records: Records): string => bytesToHex(sha256(encodeDump(records)))

const passwordKey = (password: string, kdf: StoredHeader['kdf']): Promise<Uint8Array> =>
  scryptAsync(password.normalize('NFKC'), kdf.salt, {
    N: kdf.n,
    r: kdf.r,
    p: kdf.p,
    dkLen: KEY_BYTES,
    asyncTick: 10,
    maxmem: MAX_MEMORY + 1024 * 1024,
  })

/** A frame's nonce: the file's prefix, the frame's number (7 bytes), and whether it is the last. */
function frameNonce(prefix: Uint8Array, index: number, last: boolean): Uint8Array {
  const nonce = new Uint8Array(24)
  nonce.set(prefix)
  new DataView(nonce.buffer).setUint32(PREFIX_BYTES + 3, index)
  nonce[23] = last ? 1 : 0
  return nonce
}

const frameCount = (bytes: number): number => Math.max(1, Math.ceil(bytes / FRAME_BYTES))

/** What is authenticated with the file's key: the header as far as the password's key is made of it. */
const keyContext = ({ kind, network, created, epoch, device, wallet, records, bytes, kdf }: StoredHeader) =>
  encodeRecord(VERSION, { kind, network, created, epoch, device, wallet, records, bytes, kdf })

export interface SealOptions {
  /** 32 fresh random bytes a call. */
  readonly entropy: () => Uint8Array
  /** Cheaper passwords, for tests alone. */
  readonly cost?: ScryptCost
}

/** Seals records into a file. Throws `RangeError` when they are beyond the bounds. */
export async function sealContainer(
  about: Omit<ContainerHeader, 'records' | 'bytes'>,
  records: Records,
  password: string,
  options: SealOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const { entropy, cost = SCRYPT_COST } = options
  const dump = encodeDump(records)
  const fileKey = entropy()
  const nonce = entropy().slice(0, 24)
  const open: StoredHeader = {
    kind: about.kind,
    network: about.network,
    created: about.created,
    epoch: about.epoch,
    device: about.device,
    wallet: about.wallet,
    records: records.size,
    bytes: dump.length,
    kdf: { n: cost.n, r: cost.r, p: cost.p, salt: entropy().slice(0, 16) },
    nonce,
    box: new Uint8Array(0),
    prefix: entropy().slice(0, PREFIX_BYTES),
  }
  const key = await passwordKey(password, open.kdf)
  const box = xchacha20poly1305(key, nonce, keyContext(open)).encrypt(fileKey)
  key.fill(0)
  const header = encodeRecord(VERSION, { ...open, box })
  const headerDigest = sha256(header)
  const frames = frameCount(dump.length)
  const start = MAGIC.length + 4 + header.length
  const file = new Uint8Array(start + dump.length + frames * TAG_BYTES)
  file.set(MAGIC)
  new DataView(file.buffer).setUint32(MAGIC.length, header.length)
  file.set(header, MAGIC.length + 4)
  for (let i = 0; i < frames; i++) {
    const plain = dump.subarray(i * FRAME_BYTES, (i + 1) * FRAME_BYTES)
    const frame = xchacha20poly1305(fileKey, frameNonce(open.prefix, i, i === frames - 1), headerDigest)
    file.set(frame.encrypt(plain), start + i * (FRAME_BYTES + TAG_BYTES))
  }
  fileKey.fill(0)
  dump.fill(0)
  return file
}

interface Parsed {
  readonly header: StoredHeader
  readonly headerDigest: Uint8Array
  readonly body: Uint8Array
}

/** What a file says of itself. Not to be trusted before it is opened: anybody may have written it. */
export function readHeader(file: Uint8Array): Result<ContainerHeader, ContainerError> {
  const parsed = parse(file)
  return parsed.ok ? ok(plainHeader(parsed.value.header)) : parsed
}

function plainHeader(stored: StoredHeader): ContainerHeader {
  const { kdf: _, nonce: __, box: ___, prefix: ____, ...header } = stored
  return header
}

/**
 * Opens a file. Takes as long as the password's function does, most of a second on a laptop, and nothing of the file is believed before
 * its key opens.
 */
export async function readBackup(
  file: Uint8Array,
  password: string,
): Promise<Result<{ readonly header: ContainerHeader; readonly records: Records }, ContainerError>> {
  const parsed = parse(file)
  if (!parsed.ok) return parsed
  const { header, headerDigest, body } = parsed.value
  const key = await passwordKey(password, header.kdf)
  let fileKey: Uint8Array
  try {
    fileKey = xchacha20poly1305(key, header.nonce, keyContext(header)).decrypt(header.box)
  } catch {
    return err('wrongPassword')
  } finally {
    key.fill(0)
  }
  const dump = openFrames(header, headerDigest, body, fileKey)
  fileKey.fill(0)
  if (dump === undefined) return err('damaged')
  const records = decodeDump(dump)
  dump.fill(0)
  if (records === undefined || records.size !== header.records) return err('damaged')
  return ok({ header: plainHeader(header), records })
}

function openFrames(
  header: StoredHeader,
  headerDigest: Uint8Array,
  body: Uint8Array,
  fileKey: Uint8Array,
): Uint8Array | undefined {
  const dump = new Uint8Array(header.bytes)
  const frames = frameCount(header.bytes)
  const sealed = FRAME_BYTES + TAG_BYTES
  for (let i = 0; i < frames; i++) {
    const nonce = frameNonce(header.prefix, i, i === frames - 1)
    try {
      const frame = body.subarray(i * sealed, (i + 1) * sealed)
      dump.set(xchacha20poly1305(fileKey, nonce, headerDigest).decrypt(frame), i * FRAME_BYTES)
    } catch {
      return undefined
    }
  }
  return dump
}

function parse(file: Uint8Array): Result<Parsed, ContainerError> {
  const start = MAGIC.length + 4
  if (file.length < MAGIC.length || !MAGIC.every((byte, i) => file[i] === byte)) return err('notOurs')
  if (file.length < start) return err('damaged')
  const length = new DataView(file.buffer, file.byteOffset).getUint32(MAGIC.length)
  if (length > MAX_HEADER_BYTES || start + length > file.length) return err('damaged')
  const bytes = file.subarray(start, start + length)
  const record = decodeRecord(bytes)
  if (!record.ok) return err('damaged')
  if (record.value.version !== VERSION) return err('version')
  const header = record.value.value
  if (!isHeader(header)) return err('damaged')
  if (header.bytes > MAX_DUMP_BYTES || header.records > MAX_RECORDS) return err('tooLarge')
  const body = file.subarray(start + length)
  // One length for what the header says: a file that was cut off is known as such without its password.
  if (body.length !== header.bytes + frameCount(header.bytes) * TAG_BYTES) return err('damaged')
  return ok({ header, headerDigest: sha256(bytes), body })
}

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

const hasBytes = (value: unknown, length: number): value is Uint8Array =>
  value instanceof Uint8Array && value.length === length

const isHex = (value: unknown, digits: number): value is string =>
  typeof value === 'string' && value.length === digits && /^[0-9a-f]*$/.test(value)

function isHeader(value: unknown): value is StoredHeader {
  if (typeof value !== 'object' || value === null) return false
  const header = value as Partial<StoredHeader>
  if (header.kind !== 'move' && header.kind !== 'copy') return false
  if (typeof header.network !== 'string' || header.network.length > 32) return false
  if (!isHex(header.device, 32) || !isHex(header.wallet, 16)) return false
  if (![header.created, header.epoch, header.records, header.bytes].every(isCount)) return false
  if (!hasBytes(header.nonce, 24) || !hasBytes(header.box, KEY_BYTES + TAG_BYTES)) return false
  return hasBytes(header.prefix, PREFIX_BYTES) && isKdf(header.kdf)
}

function isKdf(value: unknown): value is StoredHeader['kdf'] {
  if (typeof value !== 'object' || value === null) return false
  const { n, r, p, salt } = value as Partial<StoredHeader['kdf']>
  if (!isCount(n) || !isCount(r) || !isCount(p) || !hasBytes(salt, 16)) return false
  if (n < 2 || n > 2 ** 22 || (n & (n - 1)) !== 0 || r < 1 || r > 64 || p < 1 || p > 16) return false
  return 128 * n * r <= MAX_MEMORY
}
