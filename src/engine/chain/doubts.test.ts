import { describe, expect, test } from 'vitest'
import { toHex } from '../base/bytes.ts'
import { txidOf } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import type { EsploraRequest } from './esplora.ts'
import { medianEstimates } from './fees.ts'
import { FakeNode, fakeTx, rawOf } from './testkit/blocks.ts'
import { Driver } from './testkit/driver.ts'
import { failure, FakeEsplora } from './testkit/fakeEsplora.ts'

const SCRIPT = Uint8Array.of(0x00, 0x20, ...new Uint8Array(32).fill(9))
const MINUTE = 60_000
const funding = (tag = 1): Tx => fakeTx({ txid: 'aa'.repeat(32), vout: tag }, SCRIPT, tag)
const value = (v: unknown) => ({ ok: true, value: v }) as const

const setup = (blocks = 30) => {
  const node = new FakeNode()
  node.mine(blocks)
  return { node, bad: new FakeEsplora(node), good: new FakeEsplora(node) }
}
const stateOf = (d: Driver, url: string) => d.last('health')?.servers.find((s) => s.url === url)
const only = (kind: EsploraRequest['kind'], answer: unknown) => (r: EsploraRequest) =>
  r.kind === kind ? value(answer) : undefined

describe('what is kept back, and proved by another', () => {
  test('a server that leaves our deposits out: seen through the other, and named after several occasions', () => {
    const { node, bad, good } = setup()
    bad.fault = only('history', [])
    const d = new Driver({ bad, good })
    d.run(1_000)
    d.input({ type: 'watchScripts', token: 'w', scriptPubKeys: [SCRIPT] })
    node.mine(1, [funding()])
    d.run(6_000)
    expect(d.last('scriptHistory', 'w')?.txs[0]?.confirmed?.height).toBe(31)
    d.run(20_000)
    expect(stateOf(d, 'bad')?.state).toBe('lying')
    expect(stateOf(d, 'bad')?.lastError).toContain('left out')
    expect(stateOf(d, 'good')).toMatchObject({ state: 'ok', doubt: null, lies: 0 })
  })

  test('confirmations that are hid: each is proved by the other, and soon that is no accident', () => {
    const { node, bad, good } = setup()
    bad.fault = (r) => (r.kind === 'merkleProof' ? failure('http', 'unconfirmed', 404) : undefined)
    const d = new Driver({ bad, good })
    d.run(1_000)
    for (let i = 1; i <= 20; i++) {
      const tx = funding(i)
      node.mempool.push(tx)
      d.input({ type: 'watchTx', token: `t${i}`, txid: txidOf(tx), scriptPubKey: SCRIPT, minDepth: 1 })
      d.run(700)
      node.mine()
      d.run(3_000)
      expect(d.of('confirmed', `t${i}`)).toHaveLength(1)
      if (i === 1) expect(d.alarms()).toEqual([])
    }
    expect(stateOf(d, 'bad')?.lastError).toContain('hid the confirmation')
    expect(stateOf(d, 'good')).toMatchObject({ lies: 0, doubt: null })
  })

  test.each([
    [
      'proofs',
      (r: EsploraRequest) => (r.kind === 'merkleProof' ? failure('http', 'unconfirmed', 404) : undefined),
    ],
    ['listings', only('history', [])],
  ])('two of three servers keep back %s: the third is asked, wherever it stands', (_, fault) => {
    for (const place of [0, 1, 2]) {
      const { node, bad, good } = setup()
      const worse = new FakeEsplora(node)
      bad.fault = fault
      worse.fault = fault
      const servers: [string, FakeEsplora][] = [
        ['bad', bad],
        ['worse', worse],
      ]
      servers.splice(place, 0, ['good', good])
      const d = new Driver(Object.fromEntries(servers))
      d.run(1_000)
      d.input({ type: 'watchScripts', token: 'w', scriptPubKeys: [SCRIPT] })
      const [unseen, seen] = [funding(1), funding(2)]
      d.input({ type: 'watchTx', token: 't', txid: txidOf(unseen), scriptPubKey: SCRIPT, minDepth: 1 })
      node.mempool.push(unseen)
      d.run(2_000)
      node.mine(1, [seen])
      d.run(60_000)
      expect(d.of('confirmed', 't'), `good at ${place}`).toHaveLength(1)
      const listed = d.last('scriptHistory', 'w')?.txs ?? []
      expect(
        listed.filter((tx) => tx.confirmed?.height === 31),
        `good at ${place}`,
      ).toHaveLength(2)
      expect(stateOf(d, 'good')).toMatchObject({ lies: 0, doubt: null })
    }
  })

  test('an honest hiccup is forgotten', () => {
    const { node, bad, good } = setup()
    const d = new Driver({ bad, good })
    d.input({ type: 'watchScripts', token: 'w', scriptPubKeys: [SCRIPT] })
    node.mine(1, [funding()])
    d.run(5_000)
    bad.fault = only('history', [])
    d.run(2_000)
    bad.fault = null
    d.run(3 * MINUTE)
    expect(stateOf(d, 'bad')).toMatchObject({ state: 'ok', doubt: null, lies: 0 })
  })
})

