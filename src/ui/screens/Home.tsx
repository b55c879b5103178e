import { ArrowDownLeft, ArrowUpRight } from 'lucide-react'
import type { ReactNode } from 'react'
import { useLocation } from 'wouter'
import { ActivityList } from '../features/ActivityList.tsx'
import { Balance } from '../features/Balance.tsx'
import { Notices } from '../features/Notices.tsx'
import { StatusPill } from '../features/StatusPill.tsx'
import { useSession } from '../state/session.ts'
import { t } from '../text/en.ts'
import { Button } from '../widgets/Button.tsx'
import { Panes, Screen } from '../widgets/Screen.tsx'

/** The quiet screen: what there is, the two things to do with it, what happened. */
export default function Home(): ReactNode {
  const [, navigate] = useLocation()
  const shop = useSession((s) => s.defaults.shop)
  return (
    <Screen title={t.nav.home} quiet className="home">
      <Panes
        first={
          <>
            <StatusPill />
            <Balance />
            <div className="buttons buttons-even">
              <Button
                look="primary"
                icon={<ArrowUpRight aria-hidden="true" />}
                onClick={() => navigate('/send')}
              >
                {t.home.send}
              </Button>
              <Button
                look="primary"
                icon={<ArrowDownLeft aria-hidden="true" />}
                onClick={() => navigate('/receive')}
              >
                {t.home.receive}
              </Button>
            </div>
            <Notices />
            {shop === undefined ? null : (
              <p className="quiet">
                {t.home.practice}{' '}
                <a href={shop} target="_blank" rel="noreferrer">
                  {t.home.shop}
                </a>
              </p>
            )}
          </>
        }
        second={<ActivityList />}
      />
    </Screen>
  )
}
