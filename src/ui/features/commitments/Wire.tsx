import type { ReactNode } from 'react'
import type { ChannelView } from '../../../contract/channel-view.ts'
import { c } from '../../text/commitments.ts'

const HEIGHT = 14
const SPACING = 12

interface LaneProps {
  readonly label: string
  readonly text: string
  readonly count: number
  readonly width: number
  readonly out: boolean
}

/** One direction: a line with an arrowhead for each message that has not been answered. */
function Lane({ label, text, count, width, out }: LaneProps): ReactNode {
  const middle = HEIGHT / 2
  const most = Math.floor((width - 8) / SPACING)
  const heads = Array.from({ length: Math.min(count, most) }, (_, i) => {
    const x = 6 + i * SPACING
    return out ? `M${width - x - 6} ${middle - 4}l5 4l-5 4` : `M${x + 6} ${middle - 4}l-5 4l5 4`
  })
  return (
    <div className="lane">
      <p>
        <span className="quiet">{label}</span> <span className="lane-text">{text}</span>
      </p>
      <svg width={width} height={HEIGHT} aria-hidden="true">
        <path className="lane-line" d={`M0 ${middle}H${width}`} />
        {heads.map((d, i) => (
          <path key={i} className={`lane-head ${out ? 'lane-out' : 'lane-in'}`} d={d} />
        ))}
      </svg>
    </div>
  )
}

/** What is on its way between the two: signatures out, updates in. */
export function Wire({ view, width }: { readonly view: ChannelView; readonly width: number }): ReactNode {
  const { signatures, updatesOut, updatesIn } = view.inFlight
  const out = `${c.signatures(signatures)}, ${c.updatesOf(updatesOut)}`
  return (
    <div className="wire">
      <Lane label={c.toPeer} text={out} count={signatures} width={width} out />
      <Lane label={c.fromPeer} text={c.updatesOf(updatesIn)} count={updatesIn} width={width} out={false} />
    </div>
  )
}
