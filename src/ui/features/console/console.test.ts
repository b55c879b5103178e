import { describe, expect, test } from 'vitest'
import { procedures } from '../../../contract/procedures.ts'
import { COMMANDS, helpText, usageOf } from './commands.ts'
import { complete } from './complete.ts'
import { parseLine, splitLine } from './parse.ts'

const none = { channels: [], peers: [], addresses: [] }

describe('console lines', () => {
  test('quotes hold words together and an open one is refused', () => {
    expect(splitLine(`a "b c" 'd "e' f\\ g ""`)).toEqual(['a', 'b c', 'd "e', 'f g', ''])
    expect(splitLine('a "b')).toBeUndefined()
  })

  test('arguments stand in order, by name, or as JSON', () => {
    const wanted = {
      kind: 'run',
      procedure: 'openChannel',
      input: { peer: '02ab@host:9735', amountSat: '100000', feeSatPerVb: 2.5 },
    }
    expect(parseLine('openchannel 02ab@host:9735 100000 --sat_per_vbyte 2.5')).toEqual(wanted)
    expect(parseLine('openchannel --local_amt=100000 peer=02ab@host:9735 --sat_per_vbyte=2.5')).toEqual(
      wanted,
    )
    expect(parseLine('openChannel {"peer":"02ab@host:9735","amountSat":"100000","feeSatPerVb":2.5}')).toEqual(
      wanted,
    )
  })

  test('amounts typed in sats become the unit that the API wants, exactly', () => {
    expect(parseLine('addinvoice 1000.5 two cups of tea --expiry 600')).toMatchObject({
      input: { amountMsat: '1000500', description: 'two cups of tea', expirySeconds: 600 },
    })
    expect(parseLine('sendcoins bcrt1q max')).toMatchObject({ input: { amountSat: 'max' } })
    expect(parseLine('sendcoins bcrt1q 9007199254740993')).toMatchObject({ kind: 'wrong' })
    expect(parseLine('sendcoins bcrt1q 2099999999999999')).toMatchObject({
      input: { amountSat: '2099999999999999' },
    })
    expect(parseLine('sendcoins bcrt1q 1.5')).toMatchObject({ kind: 'wrong' })
  })

  test('many invoices become the requests of one stream', () => {
    expect(parseLine('sendpayments lnbc1 lnbc2  lnbc3 --max_in_flight 2')).toEqual({
      kind: 'run',
      procedure: 'sendPayments',
      input: { requests: [{ invoice: 'lnbc1' }, { invoice: 'lnbc2' }, { invoice: 'lnbc3' }], maxInFlight: 2 },
    })
  })

  test('the demo takes a number of payments', () => {
    expect(parseLine('demo stream')).toEqual({ kind: 'demo', payments: 2000 })
    expect(parseLine('demo stream 50')).toEqual({ kind: 'demo', payments: 50 })
    expect(parseLine('demo').kind).toBe('wrong')
    expect(parseLine('demo stream -1').kind).toBe('wrong')
  })

  test('flags need no value', () => {
    expect(parseLine('closechannel ab12 --force')).toMatchObject({
      input: { channelId: 'ab12', force: true },
    })
  })

  test('what is wrong is said, and nothing runs', () => {
    for (const line of [
      'nosuch',
      'openchannel',
      'openchannel p x',
      'openchannel p 5 6 7 8',
      'openchannel p 5 --fee 1',
      'openchannel p 5 --sat_per_vbyte',
      'openchannel p 5 local_amt=6',
      'addinvoice "open',
      'addinvoice {"amountMsat"',
      'addinvoice [1]',
    ]) {
      expect(parseLine(line).kind, line).toBe('wrong')
    }
    expect(parseLine('  ')).toEqual({ kind: 'nothing' })
  })

  test('every procedure of the API that the page does not keep to itself can be reached', () => {
    const wallet = ['createWallet', 'restoreWallet', 'showWords', 'confirmWords', 'eraseWallet']
    const files = ['exportMove', 'exportExitFile', 'importMove', 'takeBackWallet']
    const kept = [...wallet, ...files, 'unlock', 'lock', 'addLock', 'removeLock']
    const reached = new Set<string>(COMMANDS.map((command) => command.procedure))
    expect(Object.keys(procedures).filter((name) => !reached.has(name) && !kept.includes(name))).toEqual([])
  })

  test('arguments are fields of their procedure', () => {
    for (const command of COMMANDS) {
      const procedure = procedures[command.procedure]
      const { input } = procedure
      const entries =
        'options' in input
          ? input.options.flatMap((o) => Object.keys(o.entries))
          : 'entries' in input
            ? Object.keys(input.entries)
            : []
      if (procedure.kind === 'duplex') entries.push('requests')
      for (const arg of command.args) expect(entries, usageOf(command)).toContain(arg.field)
    }
  })

  test('help names every command', () => {
    const help = helpText() ?? ''
    for (const command of COMMANDS) expect(help).toContain(command.name)
    expect(helpText('openchannel')).toContain('openchannel PEER LOCAL_AMT [PUSH_AMT]')
    expect(helpText('nosuch')).toBeUndefined()
  })
})

describe('completion', () => {
  test('one fitting command is completed, several are completed as far as they agree', () => {
    expect(complete('geti', none)).toEqual({ line: 'getinfo ', candidates: [] })
    expect(complete('listp', none)).toEqual({ line: 'listp', candidates: ['listpayments', 'listpeers'] })
    expect(complete('xyz', none)).toEqual({ line: 'xyz', candidates: [] })
  })

  test('arguments are completed from what the node knows', () => {
    const known = { channels: ['aa11', 'aa22'], peers: ['02ff'], addresses: ['02ff@h:1'] }
    expect(complete('closechannel a', known)).toEqual({
      line: 'closechannel aa',
      candidates: ['aa11', 'aa22'],
    })
    expect(complete('closechannel aa1', known).line).toBe('closechannel aa11 ')
    expect(complete('closechannel aa11 --fo', known).line).toBe('closechannel aa11 --force ')
    expect(complete('openchannel 0', known).line).toBe('openchannel 02ff@h:1 ')
    expect(complete('sendcoins bcrt1q m', known).line).toBe('sendcoins bcrt1q max ')
    expect(complete('disconnect ', known).line).toBe('disconnect 02ff ')
    expect(complete('help newa', known).line).toBe('help newaddress ')
  })
})
