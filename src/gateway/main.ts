import { parseArgs } from 'node:util'
import { createGateway, type GatewayOptions } from './gateway.ts'

const HELP = `npm run gateway -- [options]      (each also as SWITCHBACK_GATEWAY_<NAME> in the environment)
  --port 9736            port to listen on
  --host 127.0.0.1       address to listen on; 0.0.0.0 or :: for everyone, behind TLS
  --allow LIST           dial only these: host, host:port, *.domain, comma separated (absent: any public target)
  --allow-private        dial loopback and private ranges too; never on the open internet
  --origins LIST         serve only these pages, comma separated (absent: any)
  --tokens LIST          let in only clients with one of these tokens, comma separated
  --trust-proxy          the client's address is in X-Forwarded-For
  --tor HOST:PORT        SOCKS5 proxy for onion names
  --any-protocol         carry any bytes, not only the Lightning transport
GET /metrics and /health are served on the same port. SIGTERM and Ctrl-C drain connections before the end.`

const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    host: { type: 'string' },
    allow: { type: 'string' },
    'allow-private': { type: 'boolean' },
    origins: { type: 'string' },
    tokens: { type: 'string' },
    'trust-proxy': { type: 'boolean' },
    tor: { type: 'string' },
    'any-protocol': { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  },
})

const env = (name: string): string | undefined =>
  process.env[`SWITCHBACK_GATEWAY_${name.toUpperCase().replaceAll('-', '_')}`]
const text = (name: 'port' | 'host' | 'allow' | 'origins' | 'tokens' | 'tor'): string | undefined =>
  values[name] ?? env(name)
const flag = (name: 'allow-private' | 'trust-proxy' | 'any-protocol'): boolean =>
  values[name] ?? ['1', 'true', 'yes'].includes(env(name) ?? '')
const list = (name: 'allow' | 'origins' | 'tokens'): readonly string[] | undefined => {
  const entries = text(name)
    ?.split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
  return entries && entries.length > 0 ? entries : undefined
}

async function main(): Promise<void> {
  if (values.help === true) {
    console.log(HELP)
    return
  }
  const port = Number(text('port') ?? 9736)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error('--port: 0 to 65535')
  const tor = /^(.+):(\d{1,5})$/.exec(text('tor') ?? '')
  if (text('tor') !== undefined && !tor) throw new Error('--tor: HOST:PORT')
  const [allow, origins, tokens] = [list('allow'), list('origins'), list('tokens')]
  const options: GatewayOptions = {
    allowPrivate: flag('allow-private'),
    trustProxy: flag('trust-proxy'),
    lightningOnly: !flag('any-protocol'),
    ...(allow ? { allow } : {}),
    ...(origins ? { origins } : {}),
    ...(tokens ? { tokens } : {}),
    ...(tor ? { socks: { host: tor[1] ?? '', port: Number(tor[2]) } } : {}),
  }
  const gateway = createGateway(options)
  const { url } = await gateway.listen(port, text('host') ?? '127.0.0.1')
  console.log(
    `gateway on ${url}/v1/<host>/<port>: ${allow ? `dials ${allow.join(', ')}` : 'dials any public target'}`,
  )
  let stopping = false
  const stop = (): void => {
    if (stopping) process.exit(1)
    stopping = true
    console.log('draining; once more to end at once')
    void gateway.drain().then(() => process.exit(0))
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
