declare const satBrand: unique symbol
declare const msatBrand: unique symbol

/** An amount in satoshi. Branded, so that it cannot be mixed with millisatoshi by accident. */
export type Sat = bigint & { readonly [satBrand]: true }

/** An amount in millisatoshi (1/1000 satoshi), the unit of BOLT 2 balances. */
export type Msat = bigint & { readonly [msatBrand]: true }

/** All satoshi there can be: 21 million bitcoin. Amounts from outside are refused above it. */
export const MAX_SAT = 2_100_000_000_000_000n as Sat

/** Brands an integer as satoshi. */
export const sat = (n: bigint | number): Sat => BigInt(n) as Sat

/** Brands an integer as millisatoshi. */
export const msat = (n: bigint | number): Msat => BigInt(n) as Msat

/** Satoshi to millisatoshi, exact. */
export const toMsat = (n: Sat): Msat => (n * 1000n) as Msat

/** Millisatoshi to satoshi, rounded down (BOLT 3: amounts in transactions are rounded down). */
export const toSatFloor = (n: Msat): Sat => (n / 1000n) as Sat

/** Millisatoshi to satoshi, rounded up. */
export const toSatCeil = (n: Msat): Sat => ((n + 999n) / 1000n) as Sat

/** a + b in millisatoshi. */
export const addMsat = (a: Msat, b: Msat): Msat => (a + b) as Msat

/** a − b in millisatoshi; may be negative, the caller checks. */
export const subMsat = (a: Msat, b: Msat): Msat => (a - b) as Msat

/** a + b in satoshi. */
export const addSat = (a: Sat, b: Sat): Sat => (a + b) as Sat

/** a − b in satoshi; may be negative, the caller checks. */
export const subSat = (a: Sat, b: Sat): Sat => (a - b) as Sat