describe('a newest block that is stated', () => {
  test('and never shown is a doubt', () => {
    const { bad, good } = setup()
    bad.fault = only('tipHash', 'ee'.repeat(32))
    const d = new Driver({ bad, good })
    d.run(1_000)
    expect(stateOf(d, 'bad')).toMatchObject({ doubt: expect.stringContaining('states a newest block') })
  })

  test('while the blocks up to the one before are on their way: asked for next, and no doubt', () => {
    const { node, good } = setup()
    // Of a server whose lists are slower than its word, while somebody asks for everything anew.
    const d = new Driver({ good }, { latencyMs: ({ kind }) => (kind === 'blocks' ? 400 : 20) })
    d.run(2_000)
    for (let i = 0; i < 8; i++) {
      node.mine()
      d.input({ type: 'refresh' })
      d.run(100)
    }
    d.run(2_000)
    expect(d.last('tip')?.height).toBe(38)
    expect(stateOf(d, 'good')).toMatchObject({ state: 'ok', doubt: null, lies: 0 })
  })
})

describe('a witness, of which the txid says nothing', () => {
  const spent = funding()
  const spender = fakeTx({ txid: txidOf(spent), vout: 0 }, SCRIPT, 5)
  const bare: Tx = { ...spender, inputs: spender.inputs.map((i) => ({ ...i, witness: [] })) }
  const txid = txidOf(spender)

  const begin = (urls: readonly string[], bare: ReadonlySet<string>, given: Tx) => {
    const { node } = setup()
    const servers = Object.fromEntries(urls.map((url) => [url, new FakeEsplora(node)]))
    for (const url of bare) {
      const server = servers[url]
      if (server)
        server.fault = (r) => (r.kind === 'tx' && r.txid === txid ? value(toHex(rawOf(given))) : undefined)
    }
    const d = new Driver(servers)
    d.run(1_000)
    const outpoint = { txid: txidOf(spent), vout: 0 }
    d.input({ type: 'watchSpend', token: 's', outpoint, scriptPubKey: SCRIPT })
    node.mine(1, [spent])
    node.mine(1, [spender])
    d.run(5_000)
    return { d, node }
  }

  test('that servers leave out: every server is asked, the whole one is told, and they are named', () => {
    const { d } = begin(['bad', 'worse', 'good'], new Set(['bad', 'worse']), bare)
    expect(d.last('spent', 's')?.tx).toEqual(rawOf(bare))
    d.input({ type: 'askEveryone', txid })
    d.run(5_000)
    expect(d.last('spent', 's')).toMatchObject({ tx: rawOf(spender), confirmed: { height: 32 } })
    d.input({ type: 'witnessHolds', txid, tx: rawOf(spender) })
    for (const url of ['bad', 'worse']) {
      expect(stateOf(d, url)).toMatchObject({ state: 'lying', lies: 1 })
      expect(stateOf(d, url)?.lastError).toContain('altered the witness')
    }
    expect(stateOf(d, 'good')).toMatchObject({ state: 'ok', lies: 0, doubt: null })
    expect(d.of('unspent', 's')).toEqual([])
  })

  test('that no chain could take: named, and the real bytes come from another', () => {
    const { node } = setup()
    const servers = { bad: new FakeEsplora(node), good: new FakeEsplora(node) }
    servers.bad.fault = (r) => (r.kind === 'tx' && r.txid === txid ? value(toHex(rawOf(bare))) : undefined)
    const d = new Driver(servers)
    d.run(1_000)
    d.input({
      type: 'watchSpend',
      token: 's',
      outpoint: { txid: txidOf(spent), vout: 0 },
      scriptPubKey: SCRIPT,
    })
    node.mine(1, [spent])
    node.mempool.push(spender)
    d.run(60_000)
    expect(d.last('spent', 's')).toMatchObject({ tx: rawOf(bare), confirmed: null })
    d.input({ type: 'notSigned', txid })
    d.run(5_000)
    expect(d.last('spent', 's')).toMatchObject({ tx: rawOf(spender), confirmed: null })
    expect(stateOf(d, 'bad')).toMatchObject({ state: 'lying', lies: 1 })
    expect(stateOf(d, 'good')).toMatchObject({ state: 'ok', lies: 0 })
    // The real one: its owner has nothing against it, and in a block it is proved anyway.
    d.input({ type: 'notSigned', txid: 'ee'.repeat(32) })
    expect(stateOf(d, 'good')?.state).toBe('ok')
  })

  test('on which all agree: asked once each, and nothing is told again', () => {
    const { d } = begin(['one', 'two'], new Set(), spender)
    const told = d.of('spent', 's').length
    d.input({ type: 'askEveryone', txid })
    d.run(5_000)
    expect(d.of('spent', 's')).toHaveLength(told)
    expect(d.state.txs[txid]?.witnesses).toMatchObject({ one: expect.any(String), two: expect.any(String) })
    d.input({ type: 'askEveryone', txid })
    d.run(100)
    expect(d.state.inFlight.filter((f) => f.purpose.kind === 'raw')).toEqual([])
  })
})

