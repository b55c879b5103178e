/** Words of the exit file, loaded with the settings. */
export const exitText = {
  section: 'Exit file',
  about:
    'One page that takes your money out without this app, its makers or a server. Opened offline in any browser, it shows what is yours and makes the signed transactions that bring it to an address of yours.',
  holds: {
    none: 'Not saved yet.',
    all: (when: string) => `Saved ${when}. Nothing has happened in your channels since.`,
    channels: (when: string) =>
      `Saved ${when}. Payments were made since; your balances are found all the same.`,
    older: (when: string) => `Saved ${when}. Channels have opened or closed since: save it again.`,
  },
  save: 'Save exit file',
  title: 'Save exit file',
  dialogAbout:
    'Keep it apart from this device, and save it again after a channel opens or closes. Whoever has the file and its password has the money.',
  passwordHint:
    'At least 8 characters, better a few words. It opens the file for good and cannot be reset: keep it, too.',
  go: 'Save',
  sealing: 'Sealing the file…',
  missing:
    'The page that the file is made of could not be loaded. Reload the app, or try again when you are online.',
} as const
