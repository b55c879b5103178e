import { type AmountProblem, parseSats } from './amounts.ts'
import { t } from './en.ts'

/** What is wrong with a typed amount, in words; `undefined` when nothing is or, unless `required`, when it is empty. */
export function amountProblem(text: string, decimals: 0 | 3, required: boolean): string | undefined {
  const parsed = parseSats(text, decimals)
  if (parsed.ok) return undefined
  const problem: AmountProblem = parsed.problem
  return problem === 'empty' && !required ? undefined : t.amount.problems[problem]
}
