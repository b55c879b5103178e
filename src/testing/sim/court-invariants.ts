import { entries } from '../../engine/base/table.ts'
import { txidOf } from '../../engine/bitcoin/tx.ts'
import { type OutPoint, outPointKey } from '../../engine/bitcoin/types.ts'
import type { Channel } from '../../engine/channel/types.ts'
import { weightFeeSat } from '../../engine/commitment/fees.ts'
import { commitmentWeight } from '../../engine/commitment/weights.ts'
import { formatNamed } from '../../engine/commitment/formats.ts'
import { expectedMsat, isOrphan, ownerOf } from './invariants.ts'
import type { SimNode } from './node.ts'
import type { World } from './world.ts'

/** What must hold of a world in which channels were closed by force, once all of that is resolved. */

/** Who has the money of an output in the end, through second stages and sweeps; undefined: nobody (yet). */
export function takerOf(
  world: World,
  outpoint: OutPoint,
  seen: (txid: string, by: SimNode) => void = () => {},
): SimNode | undefined {
  const { chain } = world
  const output = chain.outputAt(outpoint)
  const owner = output && ownerOf(world, output.script)
  if (owner !== undefined && owner !== 'channel') return owner
  const spender = chain.spenderOf(outpoint)
  if (spender === undefined) return undefined
  const txid = txidOf(spender)
  const vin = spender.inputs.findIndex((i) => outPointKey(i.outpoint) === outPointKey(outpoint))
  // A second stage pays the output at the index of its input; all else is one output to a wallet.
  const by = takerOf(world, { txid, vout: spender.outputs[vin] === undefined ? 0 : vin }, seen)
  if (by !== undefined) seen(txid, by)
  return by
}

const ANCHOR_SAT = 330n

/** Every close is done, payments ended, and each side of each channel got what was its, less fees that are accounted for. */
export function courtProblem(world: World): string | undefined {
  for (const node of world.nodes) {
    const state = world.stateOf(node)
    for (const [id, close] of Object.entries(state.closes)) {
      const channel = state.channels[id]
      if (channel !== undefined && isOrphan(world, channel)) continue
      if (!close.told.includes('done')) {
        const left = close.tokens.map((token) => token.slice(token.indexOf('/', 10) + 1, 100)).join(' ')
        return `${node.name}: the close of ${id.slice(0, 8)} (${close.close?.kind}) is not done: ${left}`
      }
      if (close.close?.kind === 'revoked' || close.close?.kind === 'unknown')
        return `${node.name}: nobody cheated, and a close was taken for ${close.close.kind}`
    }
    const claims = Object.values(state.wallet.reservations)
    if (claims.length > 0) return `${node.name}: coins are reserved for ${claims.map((r) => r.id).join()}`
    for (const payment of entries(state.payments)) {
      if (payment.state === 'pending' || payment.attempts.some((a) => a.state === 'pending'))
        return `${node.name}: payment ${payment.paymentHash.slice(0, 8)} is pending`
    }
  }
  for (const node of world.nodes) {
    for (const channel of Object.values(world.stateOf(node).channels)) {
      const problem = isOrphan(world, channel) ? undefined : takeProblem(world, node, channel)
      if (problem !== undefined) return problem
    }
  }
  return undefined
}

function takeProblem(world: World, node: SimNode, channel: Channel): string | undefined {
  const { chain } = world
  const name = `${node.name} in ${channel.id.slice(0, 8)}`
  const close = chain.spenderOf(channel.funding.outpoint)
  if (close === undefined) {
    if (channel.failure !== undefined && chain.find(channel.funding.outpoint.txid)?.block)
      return `${name}: failed (${channel.failure.code}), and no close is on the chain`
    return undefined
  }
  const txid = txidOf(close)
  const due = expectedMsat(world, node, channel) / 1000n
  let got = 0n
  let paid = 0n
  let nobody = 0n
  close.outputs.forEach(({ valueSat }, vout) => {
    paid += valueSat
    const by = takerOf(world, { txid, vout })
    if (by === node) got += valueSat
    else if (by === undefined) nobody += valueSat
  })
  const format = formatNamed(channel.formatName)
  const feeSat = channel.funding.sat - paid
  const anchors = format.anchors ? 2n * ANCHOR_SAT : 0n
  // Amounts too small for an output, and those of outputs that nobody can claim for less than they bring, are the miners'.
  const nominal = weightFeeSat(channel.base.feeratePerKw, commitmentWeight(format, 0))
  const dust = (feeSat > nominal ? feeSat - nominal : 0n) + (nobody > anchors ? nobody - anchors : 0n) + 3n
  const tolerance = dust + (channel.role === 'opener' ? feeSat + anchors : 0n)
  if (got + tolerance < due + 0n && due > 1_000n) {
    return `${name} (${channel.role}) got ${got} of ${due} sat; fee ${feeSat}, ${nobody} with nobody`
  }
  if (nobody > anchors + 2_000n) return `${name}: ${nobody} sat are left on the chain`
  return undefined
}
