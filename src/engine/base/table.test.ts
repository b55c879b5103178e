import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { emptyTable, entries, entry, keys, type Table, tableOf, withEntry } from './table.ts'

const key = fc.oneof(
  fc.string({ unit: fc.constantFrom('0', '1', '7', '9', 'a', 'c', 'f'), minLength: 3, maxLength: 6 }),
  fc.constantFrom('', '0', 'constructor', '__proto__x', 'zz'),
)

describe('a table', () => {
  it('holds what a plain object would, and no version of it ever changes once it has been handed on', () => {
    const turns = fc.array(fc.array(fc.tuple(key, fc.nat())), { maxLength: 8 })
    fc.assert(
      fc.property(turns, (list) => {
        const plain = new Map<string, number>()
        let table: Table<number> = emptyTable
        const versions: { table: Table<number>; plain: Map<string, number> }[] = []
        for (const turn of list) {
          const owned = new Set<object>()
          for (const [k, value] of turn) {
            table = withEntry(table, k, value, owned)
            plain.set(k, value)
            expect(entry(table, k)).toBe(value)
          }
          versions.push({ table, plain: new Map(plain) })
        }
        for (const version of versions) {
          expect(version.table.size).toBe(version.plain.size)
          expect(new Set(keys(version.table))).toEqual(new Set(version.plain.keys()))
          expect(entries(version.table).toSorted((a, b) => a - b)).toEqual(
            [...version.plain.values()].toSorted((a, b) => a - b),
          )
          for (const [k, value] of version.plain) expect(entry(version.table, k)).toBe(value)
        }
        expect(entries(emptyTable)).toEqual([])
      }),
      { numRuns: 200 },
    )
  })

  it('knows nothing of what objects inherit', () => {
    expect(entry(tableOf({ abc: 1 }), 'toString')).toBeUndefined()
    expect(entry(emptyTable, 'constructor')).toBeUndefined()
  })

  it('spreads hashes over all pages', () => {
    const many: Record<string, number> = {}
    for (let i = 0; i < 4096; i++) many[`${i.toString(16).padStart(3, '0')}${'0'.repeat(61)}`] = i
    expect(new Set(tableOf(many).pages.map((page) => Object.keys(page).length))).toEqual(new Set([4]))
  })
})
