import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import '../setup-fast.ts'
import { compact } from './compaction.ts'

/**
 * `npm run compaction -- [--updates 1000000] [--batch 200] [--format lcp] [--json]`: what a channel keeps after so many updates, real
 * signatures and messages throughout. Prints a line at every power of ten; the heap is what remains after a collection.
 */
const { values } = parseArgs({
  options: {
    updates: { type: 'string', default: '1000000' },
    batch: { type: 'string', default: '200' },
    format: { type: 'string', default: 'lcp' },
    json: { type: 'boolean', default: false },
  },
})

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const heap = (): number => {
  collect()
  return Math.round(process.memoryUsage().heapUsed / 1e5) / 10
}

const began = performance.now()
const updates = Number(values.updates)
let next = 1_000
const lines: object[] = []
compact({
  updates,
  batch: Number(values.batch),
  formatName: values.format,
  look(figures) {
    if (figures.updates < Math.min(next, updates)) return
    next *= 10
    const seconds = Math.round((performance.now() - began) / 100) / 10
    const line = { ...figures, heapMB: heap(), seconds }
    lines.push(line)
    if (!values.json)
      process.stdout.write(
        `${Object.entries(line)
          .map(([name, value]) => `${name} ${value}`)
          .join(', ')}\n`,
      )
  },
})
if (values.json) process.stdout.write(`${JSON.stringify(lines)}\n`)
