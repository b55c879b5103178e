import { session } from '../state/session.ts'

/**
 * Keeps the shell offline with a service worker. A new version is fetched in the background and taken only when the user says so:
 * a wallet does not change its code under somebody's hands.
 */
export function keepShell(): void {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return
  const offer = (registration: ServiceWorkerRegistration) => {
    const { waiting } = registration
    // Without a controller this is the first visit: nothing is being replaced.
    if (waiting === null || navigator.serviceWorker.controller === null) return
    session.setState({
      takeUpdate: () => {
        navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true })
        waiting.postMessage({ type: 'SKIP_WAITING' })
      },
    })
  }
  const register = async () => {
    const registration = await navigator.serviceWorker.register('./sw.js', { scope: './' })
    offer(registration)
    registration.addEventListener('updatefound', () => {
      registration.installing?.addEventListener('statechange', () => offer(registration))
    })
  }
  // Private windows and some settings refuse service workers; the app then works online only.
  addEventListener('load', () => void register().catch(() => undefined), { once: true })
}
