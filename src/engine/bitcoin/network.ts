import { fromHex } from '../base/bytes.ts'

export type NetworkName = 'bitcoin' | 'testnet4' | 'signet' | 'regtest'

/** What differs between Bitcoin's networks for this program. */
export interface Network {
  readonly name: NetworkName
  /** Prefix of segwit addresses (BIP 173). */
  readonly bech32: string
  /** Prefix of BOLT 11 invoices after `ln`. */
  readonly invoicePrefix: string
  /** Version bytes of base58 addresses, to be able to pay to them. */
  readonly pubKeyHash: number
  readonly scriptHash: number
  /** BIP 44 coin type: 0 on mainnet, 1 elsewhere. */
  readonly coinType: 0 | 1
  /** Hash of the genesis block, 32 bytes in the order BOLT messages carry it (internal order). */
  readonly chainHash: Uint8Array
}

const network = (
  name: NetworkName,
  bech32: string,
  invoicePrefix: string,
  pubKeyHash: number,
  scriptHash: number,
  genesis: string,
): Network => ({
  name,
  bech32,
  invoicePrefix,
  pubKeyHash,
  scriptHash,
  coinType: name === 'bitcoin' ? 0 : 1,
  chainHash: fromHex(genesis).reverse(),
})

/** The networks by name. Genesis hashes in display order as Bitcoin Core's chainparams state them. */
export const NETWORKS: Readonly<Record<NetworkName, Network>> = {
  bitcoin: network(
    'bitcoin',
    'bc',
    'bc',
    0x00,
    0x05,
    '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f',
  ),
  testnet4: network(
    'testnet4',
    'tb',
    'tb',
    0x6f,
    0xc4,
    '00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043',
  ),
  signet: network(
    'signet',
    'tb',
    'tbs',
    0x6f,
    0xc4,
    '00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6',
  ),
  regtest: network(
    'regtest',
    'bcrt',
    'bcrt',
    0x6f,
    0xc4,
    '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206',
  ),
}
