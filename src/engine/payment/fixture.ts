import { toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { type Msat, msat } from '../base/units.ts'
import { publicKey } from '../crypto/curve.ts'
import { type Entropy, entropyFrom } from '../crypto/entropy.ts'
import { constructOnion } from '../onion/construct.ts'
import { encodeHopPayload, type HopPayload } from '../onion/payload.ts'
import { createInvoice, type InvoiceRecord, type NewInvoice } from './invoice-record.ts'
import type { StartContext } from './start-payment.ts'
import type { PaymentEffect, PaymentRecord, PaymentTurn } from './payment-record.ts'
import type { ChannelCandidate, IncomingHtlc, OutgoingAdd } from './types.ts'

/** Two nodes and what happens between them, for the tests of this room. */

export const NOW = 1_800_000_000_000
export const HEIGHT = 1000
export const ALICE_SECRET = new Uint8Array(32).fill(0xa1)
export const BOB_SECRET = new Uint8Array(32).fill(0xb0)
export const ALICE = toHex(publicKey(ALICE_SECRET))
export const BOB = toHex(publicKey(BOB_SECRET))

let seeds = 0
/** A different stream for each call; the same ones in each run of a test file. */
export function entropy(): Entropy {
  seeds += 1
  const seed = new Uint8Array(32)
  new DataView(seed.buffer).setUint32(0, seeds)
  return entropyFrom(seed)
}

/** An invoice of Bob's. */
export const bobsInvoice = (
  change: Partial<NewInvoice> & { readonly nodeSecret?: Uint8Array } = {},
): InvoiceRecord => {
  const { nodeSecret, ...fields } = change
  return unwrap(
    createInvoice(
      { description: 'tea', expirySeconds: 3600, ...fields },
      { now: NOW, network: 'regtest', nodeSecret: nodeSecret ?? BOB_SECRET, entropy: entropy() },
    ),
  )
}

/** A channel of Alice's with Bob that carries up to `spendable` msat. */
export function channel(
  id: string,
  spendable: bigint,
  change: Partial<ChannelCandidate> = {},
): ChannelCandidate {
  return {
    channelId: id.repeat(64).slice(0, 64),
    peer: BOB,
    state: 'usable',
    spendableMsat: msat(spendable),
    problem: (amount) =>
      amount > spendable ? { code: 'belowReserve', spendableMsat: msat(spendable) } : undefined,
    ...change,
  }
}

export const startContext = (change: Partial<StartContext> = {}): StartContext => ({
  now: NOW,
  height: HEIGHT,
  entropy: entropy(),
  channels: [channel('1', 10_000_000n)],
  network: 'regtest',
  ourNodeId: ALICE,
  timeoutSeconds: 60,
  known: () => undefined,
  ...change,
})

/** The adds that a turn offers. */
export const offersOf = (turn: PaymentTurn): readonly OutgoingAdd[] =>
  turn.effects.flatMap((e) => (e.type === 'offer' ? [e.add] : []))

export const eventsOf = (effects: readonly PaymentEffect[]): readonly string[] =>
  effects.flatMap((e) => (e.type === 'event' ? [e.event.type] : []))

/** What Bob's channel shows him of an add of Alice's. */
export const received = (add: OutgoingAdd, change: Partial<IncomingHtlc> = {}): IncomingHtlc => ({
  channelId: 'bb'.repeat(32),
  id: 0n,
  amountMsat: add.amountMsat,
  paymentHash: add.paymentHash,
  cltvExpiry: add.cltvExpiry,
  onion: add.onion,
  ...change,
})

/** An HTLC for Bob with any payload, and the secret that its failure is read with. */
export function crafted(input: {
  readonly paymentHash: Uint8Array
  readonly payload: HopPayload
  readonly amountMsat: Msat
  readonly cltvExpiry: number
}): { readonly htlc: IncomingHtlc; readonly sharedSecrets: readonly Uint8Array[] } {
  const built = unwrap(
    constructOnion({
      sessionKey: entropy().bytes(32),
      associatedData: input.paymentHash,
      hops: [{ pubkey: publicKey(BOB_SECRET), payload: encodeHopPayload(input.payload) }],
    }),
  )
  const { paymentHash, amountMsat, cltvExpiry } = input
  return {
    htlc: {
      channelId: 'bb'.repeat(32),
      id: 7n,
      amountMsat,
      paymentHash,
      cltvExpiry,
      onion: built.packet,
    },
    sharedSecrets: built.sharedSecrets,
  }
}

/** A store of payments or invoices for lookups. */
export const lookup =
  <T extends InvoiceRecord | PaymentRecord>(...records: readonly T[]) =>
  (hash: string): T | undefined =>
    records.find((r) => r.paymentHash === hash)
