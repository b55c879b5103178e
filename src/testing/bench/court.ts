import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { unwrap } from '../../engine/base/result.ts'
import { COURT_PREFIX, courtKey } from '../../engine/channel/records.ts'
import { useCurve } from '../../engine/crypto/curve.ts'
import type { RecordWrite } from '../../engine/node/ports.ts'
import { decodeRecord, encodeRecord } from '../../engine/records/codec.ts'
import {
  commitmentSecret,
  emptySecretStore,
  receiverInsert,
  receiverLookup,
  type SecretTree,
} from '../../engine/revocation/secrets.ts'
import { loadWasmCurve } from '../../host/curve-wasm.ts'
import { openFileStore } from '../../host/node/store-file.node.ts'
import { seeded } from '../random.ts'
import { attacks, closes, diskOfUpdates, punishments, restoreFromWords } from './court-figures.ts'

/**
 * `npm run bench:court [--json]`: the figures of closes. How long it takes to find a revoked commitment among a million (`--states N`): its
 * secret, its record on disk, and what a start costs that does not load them; closes tried and what was claimed in them; cheats and how
 * they were punished; what an update adds on disk; how long words take to bring channels back; attacks of chain servers.
 */
const states = Number(process.argv[process.argv.indexOf('--states') + 1]) || 1_000_000
const LOOKUPS = 1_000
/** Secrets are found in as many steps as their number has bits: fewer of them tell as much, and a million take an hour to reveal. */
const SECRETS = Math.min(states, 10_000)

const round = (n: number): number => Number(n.toPrecision(3))

function percentile(times: readonly number[], share: number): number {
  const sorted = [...times].sort((a, b) => a - b)
  return round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
}

/** As a peer reveals them: one by one, from 0. */
function secrets(tree: SecretTree) {
  const root = new Uint8Array(32).fill(7)
  let store = emptySecretStore(tree)
  const began = performance.now()
  for (let n = 0n; n < BigInt(SECRETS); n++)
    store = unwrap(receiverInsert(store, n, commitmentSecret(tree, root, n)), 'a secret of the tree')
  const inserted = performance.now() - began
  const random = seeded(1)
  const times = Array.from({ length: LOOKUPS }, () => {
    const number = BigInt(random.int(SECRETS))
    const start = performance.now()
    const found = receiverLookup(store, number)
    const took = performance.now() - start
    if (found === undefined) throw new Error(`no secret for ${number}`)
    return took
  })
  return {
    insertMicroseconds: round((inserted / SECRETS) * 1000),
    lookupMedianMs: percentile(times, 0.5),
    lookupP99Ms: percentile(times, 0.99),
    bytesKept: encodeRecord(1, store).length,
  }
}

async function records() {
  const folder = mkdtempSync(join(tmpdir(), 'switchback-court-'))
  try {
    const id = 'ab'.repeat(32)
    const random = seeded(2)
    const store = await openFileStore(folder)
    let bytes = 0
    for (let n = 0; n < states; ) {
      const writes: RecordWrite[] = []
      for (const end = Math.min(states, n + 10_000); n < end; n++) {
        const htlcs = Array.from({ length: n % 4 }, (_, i) => ({
          offerer: 'opener',
          id: BigInt(n + i),
          amountMsat: 1_000_000n,
          paymentHash: random.bytes(32),
          cltvExpiry: 800_000,
          outputIndex: i,
        }))
        const value = encodeRecord(1, {
          number: n,
          indexes: { opener: n, accepter: n },
          point: random.bytes(33),
          txid: n.toString(16).padStart(64, '0'),
          feeratePerKw: 253,
          openerMsat: 500_000_000n,
          accepterMsat: 500_000_000n,
          htlcs,
        })
        bytes += value.length
        writes.push({ key: courtKey(id, n), value })
      }
      await store.commit(writes)
    }
    await store.commit([{ key: 'channel/x', value: new Uint8Array(500) }])
    await store.close()
    const again = await openFileStore(folder)
    const start = performance.now()
    const loaded = await again.load(COURT_PREFIX)
    const loadMs = round(performance.now() - start)
    if (loaded.size !== 1) throw new Error('records of the court were loaded')
    const times: number[] = []
    for (let i = 0; i < LOOKUPS; i++) {
      const number = random.int(states)
      const began = performance.now()
      const value = await again.read(courtKey(id, number))
      const decoded = value && decodeRecord(value)
      times.push(performance.now() - began)
      if (decoded?.ok !== true || (decoded.value.value as { number: number }).number !== number)
        throw new Error(`no record of ${number}`)
    }
    await again.close()
    return {
      bytesARecord: round(bytes / states),
      startLoadMs: loadMs,
      readMedianMs: percentile(times, 0.5),
      readP99Ms: percentile(times, 0.99),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

useCurve(await loadWasmCurve(randomBytes(32)))
const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    states: { type: 'string' },
    /** Lives with closes by force, lives whose old states are broadcast. */
    lives: { type: 'string', default: '6' },
    cheats: { type: 'string', default: '3' },
    /** Chain servers that attack, on a real bitcoind. */
    attacks: { type: 'boolean', default: true },
  },
  allowNegative: true,
})
const began = performance.now()
const say = (what: string): void => {
  if (!values.json) process.stderr.write(`${what} (${Math.round((performance.now() - began) / 1000)} s)\n`)
}
say('secrets and records')
const lookups = { states, shachain: secrets('shachain'), elkrem: secrets('elkrem'), records: await records() }
say('closes by force')
const forced = closes(Number(values.lives))
say('cheats')
const justice = punishments(Number(values.cheats))
say('a channel update on disk')
const disk = diskOfUpdates()
say('a lost device')
const restore = restoreFromWords()
say('attacks')
const attacked = values.attacks ? await attacks() : undefined
const figures = {
  ...lookups,
  closes: forced,
  justice,
  disk,
  restore,
  ...(attacked && { attacks: attacked }),
  seconds: Math.round((performance.now() - began) / 1000),
}
process.stdout.write(`${JSON.stringify(figures, null, values.json ? 0 : 1)}\n`)
