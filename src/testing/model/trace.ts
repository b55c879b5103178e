import { readFileSync } from 'node:fs'
import * as v from 'valibot'

/** Traces of the specification (ITF: https://apalache-mc.org/docs/adr/015adr-trace.html), as far as the engine is held to them. */

const integer = v.pipe(
  v.object({ '#bigint': v.string() }),
  v.transform((value) => Number(value['#bigint'])),
)
const map = <T extends v.GenericSchema>(value: T) =>
  v.pipe(
    v.object({ '#map': v.array(v.tuple([v.string(), value])) }),
    v.transform((entries) => new Map(entries['#map'])),
  )
const set = <T extends v.GenericSchema>(value: T) =>
  v.pipe(
    v.object({ '#set': v.array(value) }),
    v.transform((values) => values['#set']),
  )
const variant = <T extends string, V extends v.GenericSchema>(tag: T, value: V) =>
  v.object({ tag: v.literal(tag), value })

const add = variant('Add', v.object({ id: integer, amount: integer }))
const settle = variant('Settle', v.object({ id: integer, paid: v.boolean() }))
const fee = variant('Fee', integer)
const update = v.variant('tag', [add, settle, fee])
const indexes = map(integer)
const commitment = v.object({
  number: integer,
  indexes,
  view: v.object({
    balance: map(integer),
    feerate: integer,
    htlcs: set(v.object({ by: v.string(), id: integer, amount: integer })),
  }),
})
const revocation = v.object({ number: integer, first: integer, count: integer })
const entry = v.variant('tag', [variant('Signed', integer), variant('Revoked', revocation)])
const message = v.variant('tag', [
  variant('Ready', integer),
  variant('Said', update),
  variant('Signature', commitment),
  variant('Revocation', revocation),
  variant('Reestablish', v.object({ nextCommitment: integer, nextRevocation: integer, indexes })),
])
const side = v.object({
  logs: map(v.array(update)),
  local: commitment,
  granted: integer,
  tail: commitment,
  pending: v.array(commitment),
  held: integer,
  journal: v.array(entry),
  outbox: v.array(update),
  online: v.boolean(),
  failed: v.string(),
  shown: set(integer),
  settled: set(integer),
  removed: set(integer),
})
const wish = v.variant('tag', [
  variant('Offer', integer),
  variant('Resolve', v.object({ id: integer, paid: v.boolean() })),
  variant('Feerate', integer),
  variant('Resize', integer),
])
const state = v.object({
  setting: v.object({ window: indexes, eager: v.boolean(), patient: v.boolean(), fault: v.string() }),
  deed: v.object({ kind: v.string(), side: v.string(), received: integer, wishes: v.array(wish) }),
  sides: map(side),
  waiting: map(v.array(message)),
})
const trace = v.object({ states: v.array(state) })

export type TraceState = v.InferOutput<typeof state>
export type ModelSide = v.InferOutput<typeof side>
export type ModelCommitment = v.InferOutput<typeof commitment>
export type ModelMessage = v.InferOutput<typeof message>
export type ModelUpdate = v.InferOutput<typeof update>
export type Wish = v.InferOutput<typeof wish>

/** The states of a trace file; throws when it is none. */
export const readTrace = (file: string): readonly TraceState[] =>
  v.parse(trace, JSON.parse(readFileSync(file, 'utf8'))).states
