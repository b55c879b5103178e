import { entry } from '../../engine/base/table.ts'
import { msat } from '../../engine/base/units.ts'
import { balanceOf } from '../../engine/wallet/ledger.ts'
import { ATTACKS } from '../attacks/attacks.ts'
import { runTrials, type Trial, type Verdict } from '../attacks/lab.ts'
import { cheats, type Verdict as Punished } from '../sim/cheat.ts'
import { run } from '../sim/run.ts'
import { channelOf, connected, type Goal, hasCoins, opened, paid, reach } from '../sim/scenario.ts'
import { World } from '../sim/world.ts'

/** What `npm run bench:court` measures by trying it: closes, cheats, an update on disk, a lost device, servers that attack. */

const round = (n: number): number => Number(n.toPrecision(3))

/** Random lives with closes by force from either side or both and branches of 1 to 10 blocks: what was closed how, with what in it. */
export function closes(lives: number) {
  const totals: Record<string, number> = {}
  const failed: string[] = []
  for (let seed = 4_200; seed < 4_200 + lives; seed++) {
    const outcome = run({ seed, force: true, steps: 220 })
    for (const [name, n] of Object.entries(outcome.counts)) totals[name] = (totals[name] ?? 0) + n
    if (outcome.problem !== undefined) failed.push(`seed ${seed}: ${outcome.problem}`)
  }
  const kinds = Object.entries(totals).filter(([name]) => name.startsWith('close:'))
  const byKind = kinds.map(([name, seen]) => {
    const kind = name.slice('close:'.length)
    return { kind, seen, htlcs: totals[`htlcs:${kind}`] ?? 0 }
  })
  // A life passes when every output that was somebody's has reached his wallet.
  return { lives, failed, byKind, htlcs: totals.closeHtlcs ?? 0, reorganisations: totals.reorgs ?? 0 }
}

