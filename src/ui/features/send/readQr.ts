import decodeQR from 'qr/decode.js'

/** Larger pictures are scaled down first: a QR code that is readable at all is readable at this size. */
const MAX_SIDE = 1600

/** The text of the QR code in a picture; undefined when there is none. */
export async function readQrImage(file: Blob): Promise<string | undefined> {
  const bitmap = await createImageBitmap(file).catch(() => undefined)
  if (bitmap === undefined) return undefined
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height))
  const text = readQrFrame(bitmap, bitmap.width * scale, bitmap.height * scale, 2000)
  bitmap.close()
  return text
}

/** The text of the QR code in a frame of video or a bitmap, looked at for at most `timeLimit` ms. */
export function readQrFrame(
  source: CanvasImageSource,
  width: number,
  height: number,
  timeLimit: number,
): string | undefined {
  const canvas = document.createElement('canvas')
  canvas.width = Math.round(width)
  canvas.height = Math.round(height)
  const context = canvas.getContext('2d', { willReadFrequently: true })
  if (context === null || canvas.width === 0 || canvas.height === 0) return undefined
  // Transparent pictures get the white ground that their maker saw them on.
  context.fillStyle = '#fff'
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.drawImage(source, 0, 0, canvas.width, canvas.height)
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height)
  try {
    return decodeQR({ width: canvas.width, height: canvas.height, data }, { timeLimit })
  } catch {
    return undefined
  }
}
