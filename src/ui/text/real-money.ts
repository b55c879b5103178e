/** What is said before a wallet on mainnet is made: plain, and nothing that is not so. */

export const realMoney = {
  title: 'Real money, new software',
  about:
    'Switchback has been tested hard and used little. Nobody stands behind it who could give money back. So, from the first day:',
  steps: [
    ['Begin small', 'Keep here what you would carry in a pocket, not what you save.'],
    [
      'Write down the words, save the channels',
      'The words bring back coins on chain. Channels need a file too, saved anew whenever one opens or closes.',
    ],
    [
      'Set a password',
      'Without one, whoever can use this browser can use this wallet. It is under Options, and in Settings.',
    ],
    ['Keep an exit file', 'One page that claims your money without this app and without its makers.'],
    [
      'Open the app every few days',
      'It watches only while it is open. A cheating peer has to be caught within five days.',
    ],
    [
      'Hold on to this device’s storage',
      'A browser may clear it. Put the app on your home screen and let it keep its data.',
    ],
    [
      'Choose who you ask',
      'Two chain servers of different people, and a gateway; best are your own. Until you name them in Settings, nothing is asked of anybody. Servers see which addresses are yours.',
    ],
    [
      'The first start takes long',
      'It checks every block header since January 2025: with public servers that is half a day.',
    ],
  ],
  accept: 'I understand, and will begin with an amount that I can lose.',

  serversTodo: 'Name two chain servers of different people. Your own are best.',
  suggest: 'Put in two public ones',
  suggestAbout:
    'mempool.space and blockstream.info: run by two companies. They check each other, and see which addresses are yours.',
} as const
