import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Simulated, simulate } from './quint.ts'
import { readTrace, type TraceState } from './trace.ts'

/** What is asked of the specification: the rules hold, runs reach what they are about, and a broken rule shows. */

/** A to G of the channel room, as `lcp.qnt` names them. */
export const INVARIANTS = ['A', 'B', 'C', 'D', 'E', 'F', 'G']

/** What some of the runs must reach. */
export const REACHED = ['pipelined', 'crossed', 'resolved', 'resent', 'resized', 'heldBack', 'atRest']

/** A witness a broken rule; each says in `lcp.qnt` what it breaks. */
export const BROKEN = [
  'stall',
  'ackFromSignature',
  'revokeBeforeDisk',
  'actBeforeDisk',
  'twoWrites',
  'forgetsSigned',
  'keepsUnsigned',
  'revocationsFirst',
  'signaturesFirst',
  'updatesFirst',
  'readyAsCredit',
  'zeroGrants',
  'sharedLimit',
  'feeOverdrawn',
  'failSpendable',
  'windowWide',
  'windowNarrow',
  'noCredit',
  'shownEarly',
  'withdrawsGranted',
]

/** A run goes on until wishes and losses are used up, which takes fewer steps than these. */
const STEPS = 40

export interface Size {
  readonly samples: number
  readonly seed: number
}

export interface Healthy extends Simulated {
  /** Runs that the engine can repeat: its sides sign whatever they propose. */
  readonly traces: readonly (readonly TraceState[])[]
}

/** Every rule kept. Up to `traces` runs are kept for the engine. */
export async function healthy({ samples, seed }: Size, traces: number): Promise<Healthy> {
  const folder = mkdtempSync(join(tmpdir(), 'switchback-model-'))
  try {
    const simulated = await simulate({
      init: 'init',
      samples,
      steps: STEPS,
      seed,
      invariants: INVARIANTS,
      witnesses: REACHED,
      traces: { count: traces, files: join(folder, '{seq}.itf.json') },
    })
    const files = readdirSync(folder).sort()
    const all = files.map((file) => readTrace(join(folder, file)))
    return {
      ...simulated,
      traces: all.filter(([first]) => first?.setting.eager === false && !first.setting.patient),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** One rule broken in every run. */
export const broken = ({ samples, seed }: Size): Promise<Simulated> =>
  simulate({ init: 'broken', samples, steps: STEPS, seed, witnesses: BROKEN })
