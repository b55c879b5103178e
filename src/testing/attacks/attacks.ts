import { fromHex, toHex } from '../../engine/base/bytes.ts'
import { sat } from '../../engine/base/units.ts'
import { decodeTx, encodeTx, txidOf } from '../../engine/bitcoin/tx.ts'
import type { Tx } from '../../engine/bitcoin/types.ts'
import { type Forgery, forgeBranch, type Listed } from './forge.ts'
import type { Answer, Asked } from './proxy.ts'

/** Every way a chain server may attack that somebody thought of, as data. */

export type Honest = () => Promise<{ status: number; body: string }>

/** What an attacker knows, besides what it is asked. */
export interface Spoils {
  /** What the real server says of any path. */
  real(path: string): Promise<string>
  /** The chain's height when the attack began. */
  readonly heightThen: number
  /** scriptPubKey behind a scripthash that was asked for. */
  scriptOf(hash: string): Uint8Array | undefined
  /** For what an attack has to remember, each server by itself. */
  readonly memory: Map<string, unknown>
}

/**
 * How it shows beside an honest server: `lie`: named as caught lying; `doubt`: named with what spoke against it, or caught lying;
 * `pause`: failing, with its error; `behind`: shown as behind or on a lesser branch; `outvoted`: nothing to be seen, and nothing lost.
 */
export type Shown = 'lie' | 'doubt' | 'pause' | 'behind' | 'outvoted'

export interface Attack {
  readonly name: string
  readonly shown: Shown
  /** Alone, or with its like only, it cannot be noticed from what it answers: what a second server is for. */
  readonly blind?: true
  readonly tamper: (asked: Asked, honest: Honest, spoils: Spoils) => Promise<Answer | undefined>
}

const ok = (value: unknown): Answer => ({
  status: 200,
  body: typeof value === 'string' ? value : JSON.stringify(value),
})
const missing = (body = 'Transaction not found'): Answer => ({ status: 404, body })
type Json = Record<string, unknown>

const isOutspend = (a: Asked): RegExpExecArray | null =>
  /^\/tx\/([0-9a-f]{64})\/outspend\/(\d+)$/.exec(a.path)
const isProof = (a: Asked): boolean => a.path.endsWith('/merkle-proof')
const isRaw = (a: Asked): boolean => /^\/tx\/[0-9a-f]{64}\/hex$/.test(a.path)
const isHistory = (a: Asked): RegExpExecArray | null => /^\/scripthash\/([0-9a-f]{64})\/txs/.exec(a.path)
const isTip = (a: Asked): boolean => a.path === '/blocks/tip/hash'
const isSend = (a: Asked): boolean => a.method === 'POST'
const isSilly = (a: Asked): boolean => !isTip(a) && !a.path.startsWith('/block-height/')

/** Answers of one kind, changed. */
const change =
  (which: (a: Asked) => unknown, how: (body: Json, a: Asked) => unknown): Attack['tamper'] =>
  async (asked, honest) => {
    if (!which(asked)) return undefined
    const answer = await honest()
    return answer.status === 200 ? ok(how(JSON.parse(answer.body) as Json, asked)) : answer
  }
const instead =
  (which: (a: Asked) => unknown, answer: Answer): Attack['tamper'] =>
  async (asked) =>
    which(asked) ? answer : undefined

async function newest(spoils: Spoils): Promise<Listed[]> {
  return JSON.parse(await spoils.real('/blocks')) as Listed[]
}

/** The server's chain is the real one up to `depth` blocks below its tip when first asked, and forged above. */
const forged =
  (n: number, depth: number, how: (parent: Listed, real: readonly Listed[]) => Forgery): Attack['tamper'] =>
  async (asked, _, spoils) => {
    if (!isTip(asked) && !/^\/blocks(\/\d+)?$/.test(asked.path)) return undefined
    let chain = spoils.memory.get('chain') as Listed[] | undefined
    if (chain === undefined) {
      const real = await newest(spoils)
      const parent = real[depth] as Listed
      chain = [...real.slice(depth).reverse(), ...forgeBranch(parent, n, how(parent, real))]
      spoils.memory.set('chain', chain)
    }
    if (isTip(asked)) return ok(chain.at(-1)?.id ?? '')
    const top = asked.path === '/blocks' ? Number.POSITIVE_INFINITY : Number(asked.path.slice(8))
    const page = chain.filter((b) => b.height <= top).slice(-10)
    return top < (chain[0]?.height ?? 0) ? undefined : ok(page.reverse())
  }

