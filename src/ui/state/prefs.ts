import { createStore } from 'zustand/vanilla'
import { useStore } from 'zustand'

/** How this device likes it. Nothing here is worth a backup; where storage is refused it lasts for the visit. */

export type Theme = 'system' | 'light' | 'dark'
export const THEMES: readonly Theme[] = ['system', 'light', 'dark']

interface Prefs {
  readonly theme: Theme
  readonly hidden: boolean
}

const KEY = 'switchback.prefs'

function read(): Prefs {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? '{}')
    const found = typeof stored === 'object' && stored !== null ? (stored as Record<string, unknown>) : {}
    return {
      theme: THEMES.find((theme) => theme === found.theme) ?? 'system',
      hidden: found.hidden === true,
    }
  } catch {
    return { theme: 'system', hidden: false }
  }
}

export const prefs = createStore<Prefs>()(read)

prefs.subscribe((now) => {
  try {
    localStorage.setItem(KEY, JSON.stringify(now))
  } catch {
    // Private windows may refuse; the choice then lasts for the visit.
  }
})

export function usePrefs<T>(select: (prefs: Prefs) => T): T {
  return useStore(prefs, select)
}

/** Puts the theme on the document, now and at every change. */
export function applyTheme(): void {
  const apply = ({ theme }: Prefs) => {
    document.documentElement.dataset.theme = theme
  }
  apply(prefs.getState())
  prefs.subscribe(apply)
}
