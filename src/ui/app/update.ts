import type { AppState } from '../../contract/schemas.ts'
import { session } from '../state/session.ts'

/** How often a page that stays open asks whether there is a newer app. */
const ASK_AGAIN_MS = 3_600_000

/** How long a new version may take to take over before the page restarts without it and lets it go on from there. */
const TAKE_WITHIN_MS = 3_000

/** Whether a restart would come between: payments survive one, but nobody should have to look for his. */
export const mayRestart = (node: Pick<AppState, 'activity'> | undefined): boolean =>
  node?.activity.some(({ kind, state }) => kind.startsWith('lightning') && state === 'pending') !== true

const restart = (): void => location.reload()

/**
 * Keeps the shell offline with a service worker. A new version is fetched in the background and taken only when the user says so:
 * a wallet does not change its code under somebody's hands. By hand, and not with `workbox-window`: these lines are a third of it, and
 * what it adds are events for pages that take a version without asking.
 */
export function keepShell(): void {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return
  const container = navigator.serviceWorker
  // Without a controller this is the first visit: nothing is being replaced.
  const old = container.controller
  let taking = false
  const offer = ({ waiting }: ServiceWorkerRegistration) => {
    if (waiting === null || old === null) return
    session.setState({
      takeUpdate: () => {
        taking = true
        waiting.postMessage({ type: 'SKIP_WAITING' })
        // The new one has to wait for what this page still asks through the old one, for minutes where that never ends: a restart ends it.
        setTimeout(restart, TAKE_WITHIN_MS)
      },
    })
  }
  container.addEventListener('controllerchange', () => {
    if (old === null) return
    if (taking) restart()
    // Another tab has taken it. This one goes on with what it has loaded until it is told to restart as well.
    else session.setState({ takeUpdate: restart })
  })
  const register = async () => {
    const registration = await container.register('./sw.js', { scope: './' })
    offer(registration)
    registration.addEventListener('updatefound', () => {
      registration.installing?.addEventListener('statechange', () => offer(registration))
    })
    // A wallet stays open for days, and a page asks by itself only when it is loaded.
    setInterval(() => void registration.update().catch(() => undefined), ASK_AGAIN_MS)
  }
  // Private windows and some settings refuse service workers; the app then works online only.
  addEventListener('load', () => void register().catch(() => undefined), { once: true })
}
