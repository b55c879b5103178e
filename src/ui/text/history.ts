import type { Activity } from '../../contract/schemas.ts'

/** Words for what was passed on, and names of columns for those who keep books. Loaded when asked for. */

const plural = (n: number, one: string, many: string) => `${n} ${n === 1 ? one : many}`

export const forwardText = {
  title: 'Passed on for others',
  none: 'Nothing was passed on for others yet. Fees for it show here.',
  earned: 'Earned',
  count: 'Payments',
  amount: 'Passed on',
  underWay: 'On their way',
  from: (incoming: string, outgoing: string) => `${incoming} → ${outgoing}`,
  nowhere: 'not decided',
  states: {
    held: 'Waits for your word',
    offered: 'On its way',
    settling: 'Arrived',
    failing: 'Goes back',
  },
  fee: (amount: string) => `fee ${amount}`,
  pass: 'Pass it on',
  refuse: 'Refuse it',
  many: (n: number) => plural(n, 'payment', 'payments'),
}

export const kindNames: Readonly<Record<Activity['kind'], string>> = {
  lightningSent: 'lightning out',
  lightningReceived: 'lightning in',
  onchainSent: 'chain out',
  onchainReceived: 'chain in',
  channelOpen: 'channel opened',
  channelClose: 'channel closed',
  feeRaised: 'fee raised',
}
