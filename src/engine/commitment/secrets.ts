import { utf8 } from '../base/bytes.ts'
import { invariant } from '../base/result.ts'
import { isSecretKey, publicKey } from '../crypto/curve.ts'
import { hkdf } from '../crypto/hash.ts'
import { elkremRoot } from '../revocation/elkrem.ts'
import type { ChannelPublicKeys, CommitmentFormat } from './types.ts'

/** Everything secret that one channel needs, 32 bytes each. Derived when needed, never stored. */
export interface ChannelSecrets {
  readonly funding: Uint8Array
  readonly revocationBasepoint: Uint8Array
  readonly paymentBasepoint: Uint8Array
  readonly delayedPaymentBasepoint: Uint8Array
  readonly htlcBasepoint: Uint8Array
  /** Root of the tree of per-commitment secrets (`revocation/secrets.ts`): shachain seed or elkrem root. */
  readonly commitmentRoot: Uint8Array
}

const SEED_LABEL = 'switchback channel seed'

/**
 * The seed of one channel, 32 bytes: HKDF-SHA256 over a key of the wallet with 32 random bytes drawn for this channel. The salt
 * is kept in the channel's record and never used twice, failed openings and restored wallets included: a repeated seed would
 * hand the peer live secrets.
 */
export function deriveChannelSeed(walletKey: Uint8Array, salt: Uint8Array): Uint8Array {
  invariant(walletKey.length === 32, 'wallet channel key of 32 bytes')
  invariant(salt.length === 32, 'channel salt of 32 bytes')
  return hkdf(walletKey, salt, utf8(SEED_LABEL), 32)
}

/**
 * A channel's secrets from its 32-byte seed, one HKDF label each.
 * @param paymentBasepoint replaces the payment secret where the wallet wants `to_remote` outputs of the peer's commitments
 *   to be found from its words alone
 */
export function deriveChannelSecrets(
  channelSeed: Uint8Array,
  format: Pick<CommitmentFormat, 'secrets'>,
  paymentBasepoint?: Uint8Array,
): ChannelSecrets {
  invariant(channelSeed.length === 32, 'channel seed of 32 bytes')
  const expand = (label: string) =>
    hkdf(channelSeed, new Uint8Array(0), utf8(`switchback channel ${label}`), 32)
  const key = (label: string) => {
    const secret = expand(label)
    // A hash misses the group's order with a chance of 2^-128.
    invariant(isSecretKey(secret), 'derived secret in range')
    return secret
  }
  const funding = key('funding')
  return {
    funding,
    revocationBasepoint: key('revocation'),
    paymentBasepoint: paymentBasepoint ?? key('payment'),
    delayedPaymentBasepoint: key('delayed payment'),
    htlcBasepoint: key('htlc'),
    // The seed is unique to the channel already; the tree is bound to the funding key as well (design: lcp, Elkrem).
    commitmentRoot:
      format.secrets === 'elkrem'
        ? elkremRoot(channelSeed, expand('elkrem salt'), publicKey(funding))
        : expand('shachain seed'),
  }
}

/** The five keys that go into `open_channel` or `accept_channel`. */
export const channelPublicKeys = (secrets: ChannelSecrets): ChannelPublicKeys => ({
  fundingPubkey: publicKey(secrets.funding),
  revocationBasepoint: publicKey(secrets.revocationBasepoint),
  paymentBasepoint: publicKey(secrets.paymentBasepoint),
  delayedPaymentBasepoint: publicKey(secrets.delayedPaymentBasepoint),
  htlcBasepoint: publicKey(secrets.htlcBasepoint),
})