/** As a server of which the chain ends where it was when the attack began. */
const stale: Attack['tamper'] = async (asked, honest, spoils) => {
  const { heightThen } = spoils
  const later = (status: unknown): boolean =>
    Number((status as Json | undefined)?.block_height ?? 0) > heightThen
  if (isTip(asked)) return ok(await spoils.real(`/block-height/${heightThen}`))
  if (asked.path === '/blocks') return ok(await spoils.real(`/blocks/${heightThen}`))
  if (isOutspend(asked)) {
    const body = JSON.parse((await honest()).body) as Json
    return ok(later(body.status) ? { spent: false } : body)
  }
  if (isProof(asked)) {
    const answer = await honest()
    if (answer.status !== 200) return answer
    const { block_height: height } = JSON.parse(answer.body) as Json
    return Number(height) > heightThen ? missing() : answer
  }
  if (isHistory(asked)) {
    const list = JSON.parse((await honest()).body) as Json[]
    return ok(list.map((tx) => (later(tx.status) ? { ...tx, status: { confirmed: false } } : tx)))
  }
  return undefined
}

const hideSpends: Attack['tamper'] = instead(isOutspend, ok({ spent: false }))
const hideDeposits: Attack['tamper'] = instead(isHistory, ok([]))

/** A transaction made up by the server that spends what was asked about. */
function madeUp(txid: string, vout: number): Tx {
  const signature = Uint8Array.of(0x30, ...new Uint8Array(70).fill(1), 1)
  return {
    version: 2,
    inputs: [
      {
        outpoint: { txid, vout },
        scriptSig: new Uint8Array(0),
        sequence: 0x80112233,
        witness: [new Uint8Array(0), signature, signature, new Uint8Array(71).fill(2)],
      },
    ],
    outputs: [{ valueSat: sat(1_000n), script: Uint8Array.of(0, 20, ...new Uint8Array(20).fill(9)) }],
    locktime: 0x20aabbcc,
  }
}

const inventSpend =
  (confirmed: boolean): Attack['tamper'] =>
  async (asked, _, spoils) => {
    const at = isOutspend(asked)
    if (at) {
      const tx = madeUp(at[1] ?? '', Number(at[2]))
      spoils.memory.set(txidOf(tx), toHex(encodeTx(tx)))
      const status = confirmed ? { confirmed, block_height: spoils.heightThen } : { confirmed }
      return ok({ spent: true, txid: txidOf(tx), vin: 0, status })
    }
    const hex = isRaw(asked) ? spoils.memory.get(asked.path.slice(4, 68)) : undefined
    return hex === undefined ? undefined : ok(hex)
  }

/** Coins that were never sent, to scripts of ours. */
const inventDeposit: Attack['tamper'] = async (asked, honest, spoils) => {
  const at = isHistory(asked)
  if (at) {
    const script = spoils.scriptOf(at[1] ?? '')
    const list = JSON.parse((await honest()).body) as Json[]
    if (script === undefined) return ok(list)
    const base = madeUp('77'.repeat(32), 1)
    const tx: Tx = { ...base, outputs: [{ valueSat: sat(500_000_000n), script }] }
    spoils.memory.set(txidOf(tx), toHex(encodeTx(tx)))
    return ok([{ txid: txidOf(tx), status: { confirmed: true, block_height: spoils.heightThen } }, ...list])
  }
  const txid = asked.path.slice(4, 68)
  const hex = spoils.memory.get(txid)
  if (hex === undefined) return undefined
  if (isRaw(asked)) return ok(hex)
  return isProof(asked)
    ? ok({ block_height: spoils.heightThen, merkle: ['12'.repeat(32), '34'.repeat(32)], pos: 1 })
    : undefined
}

const sayOk: Attack['tamper'] = async (asked) => {
  if (asked.path !== '/tx' || !isSend(asked)) return undefined
  const tx = decodeTx(fromHex(asked.body.trim()))
  return ok(tx.ok ? txidOf(tx.value) : '')
}

type Proof = { block_height: number; merkle: string[]; pos: number }
const proof = (how: (p: Proof) => unknown): Attack['tamper'] =>
  change(isProof, (body) => how(body as unknown as Proof))

const FUTURE_S = 3 * 3600

