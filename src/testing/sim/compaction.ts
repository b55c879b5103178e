import { sha256 } from '../../engine/crypto/hash.ts'
import { uintBE } from '../../engine/base/bytes.ts'
import { msat } from '../../engine/base/units.ts'
import { channelWrites, courtWrite } from '../../engine/channel/records.ts'
import type { Channel } from '../../engine/channel/types.ts'
import { apply, deliverAll, openPair, type Party, settledProblem } from './channel-pair.ts'

/**
 * A channel that lives long: so many updates, in turns of `batch` adds or removals, now from one side and now from the other. What is
 * kept must not grow with what has been (lcp.md, rules 9 and 11): only the records for the court do, on disk.
 */
export interface CompactionOptions {
  readonly updates: number
  readonly batch?: number
  readonly formatName?: string
  /** Called at rest, with the figures so far. */
  readonly look?: (figures: CompactionFigures) => void
}

export interface CompactionFigures {
  readonly updates: number
  /** Commitments of both sides that were revoked. */
  readonly revoked: number
  /** Live entries of both logs, at rest, and entries that wait for the peer's word. */
  readonly logEntries: number
  readonly journal: number
  /** Nodes of the peer's secrets, the most of either side, now and ever. */
  readonly secretNodes: number
  readonly secretNodesPeak: number
  /** Records of a side's channel without those for the court: how many, and their bytes. */
  readonly records: number
  readonly recordBytes: number
  readonly recordBytesPeak: number
  /** Records for the court, which stay until the channel's close is irrevocable. */
  readonly courtRecords: number
  readonly courtBytesEach: number
}

/** A side with what its store would hold. */
class Kept {
  readonly party: Party
  private written: Channel | undefined
  private readonly records = new Map<string, number>()
  bytes = 0

  constructor(party: Party) {
    this.party = party
  }

  /** Writes what has changed, as a turn does. */
  write(): void {
    for (const { key, value } of channelWrites(this.written, this.party.channel)) {
      this.bytes += (value?.length ?? 0) - (this.records.get(key) ?? 0)
      if (value === null) this.records.delete(key)
      else this.records.set(key, value.length)
    }
    this.written = this.party.channel
    this.party.events = []
  }

  get count(): number {
    return this.records.size
  }
}

export function compact({
  updates,
  batch = 200,
  formatName = 'lcp',
  look,
}: CompactionOptions): CompactionFigures {
  const policy = { window: 16, maxTrimmedHtlcs: Math.max(0, batch - 483) }
  const { alice, bob } = openPair(formatName, { policy: { alice: policy, bob: policy } })
  const sides = [new Kept(alice), new Kept(bob)] as const
  let done = 0
  let payment = 0
  let secretNodesPeak = 0
  let recordBytesPeak = 0
  const write = (): void => {
    for (const side of sides) {
      side.write()
      recordBytesPeak = Math.max(recordBytesPeak, side.bytes)
      secretNodesPeak = Math.max(secretNodesPeak, side.party.channel.remoteSecrets.nodes.length)
    }
  }
  const measure = (): CompactionFigures => {
    const channels = [alice.channel, bob.channel]
    const court = courtWrite('', lastCourt(alice.channel)).value?.length ?? 0
    return {
      updates: done,
      revoked: alice.channel.localTip.number + bob.channel.localTip.number,
      logEntries: Math.max(
        ...channels.map(
          (c) => c.logs.opener.entries.length + c.logs.accepter.entries.length + c.outbox.length,
        ),
      ),
      journal: Math.max(...channels.map((c) => c.journal.length)),
      secretNodes: Math.max(...channels.map((c) => c.remoteSecrets.nodes.length)),
      secretNodesPeak,
      records: Math.max(...sides.map((s) => s.count)),
      recordBytes: Math.max(...sides.map((s) => s.bytes)),
      recordBytesPeak,
      courtRecords: alice.channel.remoteTail.number + bob.channel.remoteTail.number + 2,
      courtBytesEach: court,
    }
  }
  write()
  for (let round = 0; done < updates; round++) {
    const [from, to] = round % 2 === 0 ? [alice, bob] : [bob, alice]
    const first = from.channel.logs[from.channel.role].nextHtlcId
    const preimages = Array.from({ length: batch }, () => sha256(uintBE(BigInt(payment++), 8)))
    for (const preimage of preimages) {
      apply(from, {
        type: 'propose',
        proposal: {
          type: 'add',
          amountMsat: msat(1_000),
          paymentHash: sha256(preimage),
          cltvExpiry: 500,
          onion: new Uint8Array(1366),
        },
      })
    }
    deliverAll(alice, bob)
    write()
    for (const [i, preimage] of preimages.entries())
      apply(to, { type: 'propose', proposal: { type: 'fulfill', id: first + BigInt(i), preimage } })
    deliverAll(alice, bob)
    write()
    const fault = alice.faults[0] ?? bob.faults[0]
    if (fault !== undefined) throw new Error(fault.text)
    done += 2 * batch
    look?.(measure())
  }
  const problem = settledProblem(alice, bob)
  if (problem !== undefined) throw new Error(problem)
  return measure()
}

/** What the court's record of the newest commitment is like when nothing is in flight. */
const lastCourt = ({ remoteTail, base }: Channel) => ({
  number: remoteTail.number,
  indexes: remoteTail.indexes,
  point: remoteTail.point,
  txid: remoteTail.txid,
  feeratePerKw: base.feeratePerKw,
  openerMsat: base.openerMsat,
  accepterMsat: base.accepterMsat,
  htlcs: [],
})