describe('a server that swallows what it is given', () => {
  const swallow = (r: EsploraRequest) => {
    if (r.kind === 'broadcast') return value(txidOf(funding()))
    return r.kind === 'tx' ? failure('http', 'Transaction not found', 404) : undefined
  }
  const send = (d: Driver) => d.input({ type: 'broadcast', token: 'b', tx: rawOf(funding()), keep: true })

  test('beside an honest one: the transaction is out, and it is named', () => {
    const { node, bad, good } = setup()
    bad.fault = swallow
    const d = new Driver({ bad, good })
    d.run(1_000)
    send(d)
    d.run(1_000)
    expect(node.mempool).toHaveLength(1)
    d.run(30_000)
    expect(stateOf(d, 'bad')?.state).toBe('lying')
    expect(stateOf(d, 'bad')?.lastError).toContain('does not show it')
  })

  test('and shows another one in its place: a lie', () => {
    const { node, bad, good } = setup()
    bad.fault = (r) => (r.kind === 'tx' ? value(toHex(rawOf(funding(7)))) : swallow(r))
    const d = new Driver({ good, bad })
    d.run(1_000)
    send(d)
    d.run(10_000)
    expect(node.mempool).toHaveLength(1)
    expect(stateOf(d, 'bad')).toMatchObject({ state: 'lying', lies: 1 })
    expect(stateOf(d, 'bad')?.lastError).toContain('another transaction')
    expect(stateOf(d, 'good')).toMatchObject({ state: 'ok', doubt: null, lies: 0 })
  })

  test('two of them: nobody shows it, and that is told', () => {
    const { bad, good } = setup()
    bad.fault = swallow
    good.fault = swallow
    const d = new Driver({ bad, good })
    d.run(1_000)
    send(d)
    d.run(10_000)
    expect(d.of('alarm').map((e) => e.alarm)).toContainEqual({
      kind: 'notRelayed',
      txid: txidOf(funding()),
      shownBy: [],
    })
    bad.fault = null
    good.fault = null
    d.run(30_000)
    expect(Object.values(d.state.broadcasts)[0]?.lost).toBe(false)
  })
})

describe('silence about blocks', () => {
  test('all servers stop at the same block: told after hours, and over with the next block', () => {
    const { node, bad, good } = setup()
    const d = new Driver(
      { bad, good },
      { config: { staleTipMs: 150 * MINUTE }, now: node.tip.header.time * 1000 + MINUTE },
    )
    d.run(140 * MINUTE)
    expect(d.alarms()).toEqual([])
    d.run(20 * MINUTE)
    expect(d.alarms()).toEqual(['noNewBlocks'])
    expect(d.state.staleTip).toBe(true)
  })

  test('our own absence is no silence of theirs', () => {
    const { node, bad, good } = setup()
    const d = new Driver(
      { bad, good },
      { config: { staleTipMs: 150 * MINUTE }, now: node.tip.header.time * 1000 + MINUTE },
    )
    d.run(MINUTE)
    for (let i = 0; i < 75; i++) node.mine()
    d.sleep(150 * MINUTE)
    d.run(MINUTE)
    expect(d.alarms()).toEqual([])
  })
})

describe('fees are the median', () => {
  const list = (...rates: [number, number][]) => rates.map(([blocks, satPerKw]) => ({ blocks, satPerKw }))

  test('of three, neither the highest nor the lowest; of two, the lower; by targets that not all have', () => {
    expect(medianEstimates([list([2, 5000]), list([2, 500_000]), list([2, 253])])).toEqual(list([2, 5000]))
    expect(medianEstimates([list([2, 5000]), list([2, 500_000])])).toEqual(list([2, 5000]))
    expect(medianEstimates([list([1, 900], [6, 500]), list([2, 800])])).toEqual(
      list([1, 800], [2, 800], [6, 500]),
    )
    expect(medianEstimates([[], list([6, 500])])).toEqual(list([6, 253]))
    expect(medianEstimates([[]])).toEqual([])
  })

  test('an absurd estimate of the server that is asked first is never told', () => {
    const { bad, good } = setup()
    bad.fault = only('feeEstimates', { 1: 1e9, 6: 1e9 })
    const d = new Driver({ bad, good })
    d.run(10_000)
    const told = d.of('feeEstimates').flatMap((e) => e.estimates.map((x) => x.satPerKw))
    expect(told.length).toBeGreaterThan(0)
    expect(Math.max(...told)).toBe(20.5 * 250)
  })

  test('one that does not answer holds up the others only until its time is out', () => {
    const { bad, good } = setup()
    bad.fault = (r) => (r.kind === 'feeEstimates' ? 'silence' : undefined)
    const d = new Driver({ bad, good })
    d.run(30_000)
    expect(d.of('feeEstimates').length).toBeGreaterThan(0)
  })
})
