import { type Sat, sat } from '../base/units.ts'
import type { OutPoint } from '../bitcoin/types.ts'
import { type ChannelSecrets, deriveChannelSecrets } from './secrets.ts'
import { type ChannelSigner, createChannelSigner } from './signer.ts'
import type { CommitmentFormat, CommitmentParams, SideParams } from './types.ts'

/** A channel with both sides' secrets, for tests only. */
export interface TestChannel {
  readonly params: CommitmentParams
  readonly secrets: { readonly opener: ChannelSecrets; readonly accepter: ChannelSecrets }
  readonly signers: { readonly opener: ChannelSigner; readonly accepter: ChannelSigner }
}

/** Two sides with seeds 01… and 02…, other dust limits and delays on each side. */
export function testChannel(
  format: CommitmentFormat,
  options: { readonly fundingSat?: Sat; readonly fundingOutpoint?: OutPoint } = {},
): TestChannel {
  const opener = deriveChannelSecrets(new Uint8Array(32).fill(1), format)
  const accepter = deriveChannelSecrets(new Uint8Array(32).fill(2), format)
  const signers = {
    opener: createChannelSigner(opener, format),
    accepter: createChannelSigner(accepter, format),
  }
  const side = (signer: ChannelSigner, dust: bigint, toSelfDelay: number): SideParams => ({
    keys: signer.publicKeys,
    dustLimitSat: sat(dust),
    toSelfDelay,
  })
  return {
    params: {
      format,
      fundingOutpoint: options.fundingOutpoint ?? { txid: 'ab'.repeat(32), vout: 1 },
      fundingSat: options.fundingSat ?? sat(1_000_000),
      opener: side(signers.opener, 354n, 144),
      accepter: side(signers.accepter, 546n, 720),
    },
    secrets: { opener, accepter },
    signers,
  }
}
