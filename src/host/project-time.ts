/** A time of the engine, in milliseconds since 1970, as the contract writes it: ISO 8601, UTC. */
export const iso = (ms: number): string => new Date(ms).toISOString()
