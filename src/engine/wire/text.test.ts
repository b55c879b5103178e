import { expect, test } from 'vitest'
import { plainText, printableText } from './text.ts'

test('what we tell peers is text that they, and we, would show', () => {
  const said = plainText('BOLT 2 §revoke_and_ack: the peer’s secret\nis wrong ✗')
  expect(printableText(said)).toBe("BOLT 2 revoke_and_ack: the peer's secret?is wrong ?")
  expect(plainText('x'.repeat(70_000)).length).toBe(500)
})
