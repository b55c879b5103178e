/** Figures by name, the unit at the end of each: `buildMs`, `firstPaintBytes`, `count`. */
export type Figures = Readonly<Record<string, number>>

/** One entry of `npm run bench`. */
export interface Bench {
  /** The key in `--json`, and what `--only` takes. */
  readonly name: string
  /** What is measured, in a line. */
  readonly about: string
  /** Runs only when it is asked for by name. */
  readonly onDemand?: boolean
  /** Measures; throws with what is missing when it cannot. */
  run(): Promise<Figures>
}
