import { expect, test } from 'vitest'
import { txidOf } from '../../engine/bitcoin/tx.ts'
import { createBench, follow } from './bench.ts'

/** A funding transaction that pays too little: said after some blocks, hurried by a child, and what else a person is told on the way. */

test('a funding transaction that is not mined is told of, and its fee raised twice without touching it', async () => {
  const bench = await createBench()
  const villain = bench.villain()
  await bench.fund(1_000_000)
  const codes = async () => (await bench.app()).notices.map((n) => n.code)
  bench.chain.holdBack = true
  const opening = follow(
    bench.client.openChannel({ peer: villain.address, amountSat: '400000', feeSatPerVb: 1 }),
  )
  await bench.rest()
  await bench.mine(11)
  expect(await codes()).not.toContain('fundingStuck')
  await bench.mine()
  const { fundingTxid = '', channelId } = await bench.channel()
  expect((await bench.app()).notices).toContainEqual(
    expect.objectContaining({ code: 'fundingStuck', urgency: 'warning', channelId }),
  )
  const listed = await bench.client.listTransactions()
  expect(listed.find((tx) => tx.txid === fundingTxid)).toMatchObject({ canBump: true })
  const before = BigInt((await bench.app()).balances.onchainUnconfirmedSat)

  const first = await bench.client.bumpFee({ txid: fundingTxid, feeSatPerVb: 20 })
  await bench.rest()
  // Less than that is refused with the least that will do, by its own id as well.
  const refused = await bench.client.bumpFee({ txid: first.txid, feeSatPerVb: 15 }).catch((e: unknown) => e)
  expect(refused).toMatchObject({ code: 'cannotBump', data: { reason: 'feerate_not_higher' } })
  const { minimumSatPerVb } = (refused as { data: { minimumSatPerVb: number } }).data
  const second = await bench.client.bumpFee({ txid: first.txid, feeSatPerVb: minimumSatPerVb })
  await bench.rest()
  expect(bench.chain.mempool.map(txidOf)).toEqual([fundingTxid, second.txid])
  const { activity, balances } = await bench.app()
  expect(activity.filter((line) => line.kind === 'feeRaised').map((line) => line.txid)).toEqual([second.txid])
  expect(BigInt(balances.onchainUnconfirmedSat)).toBe(before - BigInt(second.feeSat))
  // After a restart both are sent again, the replaced one is not.
  await bench.crash()
  bench.chain.evict(fundingTxid)
  await bench.until('sent again', () => bench.chain.mempool.length === 2)
  expect(bench.chain.mempool.map(txidOf)).toEqual([fundingTxid, second.txid])

  bench.chain.holdBack = false
  await bench.mine()
  await bench.until('open', (s) => s.channels[0]?.status === 'open', 120_000)
  expect(await codes()).not.toContain('fundingStuck')
  expect(opening.updates[0]).toMatchObject({ status: 'connecting' })
  // Everything is on our side now.
  expect(await codes()).toContain('noInbound')
  expect(await codes()).not.toContain('storageNotDurable')
  await bench.client.updateSettings({ storagePersisted: false })
  expect(await codes()).toContain('storageNotDurable')
  await bench.client.updateSettings({ storagePersisted: true })
  expect(await codes()).not.toContain('storageNotDurable')
  await bench.stop()
})
