/** Recovery words as they are typed. The list itself is loaded only where it is needed. */

/** Words of a typed text: lower case, accents folded, whatever separates them. */
export function splitWords(text: string): string[] {
  return text
    .normalize('NFKD')
    .toLowerCase()
    .split(/[\s,;]+/)
    .filter((word) => word !== '')
}

export interface WordProblem {
  /** Counted from 1, as on paper. */
  readonly position: number
  readonly word: string
  readonly suggestion: string | undefined
}

/** Edits between two words, counted up to 2: an insertion, a deletion, a change or a swap of neighbours is one. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min((previous[j] ?? 9) + 1, (row[j - 1] ?? 9) + 1, (previous[j - 1] ?? 9) + change)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (before[j - 2] ?? 9) + 1)
      row.push(best)
    }
    before = previous
    previous = row
  }
  return previous[b.length] ?? 3
}

/** The nearest word of the list, if one is near. The first four letters are unique in the list (BIP 39). */
function suggest(word: string, list: readonly string[]): string | undefined {
  const sameStart =
    word.length >= 4 ? list.find((known) => known.slice(0, 4) === word.slice(0, 4)) : undefined
  if (sameStart !== undefined) return sameStart
  let best: string | undefined
  let bestDistance = 3
  for (const known of list) {
    const edits = distance(word, known)
    if (edits < bestDistance) {
      best = known
      bestDistance = edits
    }
  }
  return best
}

/** Words that are not in the list. The last one is spared while it is still being typed. */
export function wordProblems(text: string, list: readonly string[]): WordProblem[] {
  const words = splitWords(text)
  const known = new Set(list)
  const unfinished = /[\s,;]$/.test(text) ? undefined : words.length - 1
  return words.flatMap((word, index) => {
    if (known.has(word)) return []
    if (index === unfinished && list.some((candidate) => candidate.startsWith(word))) return []
    return [{ position: index + 1, word, suggestion: suggest(word, list) }]
  })
}
