import { txidOf } from '../../engine/bitcoin/tx.ts'
import { type OutPoint, outPointKey, type Txid } from '../../engine/bitcoin/types.ts'
import { viewAt } from '../../engine/channel/log.ts'
import type { Channel } from '../../engine/channel/types.ts'
import { balanceOf } from '../../engine/wallet/ledger.ts'
import { type Random, seeded } from '../random.ts'
import { ownerOf } from './invariants.ts'
import type { Name, SimNode } from './node.ts'
import { beginning, live } from './run.ts'
import type { World } from './world.ts'

/**
 * Cheating peers. While a world lives, every state that a node was in is kept as its store was; later, in a fork of the world, that
 * node is set back to one of them and closes with it: a whole node that believes its old state, and goes to court for it with all
 * that this one can do (preimages, second stages, fees).
 */

/** A state that a node was in. */
export interface OldState {
  readonly name: Name
  readonly channelId: string
  /** Of its newest commitment then. */
  readonly number: number
  readonly htlcs: number
  readonly store: ReadonlyMap<string, Uint8Array>
}

/** Notes every state of every channel from now on; asked at each write (`World.crashAt`). */
function remember(): { readonly states: OldState[]; readonly look: (node: SimNode) => void } {
  const states: OldState[] = []
  const last = new Map<string, number>()
  return {
    states,
    look(node) {
      for (const channel of Object.values(node.state?.channels ?? {})) {
        const { number, indexes } = channel.localTip
        const key = `${node.name}/${channel.id}`
        if (last.get(key) === number || channel.failure !== undefined || channel.closing !== undefined)
          continue
        last.set(key, number)
        const htlcs = viewAt(channel, indexes).htlcs.length
        states.push({ name: node.name, channelId: channel.id, number, htlcs, store: new Map(node.store) })
      }
    },
  }
}

/** What came of a cheat. */
export interface Verdict {
  readonly problem?: string
  readonly htlcs: number
  /** Outputs of the commitment that are worth a claim, and those of them that the honest side has in the end. */
  readonly claimable: number
  readonly claimed: number
  /** Blocks from the honest side's first look at the close to that of its last penalty. */
  readonly blocks: number
  readonly feeSat: bigint
  readonly claimedSat: bigint
}

/** How long a cheater has to wait for its balance: a day. */
const DELAY = 144

/** Anchors, and what costs more than it brings. */
const WORTHLESS_SAT = 1_500n
const NOTHING: Verdict = { htlcs: 0, claimable: 0, claimed: 0, blocks: 0, feeSat: 0n, claimedSat: 0n }

/** Whether the other side can punish it: the channel is open, and it holds the secret of that state. */
function isRevoked(world: World, old: OldState): boolean {
  const channel = world.node(old.name).state?.channels[old.channelId]
  const honest = channel && world.byId(channel.peer).state?.channels[old.channelId]
  if (honest === undefined || world.chain.spenderOf(honest.funding.outpoint) !== undefined) return false
  return old.number < honest.remoteTail.number && honest.funding.confirmedHeight !== undefined
}

const coins = (world: World, node: SimNode): bigint => {
  const { wallet, chain } = world.stateOf(node)
  return balanceOf(wallet, chain.headers.tip.height).totalSat
}

/** Time passes until everybody that is up knows the newest block and has nothing more to say. */
function follow(world: World): void {
  for (let i = 0; i < 3; i++) {
    world.pass(20_000)
    world.drain()
  }
}

/** Sets the cheater back and lets it go to court, the honest side away for so many blocks; in the end nothing may be lost. */
function cheat(original: World, old: OldState, random: Random, away: number): Verdict {
  const world = original.fork()
  world.checkStoreEvery = 50
  const cheater = world.node(old.name)
  const channel = world.stateOf(cheater).channels[old.channelId]
  if (channel === undefined) throw new Error('a channel of the cheater')
  const honest = world.byId(channel.peer)
  const before = coins(world, honest)
  for (const node of world.nodes) world.crash(node)
  cheater.store.clear()
  for (const [key, value] of old.store) cheater.store.set(key, value)
  const alone = (node: SimNode): void => {
    world.boot(node)
    // It talks to nobody: told the truth it would know better than to cheat.
    for (const n of world.nodes) n.keep.clear()
  }
  alone(cheater)
  follow(world)
  world.command(cheater, { type: 'closeChannel', channelId: old.channelId, force: true })
  follow(world)
  world.mine()
  const closed = world.chain.tip.height
  for (let i = 0; i < away; i++) {
    follow(world)
    world.mine()
  }
  const start = world.chain.tip.height
  alone(honest)
  // A branch without the last blocks, now and then: what was in them has to get there again.
  const reorgAt = random.bool(0.3) ? start + 1 + random.int(8) : 0
  const delay = honest.setup.policy.toSelfDelay
  for (const blocks of [...Array.from({ length: 14 }, () => 1), delay, 1, 1, 1, 7, 1]) {
    follow(world)
    if (world.chain.tip.height === reorgAt) {
      world.chain.reorg(Math.min(1 + random.int(10), reorgAt - closed))
      follow(world)
    }
    world.mine(blocks)
  }
  follow(world)
  return judge(world, old, { honest, channel, before, start })
}

