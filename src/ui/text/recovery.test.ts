import { wordlist } from '@scure/bip39/wordlists/english.js'
import { expect, test } from 'vitest'
import { splitWords, wordProblems } from './recovery.ts'

test('words are found whatever separates them', () => {
  expect(splitWords('  Abandon,ability\n able\tabout ')).toEqual(['abandon', 'ability', 'able', 'about'])
})

test('each wrong word is named with its place and the nearest known one', () => {
  expect(wordProblems('abandon abilty zoo ', wordlist)).toEqual([
    { position: 2, word: 'abilty', suggestion: 'ability' },
  ])
  expect(wordProblems('wrnog legal winner ', wordlist)[0]).toEqual({
    position: 1,
    word: 'wrnog',
    suggestion: 'wrong',
  })
  expect(wordProblems('xqzxqz ', wordlist)[0]?.suggestion).toBeUndefined()
})

test('a word that is still being typed is not called wrong', () => {
  expect(wordProblems('abandon abi', wordlist)).toEqual([])
  expect(wordProblems('abandon abi ', wordlist)).toHaveLength(1)
  expect(wordProblems('abandon abx', wordlist)).toHaveLength(1)
})
