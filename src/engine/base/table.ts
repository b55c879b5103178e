/**
 * An immutable table by key, for what grows for years: a change copies one page of many, where a plain object would be copied whole.
 * Keys begin with three hex digits that are spread evenly (hashes); others work as well and only make pages larger. Plain data.
 */
export interface Table<T> {
  readonly size: number
  readonly pages: readonly Page<T>[]
}

type Page<T> = Readonly<Record<string, T>>

const PAGES = 1024
const EMPTY: Page<never> = Object.freeze({})

/** A table without entries. */
export const emptyTable: Table<never> = Object.freeze({
  size: 0,
  pages: Object.freeze(Array.from({ length: PAGES }, () => EMPTY)),
})

const digit = (key: string, at: number): number => {
  const code = key.charCodeAt(at)
  return code < 0x40 ? code & 15 : (code + 9) & 15
}

const pageOf = (key: string): number => (digit(key, 0) << 6) | (digit(key, 1) << 2) | (digit(key, 2) >> 2)

/** The entry with this key, or undefined. */
export function entry<T>(table: Table<T> | undefined, key: string): T | undefined {
  const page = table?.pages[pageOf(key)]
  return page !== undefined && Object.hasOwn(page, key) ? page[key] : undefined
}

/** All entries, in no order that means anything. */
export function entries<T>(table: Table<T>): T[] {
  const all: T[] = []
  for (const page of table.pages) if (page !== EMPTY) for (const key in page) all.push(page[key] as T)
  return all
}

/** All keys, in the order of `entries`. */
export const keys = (table: Table<unknown>): string[] => table.pages.flatMap((page) => Object.keys(page))

/** A table of what a plain object holds. */
export function tableOf<T>(record: Readonly<Record<string, T>>): Table<T> {
  const owned = new Set<object>()
  let table: Table<T> = emptyTable
  for (const [key, value] of Object.entries(record)) table = withEntry(table, key, value, owned)
  return table
}

/**
 * The table with an entry added or replaced. What has been copied is noted in `owned`: while the same set is given, and nobody else has
 * seen the table, it is filled in place. Whoever hands the table on lets go of the set.
 */
export function withEntry<T>(table: Table<T>, key: string, value: T, owned: Set<object>): Table<T> {
  const at = pageOf(key)
  const pages = owned.has(table.pages) ? (table.pages as Page<T>[]) : table.pages.slice()
  owned.add(pages)
  const before = pages[at] as Page<T>
  const size = table.size + (Object.hasOwn(before, key) ? 0 : 1)
  const page: Record<string, T> = owned.has(before) ? before : { ...before }
  owned.add(page)
  page[key] = value
  pages[at] = page
  return pages === table.pages && size === table.size ? table : { size, pages }
}
