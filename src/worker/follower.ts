import * as v from 'valibot'
import type { ApiErrorData } from '../contract/errors.ts'
import type { Port } from '../contract/port.ts'
import type { Clock } from '../host/ports.ts'

/** Until a call that finds no leader is answered with `notReady`. */
const NO_LEADER_MS = 15_000

/** Streams that only tell what is: asked again of the next leader. Whatever does something is never asked twice. */
const RESUMABLE: ReadonlySet<string> = new Set([
  'getState',
  'subscribeEvents',
  'subscribeInvoices',
  'channelView',
])

const pageMessage = v.variant('type', [
  v.object({ type: v.literal('call'), id: v.number(), name: v.string(), input: v.unknown() }),
  v.object({ type: v.literal('cancel'), id: v.number() }),
  v.object({ type: v.literal('items'), id: v.number(), items: v.array(v.unknown()) }),
  v.object({ type: v.literal('done'), id: v.number() }),
])

const reply = v.variant('type', [
  v.object({ type: v.literal('value'), id: v.number(), value: v.unknown() }),
  v.object({ type: v.literal('values'), id: v.number(), values: v.array(v.unknown()) }),
  v.object({ type: v.literal('want'), id: v.number(), count: v.number() }),
  v.object({ type: v.literal('end'), id: v.number() }),
  v.looseObject({ type: v.literal('error'), id: v.number() }),
])

/** Where a page's messages go at present: the engine in this worker, or the leader's tab. */
export interface Target {
  post(message: unknown): void
  /** Whether the engine runs in another tab. */
  readonly remote: boolean
}

/** One port of a page, wherever the engine runs. */
export interface PageRouter {
  /**
   * Sends everything to a new place, or nowhere yet. What was open at the old place is resumed if it only tells what is, and
   * otherwise fails with `cancelled`: whether it was done is not known.
   */
  retarget(target: Target | undefined): void
  /** An answer of the present target. */
  deliver(message: unknown): void
  /** No target and none to come soon: answers whatever waits, and what comes until the next target, with this error. */
  fail(error: ApiErrorData): void
}

interface Open {
  readonly message: unknown
  readonly name: string
  sent: boolean
  /** Stops the waiting for a leader. */
  cancelTimer: () => void
}

/** Routes a page's calls and streams to where the engine is, over changes of the leader. */
export function routePage(page: Port, clock: Clock): PageRouter {
  let target: Target | undefined
  let failure: ApiErrorData | undefined
  const open = new Map<number, Open>()

  function answer(id: number, error: ApiErrorData): void {
    open.get(id)?.cancelTimer()
    open.delete(id)
    page.post({ type: 'error', id, error })
  }

  function send(call: Open): void {
    call.cancelTimer()
    call.sent = true
    target?.post(call.message)
  }

  function hold(id: number, call: Open): void {
    call.sent = false
    call.cancelTimer = RESUMABLE.has(call.name)
      ? () => {}
      : clock.after(NO_LEADER_MS, () => answer(id, NOT_READY))
  }

  page.listen((data) => {
    const parsed = v.safeParse(pageMessage, data)
    if (!parsed.success) return
    const message = parsed.output
    if (message.type === 'cancel') {
      const call = open.get(message.id)
      open.delete(message.id)
      call?.cancelTimer()
      if (call?.sent === true) target?.post(message)
      return
    }
    if (message.type !== 'call') {
      // On its way in an open stream: one that has been answered already is over here as well.
      if (open.get(message.id)?.sent === true) target?.post(message)
      return
    }
    const call: Open = { message, name: message.name, sent: false, cancelTimer: () => {} }
    open.set(message.id, call)
    if (target !== undefined) send(call)
    else if (failure !== undefined) answer(message.id, failure)
    else hold(message.id, call)
  })

  return {
    retarget(next) {
      target = next
      failure = undefined
      for (const [id, call] of open) {
        if (call.sent && !RESUMABLE.has(call.name)) answer(id, CANCELLED)
        else if (target !== undefined) send(call)
        else if (call.sent) hold(id, call)
      }
    },
    deliver(data) {
      const parsed = v.safeParse(reply, data)
      if (!parsed.success) return
      const message = parsed.output
      const call = open.get(message.id)
      if (call === undefined || !call.sent) return
      if (message.type === 'end' || message.type === 'error') open.delete(message.id)
      else if (message.type === 'value' && call.name === 'getState' && target?.remote === true)
        return page.post({ ...message, value: asFollower(message.value) })
      page.post(message)
    },
    fail(error) {
      failure = error
      target = undefined
      for (const id of open.keys()) answer(id, error)
    },
  }
}

/** The leader's state as another tab's page sees it. */
function asFollower(state: unknown): unknown {
  if (typeof state !== 'object' || state === null || !('phase' in state)) return state
  return state.phase === 'running' ? { ...state, phase: 'following' } : state
}

const CANCELLED: ApiErrorData = {
  code: 'cancelled',
  message: 'The tab that ran the node has gone; whether this was done shows in the lists.',
}
const NOT_READY: ApiErrorData = { code: 'notReady', message: 'No tab runs the node yet.' }
