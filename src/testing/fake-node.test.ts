import * as v from 'valibot'
import { expect, test } from 'vitest'
import { channelView } from '../contract/channel-view.ts'
import { type CallName, procedures } from '../contract/procedures.ts'
import { appState } from '../contract/schemas.ts'
import { ADDRESS, fakeHash, PEERS } from './fake-data.ts'
import { fakeNode, type Scene } from './fake-node.ts'

const never = new AbortController().signal

/** What the screens are developed against must be what the contract allows; otherwise they fit the demo and not the node. */
const fits = (schema: v.GenericSchema, value: unknown) => v.safeParse(schema, value).issues?.[0]?.message

test('the demo state of every scene fits the contract', async () => {
  const scenes = ['running', 'welcome', 'empty', 'following', 'frozen', 'starting', 'moved', 'elsewhere']
  for (const scene of scenes satisfies string[] as Scene[]) {
    for await (const state of fakeNode(scene, 1).getState({}, never)) {
      expect(fits(appState, state), scene).toBeUndefined()
      break
    }
  }
})

test('the demo balances add up, so that Home shows a sum of its parts', async () => {
  for await (const { balances, channels } of fakeNode('running', 1).getState({}, never)) {
    const onchain = BigInt(balances.totalMsat) - BigInt(balances.spendableMsat)
    expect(onchain).toBe(BigInt(balances.onchainSpendableSat) * 1000n)
    for (const channel of channels.filter(({ status }) => status === 'open')) {
      const parts = BigInt(channel.localMsat) + BigInt(channel.remoteMsat) + BigInt(channel.inFlightOutMsat)
      expect(parts).toBe(BigInt(channel.capacitySat) * 1000n)
    }
    break
  }
})

test('what demo calls answer fits the contract', async () => {
  const inputs: Partial<Record<CallName, unknown>> = {
    createWallet: {},
    restoreWallet: { words: 'a b' },
    connectPeer: { address: PEERS[0].address },
    disconnectPeer: { nodeId: PEERS[0].nodeId },
    addInvoice: { amountMsat: '1000', description: 'tea' },
    addInvoices: { count: 3, amountMsat: '1000' },
    unlock: { password: 'open sesame' },
    addLock: { lock: { password: 'open sesame' } },
    removeLock: { kind: 'password', proof: { password: 'open sesame' } },
    decode: { text: 'lnbcrt1demo' },
    findNodes: { text: 'a' },
    getNodeInfo: { nodeId: PEERS[0].nodeId },
    queryRoutes: { destination: PEERS[0].nodeId, amountMsat: '1000' },
    previewSend: { address: ADDRESS, amountSat: 'max' },
    sendCoins: { address: ADDRESS, amountSat: '1000' },
    bumpFee: { txid: fakeHash(1), feeSatPerVb: 2 },
  }
  for (const [name, procedure] of Object.entries(procedures)) {
    if (procedure.kind !== 'call') continue
    // Each on a wallet of its own: creating one empties it.
    const handler = fakeNode('running', 1)[name as CallName] as (
      input: unknown,
      signal: AbortSignal,
    ) => Promise<unknown>
    expect(fits(procedure.output, await handler(inputs[name as CallName] ?? {}, never)), name).toBeUndefined()
  }
})

test('a demo commitment view fits the contract, busy and idle', async () => {
  for (const seed of [101, 102, 103, 104]) {
    let seen = 0
    for await (const view of fakeNode('running', 1).channelView({ channelId: fakeHash(seed) }, never)) {
      expect(fits(channelView, view), String(seed)).toBeUndefined()
      if (++seen === 3) break
    }
  }
})
