/**
 * Depth (1: in the tip) at which a transaction counts as irrevocable: HTLCs are failed upstream and the close is reported as done.
 * Six blocks is what exchanges and channel openings go by; no reorganisation that deep has been seen on mainnet since 2013, and one
 * costs more than any channel holds. It must stay well below the difference of expiries that forwarding keeps.
 */
export const IRREVOCABLE_DEPTH = 6

/**
 * Depth at which a close is forgotten: BOLT 5 §General Nomenclature. Until then everything is still watched and every claim can be
 * made anew, so that even a reorganisation beyond `IRREVOCABLE_DEPTH` takes nothing from us.
 */
export const FORGET_DEPTH = 100

/** The least that every node relays, 1 sat a virtual byte rounded up; what costs more than its worth even then is given up. */
export const FLOOR_FEERATE_PER_KW = 253

/** What waits for nobody follows the feerate after so many blocks: two hours, in which estimates fall as often as they rise. */
export const BUMP_BLOCKS = 12

/** What others may take, though not by a known height, pays a quarter more after so many blocks in vain. */
export const CONTESTED_BUMP_BLOCKS = 6

/**
 * Blocks before a deadline from which a claim pays for the next two blocks, and a quarter more every two that pass it over: half a
 * day, in which a quarter every two blocks is 3,000 times the first feerate. Before that the usual feerate does, and has days to.
 */
export const DEADLINE_NEAR_BLOCKS = 72
export const URGENT_BUMP_BLOCKS = 2

/**
 * The last two hours: half more with every block, and nearly all of the value may go (else half): what is late is lost entirely.
 */
export const DEADLINE_LAST_BLOCKS = 12

/**
 * Blocks before a deadline from which penalties that were claimed together are claimed one by one (BOLT 5 §Penalty Transactions Weight
 * Calculation: a batch that does not confirm must be split in time): from the deadline on the cheater may spend one of them with
 * children that pin the whole batch. Three hours, so that the dozen blocks of `DEADLINE_LAST_BLOCKS` are left to each by itself.
 */
export const SPLIT_BLOCKS = 18

/**
 * A commitment of the peer's that waits with nothing of ours running out is helped only after so many blocks: its owner sees to it
 * sooner, if he is there.
 */
export const HELP_BLOCKS = 12

/** Of what a commitment of the peer's holds for us, the part that helping it without a deadline may cost: a twentieth. */
export const HELP_SHARE = 20n

/** Inputs of one claim: far below the relay limit of 400,000 weight, and counts stay in one byte. */
export const MAX_CLAIM_INPUTS = 200
