import { expect, test } from 'vitest'
import { csvField, plainSat, rowOf, toCsv } from './history-file.ts'

const line = {
  id: 'p',
  kind: 'lightningSent',
  state: 'done',
  amountMsat: '-4200250',
  feeMsat: '1250',
  note: '=HYPERLINK("http://x","Beans, 250 g")',
  time: '2026-11-22T10:00:00.000Z',
  paymentHash: 'ab'.repeat(32),
} as const

test('amounts are exact, to the thousandth, with their sign', () => {
  expect(plainSat('-4200250')).toBe('-4200.250')
  expect(plainSat('-7')).toBe('-0.007')
  expect(plainSat('0')).toBe('0.000')
})

test('a note of a stranger is no formula, and commas and quotes stay within their field', () => {
  expect(csvField(line.note)).toBe(`"'=HYPERLINK(""http://x"",""Beans, 250 g"")"`)
  expect(csvField('-4200.250')).toBe('-4200.250')
  expect(csvField('-1+1|cmd')).toBe("'-1+1|cmd")
  expect(csvField('plain')).toBe('plain')
})

test('the file has a line for each line of the activity, under names of columns', () => {
  const csv = toCsv([rowOf(line, undefined)])
  const [head, first, end] = csv.split('\r\n')
  expect(head).toBe('time,kind,state,amount_sat,fee_sat,note,id,attempts,preimage')
  expect(first).toContain('2026-11-22T10:00:00.000Z,lightning out,done,-4200.250,1.250,')
  expect(end).toBe('')
})
