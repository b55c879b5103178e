import { CLOSING } from './closing.ts'
import { COMMITMENT } from './commitment.ts'
import type { MessageCodec } from './fields.ts'
import { GOSSIP } from './gossip.ts'
import type { KnownMessage, MessageOf, MessageType } from './messages.ts'
import { OPENING } from './opening.ts'
import { PROVEN } from './proven.ts'
import { SETUP } from './setup.ts'

/** Every known message's codec by name; the type makes a forgotten one a compile error. */
export const CODECS: { readonly [T in MessageType]: MessageCodec<MessageOf<T>> } = {
  ...SETUP,
  ...OPENING,
  ...CLOSING,
  ...COMMITMENT,
  ...GOSSIP,
  ...PROVEN,
}

/** Codecs by message number. */
export const CODECS_BY_NUMBER: ReadonlyMap<number, MessageCodec<KnownMessage>> = new Map(
  Object.values(CODECS).map((codec) => [codec.number, codec as unknown as MessageCodec<KnownMessage>]),
)

/**
 * Even messages that BOLT 2 defines and that we never negotiate: dual funding (64 to 74) and splicing (80). They decode as
 * `unknown`, so that the channel machine can answer with an error for that channel instead of losing the connection.
 */
export const UNUSED_EVEN: ReadonlySet<number> = new Set([64, 66, 68, 70, 72, 74, 80])
