import { type DecodedFailure, failureFlags, failureName } from '../onion/failure.ts'
import { readFailure } from '../onion/failure-packet.ts'
import { FINAL_CLTV_PADDING } from './onion-for.ts'
import { blameAll, blameFrom, blameHop } from './attempt-route.ts'
import type { Route } from '../router/types.ts'
import type { Attempt } from './payment-record.ts'
import { failure, type HtlcRemoval, type PaymentFailure } from './types.ts'

/** What a failed HTLC means for its payment. */
export interface Verdict {
  readonly error: PaymentFailure
  /**
   * - `never`: another attempt would end the same.
   * - `elsewhere`: another channel may do.
   * - `again`: the same channel may do as well; the cause was time.
   */
  readonly retry: 'never' | 'elsewhere' | 'again'
  /** Of an attempt by a route: whom the next one keeps away from. Our own channel is not to blame then. */
  readonly blame?: Attempt['blame']
  readonly lesson?: Attempt['lesson']
  /** As far as they are proven, in units of 100 ms. */
  readonly holdTimes?: Attempt['holdTimes']
}

type Failed = Exclude<HtlcRemoval, { type: 'fulfill' }>

/** Reads the removal of an HTLC of ours (BOLT 4 §Receiving Failure Codes, the origin node). `height`: our best block now. */
export function verdictOf(removal: Failed, attempt: Attempt, height: number): Verdict {
  if (removal.type === 'malformed') return fromMalformed(removal.failureCode, attempt)
  const { sharedSecrets } = attempt
  const { reason, attributionData } = removal
  const report = readFailure({ sharedSecrets, reason, attributionData })
  const verdict =
    report.source === undefined
      ? unreadable(attempt, report.blamed)
      : fromSource(report.source, attempt, height)
  return report.holdTimes.length === 0 ? verdict : { ...verdict, holdTimes: report.holdTimes }
}

/** Only our direct peer can say this about the onion that we made for it. */
const fromMalformed = (code: number, { route, hops }: Attempt): Verdict => ({
  error: failure('paymentFailed', 'The peer could not read the payment instructions.', {
    failure: nameOf(code),
    failureCode: code,
  }),
  retry: hops.length === 1 && route?.blinded === undefined ? 'never' : 'elsewhere',
  ...(route === undefined ? {} : { blame: blameFirst(route) }),
})

/**
 * Nobody signed it. With attribution data the hops before `blamed` prove what they were given, so that the change was made by that hop, or
 * by the one before it on the way between them; or that hop knows no attribution, and nothing is known from there on. Either way what lies
 * before it is in order, and another way is taken from there.
 */
function unreadable({ route, hops }: Attempt, blamed: number | undefined): Verdict {
  const at = blamed === undefined ? undefined : Math.min(blamed, hops.length - 1)
  const error = failure('paymentFailed', 'The payment was failed, and the reason given cannot be read.', {
    failure: 'unreadable',
    ...(at === undefined ? {} : { hop: at, node: hops[at] ?? '' }),
  })
  if (route === undefined) return { error, retry: 'elsewhere' }
  if (at === undefined || at === 0) return { error, retry: 'elsewhere', blame: blameAll(route) }
  return {
    error,
    retry: 'elsewhere',
    blame: blameFrom(route, at),
    lesson: { type: 'hopFailed', failedHop: at, any: true },
  }
}

type Source = NonNullable<ReturnType<typeof readFailure>['source']>

function fromSource(source: Source, attempt: Attempt, height: number): Verdict {
  const { route } = attempt
  const last = attempt.sharedSecrets.length - 1
  const inside = route?.blinded !== undefined && source.hop >= attempt.hops.length - 1
  if (inside && (source.hop < last || source.failure.failure.name === 'invalid_onion_blinding'))
    return fromInside(source.failure, attempt, route)
  return source.hop === last
    ? fromRecipient(source.failure, source.hop, attempt, height)
    : {
        error: failure('paymentFailed', 'A node on the way could not forward the payment.', {
          ...told(source.failure),
          hop: source.hop,
          node: attempt.hops[source.hop] ?? '',
        }),
        retry: 'elsewhere',
        ...(attempt.route === undefined
          ? {}
          : {
              blame: blameHop(attempt.route, source.hop, failureFlags(source.failure.code).node),
              lesson: lessonOf(attempt.route, source.hop, source.failure),
            }),
      }
}

/**
 * BOLT 4 §Route Blinding: whatever is told from the beginning of a blinded path on means no more than that this path does not carry it
 * now. All that leads to it does.
 */
const fromInside = (decoded: DecodedFailure, attempt: Attempt, route: Route): Verdict => ({
  error: failure('paymentFailed', 'One of the recipient’s own ways did not carry the payment.', {
    ...told(decoded),
    hop: attempt.hops.length - 1,
    node: attempt.hops.at(-1) ?? '',
  }),
  retry: 'elsewhere',
  blame: route.blinded === undefined ? {} : { path: route.blinded },
  lesson: { type: 'hopFailed', failedHop: route.hops.length, any: false },
})

/** The peer could not read its onion: whether it is to blame, or the blinded path that begins with it, only the path can tell. */
const blameFirst = (route: Route): NonNullable<Attempt['blame']> =>
  route.blinded !== undefined && route.hops.length === 1 ? { path: route.blinded } : blameHop(route, 0, true)

/** What a failure of hop `at` says of the channel behind it, or of itself. */
function lessonOf(route: Route, at: number, { code, failure: { name } }: DecodedFailure): Attempt['lesson'] {
  const nodeId = route.hops[at]?.nodeId
  if (failureFlags(code).node && nodeId !== undefined) return { type: 'nodeFailed', nodeId }
  return { type: 'hopFailed', failedHop: at + 1, any: name !== 'temporary_channel_failure' }
}

/** BOLT 4: when the final node returns the error, PERM SHOULD fail the payment; else the payment MAY be retried. */
function fromRecipient(decoded: DecodedFailure, hop: number, attempt: Attempt, height: number): Verdict {
  const data = { ...told(decoded), hop }
  const message = decoded.failure
  if (message.name === 'incorrect_or_unknown_payment_details') {
    // BOLT 4: `height` lets the sender tell a wrong expiry from one that was right when it was chosen.
    if (message.height > attempt.height + FINAL_CLTV_PADDING) {
      return {
        error: failure(
          'paymentFailed',
          'The recipient has seen later blocks than this wallet had, so the expiry was too near.',
          { ...data, recipientHeight: message.height, ourHeight: attempt.height },
        ),
        // Its word alone is not enough: we must have seen later blocks ourselves.
        retry: height > attempt.height ? 'again' : 'never',
      }
    }
    return {
      error: failure(
        'recipientRefused',
        'The recipient does not take this payment: unknown, paid or expired invoice, or a wrong amount.',
        data,
      ),
      retry: 'never',
    }
  }
  return failureFlags(decoded.code).permanent
    ? { error: failure('recipientRefused', 'The recipient refused the payment.', data), retry: 'never' }
    : {
        error: failure('paymentFailed', 'The recipient could not take the payment now.', data),
        retry: 'elsewhere',
        // Time may be all that was missing where parts came too late; else another way in may do.
        ...(attempt.route === undefined
          ? {}
          : { blame: message.name === 'mpp_timeout' ? {} : blameHop(attempt.route, hop - 1, false) }),
      }
}

const told = (decoded: DecodedFailure) => ({ failure: nameOf(decoded.code), failureCode: decoded.code })

const nameOf = (code: number): string =>
  failureName(code) ?? `unknown_0x${code.toString(16).padStart(4, '0')}`
