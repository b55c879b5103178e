import type { ReactNode } from 'react'
import type { ChannelView } from '../../../contract/channel-view.ts'
import { group } from '../../text/amounts.ts'
import { c } from '../../text/commitments.ts'
import { logShape, type Stage, STAGES } from './geometry.ts'

const MARK = 7
const STRIP = 16
const HEIGHT = MARK + STRIP + MARK

interface LogStripProps {
  readonly name: string
  readonly log: ChannelView['logs']['local']
  readonly width: number
}

/** A log's kept entries as a strip: how far each has come, and the marks of the commitments that include them. */
export function LogStrip({ name, log, width }: LogStripProps): ReactNode {
  const { scale, segments, marks } = logShape(log, width)
  const parts = segments.map(({ count, stage }) => c.part(count, c.stages[stage]))
  const [localTip, remoteTail, remoteTip] = marks
  const up = (x: number) => `M${x} ${MARK + STRIP}l-4 ${MARK}h8z`
  const down = (x: number) => `M${x} ${MARK}l-4 -${MARK}h8z`
  return (
    <figure className="log">
      <figcaption>
        <strong>{name}</strong> <span className="quiet">{c.roles[log.role]}</span>
        <span className="chain-window">
          {log.waiting === 0 ? '' : `${c.waitingOutside(log.waiting)}, `}
          {c.scale(scale)}
        </span>
      </figcaption>
      <svg
        className="log-picture"
        width={width}
        height={HEIGHT}
        role="img"
        aria-label={c.logLabel(name, log.start, log.length, parts)}
      >
        <rect className="log-ground" x="0" y={MARK} width={width} height={STRIP} />
        {STAGES.map((stage) => {
          const segment = segments.find((one) => one.stage === stage)
          return segment === undefined ? null : (
            <rect
              key={stage}
              className={`entries entries-${stage}`}
              x={segment.x}
              y={MARK}
              width={segment.width}
              height={STRIP}
            />
          )
        })}
        <path className="log-mark log-mark-local" d={up(localTip?.x ?? 0)} />
        <path className="log-mark log-mark-remote-tip" d={down(remoteTip?.x ?? 0)} />
        <path className="log-mark log-mark-remote" d={down(remoteTail?.x ?? 0)} />
      </svg>
      <dl className="log-marks">
        <div>
          <dt>
            <Glyph kind="local" />
            {c.marks.localTip}
          </dt>
          <dd>{group(String(log.inLocalTip))}</dd>
        </div>
        <div>
          <dt>
            <Glyph kind="remote" />
            {c.marks.remoteTail}
          </dt>
          <dd>{group(String(log.inRemoteTail))}</dd>
        </div>
        <div>
          <dt>
            <Glyph kind="remote-tip" />
            {c.marks.remoteTip}
          </dt>
          <dd>{group(String(log.inRemoteTip))}</dd>
        </div>
        <div>
          <dt>{c.marks.end}</dt>
          <dd>{group(String(log.length))}</dd>
        </div>
      </dl>
    </figure>
  )
}

function Glyph({ kind }: { readonly kind: 'local' | 'remote' | 'remote-tip' }): ReactNode {
  return (
    <svg className="mark-glyph" width="9" height="9" aria-hidden="true">
      <path
        className={`log-mark log-mark-${kind}`}
        d={kind === 'local' ? 'M4.5 1l-4 7h8z' : 'M4.5 8l-4 -7h8z'}
      />
    </svg>
  )
}

/** What the strip's tones mean. */
export function StageLegend(): ReactNode {
  return (
    <ul className="stages">
      {STAGES.map((stage: Stage) => (
        <li key={stage}>
          <svg width="12" height="12" aria-hidden="true">
            <rect className={`entries entries-${stage}`} x="0.5" y="0.5" width="11" height="11" />
          </svg>
          {c.stages[stage]}
        </li>
      ))}
    </ul>
  )
}
