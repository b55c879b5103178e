import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

test('a class gets its looks in one style sheet: a second one would change screens that nobody looked at', () => {
  // The layout is a layer of its own above the others, for wide screens.
  const folder = 'src/ui/styles'
  const homes = new Map<string, Set<string>>()
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.css') && name !== 'layout.css')) {
    for (const [, name = ''] of readFileSync(`${folder}/${file}`, 'utf8').matchAll(
      /^ {0,2}\.([a-z-]+) \{/gm,
    )) {
      homes.set(name, (homes.get(name) ?? new Set()).add(file))
    }
  }
  expect(homes.size).toBeGreaterThan(100)
  expect([...homes].filter(([, files]) => files.size > 1).map(([name, files]) => [name, ...files])).toEqual(
    [],
  )
})
