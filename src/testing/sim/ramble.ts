import { equalBytes } from '../../engine/base/bytes.ts'
import { msat } from '../../engine/base/units.ts'
import { otherRole } from '../../engine/commitment/types.ts'
import { sha256 } from '../../engine/crypto/hash.ts'
import { seeded } from '../random.ts'
import { apply, cut, deliver, openPair, type Party, preimageOf, reconnect } from './channel-pair.ts'

/** Two channels that do whatever comes to mind; `look` after each step. Returns how many HTLCs were offered. */
export function ramble(
  format: string,
  steps: number,
  look: (alice: Party, bob: Party) => void,
): { alice: Party; bob: Party; offered: number } {
  const random = seeded(format.length)
  const { alice, bob } = openPair(format)
  let offered = 0
  for (let step = 0; step < steps; step++) {
    const [party, other] = random.int(2) === 0 ? [alice, bob] : [bob, alice]
    const what = random.int(16)
    if (random.int(30) === 0) {
      cut(alice, bob)
      reconnect(alice, bob)
    } else if (what < 3) {
      offered += 1
      const amountMsat = msat([1_000, 353_999, 354_000, 900_000, 4_000_000][random.int(5)] as number)
      const paymentHash = sha256(preimageOf(offered))
      const onion = new Uint8Array(1366).fill(offered)
      apply(party, {
        type: 'propose',
        proposal: { type: 'add', amountMsat, paymentHash, cltvExpiry: 500, onion, token: `t${offered}` },
      })
    } else if (what < 6) removeOne(party, offered, random)
    else if (what === 6 && party === alice) {
      apply(party, { type: 'propose', proposal: { type: 'fee', feeratePerKw: 253 + random.int(3000) } })
    } else for (let n = random.int(4); n >= 0; n--) deliver(other, party)
    if (random.int(3) > 0) apply(party, { type: 'flush' })
    look(alice, bob)
  }
  return { alice, bob, offered }
}

/** Settles or fails one of the HTLCs that a party may remove. */
function removeOne(party: Party, offered: number, random: ReturnType<typeof seeded>): void {
  const them = otherRole(party.channel.role)
  const live = party.channel.base.htlcs.filter((h) => h.offerer === them)
  const htlc = live[random.int(Math.max(1, live.length))]
  if (htlc === undefined) return
  const n = Array.from({ length: offered }, (_, i) => i + 1).find((i) =>
    equalBytes(sha256(preimageOf(i)), htlc.paymentHash),
  )
  if (n === undefined) return
  apply(party, {
    type: 'propose',
    proposal:
      random.int(3) === 0
        ? { type: 'fail', id: htlc.id, reason: new Uint8Array(292) }
        : { type: 'fulfill', id: htlc.id, preimage: preimageOf(n) },
  })
}
