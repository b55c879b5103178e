/**
 * Why the gateway closed a connection. Browsers hide everything about a refused upgrade, so the gateway accepts it and
 * says no with one of these codes and a reason of at most 123 bytes.
 */
export const CloseCode = {
  /** The peer closed its TCP connection. */
  peerClosed: 1000,
  /** The gateway restarts; dial again. */
  goingAway: 1001,
  /** Something else than binary frames came. */
  binaryOnly: 1003,
  /** The path is not `/v1/<host>/<port>`. */
  badAddress: 4400,
  /** A token is needed, or the one given is unknown. */
  unauthorized: 4401,
  /** This gateway does not dial that target, or does not serve that page. */
  forbidden: 4403,
  /** The host name does not resolve. */
  nameNotFound: 4404,
  /** TCP did not open in time. */
  dialTimeout: 4408,
  /** Nothing passed for too long. */
  idle: 4410,
  /** The client's allowance of bytes is used up. */
  byteLimit: 4413,
  /** What answers there, or what the client says, is not the Lightning transport. */
  notLightning: 4415,
  /** Too many connections, or too many new ones a minute. */
  tooMany: 4429,
  /** The relay between wallets is not offered here. */
  noRelay: 4501,
  /** TCP was refused or the host cannot be reached. */
  dialFailed: 4502,
  /** The gateway is about to stop and takes no new connections. */
  draining: 4503,
  /** TCP had opened and then failed. */
  connectionLost: 4504,
} as const

export interface Refusal {
  readonly code: number
  readonly reason: string
}

/** A refusal whose reason fits a close frame (RFC 6455 §5.5: 125 bytes, two of them the code). */
export function refusal(code: number, reason: string): Refusal {
  let text = reason
  while (Buffer.byteLength(text) > 123) text = text.slice(0, -1)
  return { code, reason: text }
}
