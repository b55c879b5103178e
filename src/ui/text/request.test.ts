import { expect, test } from 'vitest'
import { qrText, unifiedRequest } from './request.ts'

test('a unified request carries address, exact amount, note and invoice', () => {
  expect(unifiedRequest({ address: 'bcrt1qxyz' })).toBe('bitcoin:bcrt1qxyz')
  expect(
    unifiedRequest({ address: 'bcrt1qxyz', amountSat: 150_000n, note: 'tea & cake', invoice: 'lnbcrt1p' }),
  ).toBe('bitcoin:bcrt1qxyz?amount=0.0015&message=tea%20%26%20cake&lightning=lnbcrt1p')
})

test('only what does not care about case is put in upper case', () => {
  expect(qrText('lnbcrt1pxyz')).toBe('LNBCRT1PXYZ')
  expect(qrText('bcrt1qxyz')).toBe('BCRT1QXYZ')
  expect(qrText('bitcoin:bcrt1qxyz?lightning=lnbc1')).toBe('bitcoin:bcrt1qxyz?lightning=lnbc1')
  expect(qrText('2N2JD6wb56AfK4tfmM6PwdVmoYk2dCKf4Br')).toBe('2N2JD6wb56AfK4tfmM6PwdVmoYk2dCKf4Br')
})
