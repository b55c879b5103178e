/** Files that people save and choose. */

/** Hands bytes to the browser's downloads. */
export function saveFile(name: string, bytes: Uint8Array<ArrayBuffer>): void {
  const url = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  // The download has its own reference by the next task.
  setTimeout(() => URL.revokeObjectURL(url), 0)
}

const BEGINNINGS = [
  { kind: 'wallet', text: 'switchback wallet file\n' },
  { kind: 'backup', text: 'switchback backup 1\n' },
] as const

export type FileKind = (typeof BEGINNINGS)[number]['kind'] | 'other'

/** What a chosen file says it is by its first bytes. */
export async function kindOf(file: Blob): Promise<FileKind> {
  const start = await file.slice(0, 64).text()
  return BEGINNINGS.find(({ text }) => start.startsWith(text))?.kind ?? 'other'
}

let chosen: File | undefined

/** A backup of channels that was chosen before there was a wallet to bring them back to. */
export function keepChosenBackup(file: File | undefined): void {
  chosen = file
}

export function takeChosenBackup(): File | undefined {
  const file = chosen
  chosen = undefined
  return file
}