export const ATTACKS: readonly Attack[] = [
  // ---- spends and deposits kept back
  { name: 'hides every spend', shown: 'lie', blind: true, tamper: hideSpends },
  { name: 'hides our deposits', shown: 'doubt', blind: true, tamper: hideDeposits },
  {
    name: 'hides confirmations',
    shown: 'outvoted',
    blind: true,
    tamper: instead(isProof, missing('Transaction not found or is unconfirmed')),
  },
  { name: 'serves a stale tip', shown: 'behind', blind: true, tamper: stale },
  {
    name: 'says that our funding transaction is unknown',
    shown: 'outvoted',
    blind: true,
    tamper: instead((a) => isRaw(a) || isProof(a), missing()),
  },
  {
    name: 'flips between spent and unspent',
    shown: 'outvoted',
    tamper: async (asked) => (isOutspend(asked) && asked.turn % 2 === 0 ? ok({ spent: false }) : undefined),
  },
  {
    name: 'says one thing, then another, of its own tip',
    shown: 'outvoted',
    tamper: async (asked, honest, spoils) =>
      asked.turn % 3 === 0 ? stale(asked, honest, spoils) : undefined,
  },
  // ---- things that are not
  { name: 'invents an unconfirmed spend', shown: 'lie', tamper: inventSpend(false) },
  { name: 'invents a confirmed spend', shown: 'lie', tamper: inventSpend(true) },
  {
    name: 'names a spender that does not spend it',
    shown: 'lie',
    tamper: async (asked, _, spoils) => {
      if (!isOutspend(asked)) return undefined
      const [block] = await newest(spoils)
      const [txid] = JSON.parse(await spoils.real(`/block/${block?.id ?? ''}/txids`)) as string[]
      return ok({ spent: true, txid, vin: 0, status: { confirmed: true, block_height: block?.height } })
    },
  },
  { name: 'invents a deposit of 5 bitcoin', shown: 'lie', tamper: inventDeposit },
  {
    name: 'makes transactions richer than they are',
    shown: 'lie',
    tamper: async (asked, honest) => {
      if (!isRaw(asked)) return undefined
      const answer = await honest()
      const tx = decodeTx(fromHex(answer.status === 200 ? answer.body : ''))
      if (!tx.ok) return answer
      const outputs = tx.value.outputs.map((o) => ({ ...o, valueSat: sat(o.valueSat * 10n) }))
      return ok(toHex(encodeTx({ ...tx.value, outputs })))
    },
  },
  {
    name: 'leaves witnesses out of transactions',
    shown: 'outvoted',
    tamper: async (asked, honest) => {
      if (!isRaw(asked)) return undefined
      const answer = await honest()
      const tx = decodeTx(fromHex(answer.status === 200 ? answer.body : ''))
      if (!tx.ok) return answer
      const inputs = tx.value.inputs.map((i) => ({ ...i, witness: [] }))
      return ok(toHex(encodeTx({ ...tx.value, inputs })))
    },
  },
  {
    name: 'gives 64 bytes for a transaction',
    shown: 'lie',
    tamper: instead(
      isRaw,
      ok(`02000000${'01'}${'00'.repeat(36)}00${'ffffffff'}01${'00'.repeat(8)}04${'51'.repeat(4)}00000000`),
    ),
  },
  // ---- headers
  { name: 'a longer chain without work', shown: 'lie', tamper: forged(20, 0, () => ({ unworked: true })) },
  {
    name: 'a longer chain that claims more work than it has',
    shown: 'lie',
    tamper: forged(20, 0, () => ({ bits: 0x1d00ffff })),
  },
  {
    name: 'a longer chain that is easier than allowed',
    shown: 'lie',
    tamper: forged(20, 0, () => ({ bits: 0x2100ffff })),
  },
  {
    name: 'time-warped headers: before the median of their ancestors',
    shown: 'lie',
    tamper: forged(8, 0, (_, real) => ({ time: (real[9]?.timestamp ?? 0) - 7200 })),
  },
  {
    name: 'headers from the future',
    shown: 'outvoted',
    tamper: forged(8, 0, () => ({ time: Math.floor(Date.now() / 1000) + FUTURE_S })),
  },
  {
    name: 'headers that do not hash to their ids',
    shown: 'lie',
    tamper: async (asked, honest, spoils) => {
      if (isTip(asked) && asked.turn % 2 === 0) return ok('ef'.repeat(32))
      if (!asked.path.startsWith('/blocks') || isTip(asked)) return undefined
      return change(
        () => true,
        (list) => (list as unknown as Listed[]).map((b) => ({ ...b, nonce: b.nonce ^ 1 })),
      )(asked, honest, spoils)
    },
  },
  {
    name: 'headers with a gap',
    shown: 'pause',
    tamper: async (asked, honest, spoils) => {
      if (isTip(asked)) return ok('ef'.repeat(32))
      if (!asked.path.startsWith('/blocks')) return undefined
      return change(
        () => true,
        (list) => (list as unknown as Listed[]).filter((_, i) => i !== 1),
      )(asked, honest, spoils)
    },
  },
  { name: 'a branch as heavy as ours', shown: 'behind', tamper: forged(3, 3, () => ({})) },
  { name: 'says that the last blocks are gone', shown: 'behind', tamper: forged(1, 4, () => ({})) },
  {
    name: 'another network altogether',
    shown: 'doubt',
    tamper: async (asked) => {
      if (asked.path.startsWith('/block-height/')) return ok('cd'.repeat(32))
      return isTip(asked) ? ok('cd'.repeat(32)) : undefined
    },
  },
  { name: 'a tip that does not exist', shown: 'doubt', tamper: instead(isTip, ok('ee'.repeat(32))) },
  {
    name: 'inflated heights',
    shown: 'pause',
    tamper: async (asked, honest, spoils) => {
      if (asked.path.startsWith('/blocks') && !isTip(asked))
        return change(
          () => true,
          (list) => (list as unknown as Listed[]).map((b) => ({ ...b, height: b.height + 100_000 })),
        )(asked, honest, spoils)
      if (isTip(asked)) return ok('ee'.repeat(32))
      const answer = await honest()
      return ok(
        answer.body.replace(
          /"block_height":(\d+)/g,
          (_, h: string) => `"block_height":${Number(h) + 100_000}`,
        ),
      )
    },
  },
  // ---- proofs
  {
    name: 'a proof with a changed branch',
    shown: 'doubt',
    tamper: proof((p) => ({
      ...p,
      merkle: p.merkle.length === 0 ? ['33'.repeat(32)] : ['33'.repeat(32), ...p.merkle.slice(1)],
    })),
  },
  {
    name: 'a proof that is too long',
    shown: 'pause',
    tamper: proof((p) => ({
      ...p,
      merkle: [...p.merkle, ...Array.from({ length: 20 }, () => '44'.repeat(32))],
    })),
  },
  {
    name: 'an endless proof',
    shown: 'pause',
    tamper: proof((p) => ({ ...p, merkle: Array.from({ length: 1_000 }, () => '44'.repeat(32)) })),
  },
  {
    name: 'a proof at a wrong position',
    shown: 'lie',
    tamper: proof((p) => ({ ...p, pos: p.pos + 2 ** p.merkle.length })),
  },
  {
    name: 'a proof that repeats a sibling',
    shown: 'lie',
    tamper: async (asked, honest) => {
      if (!isProof(asked)) return undefined
      const answer = await honest()
      if (answer.status !== 200) return answer
      const p = JSON.parse(answer.body) as Proof
      const leaf = asked.path.slice(4, 68)
      return ok({ ...p, pos: 1, merkle: [leaf] })
    },
  },
  {
    name: 'a proof for another height',
    shown: 'doubt',
    tamper: proof((p) => ({ ...p, block_height: p.block_height - 1 })),
  },
  // ---- transactions that we send
  {
    name: 'swallows transactions and shows nothing',
    shown: 'doubt',
    tamper: async (asked, honest, spoils) => {
      const sent = await sayOk(asked, honest, spoils)
      if (sent !== undefined) return sent
      return isRaw(asked) ? missing() : undefined
    },
  },
  {
    name: 'swallows transactions and pretends to have them',
    shown: 'outvoted',
    blind: true,
    tamper: async (asked, honest, spoils) => {
      const sent = await sayOk(asked, honest, spoils)
      if (sent !== undefined) spoils.memory.set((sent as { body: string }).body, asked.body.trim())
      if (sent !== undefined) return sent
      const hex = isRaw(asked) ? spoils.memory.get(asked.path.slice(4, 68)) : undefined
      return hex === undefined ? undefined : ok(hex)
    },
  },
  {
    name: 'refuses every transaction',
    shown: 'outvoted',
    tamper: instead(isSend, {
      status: 400,
      body: 'sendrawtransaction RPC error: {"code":-26,"message":"bad-txns"}',
    }),
  },
  // ---- fees
  {
    name: 'fees a thousand times too high',
    shown: 'outvoted',
    tamper: instead((a) => a.path === '/fee-estimates', ok({ 1: 90_000, 6: 80_000, 144: 70_000 })),
  },
  {
    name: 'fees that are no numbers',
    shown: 'pause',
    tamper: instead((a) => a.path === '/fee-estimates', ok({ 1: 'free', 6: -4 })),
  },
  // ---- no answer, or too much of one
  { name: 'endless bodies', shown: 'pause', tamper: instead(isSilly, 'flood') },
  { name: 'a byte now and then', shown: 'pause', tamper: instead(isSilly, 'drip') },
  { name: 'silence', shown: 'pause', tamper: instead(() => true, 'silence') },
  { name: 'cuts every connection', shown: 'pause', tamper: instead(() => true, 'cut') },
  {
    name: 'a rate limit worded as a good answer',
    shown: 'pause',
    tamper: instead(() => true, ok('{"error":"You have exceeded your rate limit"}')),
  },
  {
    name: 'a web page for everything',
    shown: 'pause',
    tamper: instead(() => true, ok('<!doctype html><title>Sign in</title>')),
  },
  { name: 'brackets nested without end', shown: 'pause', tamper: instead(isSilly, ok('['.repeat(400_000))) },
]
