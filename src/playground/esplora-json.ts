import { createHash } from 'node:crypto'

/** Transactions and blocks as Bitcoin Core's RPC states them (the fields that are used). */
export interface CoreTx {
  readonly txid: string
  readonly version: number
  readonly size: number
  readonly weight: number
  readonly locktime: number
  readonly vin: readonly CoreVin[]
  readonly vout: readonly CoreVout[]
  readonly hex: string
}
interface CoreVin {
  readonly coinbase?: string
  readonly txid?: string
  readonly vout?: number
  readonly scriptSig?: { readonly hex: string }
  readonly txinwitness?: readonly string[]
  readonly sequence: number
}
interface CoreVout {
  readonly value: number
  readonly scriptPubKey: { readonly hex: string; readonly type: string; readonly address?: string }
}
export interface CoreBlock {
  readonly hash: string
  readonly height: number
  readonly version: number
  readonly merkleroot: string
  readonly time: number
  readonly mediantime: number
  readonly nonce: number
  readonly bits: string
  readonly difficulty: number
  readonly nTx: number
  readonly size: number
  readonly weight: number
  readonly previousblockhash?: string
  readonly tx: readonly CoreTx[]
}

/** The same as Esplora's JSON. Amounts are in satoshi. */
export interface EsploraOutput {
  readonly scriptpubkey: string
  readonly scriptpubkey_asm: string
  readonly scriptpubkey_type: string
  readonly scriptpubkey_address?: string
  readonly value: number
}
export interface EsploraInput {
  readonly txid: string
  readonly vout: number
  readonly prevout: EsploraOutput | null
  readonly scriptsig: string
  readonly scriptsig_asm: string
  readonly witness?: readonly string[]
  readonly is_coinbase: boolean
  readonly sequence: number
  readonly inner_redeemscript_asm?: string
  readonly inner_witnessscript_asm?: string
}
export interface EsploraTx {
  readonly txid: string
  readonly version: number
  readonly locktime: number
  readonly vin: readonly EsploraInput[]
  readonly vout: readonly EsploraOutput[]
  readonly size: number
  readonly weight: number
  readonly fee: number
}
export interface EsploraStatus {
  readonly confirmed: boolean
  readonly block_height?: number
  readonly block_hash?: string
  readonly block_time?: number
}
export interface EsploraBlock {
  readonly id: string
  readonly height: number
  readonly version: number
  readonly timestamp: number
  readonly tx_count: number
  readonly size: number
  readonly weight: number
  readonly merkle_root: string
  readonly previousblockhash: string | null
  readonly mediantime: number
  readonly nonce: number
  readonly bits: number
  readonly difficulty: number
}

const NAMES: Readonly<Record<number, string>> = {
  76: 'OP_PUSHDATA1',
  77: 'OP_PUSHDATA2',
  78: 'OP_PUSHDATA4',
  79: 'OP_PUSHNUM_NEG1',
  97: 'OP_NOP',
  99: 'OP_IF',
  100: 'OP_NOTIF',
  103: 'OP_ELSE',
  104: 'OP_ENDIF',
  105: 'OP_VERIFY',
  106: 'OP_RETURN',
  117: 'OP_DROP',
  118: 'OP_DUP',
  115: 'OP_IFDUP',
  116: 'OP_DEPTH',
  124: 'OP_SWAP',
  130: 'OP_SIZE',
  135: 'OP_EQUAL',
  136: 'OP_EQUALVERIFY',
  147: 'OP_ADD',
  166: 'OP_RIPEMD160',
  168: 'OP_SHA256',
  169: 'OP_HASH160',
  170: 'OP_HASH256',
  172: 'OP_CHECKSIG',
  173: 'OP_CHECKSIGVERIFY',
  174: 'OP_CHECKMULTISIG',
  177: 'OP_CLTV',
  178: 'OP_CSV',
  186: 'OP_CHECKSIGADD',
}

/** A script in Esplora's words (`OP_0 OP_PUSHBYTES_20 …`), which differ from Core's. */
export function scriptAsm(hex: string): string {
  const script = Buffer.from(hex, 'hex')
  const words: string[] = []
  let i = 0
  while (i < script.length) {
    const op = script[i++] ?? 0
    let length = 0
    if (op === 0) words.push('OP_0')
    else if (op <= 75) {
      length = op
      words.push(`OP_PUSHBYTES_${op}`)
    } else if (op >= 76 && op <= 78) {
      const bytes = op === 76 ? 1 : op === 77 ? 2 : 4
      words.push(NAMES[op] ?? '')
      if (i + bytes > script.length) return [...words, '<unexpected end>'].join(' ')
      length = script.readUIntLE(i, bytes)
      i += bytes
    } else if (op >= 81 && op <= 96) words.push(`OP_PUSHNUM_${op - 80}`)
    else words.push(NAMES[op] ?? `OP_${op > 185 ? 'RETURN' : 'NOP'}_${op}`)
    if (length > 0) {
      if (i + length > script.length) return [...words, '<push past end>'].join(' ')
      words.push(script.subarray(i, i + length).toString('hex'))
      i += length
    }
  }
  return words.join(' ')
}

