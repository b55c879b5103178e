import { type ReactNode, useState } from 'react'
import { useLocation } from 'wouter'
import { dismissOpening, open, type OpeningJob, useJobs } from '../../state/jobs.ts'
import { useNode, useSession } from '../../state/session.ts'
import { formatMsat, parseSats, satFloor, shorten } from '../../text/amounts.ts'
import { t } from '../../text/en.ts'
import { amountProblem } from '../../text/problems.ts'
import { Button } from '../../widgets/Button.tsx'
import { AmountField, TextField } from '../../widgets/Field.tsx'
import { Steps } from '../../widgets/Steps.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'
import { onchainMsat } from '../Balance.tsx'
import { useFeeChoice } from '../FeeChoice.tsx'

/** Where a channel comes from: a peer, an amount, a fee rate; then its progress. */
export function OpenChannel(): ReactNode {
  const job = useJobs((j) => j.opening)
  return job === undefined ? <OpenForm /> : <OpenProgress job={job} />
}

function OpenForm(): ReactNode {
  const offered = useSession((s) => s.defaults.peers)
  const available = useNode((node) => onchainMsat(node.balances))
  const draft = useJobs((j) => j.draft)
  const [peer, setPeer] = useState(draft?.peer ?? '')
  const [typed, setTyped] = useState(draft?.amountSat ?? '')
  const { rate, control } = useFeeChoice()
  const parsed = parseSats(typed, 0)
  const start = () => {
    if (!parsed.ok || rate === undefined) return
    // Its progress stands where the form began.
    window.scrollTo(0, 0)
    void open({ peer: peer.trim(), amountSat: satFloor(parsed.msat).toString(), feeSatPerVb: rate })
  }
  return (
    <form
      className="narrow"
      onSubmit={(event) => {
        event.preventDefault()
        start()
      }}
    >
      <p className="quiet">{t.channels.openAbout}</p>
      <TextField
        label={t.channels.peer}
        className="mono"
        value={peer}
        onText={setPeer}
        hint={t.channels.peerHint}
      />
      {offered.length === 0 ? null : (
        <div className="offered">
          <p className="field-label">{t.channels.offered}</p>
          <ul className="chips">
            {offered.map((candidate) => (
              <li key={candidate.nodeId}>
                <button
                  type="button"
                  className="chip"
                  aria-pressed={peer === candidate.address}
                  onClick={() => setPeer(candidate.address)}
                >
                  {candidate.name} <span className="mono quiet">{shorten(candidate.nodeId)}</span>
                </button>
              </li>
            ))}
          </ul>
        </div>
      )}
      <AmountField
        value={typed}
        onText={setTyped}
        problem={amountProblem(typed, 0, false)}
        hint={available === 0n ? t.channels.needCoins : t.channels.available(formatMsat(available))}
      />
      {control}
      <Button
        look="primary"
        wide
        type="submit"
        disabled={!parsed.ok || rate === undefined || peer.trim() === ''}
      >
        {t.channels.open}
      </Button>
    </form>
  )
}

const ORDER = ['connecting', 'negotiating', 'pending', 'confirming', 'open'] as const

function OpenProgress({ job }: { readonly job: OpeningJob }): ReactNode {
  const [, navigate] = useLocation()
  // The node's own state of the channel goes on after the stream has ended, a reload included.
  const channel = useNode((node) => node.channels).find((candidate) => candidate.channelId === job.channelId)
  const isOpen = job.update.status === 'open' || channel?.status === 'open'
  const at = isOpen ? ORDER.length : ORDER.indexOf(job.update.status)
  const depth =
    channel !== undefined
      ? { n: channel.confirmations, of: channel.confirmationsNeeded }
      : job.update.status === 'confirming'
        ? { n: job.update.confirmations, of: job.update.confirmationsNeeded }
        : undefined
  const steps = [
    { label: t.channels.connecting, after: 0 },
    { label: t.channels.negotiating, after: 1 },
    { label: t.channels.pending, after: 2 },
    {
      label:
        depth === undefined || depth.of === 0
          ? t.channels.confirming
          : `${t.channels.confirming}: ${t.channels.confirmations(Math.min(depth.n, depth.of), depth.of)}`,
      after: 3,
    },
    { label: t.channels.opened, after: 4 },
  ]
  const finish = () => {
    dismissOpening()
    navigate(job.channelId === undefined ? '/channels' : `/channels/${job.channelId}`)
  }
  return (
    <div className="narrow">
      <Steps
        steps={steps.map(({ label, after }) => ({
          label,
          state: at > after ? 'done' : at === after ? (job.error === undefined ? 'now' : 'failed') : 'later',
        }))}
      />
      <Trouble error={job.error} />
      {job.error !== undefined ? (
        <Button look="primary" wide onClick={dismissOpening}>
          {t.app.retry}
        </Button>
      ) : (
        <>
          {job.channelId === undefined || isOpen ? null : <p className="quiet">{t.channels.leave}</p>}
          {job.channelId === undefined ? null : (
            <Button look={isOpen ? 'primary' : 'plain'} wide onClick={finish}>
              {isOpen ? t.app.done : t.channels.view}
            </Button>
          )}
        </>
      )}
    </div>
  )
}
