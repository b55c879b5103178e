import { fromHex, reversed, toHex } from '../base/bytes.ts'
import { err, invariant, ok, type Result } from '../base/result.ts'
import { MAX_SAT, type Sat, sat } from '../base/units.ts'
import { hash256 } from '../crypto/hash.ts'
import type { Tx, Txid, TxInput, TxOutput } from './types.ts'

/** Signature hash types (Bitcoin consensus; BIP 143). */
export const SIGHASH_ALL = 0x01
export const SIGHASH_NONE = 0x02
export const SIGHASH_SINGLE = 0x03
export const SIGHASH_ANYONECANPAY = 0x80

/** BIP 125: the highest sequence that signals replaceability; also enables locktimes. */
export const SEQUENCE_RBF = 0xfffffffd
/** Final: neither locktime nor BIP 68 nor BIP 125. */
export const SEQUENCE_FINAL = 0xffffffff

/** Bitcoin Core's relay limit of a transaction's weight (MAX_STANDARD_TX_WEIGHT); BOLT 5 counts with it too. */
export const MAX_STANDARD_TX_WEIGHT = 400_000
/** No transaction is longer: a block's weight limit is 4,000,000 and every byte weighs at least 1. */
export const MAX_TX_BYTES = 4_000_000

const ZERO_HASH = new Uint8Array(32)
const MIN_INPUT_BYTES = 41
const MIN_OUTPUT_BYTES = 9

// ---- writing -------------------------------------------------------------------------------------------------------

/** Bytes that a CompactSize integer takes. */
export const compactSizeLength = (n: number): number =>
  n < 0xfd ? 1 : n <= 0xffff ? 3 : n <= 0xffffffff ? 5 : 9

/** A cursor over a buffer of the exact final length: transactions are measured first and then written once. */
interface Cursor {
  readonly bytes: Uint8Array
  readonly view: DataView
  at: number
}

const cursor = (length: number): Cursor => {
  const bytes = new Uint8Array(length)
  return { bytes, view: new DataView(bytes.buffer), at: 0 }
}

function putU32(c: Cursor, n: number): void {
  c.view.setUint32(c.at, n, true)
  c.at += 4
}

function putBytes(c: Cursor, b: Uint8Array): void {
  c.bytes.set(b, c.at)
  c.at += b.length
}

function putCompactSize(c: Cursor, n: number): void {
  if (n < 0xfd) c.bytes[c.at++] = n
  else if (n <= 0xffff) {
    c.bytes[c.at] = 0xfd
    c.view.setUint16(c.at + 1, n, true)
    c.at += 3
  } else {
    invariant(n <= 0xffffffff, 'compact size above 32 bits')
    c.bytes[c.at] = 0xfe
    c.view.setUint32(c.at + 1, n, true)
    c.at += 5
  }
}

function putVarBytes(c: Cursor, b: Uint8Array): void {
  putCompactSize(c, b.length)
  putBytes(c, b)
}

function putOutPoint(c: Cursor, input: TxInput): void {
  putBytes(c, txidToBytes(input.outpoint.txid))
  putU32(c, input.outpoint.vout)
}

function putOutput(c: Cursor, output: TxOutput): void {
  c.view.setBigInt64(c.at, output.valueSat, true)
  c.at += 8
  putVarBytes(c, output.script)
}

const varBytesLength = (b: Uint8Array): number => compactSizeLength(b.length) + b.length
const outputLength = (o: TxOutput): number => 8 + varBytesLength(o.script)
const hasWitness = (tx: Tx): boolean => tx.inputs.some((i) => i.witness.length > 0)

function witnessStackLength(stack: readonly Uint8Array[]): number {
  let n = compactSizeLength(stack.length)
  for (const item of stack) n += varBytesLength(item)
  return n
}

/** Bytes of the serialization without witnesses. */
function baseLength(tx: Tx): number {
  let n = 8 + compactSizeLength(tx.inputs.length) + compactSizeLength(tx.outputs.length)
  for (const i of tx.inputs) n += 40 + varBytesLength(i.scriptSig)
  for (const o of tx.outputs) n += outputLength(o)
  return n
}

/** Bytes that witnesses add: marker, flag and every stack (BIP 144); 0 when there is no witness. */
function witnessLength(tx: Tx): number {
  if (!hasWitness(tx)) return 0
  let n = 2
  for (const i of tx.inputs) n += witnessStackLength(i.witness)
  return n
}

/**
 * Serializes a transaction (BIP 144). With `witness: false`, or when no input has one, the form that txids are made of.
 * Throws only on values of our own that do not fit (more than 2^32 items).
 */
