function schemeOf(text: string): string | undefined {
  try {
    return new URL(text).protocol
  } catch {
    return undefined
  }
}

/** Whether a text is the address of an Esplora server: http or https. */
export function isServerAddress(text: string): boolean {
  const scheme = schemeOf(text)
  return scheme === 'http:' || scheme === 'https:'
}

/** Whether a text is the address of a gateway: ws or wss. */
export function isGatewayAddress(text: string): boolean {
  const scheme = schemeOf(text)
  return scheme === 'ws:' || scheme === 'wss:'
}
