import { expect, test } from 'vitest'
import type { Channel } from '../../../contract/schemas.ts'
import { isDirect } from './payable.ts'

const channel = { status: 'open', connected: true, peer: '02aa', spendableMsat: '5000' } as Channel

test('a payment is called free of fees only where a direct channel can carry all of it now', () => {
  expect(isDirect([channel], '02aa', 5000n)).toBe(true)
  // It would go round about, and cost something.
  expect(isDirect([channel], '02aa', 5001n)).toBe(false)
  expect(isDirect([{ ...channel, connected: false }], '02aa', 5000n)).toBe(false)
  expect(isDirect([{ ...channel, status: 'opening' } as unknown as Channel], '02aa', 5000n)).toBe(false)
  expect(isDirect([channel], '02bb', 1n)).toBe(false)
})
