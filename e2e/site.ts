import { join } from 'node:path'

/** The built app that the tests are served. */
export const SITE: string = join(import.meta.dirname, '../.cache/e2e/site')