/** Every revoked state of random lives, broadcast by a whole node that believes in it. */
export function punishments(lives: number) {
  const verdicts: Punished[] = []
  const problems: string[] = []
  for (let seed = 1; seed <= lives; seed++) {
    try {
      const found = cheats({ seed })
      verdicts.push(...found.verdicts)
      problems.push(...found.problems)
    } catch (error) {
      // A law of the simulator that was broken on the way.
      problems.push(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  const sum = (of: (v: Punished) => number): number => verdicts.reduce((n, v) => n + of(v), 0)
  const blocks = verdicts.map((v) => v.blocks).sort((a, b) => a - b)
  const fees = sum((v) => Number(v.feeSat))
  return {
    revokedStates: verdicts.length,
    problems,
    htlcs: sum((v) => v.htlcs),
    outputsClaimable: sum((v) => v.claimable),
    outputsClaimed: sum((v) => v.claimed),
    feesOverValue: round(
      fees /
        Math.max(
          1,
          sum((v) => Number(v.claimedSat)),
        ),
    ),
    blocksToJustice: { median: blocks[Math.floor(blocks.length / 2)] ?? 0, most: blocks.at(-1) ?? 0 },
  }
}

const sizeOf = (store: ReadonlyMap<string, Uint8Array>): number =>
  [...store].reduce((n, [key, value]) => n + key.length + value.length, 0)

/** What a payment leaves behind, and what it writes on the way: keys and values, before the store packs them. */
export function diskOfUpdates() {
  const PAYMENTS = 50
  const world = new World({ formats: ['lcp'] })
  reach(world, [
    hasCoins('ada', 600_000),
    connected('ada', 'ben'),
    opened('ada', 'ben', 500_000),
    paid('ada', 'ben', 50_000_000),
  ])
  world.settle()
  const written = { bytes: 0, writes: 0 }
  const ada = world.node('ada')
  const number = (): number => channelOf(world, 'ada')?.localTip.number ?? 0
  const before = { kept: sizeOf(ada.store), court: courtSize(ada.store), number: number() }
  world.crashAt = (node, writes) => {
    if (node === ada) {
      written.writes += 1
      for (const { key, value } of writes) written.bytes += key.length + (value?.length ?? 0)
    }
    return undefined
  }
  for (let i = 0; i < PAYMENTS; i++) pay(world, i)
  world.crashAt = () => undefined
  const states = number() - before.number
  return {
    payments: PAYMENTS,
    states,
    bytesWrittenAPayment: round(written.bytes / PAYMENTS),
    writesAPayment: round(written.writes / PAYMENTS),
    bytesKeptAPayment: round((sizeOf(ada.store) - before.kept) / PAYMENTS),
    bytesKeptForTheCourtAState: round((courtSize(ada.store) - before.court) / Math.max(1, states)),
  }
}

const courtSize = (store: ReadonlyMap<string, Uint8Array>): number =>
  [...store].reduce((n, [key, value]) => n + (key.startsWith('court/') ? key.length + value.length : 0), 0)

function pay(world: World, i: number): void {
  const made = world.command(world.node('ben'), {
    type: 'addInvoice',
    amountMsat: msat(1_000 + i),
    description: '',
    expirySeconds: 86_400,
  })
  if (made?.type !== 'invoice') throw new Error('no invoice')
  const invoice = entry(world.node('ben').state?.invoices, made.paymentHash)?.bolt11 ?? ''
  world.command(world.node('ada'), { type: 'sendPayment', invoice, timeoutSeconds: 3600 })
  world.settle()
}

/** A device is lost; from its words and the copy that a peer keeps three channels come back as coins. */
export function restoreFromWords() {
  const go = (world: World, goals: readonly Goal[]): void => {
    world.notes.set('goal', '0')
    reach(world, goals)
  }
  const world = new World({ formats: ['anchors_zero_fee_htlc_tx'], nodes: 4 })
  const peers = ['ben', 'cyd', 'dan'] as const
  const names = world.nodes.map((n) => n.name).filter((name) => name !== 'ada')
  if (names.length < peers.length) throw new Error('four nodes')
  go(world, [
    hasCoins('ada', 300_000, 300_000, 300_000),
    ...names.flatMap((name) => [
      connected('ada', name),
      opened('ada', name, 200_000),
      paid('ada', name, 20_000_000),
    ]),
  ])
  world.settle()
  const ada = world.node('ada')
  world.crash(ada, () => 0)
  ada.store.clear()
  const began = { real: performance.now(), world: world.now, height: world.chain.tip.height }
  world.boot(ada)
  world.settle()
  const total = (): bigint => {
    const state = world.stateOf(ada)
    return balanceOf(state.wallet, state.chain.headers.tip.height).totalSat
  }
  const coins = total()
  go(
    world,
    names.map((name) => connected('ada', name)),
  )
  const answer = world.command(ada, { type: 'recoverChannels' })
  if (answer?.type !== 'recovered') throw new Error('nothing to recover')
  world.settle()
  let blocks = 0
  while (total() < coins + 520_000n && blocks < 20) {
    world.mine()
    world.settle()
    blocks += 1
  }
  return {
    channels: answer.channels,
    coinsSat: Number(coins),
    broughtBackSat: Number(total() - coins),
    blocks: world.chain.tip.height - began.height,
    secondsBesidesBlocks: round((world.now - began.world) / 1000),
    cpuSeconds: round((performance.now() - began.real) / 1000),
  }
}

/** All attacks beside an honest server, and without one. */
export async function attacks() {
  const trials: Trial[] = ATTACKS.flatMap((attack) => [
    { attack, seats: ['bad', 'good'] },
    { attack, seats: ['bad', 'bad'] },
  ])
  const verdicts: Verdict[] = []
  const BATCH = 16
  for (let i = 0; i < trials.length; i += BATCH)
    verdicts.push(...(await runTrials(trials.slice(i, i + BATCH), { limitMs: 20_000 })))
  const beside = verdicts.filter((v) => v.seats.includes('good'))
  return {
    attacks: ATTACKS.length,
    tried: verdicts.length,
    caught: verdicts.filter((v) => v.caught).length,
    besideAnHonestServer: beside.length,
    allFollowed: beside.filter((v) => v.followed).length,
    shown: beside.filter((v) => v.shown !== 'unnoticed').length,
    believedFalsehoods: verdicts.reduce((n, v) => n + v.believed.length, 0),
    notCaught: verdicts.filter((v) => !v.caught).map((v) => `${v.attack} [${v.seats}]`),
  }
}
