import { formatExact } from './times.ts'

/** Words of moving a wallet from one device to another. */

export const moveText = {
  section: 'Move to another device',
  sectionAbout:
    'Takes the whole wallet, channels included, to another device. It goes on there and stops here: two devices with the same channels would lose money.',
  start: 'Move this wallet…',
  title: 'Move this wallet?',
  steps: [
    'This device stops for good. Nothing is sent or received here any more.',
    'You get one file, sealed with a password that you choose now.',
    'On the other device choose “Restore a wallet”, then “Moved wallet”. Do it soon: payments under way have deadlines.',
    'The file can be opened once. Whoever has the file and the password has your money.',
  ],
  away: (peers: string) =>
    `Not connected now: ${peers}. Better wait: a channel can go on or be closed on the other device only once its peer has been reached there.`,
  busy: 'A payment is under way. Better wait until it is done.',
  password: 'Password of the file',
  passwordHint:
    'At least 8 characters. It is needed once, on the other device, and has nothing to do with this wallet’s lock.',
  passwordAgain: 'Password again',
  short: (least: number) => `At least ${least} characters.`,
  differs: 'This is not the same.',
  go: 'Stop and save',
  sealing: 'Sealing the wallet…',

  movedTitle: 'This wallet has moved',
  movedAbout: (at: string) =>
    `It was handed out as a file on ${formatExact(at)}. Nothing is sent or received here any more, and nobody can pay to this device.`,
  movedNext: 'Open the file on the other device: “Restore a wallet”, then “Moved wallet”.',
  saveAgain: 'Save the file again',
  saveAgainAbout:
    'The same wallet in the same state. Choose a password for this file; it may be another one than before.',
  saveIt: 'Save the file',

  elsewhereTitle: 'This wallet is on another device',
  elsewhereAbout: (at: string) =>
    `On ${formatExact(at)} a peer showed that another device has gone on with it. This one stopped before it signed anything, so nothing is lost.`,
  elsewhereNext: 'Use the wallet there. If you no longer need it here, erase it from this device.',

  erase: 'Erase it here',
  eraseTitle: 'Erase the wallet from this device?',
  eraseAbout:
    'Do this once the wallet runs on the other device. After that the file cannot be saved again from here.',
  eraseNow: 'Erase it',

  back: 'Bring it back here…',
  backTitle: 'Bring the wallet back here?',
  backAbout: [
    'Only if no other device has opened the file, or if that device is lost.',
    'If another device has gone on with the wallet, this one holds an old state. It asks its peers first and stops again when they say so; but a peer that lies could take money from whichever device is behind.',
    'After this, files saved before are worth nothing.',
  ],
  backWord: 'bring back',
  backField: (word: string) => `Type “${word}” to confirm`,
  backNow: 'Bring it back',
  backWaits: 'Starting here again…',

  from: 'What do you have?',
  fromWords: 'Recovery words',
  fromFile: 'Moved wallet',
  file: 'Wallet file',
  choose: 'Choose the file',
  chosen: (name: string) => `File: ${name}`,
  fileAbout: 'The file that the other device saved when you moved the wallet.',
  openAbout:
    'The wallet goes on here and nowhere else. Its channels go on as soon as their peers have been reached.',
  opening: 'Opening the file…',
  copyFile: 'Backup file',
  copyChoose: 'Add a backup of channels (optional)',
  copyAbout: 'With it, peers of the channels are asked to close them, and your part comes to the wallet.',
  wrongKind: {
    backup: 'This is a backup of channels. It goes with the recovery words: choose “Recovery words” above.',
    wallet: 'This is a wallet file. Choose “Moved wallet” above.',
    other: 'This is no file of this app.',
  },

  holds: {
    newest: (peer: string) => `${peer} keeps the newest copy, and has shown it.`,
    sent: (peer: string) => `${peer} was given the newest copy to keep.`,
    older: (peer: string) => `${peer} keeps an older copy. It gets the newest when it is connected.`,
    none: (peer: string) => `${peer} keeps no copy yet.`,
    refused: (peer: string) => `${peer} keeps no copies for others.`,
    unknown: (peer: string) => `${peer} has not been reached: what it keeps is not known.`,
  },
} as const
