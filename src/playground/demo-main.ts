import { parseArgs } from 'node:util'
import { type DemoFormat, runDemo } from './demo-stream.ts'

const HELP = `npm run demo:stream -- [options]
  --payments N   payments of 1 sat (default 2000)
  --rtt MS       round trip between the two nodes (default 70)
  --invoices     pay invoices fetched in advance (default: payments that nobody asked for, keysend)
  --format NAME  lcp or bolt (default: both, one after the other)
  --json         one object on the last line: lcp.seconds, bolt.seconds, …`

const { values } = parseArgs({
  options: {
    payments: { type: 'string', default: '2000' },
    rtt: { type: 'string', default: '70' },
    format: { type: 'string' },
    invoices: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

function whole(name: 'payments' | 'rtt', least: number, most: number): number {
  const value = Number(values[name])
  if (!Number.isInteger(value) || value < least || value > most)
    throw new Error(`--${name}: a whole number from ${least} to ${most}`)
  return value
}

async function main(): Promise<void> {
  if (values.help) return console.log(HELP)
  const { format } = values
  if (format !== undefined && format !== 'lcp' && format !== 'bolt') throw new Error('--format: lcp or bolt')
  const formats: readonly DemoFormat[] = format === undefined ? ['lcp', 'bolt'] : [format]
  const payments = whole('payments', 1, 10_000)
  const rttMs = whole('rtt', 0, 10_000)
  const figures = await runDemo({
    formats,
    payments,
    rttMs,
    invoices: values.invoices,
    say: (line) => console.log(line),
  })
  for (const name of formats)
    console.log(`${name}: ${payments} payments at ${rttMs} ms in ${figures[name]?.seconds.toFixed(3)} s`)
  if (!values.json) return
  const flat = Object.entries(figures).flatMap(([name, of]) =>
    Object.entries(of).map(([key, value]) => [
      `${name}.${key}`,
      typeof value === 'bigint' ? String(value) : Number(value.toPrecision(4)),
    ]),
  )
  console.log(JSON.stringify({ payments, rttMs, ...Object.fromEntries(flat) }))
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
})
