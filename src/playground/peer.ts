import type { StartPeer } from './peer-types.ts'

/**
 * Starts one of this project's own nodes, headless in Node. The slot for `ada` and `ben`: until it is filled the
 * playground runs with `lil` alone.
 */
export const startPeer: StartPeer | undefined = undefined
