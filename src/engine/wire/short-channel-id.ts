/** Where a channel's funding output is in the chain (BOLT 7 §Definition of short_channel_id). */
export interface ShortChannelId {
  /** 3 bytes */
  readonly blockHeight: number
  /** 3 bytes */
  readonly txIndex: number
  /** 2 bytes */
  readonly outputIndex: number
}

const fits = (value: number, max: number): boolean => Number.isInteger(value) && value >= 0 && value <= max

/** To the u64 that messages carry; throws RangeError when a part does not fit. */
export function packShortChannelId({ blockHeight, txIndex, outputIndex }: ShortChannelId): bigint {
  if (!fits(blockHeight, 0xff_ffff) || !fits(txIndex, 0xff_ffff) || !fits(outputIndex, 0xffff))
    throw new RangeError(`short channel id ${blockHeight}x${txIndex}x${outputIndex}`)
  return (BigInt(blockHeight) << 40n) | (BigInt(txIndex) << 16n) | BigInt(outputIndex)
}

/** The parts of a u64 as messages carry it. */
export const unpackShortChannelId = (id: bigint): ShortChannelId => ({
  blockHeight: Number((id >> 40n) & 0xff_ffffn),
  txIndex: Number((id >> 16n) & 0xff_ffffn),
  outputIndex: Number(id & 0xffffn),
})

/** For humans: `539268x845x1`. */
export function formatShortChannelId(id: bigint): string {
  const { blockHeight, txIndex, outputIndex } = unpackShortChannelId(id)
  return `${blockHeight}x${txIndex}x${outputIndex}`
}

/** `539268x845x1` to the u64, or undefined when it is not one. */
export function parseShortChannelId(text: string): bigint | undefined {
  const match = /^(0|[1-9]\d{0,7})x(0|[1-9]\d{0,7})x(0|[1-9]\d{0,4})$/.exec(text)
  if (match === null) return undefined
  const [blockHeight, txIndex, outputIndex] = match.slice(1).map(Number) as [number, number, number]
  if (blockHeight > 0xff_ffff || txIndex > 0xff_ffff || outputIndex > 0xffff) return undefined
  return packShortChannelId({ blockHeight, txIndex, outputIndex })
}
