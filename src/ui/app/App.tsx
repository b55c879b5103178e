import { lazy, type ReactNode, Suspense, useEffect } from 'react'
import { Route, Router, Switch } from 'wouter'
import { useHashLocation } from 'wouter/use-hash-location'
import Home from '../screens/Home.tsx'
import Welcome from '../screens/Welcome.tsx'
import { noteDurability } from '../state/durability.ts'
import { useSession } from '../state/session.ts'
import { t } from '../text/en.ts'
import { Mark } from '../widgets/Mark.tsx'
import { Waiting } from '../widgets/Waiting.tsx'
import { Shell } from './Shell.tsx'

// First paint needs Home or Welcome; the rest is fetched as soon as the page is idle, so that it is there when asked for.
const load = {
  send: () => import('../screens/Send.tsx'),
  receive: () => import('../screens/Receive.tsx'),
  channels: () => import('../screens/Channels.tsx'),
  commitments: () => import('../screens/Commitments.tsx'),
  wallet: () => import('../screens/Wallet.tsx'),
  money: () => import('../screens/Money.tsx'),
  network: () => import('../screens/Network.tsx'),
  graph: () => import('../screens/Graph.tsx'),
  settings: () => import('../screens/Settings.tsx'),
  console: () => import('../screens/Console.tsx'),
  past: () => import('../screens/Past.tsx'),
}
const Unlock = lazy(() => import('../screens/Unlock.tsx'))
const Moved = lazy(() => import('../screens/Moved.tsx'))
const Send = lazy(load.send)
const Receive = lazy(load.receive)
const Channels = lazy(load.channels)
const Commitments = lazy(load.commitments)
const Wallet = lazy(load.wallet)
const Money = lazy(load.money)
const Network = lazy(load.network)
const Graph = lazy(load.graph)
const Settings = lazy(load.settings)
const Console = lazy(load.console)
const PastPayment = lazy(async () => ({ default: (await load.past()).PastPaymentScreen }))
const PastTransaction = lazy(async () => ({ default: (await load.past()).TransactionScreen }))

/** Fetches the other screens one after the other, so that the network is never full of them. */
async function fetchRest(): Promise<void> {
  for (const screen of Object.values(load)) await screen()
}

/** A screen whose code is on its way. Mostly it is there at once, so that this shows only when it is not. */
function Fetching(): ReactNode {
  return (
    <div className="fetching">
      <Mark tone="faint" />
    </div>
  )
}

function Screens(): ReactNode {
  return (
    <main id="content" tabIndex={-1}>
      <Suspense fallback={<Fetching />}>
        <Switch>
          <Route path="/send" component={Send} />
          <Route path="/receive" component={Receive} />
          <Route path="/channels/:id/commitments">{({ id }) => <Commitments channelId={id} />}</Route>
          <Route path="/channels/:at?">{({ at }) => <Channels at={at} />}</Route>
          <Route path="/wallet" component={Wallet} />
          <Route path="/money" component={Money} />
          <Route path="/network" component={Network} />
          <Route path="/network/graph/:at?">{({ at }) => <Graph at={at} />}</Route>
          <Route path="/settings/:at?">{({ at }) => <Settings at={at} />}</Route>
          <Route path="/console" component={Console} />
          <Route path="/payment/:hash">{({ hash }) => <PastPayment hash={hash} />}</Route>
          <Route path="/transaction/:txid">{({ txid }) => <PastTransaction txid={txid} />}</Route>
          <Route component={Home} />
        </Switch>
      </Suspense>
    </main>
  )
}

/** Before the node has spoken, or while it starts: the mark, and what is being waited for. */
function Starting(): ReactNode {
  const chain = useSession((s) => s.node?.chain)
  const lost = useSession((s) => s.lost !== undefined)
  const verified = chain?.headersVerified ?? 0
  return (
    <main className="starting" id="content">
      <Mark className="welcome-mark" tone="faint" />
      <h1 className="visually-hidden">{t.app.name}</h1>
      {lost ? null : chain === undefined || verified === 0 ? (
        <Waiting what={t.app.starting} />
      ) : (
        <Waiting
          what={t.app.headers(Math.floor(chain.progress * 100), String(verified))}
          progress={chain.progress}
        />
      )}
    </main>
  )
}

/** What is shown, by the phase the node is in. */
function Phase(): ReactNode {
  const phase = useSession((s) => s.node?.phase)
  // A wallet whose identity is known can be looked at while the rest of the node comes up.
  const known = useSession((s) => s.node?.nodeId !== undefined)
  const live = phase === 'running' || phase === 'following'
  useEffect(() => {
    if (!live) return
    noteDurability(false).catch(() => undefined)
    const idle = setTimeout(() => void fetchRest().catch(() => undefined), 300)
    return () => clearTimeout(idle)
  }, [live])
  if (phase === 'noWallet') {
    return (
      <Shell navigation={false}>
        <Welcome />
      </Shell>
    )
  }
  if (phase === 'locked') {
    return (
      <Shell navigation={false}>
        <Suspense fallback={null}>
          <Unlock />
        </Suspense>
      </Shell>
    )
  }
  if (phase === 'moved') {
    return (
      <Shell navigation={false}>
        <Suspense fallback={null}>
          <Moved />
        </Suspense>
      </Shell>
    )
  }
  if (phase === undefined || (phase === 'starting' && !known)) {
    return (
      <Shell navigation={false}>
        <Starting />
      </Shell>
    )
  }
  return (
    <Shell navigation>
      <Screens />
    </Shell>
  )
}

export function App(): ReactNode {
  return (
    // Routes live in the hash, so that any static host and any folder will do.
    <Router hook={useHashLocation}>
      <Phase />
    </Router>
  )
}
