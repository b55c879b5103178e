import { parseArgs } from 'node:util'
import { stress } from './stress.ts'

/**
 * `npm run stress -- --payments 300 --kills 20 --seed 1`: real processes, real files, a real chain. ada, ben and lil (LDK) pay each other
 * through each other while ada and ben are killed (SIGKILL) and started again; at the end every satoshi is accounted for.
 */
const { values } = parseArgs({
  options: {
    payments: { type: 'string', default: '200' },
    kills: { type: 'string', default: '12' },
    seed: { type: 'string', default: '1' },
    format: { type: 'string', default: 'anchors_zero_fee_htlc_tx' },
  },
})

const report = await stress({
  payments: Number(values.payments),
  kills: Number(values.kills),
  seed: Number(values.seed),
  format: values.format,
  log: (line) => process.stdout.write(`${line}\n`),
})
process.stdout.write(`${JSON.stringify(report)}\n`)
process.exit(report.problems.length > 0 ? 1 : 0)
