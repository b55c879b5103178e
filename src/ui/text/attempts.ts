import { t } from './en.ts'
import type { ErrorLike } from './words.ts'
import { wordsFor } from './words.ts'

/** Words for the ways of a payment. Loaded with the screens that show them. */

const plural = (n: number, one: string, many: string) => `${n} ${n === 1 ? one : many}`

export const waysText = {
  title: 'Its ways',
  about: 'Large sums go in parts, by several ways at once. The recipient takes all of them or none.',
  straight: 'straight to the recipient',
  through: (names: readonly string[]) => `through ${names.join(', then ')}`,
  hidden: (names: readonly string[]) =>
    `through ${names.join(', then ')}, and on by a way that the recipient keeps to itself`,
  states: { pending: 'On its way', succeeded: 'Arrived' },
  away: (name: string) => `On its way. It goes on once ${name} is connected again.`,
  back: (why: string) => `Came back. ${why}`,
  fee: 'fee',
  moreParts: (n: number) => plural(n, 'more part', 'more parts'),
  earlier: (n: number) => plural(n, 'earlier attempt', 'earlier attempts'),
  searching: 'Looking for another way…',
  onTheWay: 'On its way',
  arrived: 'Arrived',
  ofWhole: 'of',
  atMost: 'at most',
  feeSoFar: 'Fee so far',
  /** For those who listen: said once things have settled. */
  said: (parts: number, failed: number) =>
    [
      parts === 0
        ? 'Looking for another way.'
        : parts === 1
          ? 'On its way.'
          : `On its way in ${plural(parts, 'part', 'parts')}.`,
      failed === 0 ? '' : `${plural(failed, 'attempt', 'attempts')} came back.`,
    ]
      .filter((sentence) => sentence !== '')
      .join(' '),
  route: 'Way',
  attempts: 'Attempts',
  parts: 'Parts',
  partsOf: (parts: number, attempts: number) =>
    attempts === 1
      ? '1'
      : attempts === parts
        ? plural(parts, 'part', 'parts')
        : `${plural(parts, 'part', 'parts')} in ${plural(attempts, 'attempt', 'attempts')}`,
}

interface Place {
  /** Names of the nodes from our peer to the recipient. */
  readonly names: readonly string[]
}

/** What BOLT 4's failure codes mean, of the node that sent them (`it`) and the one behind it (`next`). */
const FAILURES: Readonly<Record<string, (it: string, next: string) => string>> = {
  temporary_channel_failure: (it, next) => `${it} had no room to pass it on to ${next}.`,
  unknown_next_peer: (it, next) => `${it} is not connected to ${next} now.`,
  channel_disabled: (it, next) => `${it} passes nothing on to ${next} at the moment.`,
  permanent_channel_failure: (it, next) => `The channel from ${it} to ${next} is gone.`,
  required_channel_feature_missing: (it, next) =>
    `The channel from ${it} to ${next} asks for something that this wallet does not know.`,
  fee_insufficient: (it) => `${it} asks for a higher fee than it had told.`,
  amount_below_minimum: (it) => `${it} does not pass on so little.`,
  incorrect_cltv_expiry: (it) => `${it} wants more time than it had told.`,
  expiry_too_soon: (it) => `${it} found the time left for it too short.`,
  expiry_too_far: (it) => `${it} does not lock money for so long.`,
  temporary_node_failure: (it) => `${it} is out of order for now.`,
  permanent_node_failure: (it) => `${it} is out of service.`,
  required_node_feature_missing: (it) => `${it} asks for something that this wallet does not know.`,
  mpp_timeout: () => 'The other parts did not reach the recipient in time.',
  invalid_onion_blinding: () => 'One of the recipient’s own ways did not carry it.',
  unreadable: () => 'Whoever stopped it did not say why.',
}

/** Why one attempt failed, in a sentence that names the node. */
export function attemptWords(error: ErrorLike, { names }: Place): string {
  const { code, data } = error
  const failure = data?.['failure']
  const hop = data?.['hop']
  const at = typeof hop === 'number' ? hop : undefined
  const say = typeof failure === 'string' ? FAILURES[failure] : undefined
  if (code === 'paymentFailed' && say !== undefined) {
    const it = at === undefined ? 'A node on the way' : (names[at] ?? 'A node on the way')
    return say(it, (at === undefined ? undefined : names[at + 1]) ?? 'the next one')
  }
  if (code === 'paymentFailed' && at !== undefined && names[at] !== undefined)
    return `${names[at]} could not pass it on.`
  return wordsFor(error).what
}

/** How far an attempt got, in hops: the node that sent it back had it. */
export function hopsReached(error: ErrorLike | undefined, hops: number): number {
  const hop = error?.data?.['hop']
  if (typeof hop === 'number') return Math.min(hops, hop + 1)
  return error?.code === 'recipientRefused' ? hops : 0
}

/** Words for taking a payment back, and for what came in. */
export const payText = {
  cancel: t.app.cancel,
  cancelling:
    'Nothing more is sent. What is on its way cannot be called back: the recipient may still take it. The payment is cancelled once all of it has come back.',
  titles: { cancelling: t.home.cancelling, cancelled: 'Cancelled' },
  another: 'Pay something else',
  look: 'See what became of it',
  received: {
    came: 'Came through',
    cameBy: (names: readonly string[]) => names.join(', '),
    asked: 'Asked for',
    more: 'More than asked for',
    part: (name: string) => `through ${name}`,
    parts: 'Parts of this payment',
  },
  held: {
    title: 'Waits for your word',
    about: 'The payment is here and complete. It is yours once you take it, and goes back if you do not.',
    waiting: (parts: number) => `${plural(parts, 'part has', 'parts have')} come, the rest is awaited.`,
    take: 'Take it',
    giveBack: 'Give it back',
  },
}
