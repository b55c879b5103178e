import type { ReactNode } from 'react'
import { useNode } from '../state/session.ts'
import { t } from '../text/en.ts'

/** One short line, only when something is off. */
export function StatusPill(): ReactNode {
  const phase = useNode((node) => node.phase)
  const chain = useNode((node) => node.chain)
  const silent = chain.servers.length > 0 && chain.servers.every((server) => server.state !== 'ok')
  const text =
    phase === 'following'
      ? t.app.following
      : chain.servers.length === 0
        ? t.app.noServers
        : silent && chain.height > 0
          ? t.app.serversSilent
          : chain.synced
            ? undefined
            : t.app.catchingUp(Math.floor(chain.progress * 100))
  return text === undefined ? null : (
    <p className="pill" role="status">
      {text}
    </p>
  )
}