interface Case {
  readonly honest: SimNode
  readonly channel: Channel
  /** The honest side's coins. */
  readonly before: bigint
  readonly start: number
}

function judge(world: World, old: OldState, { honest, channel, before, start }: Case): Verdict {
  const { chain } = world
  const close = chain.spenderOf(channel.funding.outpoint)
  if (close === undefined) return { ...NOTHING, problem: 'the cheat never reached the chain' }
  const txid = txidOf(close)
  const penalties = new Set<Txid>()
  /** Who has the money of an output in the end. */
  const taker = (outpoint: OutPoint): SimNode | undefined => {
    const output = chain.outputAt(outpoint)
    const owner = output && ownerOf(world, output.script)
    if (owner !== undefined && owner !== 'channel') return owner
    const spender = chain.spenderOf(outpoint)
    if (spender === undefined) return undefined
    const by = txidOf(spender)
    const vin = spender.inputs.findIndex((i) => outPointKey(i.outpoint) === outPointKey(outpoint))
    // A second stage pays the output at the index of its input; all else is one output to a wallet.
    const vout = spender.outputs[vin] === undefined ? 0 : vin
    const next = taker({ txid: by, vout })
    if (next === honest) penalties.add(by)
    return next
  }
  let claimable = 0
  let claimed = 0
  const lost: string[] = []
  for (const [vout, output] of close.outputs.entries()) {
    if (output.valueSat <= WORTHLESS_SAT) continue
    claimable += 1
    const by = taker({ txid, vout })
    if (by === honest) claimed += 1
    else lost.push(`output ${vout} of ${output.valueSat} sat is with ${by?.name ?? 'nobody'}`)
  }
  const claimedSat = coins(world, honest) - before
  const heights = [...penalties].map((id) => chain.find(id)?.block?.height ?? 0)
  const feeSat = [...penalties].reduce((n, id) => n + chain.feeOf(id), 0n)
  const kind = world.stateOf(honest).closes[channel.id]?.close?.kind
  const problems = [
    ...lost,
    ...(feeSat * 2n > claimedSat ? [`fees of ${feeSat} sat for ${claimedSat}`] : []),
    ...(kind === 'revoked' ? [] : [`the close was taken for ${kind}`]),
  ]
  return {
    ...(problems.length > 0 && { problem: problems.join('; ') }),
    htlcs: old.htlcs,
    claimable,
    claimed,
    blocks: Math.max(0, ...heights) - start,
    feeSat,
    claimedSat,
  }
}

export interface CheatOptions {
  readonly seed: number
  readonly steps?: number
  /** Tries so many states at most, those with HTLCs first; default: every one. */
  readonly most?: number
}

/** A random life, and then every revoked state of either side broadcast, each in a world of its own. */
export function cheats(options: CheatOptions): {
  readonly verdicts: readonly Verdict[]
  readonly problems: readonly string[]
} {
  const random = seeded(options.seed)
  const world = beginning(random, 2, DELAY).fork(options.seed)
  world.checkStoreEvery = 50
  const memory = remember()
  live(world, random, options.steps ?? 200, memory.look)
  world.crashAt = () => undefined
  for (const node of world.nodes) world.boot(node)
  world.settle()
  const revoked = memory.states.filter((old) => isRevoked(world, old))
  const chosen = revoked.toSorted((a, b) => b.htlcs - a.htlcs).slice(0, options.most ?? revoked.length)
  const problems: string[] = []
  const verdicts = chosen.map((old) => {
    // From back at once to a good part of the delay away.
    const away = random.pick([0, 0, 1, 3, 20, 100])
    const verdict = cheat(world, old, random, away)
    if (verdict.problem !== undefined) {
      const who = `${old.name} with state ${old.number} (${old.htlcs} HTLCs), away ${away}`
      problems.push(`seed ${options.seed}, ${who}: ${verdict.problem}`)
    }
    return verdict
  })
  return { verdicts, problems }
}
