import type { ReactNode } from 'react'
import '../../styles/payments.css'
import { useNodeNames } from '../../state/node-names.ts'
import { attemptWords, hopsReached, waysText as words } from '../../text/attempts.ts'
import type { ErrorLike } from '../../text/words.ts'
import { Amount } from '../../widgets/Amount.tsx'
import { Climb } from '../../widgets/Climb.tsx'

/** One attempt to bring the payment, or a part of it, by one way. */
export interface Way {
  readonly number: number
  /** Node ids from our peer to the recipient, or to where the recipient's own hidden way begins. */
  readonly hops: readonly string[]
  readonly amountMsat: bigint
  readonly feeMsat: bigint
  readonly state: 'pending' | 'succeeded' | 'failed'
  readonly error?: ErrorLike | undefined
  /** Our peer is not connected, so that nothing of this way moves. */
  readonly away?: boolean
  /** It goes on by a way that only the recipient knows. */
  readonly hidden?: true
}

/** Attempts that came back and are shown without being asked for. */
const FAILED_SHOWN = 3
/** Parts that are shown so. */
const PARTS_SHOWN = 6

function WayLine({ way, nameOf }: { readonly way: Way; readonly nameOf: (id: string) => string }): ReactNode {
  const { hops, state, error } = way
  const names = hops.map(nameOf)
  return (
    <li className={`way way-${state}`}>
      <Climb
        className="way-climb"
        hops={hops.length}
        state={state}
        reached={hopsReached(error, hops.length)}
      />
      <div className="way-what">
        <p className="way-amount">
          <Amount msat={way.amountMsat} className={state === 'failed' ? 'struck' : ''} />
          {way.feeMsat > 0n && state !== 'failed' ? (
            <span className="quiet">
              {words.fee} <Amount msat={way.feeMsat} />
            </span>
          ) : null}
        </p>
        <p>
          {way.hidden === true
            ? words.hidden(names)
            : names.length > 1
              ? words.through(names.slice(0, -1))
              : words.straight}
        </p>
        <p className={state === 'failed' ? 'trouble' : state === 'succeeded' ? 'money-in' : 'quiet'}>
          {state === 'failed'
            ? words.back(error === undefined ? '' : attemptWords(error, { names }))
            : state === 'pending' && way.away === true
              ? words.away(names[0] ?? '')
              : words.states[state]}
        </p>
      </div>
    </li>
  )
}

/** The ways of a payment: what is on its way or arrived first, then what came back, the newest first. */
export function Ways({ ways }: { readonly ways: readonly Way[] }): ReactNode {
  const nameOf = useNodeNames(ways.flatMap((way) => way.hops))
  const alive = ways.filter((way) => way.state !== 'failed')
  const failed = ways.filter((way) => way.state === 'failed').toReversed()
  const line = (way: Way) => <WayLine key={way.number} way={way} nameOf={nameOf} />
  const more = (some: readonly Way[], title: (n: number) => string) =>
    some.length === 0 ? null : (
      <details className="disclosure">
        <summary>{title(some.length)}</summary>
        <ol className="ways" aria-label={title(some.length)}>
          {some.map(line)}
        </ol>
      </details>
    )
  // One line is no shorter than what it would hide.
  const parts = alive.length === PARTS_SHOWN + 1 ? alive.length : PARTS_SHOWN
  return (
    <div className="ways-frame">
      <ol className="ways" aria-label={words.title}>
        {[...alive.slice(0, parts), ...failed.slice(0, FAILED_SHOWN)].map(line)}
      </ol>
      {more(alive.slice(parts), words.moreParts)}
      {more(failed.slice(FAILED_SHOWN), words.earlier)}
    </div>
  )
}

/** `30 000 of 84 000 sat` */
export function PartOf({ part, whole }: { readonly part: bigint; readonly whole: bigint }): ReactNode {
  return (
    <>
      <Amount msat={part} unit={false} /> {words.ofWhole} <Amount msat={whole} />
    </>
  )
}

/** Whether there is more to tell than that a payment went straight to its recipient. */
export const isEventful = (ways: readonly Way[]): boolean =>
  ways.length > 1 || ways.some((way) => way.hops.length > 1 || way.state === 'failed')
