import type { Channel } from '../../engine/channel/types.ts'
import type { Name } from './scenarios.ts'
import type { Player } from './pair.ts'
import type { Step } from './step.ts'

/** A known fault of protocols of this family, put around the real engine. Never in what ships. */
export interface Fault {
  readonly name: string
  readonly about: string
  /** The machine with the fault. */
  readonly step?: (inner: Step, players: Readonly<Record<Name, Player>>) => Step
  /** What is on disk when the messages of a turn go out; the rest is written later, or never. */
  /** What the explorer is not to report, so that what follows from it comes to light. */
  readonly overlooks?: RegExp
  readonly disk?: (before: Channel, after: Channel) => Channel
}
