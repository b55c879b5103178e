import type { ReactNode } from 'react'
import { Link } from 'wouter'
import type { Notice } from '../../contract/schemas.ts'
import { useNode } from '../state/session.ts'
import { t } from '../text/en.ts'

const RANK: Record<Notice['urgency'], number> = { urgent: 0, warning: 1, info: 2 }

function hrefOf(notice: Notice): string {
  switch (notice.code) {
    case 'backUpWords':
    case 'practiceChainReset':
      return '/settings'
    case 'storageNotDurable':
      return '/settings/storage'
    case 'backupFound':
      return '/settings/backup'
    case 'noServers':
    case 'oneServer':
    case 'noGateway':
      return '/settings/servers'
    case 'serversDisagree':
    case 'serversUnreachable':
    case 'serverLies':
    case 'notRelayed':
    case 'noNewBlocks':
      return '/network'
    case 'channelFailed':
    case 'peerForceClosed':
    case 'closingWaits':
    case 'fundingStuck':
    case 'whileClosed':
    case 'fundingConflict':
    case 'channelRestored':
      return notice.channelId === undefined ? '/channels' : `/channels/${notice.channelId}`
    case 'noInbound':
      return '/channels'
    case 'frozen':
      return '/'
  }
}

/** What wants attention, the most urgent first. A frozen wallet has its own, larger place. */
export function Notices(): ReactNode {
  const notices = useNode((node) => node.notices)
  const shown = notices
    .filter((notice) => notice.code !== 'frozen')
    .toSorted((a, b) => RANK[a.urgency] - RANK[b.urgency])
  if (shown.length === 0) return null
  return (
    <ul className="notices" aria-label={t.notices.title}>
      {shown.map((notice) => (
        <li key={notice.id} className={`notice notice-${notice.urgency}`}>
          <p>
            <strong>{t.notices.what[notice.code]}</strong> {t.notices.todo[notice.code]}
          </p>
          <Link href={hrefOf(notice)}>{t.notices.action[notice.code]}</Link>
        </li>
      ))}
    </ul>
  )
}
