import { expect, test } from 'vitest'
import { runDemo } from './demo-stream.ts'

test.each([
  ['payments that nobody asked for', false],
  ['invoices', true],
])(
  'the demo streams %s, settles and closes with either format, and every satoshi is accounted for',
  async (_, invoices) => {
    const lines: string[] = []
    // More than an output must hold to be in a transaction at all.
    const payments = 400
    const figures = await runDemo({
      formats: ['lcp', 'bolt'],
      payments,
      invoices,
      rttMs: 10,
      say: (line) => lines.push(line),
    })
    for (const format of ['lcp', 'bolt'] as const) {
      const of = figures[format]
      if (of === undefined) throw new Error(`no figures for ${format}`)
      expect(of.receivedMsat).toBe(BigInt(payments) * 1000n)
      expect(of.receiverSat).toBe(BigInt(payments))
      // Both agree on how far they have come, and batching is real: far fewer commitments than payments.
      expect(of.senderCommitments).toBeGreaterThan(1)
      expect(of.senderCommitments).toBeLessThan(payments)
      expect(of.receiverCommitments).toBeLessThan(payments)
      expect(of.seconds).toBeGreaterThan(0.01)
      // 1,100,000 sat came in; what is not with the two has gone to miners: the funding transaction's fee and the close's.
      const fees = 1_100_000n - of.senderSat - of.receiverSat
      expect(fees).toBeGreaterThan(of.closeFeeSat)
      expect(fees).toBeLessThan(of.closeFeeSat + 2_000n)
    }
    expect(lines.filter((line) => line.includes('closed together'))).toHaveLength(2)
  },
)