const TYPES: Readonly<Record<string, string>> = {
  pubkey: 'p2pk',
  pubkeyhash: 'p2pkh',
  scripthash: 'p2sh',
  multisig: 'multisig',
  nulldata: 'op_return',
  witness_v0_keyhash: 'v0_p2wpkh',
  witness_v0_scripthash: 'v0_p2wsh',
  witness_v1_taproot: 'v1_p2tr',
  anchor: 'anchor',
}

const COINBASE = '0'.repeat(64)

const mapOutput = (out: CoreVout): EsploraOutput => ({
  scriptpubkey: out.scriptPubKey.hex,
  scriptpubkey_asm: scriptAsm(out.scriptPubKey.hex),
  scriptpubkey_type: out.scriptPubKey.hex === '' ? 'empty' : (TYPES[out.scriptPubKey.type] ?? 'unknown'),
  // Core names an address for bare public keys nowhere and for anchors everywhere; Esplora agrees.
  ...(out.scriptPubKey.address === undefined ? {} : { scriptpubkey_address: out.scriptPubKey.address }),
  value: Math.round(out.value * 1e8),
})

function mapInput(vin: CoreVin, prevout: EsploraOutput | null): EsploraInput {
  const scriptsig = vin.coinbase ?? vin.scriptSig?.hex ?? ''
  const witness = vin.txinwitness ?? []
  const type = prevout?.scriptpubkey_type
  const sig = Buffer.from(scriptsig, 'hex')
  // The redeem script of P2SH is the last push of the signature script.
  const redeem =
    type === 'p2sh' && sig.length > 1 && sig[0] === sig.length - 1
      ? sig.subarray(1).toString('hex')
      : undefined
  const nested = redeem?.startsWith('0020') === true
  const witnessScript = type === 'v0_p2wsh' || nested ? witness.at(-1) : undefined
  return {
    txid: vin.txid ?? COINBASE,
    vout: vin.vout ?? 0xffffffff,
    prevout,
    scriptsig,
    scriptsig_asm: scriptAsm(scriptsig),
    ...(witness.length === 0 ? {} : { witness }),
    is_coinbase: vin.coinbase !== undefined,
    sequence: vin.sequence,
    ...(redeem === undefined ? {} : { inner_redeemscript_asm: scriptAsm(redeem) }),
    ...(witnessScript === undefined ? {} : { inner_witnessscript_asm: scriptAsm(witnessScript) }),
  }
}

/** Core's transaction as Esplora's; undefined when `prevout` does not know an output that it spends. */
export function mapTx(
  tx: CoreTx,
  prevout: (txid: string, vout: number) => EsploraOutput | undefined,
): EsploraTx | undefined {
  const vin: EsploraInput[] = []
  let fee = 0
  for (const input of tx.vin) {
    if (input.txid === undefined || input.vout === undefined) {
      vin.push(mapInput(input, null))
      continue
    }
    const spent = prevout(input.txid, input.vout)
    if (spent === undefined) return undefined
    fee += spent.value
    vin.push(mapInput(input, spent))
  }
  const vout = tx.vout.map(mapOutput)
  const coinbase = tx.vin[0]?.coinbase !== undefined
  fee = coinbase ? 0 : vout.reduce((sum, out) => sum - out.value, fee)
  const { txid, version, locktime, size, weight } = tx
  return { txid, version, locktime, vin, vout, size, weight, fee }
}

/** Core's block as Esplora's summary. */
export const mapBlock = (block: CoreBlock): EsploraBlock => ({
  id: block.hash,
  height: block.height,
  version: block.version,
  timestamp: block.time,
  tx_count: block.nTx,
  size: block.size,
  weight: block.weight,
  merkle_root: block.merkleroot,
  previousblockhash: block.previousblockhash ?? null,
  mediantime: block.mediantime,
  nonce: block.nonce,
  bits: Number.parseInt(block.bits, 16),
  difficulty: block.difficulty,
})

const hash256 = (bytes: Buffer): Buffer =>
  createHash('sha256').update(createHash('sha256').update(bytes).digest()).digest()

/** The merkle branch of the transaction at `position`: hashes in display order, from the leaf up. */
export function merkleBranch(txids: readonly string[], position: number): string[] {
  let level = txids.map((txid) => Buffer.from(txid, 'hex').reverse())
  const branch: string[] = []
  let at = position
  while (level.length > 1) {
    const sibling = level[at ^ 1] ?? level[at]
    if (sibling) branch.push(Buffer.from(sibling).reverse().toString('hex'))
    const next: Buffer[] = []
    for (let i = 0; i < level.length; i += 2) {
      const left = level[i]
      if (left) next.push(hash256(Buffer.concat([left, level[i + 1] ?? left])))
    }
    level = next as typeof level
    at >>= 1
  }
  return branch
}
