/** Words of a backup file that is looked at before it is needed. */

const channels = (n: number): string => `${n} ${n === 1 ? 'channel' : 'channels'}`

export const backupText = {
  check: 'Check a saved file',
  checkFile: 'Backup file to check',
  /** What stands in a file that opened, beside what the wallet has. */
  checked: (when: string, held: number, missing: number, unknown: number): string => {
    const opens = `This file opens with your words. It was saved ${when} and holds ${channels(held)}`
    const others = unknown === 0 ? '' : ` ${channels(unknown)} in it are not in this wallet.`
    return missing === 0
      ? `${opens}: all that you have today.${others}`
      : `${opens}, but lacks ${channels(missing)} of today: save a new one.${others}`
  },
} as const
