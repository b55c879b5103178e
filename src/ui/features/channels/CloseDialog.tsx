import type { ReactNode } from 'react'
import type { Channel } from '../../../contract/schemas.ts'
import { close } from '../../state/jobs.ts'
import { t } from '../../text/en.ts'
import { unprovenText } from '../../text/unproven.ts'
import { Button } from '../../widgets/Button.tsx'
import { Dialog } from '../../widgets/Dialog.tsx'
import { useFeeChoice } from '../FeeChoice.tsx'

interface CloseDialogProps {
  readonly channel: Channel
  readonly force: boolean
  readonly onClose: () => void
}

/** What closing means, and the last question before it. */
export function CloseDialog({ channel, force, onClose }: CloseDialogProps): ReactNode {
  const { rate, control } = useFeeChoice()
  // Closing by force is not ours to do while its peer has not been met: it is asked to.
  const asks = force && channel.unproven !== undefined
  const go = () => {
    void close({
      channelId: channel.channelId,
      ...(force ? { force: true } : rate === undefined ? {} : { feeSatPerVb: rate }),
    })
    onClose()
    // How it goes on is told at the top.
    window.scrollTo(0, 0)
  }
  return (
    <Dialog
      title={asks ? unprovenText.askTitle : force ? t.channels.forceTitle : t.channels.closeTitle}
      onClose={onClose}
    >
      {force ? (
        (asks ? unprovenText.askAbout : t.channels.forceAbout).map((paragraph) => (
          <p key={paragraph}>{paragraph}</p>
        ))
      ) : (
        <>
          <p>{channel.connected ? t.channels.closeAbout : t.channels.closeNeedsPeer}</p>
          {channel.connected ? control : null}
        </>
      )}
      <div className="buttons buttons-even">
        <Button onClick={onClose}>{t.channels.keep}</Button>
        <Button
          look={force ? 'danger' : 'primary'}
          disabled={!force && (!channel.connected || rate === undefined)}
          onClick={go}
        >
          {asks ? unprovenText.askNow : force ? t.channels.forceClose : t.channels.close}
        </Button>
      </div>
    </Dialog>
  )
}
