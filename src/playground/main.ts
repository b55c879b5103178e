import { parseArgs } from 'node:util'
import { startPlayground } from './playground.ts'

const HELP = `npm start -- [options]
  --data DIR     where everything is kept (default .playground)
  --fresh        start over: wipe chain, wallets and channels
  --port N       port to prefer (default 8420; the next free one when taken)
  --no-mine      never mine by itself; POST /api/mine {"blocks":1} does`

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: '.playground' },
    fresh: { type: 'boolean', default: false },
    port: { type: 'string', default: '8420' },
    'no-mine': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

async function main(): Promise<void> {
  if (values.help) {
    console.log(HELP)
    return
  }
  const port = Number(values.port)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error('--port: 1 to 65535')

  let stop: (() => Promise<void>) | undefined
  let ending = false
  const end = (code: number): void => {
    // A second Ctrl-C does not wait; the watchdog sees to the chain.
    if (ending) process.exit(1)
    ending = true
    void (stop?.() ?? Promise.resolve()).finally(() => process.exit(code))
  }
  process.on('SIGINT', () => end(0))
  process.on('SIGTERM', () => end(0))
  process.on('SIGHUP', () => end(0))

  const started = Date.now()
  const playground = await startPlayground({
    dataDir: values.data,
    fresh: values.fresh,
    port,
    mine: !values['no-mine'],
    onCrash: (why) => {
      console.error(why)
      end(1)
    },
  })
  stop = () => playground.stop()
  const [lil] = playground.peers
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  console.log(
    `Switchback playground on ${playground.url}/ (ready in ${seconds} s; Ctrl-C ends it, --fresh starts over)`,
  )
  console.log(`  1. Open ${playground.url}/ and create a wallet: it is on this network by itself.`)
  console.log(`  2. Get coins: copy an address from Receive into the faucet on ${playground.url}/shop`)
  console.log(`  3. Open a channel to lil, a node of another make: ${lil?.nodeId}@127.0.0.1:${lil?.port}`)
  console.log(`  4. Buy a coffee at ${playground.url}/shop: scan or paste its invoice into Send.`)
  if (ending) await playground.stop()
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
})
