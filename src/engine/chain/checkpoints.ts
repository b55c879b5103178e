import { fromHex } from '../base/bytes.ts'
import type { NetworkName } from '../bitcoin/network.ts'

/**
 * Where header verification starts: a block at a multiple of 2016, so that everything later retargets need is above it. The
 * header proves itself: its hash meets the difficulty it states. Height and work are the project's word for it.
 */
export interface Checkpoint {
  readonly height: number
  /** 80 bytes. */
  readonly header: Uint8Array
  /** Work of the chain up to and including this block. */
  readonly work: bigint
}

const genesis = (version: string, merkleRoot: string, rest: string, work: bigint): Checkpoint => ({
  height: 0,
  header: fromHex(version + '00'.repeat(32) + merkleRoot + rest),
  work,
})

const SATOSHI_COINBASE = '3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a'

/**
 * Checkpoints by network. Mainnet and signet: the newest of bitcoinj's lists whose bytes were at hand (January 2025); a release
 * should bring newer ones, taken from several servers, since every 10 blocks since then cost a request at the first start.
 * Testnet4 starts at its genesis block for want of a header that could be checked by hashing.
 */
export const CHECKPOINTS: Readonly<Record<NetworkName, Checkpoint>> = {
  bitcoin: {
    height: 878_976,
    header: fromHex(
      '0080cb2a84fa5fcdb3c448a0dc7f38c6a7e55f1261fcec2f0b6d00000000000000000000a2282f81592e007e389fa35ed4a9f5559c2ebf12fa76b54f0316668dcba6d961af1f8467618c02178c74d981',
    ),
    work: 0xa6e78db05939f5b7a956f47bn,
  },
  testnet4: genesis(
    '01000000',
    '4e7b2b9128fe0291db0693af2ae418b767e657cd407e80cb1434221eaea7a07a',
    '046f3566ffff001dbb0c7817',
    0x100010001n,
  ),
  signet: {
    height: 229_824,
    header: fromHex(
      '000000204e1723c21130b4b77d390200eda865cb048c5586a701ac1e2e4d14fddf000000eb17b9fe7e04f19d26ed5860829edafcd8a217d22b18fdc74bff36da9ae76d1105477d67ad46011ec2283200',
    ),
    work: 0x29c18351044n,
  },
  regtest: genesis('01000000', SATOSHI_COINBASE, 'dae5494dffff7f2002000000', 2n),
}
