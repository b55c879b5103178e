import { Globe, House, Settings2, SquareTerminal, Wallet, Waypoints } from 'lucide-react'
import type { ReactNode } from 'react'
import { Link, useLocation } from 'wouter'
import { useSession } from '../state/session.ts'
import { t } from '../text/en.ts'
import { wordsFor } from '../text/words.ts'
import { Button } from '../widgets/Button.tsx'
import { Mark } from '../widgets/Mark.tsx'
import { mayRestart } from './update.ts'

const PAGES = [
  { href: '/', label: t.nav.home, icon: House },
  { href: '/channels', label: t.nav.channels, icon: Waypoints },
  { href: '/wallet', label: t.nav.wallet, icon: Wallet },
  { href: '/network', label: t.nav.network, icon: Globe },
  { href: '/settings', label: t.nav.settings, icon: Settings2 },
  { href: '/console', label: t.nav.console, icon: SquareTerminal },
] as const

function Navigation(): ReactNode {
  const [at] = useLocation()
  const here = (href: string) => (href === '/' ? at === '/' : at.startsWith(href))
  return (
    <nav className="navigation" aria-label={t.app.pages}>
      <p className="brand" aria-hidden="true">
        <Mark />
        {t.app.name}
      </p>
      <ul>
        {PAGES.map(({ href, label, icon: Icon }) => (
          <li key={href}>
            <Link href={href} aria-current={here(href) ? 'page' : undefined}>
              <Icon aria-hidden="true" />
              {label}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  )
}

/** What stands above every screen when the node has stopped: it cannot be missed and cannot be closed. */
function Stopped(): ReactNode {
  const lost = useSession((s) => s.lost)
  const frozen = useSession((s) => (s.node?.phase === 'frozen' ? (s.node.error ?? null) : undefined))
  const shown = lost === undefined && frozen === undefined ? undefined : { lost, frozen }
  if (shown === undefined) return null
  const words =
    frozen === undefined
      ? { what: t.app.lost, todo: t.app.lostTodo }
      : wordsFor(frozen === null || frozen.code === 'internal' ? { code: 'frozen', message: '' } : frozen)
  return (
    <div className="stopped" role="alert">
      <p>
        <strong>{frozen === undefined ? words.what : t.app.frozen}</strong>{' '}
        {frozen === undefined || words.what === t.app.frozen ? null : `${words.what} `}
        {words.todo}
      </p>
      <Button onClick={() => location.reload()}>{t.app.reload}</Button>
    </div>
  )
}

function Update(): ReactNode {
  const take = useSession((s) => s.takeUpdate)
  const may = useSession((s) => mayRestart(s.node))
  return take === undefined ? null : (
    <div className="update" role="status">
      <p>
        {t.app.update} {may ? '' : t.app.updateWaits}
      </p>
      <Button look="quiet" className="button-small" disabled={!may} onClick={take}>
        {t.app.updateNow}
      </Button>
    </div>
  )
}

/** Frame of all screens: navigation, the notice that everything has stopped, content. */
export function Shell({
  navigation,
  children,
}: {
  readonly navigation: boolean
  readonly children: ReactNode
}): ReactNode {
  return (
    <div className={navigation ? 'shell' : 'shell shell-bare'}>
      {navigation ? (
        <a
          className="skip"
          href="#content"
          onClick={(event) => {
            // The hash belongs to the router.
            event.preventDefault()
            document.getElementById('content')?.focus()
          }}
        >
          {t.app.skip}
        </a>
      ) : null}
      <Stopped />
      <Update />
      {navigation ? <Navigation /> : null}
      {children}
    </div>
  )
}
