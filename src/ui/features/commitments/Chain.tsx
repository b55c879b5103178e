import type { ReactNode } from 'react'
import type { ChannelView } from '../../../contract/channel-view.ts'
import { group } from '../../text/amounts.ts'
import { c } from '../../text/commitments.ts'
import { chainShape, TRAIL } from './geometry.ts'

const CELL_TOP = 2
/** Of a digit or letter at the labels' size. */
const LETTER = 6.6

interface ChainProps {
  readonly name: string
  readonly about: string
  readonly chain: ChannelView['remote']
  readonly width: number
}

/** One chain of commitments: what is revoked trails off to the left; tail, what is signed past it, tip, and the points still free. */
export function Chain({ name, about, chain, width }: ChainProps): ReactNode {
  const { tail, tip, creditUsed: used, creditLeft: left, window } = chain
  const { cells, size, tipX } = chainShape(chain, width)
  const middle = CELL_TOP + size / 2
  const labelY = CELL_TOP + size + 20
  const same = tail.number === tip.number
  const tailLabel = `${same ? c.tailIsTip : c.tail} ${group(String(tail.number))}`
  const tipLabel = `${c.tip} ${group(String(tip.number))}`
  // Under its cell, but never on top of the tail's words, and never out of the picture.
  const tipLabelX = Math.min(
    Math.max(tipX - size / 2, TRAIL + tailLabel.length * LETTER + 12),
    width - tipLabel.length * LETTER,
  )
  // From the tip's cell to where its words stand.
  const stem = `M${tipX} ${CELL_TOP + size + 1}V${CELL_TOP + size + 5}H${tipLabelX + 4}V${CELL_TOP + size + 9}`
  return (
    <figure className="chain">
      <figcaption>
        <strong>{name}</strong> <span className="quiet">{about}</span>
        <span className="chain-window">{c.window(used, left, window)}</span>
      </figcaption>
      <svg
        width={width}
        height={labelY + 6}
        role="img"
        aria-label={c.chainLabel(name, tail.number, tip.number, used, left)}
      >
        <path className="chain-trail" d={`M0 ${middle}H${TRAIL}`} />
        <path className="chain-line" d={`M${TRAIL} ${middle}H${tipX}`} />
        {cells.map(({ kind, x }, place) => (
          // Places stay where they are; what fills them changes.
          <rect
            key={place}
            className={`cell cell-${kind}`}
            x={x}
            y={CELL_TOP}
            width={size}
            height={size}
            rx={Math.min(3, size / 4)}
          />
        ))}
        <text className="chain-label" x={TRAIL} y={labelY}>
          {tailLabel}
        </text>
        {same ? null : (
          <>
            <path className="chain-stem" d={stem} />
            <text className="chain-label chain-label-tip" x={tipLabelX} y={labelY}>
              {tipLabel}
            </text>
          </>
        )}
      </svg>
    </figure>
  )
}