export function encodeTx(tx: Tx, options: { readonly witness?: boolean } = {}): Uint8Array {
  const witness = options.witness !== false && hasWitness(tx)
  const c = cursor(baseLength(tx) + (witness ? witnessLength(tx) : 0))
  c.view.setInt32(0, tx.version, true)
  c.at = 4
  if (witness) {
    c.bytes[c.at++] = 0
    c.bytes[c.at++] = 1
  }
  putCompactSize(c, tx.inputs.length)
  for (const i of tx.inputs) {
    putOutPoint(c, i)
    putVarBytes(c, i.scriptSig)
    putU32(c, i.sequence)
  }
  putCompactSize(c, tx.outputs.length)
  for (const o of tx.outputs) putOutput(c, o)
  if (witness) {
    for (const i of tx.inputs) {
      putCompactSize(c, i.witness.length)
      for (const item of i.witness) putVarBytes(c, item)
    }
  }
  putU32(c, tx.locktime)
  return c.bytes
}

// ---- reading -------------------------------------------------------------------------------------------------------

class Malformed extends Error {}

interface Reader {
  readonly bytes: Uint8Array
  readonly view: DataView
  at: number
}

function take(r: Reader, n: number): number {
  const at = r.at
  if (at + n > r.bytes.length) throw new Malformed('unexpected end')
  r.at = at + n
  return at
}

const getU32 = (r: Reader): number => r.view.getUint32(take(r, 4), true)
const getBytes = (r: Reader, n: number): Uint8Array => {
  const at = take(r, n)
  return r.bytes.slice(at, at + n)
}

/** A CompactSize in its shortest form (Bitcoin Core refuses any other), at most what the rest of the input can hold. */
function getCount(r: Reader, what: string, minItemBytes: number): number {
  const first = r.bytes[take(r, 1)] as number
  let n = first
  if (first === 0xfd) {
    n = r.view.getUint16(take(r, 2), true)
    if (n < 0xfd) throw new Malformed(`${what}: size not minimal`)
  } else if (first === 0xfe) {
    n = getU32(r)
    if (n <= 0xffff) throw new Malformed(`${what}: size not minimal`)
  } else if (first === 0xff) throw new Malformed(`${what}: absurd count`)
  if (n * minItemBytes > r.bytes.length - r.at) throw new Malformed(`${what}: absurd count`)
  return n
}

const getVarBytes = (r: Reader, what: string): Uint8Array => getBytes(r, getCount(r, what, 1))

function readTx(r: Reader): Tx {
  const version = r.view.getInt32(take(r, 4), true)
  // BIP 144: a zero where the input count stands is the marker of the extended form.
  const segwit = r.bytes[r.at] === 0
  if (segwit && r.bytes[r.at + 1] !== 1) throw new Malformed('no inputs')
  if (segwit) r.at += 2
  const inputs: TxInput[] = []
  const inputCount = getCount(r, 'inputs', MIN_INPUT_BYTES)
  if (inputCount === 0) throw new Malformed('no inputs')
  for (let i = 0; i < inputCount; i++) {
    const txid = txidFromBytes(getBytes(r, 32))
    const vout = getU32(r)
    const scriptSig = getVarBytes(r, 'scriptSig')
    inputs.push({ outpoint: { txid, vout }, scriptSig, sequence: getU32(r), witness: [] })
  }
  const outputs: TxOutput[] = []
  const outputCount = getCount(r, 'outputs', MIN_OUTPUT_BYTES)
  if (outputCount === 0) throw new Malformed('no outputs')
  for (let i = 0; i < outputCount; i++) {
    const value = r.view.getBigUint64(take(r, 8), true)
    if (value > MAX_SAT) throw new Malformed('output above 21 million bitcoin')
    outputs.push({ valueSat: sat(value), script: getVarBytes(r, 'script') })
  }
  if (segwit) {
    for (let i = 0; i < inputCount; i++) {
      const items = getCount(r, 'witness', 1)
      const witness: Uint8Array[] = []
      for (let k = 0; k < items; k++) witness.push(getVarBytes(r, 'witness item'))
      inputs[i] = { ...(inputs[i] as TxInput), witness }
    }
    if (inputs.every((i) => i.witness.length === 0)) throw new Malformed('superfluous witness')
  }
  const locktime = getU32(r)
  return { version, inputs, outputs, locktime }
}

/**
 * Parses a serialized transaction, either form. Errors: too long, truncated, trailing bytes, counts that cannot fit the
 * input, sizes not minimal, no inputs or outputs, amounts above 21 million bitcoin, a witness marker without witness.
 */
export function decodeTx(bytes: Uint8Array): Result<Tx> {
  if (bytes.length > MAX_TX_BYTES) return err('transaction: too long')
  const r: Reader = {
    bytes,
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    at: 0,
  }
  try {
    const tx = readTx(r)
    return r.at === bytes.length ? ok(tx) : err('transaction: trailing bytes')
  } catch (e) {
    if (e instanceof Malformed) return err(`transaction: ${e.message}`)
    throw e
  }
}

// ---- ids and weights -----------------------------------------------------------------------------------------------

/** 32 bytes in wire order to a txid in display order. */
export const txidFromBytes = (bytes: Uint8Array): Txid => toHex(reversed(bytes))

