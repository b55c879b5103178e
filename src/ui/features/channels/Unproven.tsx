import { type ReactNode, useState } from 'react'
import type { Channel } from '../../../contract/schemas.ts'
import { close } from '../../state/jobs.ts'
import { useNode } from '../../state/session.ts'
import { group } from '../../text/amounts.ts'
import { t } from '../../text/en.ts'
import { formatSpan } from '../../text/times.ts'
import { unprovenText } from '../../text/unproven.ts'
import { Button } from '../../widgets/Button.tsx'
import { Dialog } from '../../widgets/Dialog.tsx'
import { TextField } from '../../widgets/Field.tsx'

const TEN_MINUTES = 600_000

/** A channel from another device whose peer has not been met: what it waits for, and the way out when the peer never comes. */
export function Unproven({ channel }: { readonly channel: Channel }): ReactNode {
  const height = useNode((node) => node.chain.height)
  const practice = useNode((node) => node.network === 'regtest')
  const [asking, setAsking] = useState(false)
  const { closableFrom } = channel.unproven ?? {}
  const asked = channel.status === 'failed'
  const blocks = (closableFrom ?? 0) - height
  const ready = closableFrom !== undefined && blocks <= 0
  // Blocks of the practice network come when they are asked for.
  const span = practice ? '' : t.channels.about(formatSpan(blocks * TEN_MINUTES))
  return (
    <div className="callout stack">
      <p>
        <strong>{asked ? unprovenText.askedTitle : unprovenText.title}</strong>
      </p>
      <p>{asked ? unprovenText.asked : unprovenText.about}</p>
      {!asked ? null : ready ? (
        <>
          <p>{unprovenText.now}</p>
          <Button look="danger" className={asking ? 'set-aside' : ''} onClick={() => setAsking(true)}>
            {unprovenText.open}
          </Button>
        </>
      ) : (
        <p>
          {closableFrom === undefined
            ? unprovenText.waitUnknown
            : unprovenText.wait(group(String(closableFrom)), span)}
        </p>
      )}
      {asking && ready ? <CloseAnyway channelId={channel.channelId} onDone={() => setAsking(false)} /> : null}
    </div>
  )
}

/** What may cost everything in the channel asks for more than a click. */
function CloseAnyway({
  channelId,
  onDone,
}: {
  readonly channelId: string
  readonly onDone: () => void
}): ReactNode {
  const [typed, setTyped] = useState('')
  const ready = typed.trim().toLowerCase() === unprovenText.word
  return (
    <Dialog title={unprovenText.anywayTitle} onClose={onDone}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault()
          if (!ready) return
          void close({ channelId, anyway: unprovenText.word })
          onDone()
          window.scrollTo(0, 0)
        }}
      >
        {unprovenText.anywayAbout.map((line) => (
          <p key={line}>{line}</p>
        ))}
        <TextField label={unprovenText.field(unprovenText.word)} value={typed} onText={setTyped} />
        <div className="buttons buttons-even">
          <Button onClick={onDone}>{t.app.cancel}</Button>
          <Button look="danger" type="submit" disabled={!ready}>
            {unprovenText.anywayNow}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
