import type { ReactNode } from 'react'
import type { ChannelView } from '../../../contract/channel-view.ts'
import { c } from '../../text/commitments.ts'

/** The highest of a tree of 2^48 secrets. */
const HIGHEST = 47
const STEP = 20
const PEAK = 40
const LABEL = 16

/** The stack of secrets: every node is a tree folded into 32 bytes, as high as it is drawn. */
export function Secrets({ secrets }: { readonly secrets: ChannelView['secrets'] }): ReactNode {
  const { tree, held, heights, bytes } = secrets
  if (held === 0) return <p className="quiet">{c.secretsNone}</p>
  const highest = Math.min(HIGHEST, Math.max(8, ...heights))
  return (
    <figure className="secrets">
      <svg
        viewBox={`0 0 ${Math.max(12, heights.length) * STEP} ${PEAK + LABEL}`}
        role="img"
        aria-label={c.secretsLabel(heights)}
      >
        {heights.map((height, place) => {
          const x = place * STEP
          const top = PEAK - 4 - (height / highest) * (PEAK - 6)
          return (
            // Places stay where they are; what fills them changes.
            <g key={place}>
              <path
                className="secrets-node"
                d={`M${x + 1} ${PEAK}L${x + STEP / 2} ${top}L${x + STEP - 1} ${PEAK}z`}
              />
              <text className="secrets-height" x={x + STEP / 2} y={PEAK + LABEL - 4}>
                {height}
              </text>
            </g>
          )
        })}
      </svg>
      <figcaption className="quiet">{c.secretsHeld(held, heights.length, bytes, tree)}</figcaption>
    </figure>
  )
}