/** A txid (display order) to its 32 bytes in wire order, as BOLT messages carry it. */
export const txidToBytes = (txid: Txid): Uint8Array => {
  const bytes = fromHex(txid)
  invariant(bytes.length === 32, 'txid of 32 bytes')
  return bytes.reverse()
}

/** The transaction's id, witness excluded. */
export const txidOf = (tx: Tx): Txid => txidFromBytes(hash256(encodeTx(tx, { witness: false })))

/** The transaction's id with witnesses (BIP 141). */
export const wtxidOf = (tx: Tx): Txid => txidFromBytes(hash256(encodeTx(tx)))

/** Weight (BIP 141): four times the bytes without witness plus the witness bytes. */
export const weightOf = (tx: Tx): number => 4 * baseLength(tx) + witnessLength(tx)

/** Virtual bytes of a weight, rounded up. */
export const vsizeOfWeight = (weight: number): number => Math.ceil(weight / 4)

/** Virtual bytes of a transaction, rounded up. */
export const vsizeOf = (tx: Tx): number => vsizeOfWeight(weightOf(tx))

/** Sum of the outputs. */
export const outputSumSat = (tx: Tx): Sat => sat(tx.outputs.reduce((sum, o) => sum + o.valueSat, 0n))

/** A copy with one input's witness set. */
export const withWitness = (tx: Tx, inputIndex: number, witness: readonly Uint8Array[]): Tx => ({
  ...tx,
  inputs: tx.inputs.map((input, i) => (i === inputIndex ? { ...input, witness } : input)),
})

// ---- signature hashes ----------------------------------------------------------------------------------------------

/** The three hashes of BIP 143 that all inputs of a transaction share. */
export interface SighashMidstate {
  readonly hashPrevouts: Uint8Array
  readonly hashSequence: Uint8Array
  readonly hashOutputs: Uint8Array
}

const hashOutputs = (outputs: readonly TxOutput[]): Uint8Array => {
  const c = cursor(outputs.reduce((n, o) => n + outputLength(o), 0))
  for (const o of outputs) putOutput(c, o)
  return hash256(c.bytes)
}

const hashPrevouts = (tx: Tx): Uint8Array => {
  const c = cursor(36 * tx.inputs.length)
  for (const i of tx.inputs) putOutPoint(c, i)
  return hash256(c.bytes)
}

const hashSequences = (tx: Tx): Uint8Array => {
  const c = cursor(4 * tx.inputs.length)
  for (const i of tx.inputs) putU32(c, i.sequence)
  return hash256(c.bytes)
}

/** Computed once for a transaction with many inputs, so that signing all of them is linear (the point of BIP 143). */
export const sighashMidstate = (tx: Tx): SighashMidstate => ({
  hashPrevouts: hashPrevouts(tx),
  hashSequence: hashSequences(tx),
  hashOutputs: hashOutputs(tx.outputs),
})

/**
 * The digest an input's segwit v0 signature commits to (BIP 143), 32 bytes.
 * @param scriptCode without its length: the witness script, or `p2wpkhScriptCode` of a key
 * @param valueSat the amount of the output being spent
 * @param midstate from `sighashMidstate(tx)`, when several inputs of one transaction are hashed
 */
export function sighashSegwitV0(
  tx: Tx,
  inputIndex: number,
  scriptCode: Uint8Array,
  valueSat: Sat,
  sighashType: number,
  midstate?: SighashMidstate,
): Uint8Array {
  const input = tx.inputs[inputIndex]
  invariant(input !== undefined, 'sighash of an input that exists')
  const base = sighashType & 0x1f
  const anyoneCanPay = (sighashType & SIGHASH_ANYONECANPAY) !== 0
  const c = cursor(156 + varBytesLength(scriptCode))
  c.view.setInt32(0, tx.version, true)
  c.at = 4
  putBytes(c, anyoneCanPay ? ZERO_HASH : (midstate?.hashPrevouts ?? hashPrevouts(tx)))
  const allSequences = !anyoneCanPay && base !== SIGHASH_NONE && base !== SIGHASH_SINGLE
  putBytes(c, allSequences ? (midstate?.hashSequence ?? hashSequences(tx)) : ZERO_HASH)
  putOutPoint(c, input)
  putVarBytes(c, scriptCode)
  c.view.setBigInt64(c.at, valueSat, true)
  c.at += 8
  putU32(c, input.sequence)
  const own = tx.outputs[inputIndex]
  if (base === SIGHASH_SINGLE) putBytes(c, own ? hashOutputs([own]) : ZERO_HASH)
  else if (base === SIGHASH_NONE) putBytes(c, ZERO_HASH)
  else putBytes(c, midstate?.hashOutputs ?? hashOutputs(tx.outputs))
  putU32(c, tx.locktime)
  putU32(c, sighashType)
  return hash256(c.bytes)
}
