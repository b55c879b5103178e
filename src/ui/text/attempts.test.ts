import { expect, test } from 'vitest'
import { attemptWords, hopsReached, waysText } from './attempts.ts'

const names = ['ada', 'Harbour Light', 'the roasters']
const failed = (data: Record<string, string | number>) => ({ code: 'paymentFailed', message: 'x', data })

test('a failure is told with the names of who sent it and of who was next', () => {
  expect(attemptWords(failed({ failure: 'temporary_channel_failure', hop: 1 }), { names })).toBe(
    'Harbour Light had no room to pass it on to the roasters.',
  )
  expect(attemptWords(failed({ failure: 'fee_insufficient', hop: 0 }), { names })).toBe(
    'ada asks for a higher fee than it had told.',
  )
})

test('what is not known, or lies outside of the way, is still a sentence', () => {
  expect(attemptWords(failed({ failure: 'unknown_0x4fff', hop: 1 }), { names })).toBe(
    'Harbour Light could not pass it on.',
  )
  expect(attemptWords(failed({ failure: 'temporary_channel_failure', hop: 9 }), { names })).toBe(
    'A node on the way had no room to pass it on to the next one.',
  )
  expect(attemptWords({ code: 'recipientRefused', message: 'x' }, { names })).toBe(
    'The recipient refused the payment.',
  )
})

test('the line is drawn as far as the payment got', () => {
  expect(hopsReached(failed({ hop: 1 }), 3)).toBe(2)
  expect(hopsReached({ code: 'recipientRefused', message: '', data: { hop: 2 } }, 3)).toBe(3)
  expect(hopsReached({ code: 'peerNotConnected', message: '' }, 3)).toBe(0)
})

test('those who listen are told parts and failures in one sentence each', () => {
  expect(waysText.said(2, 1)).toBe('On its way in 2 parts. 1 attempt came back.')
  expect(waysText.said(0, 3)).toBe('Looking for another way. 3 attempts came back.')
})
