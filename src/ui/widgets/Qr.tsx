import encodeQR from 'qr'
import { type ReactNode, useMemo } from 'react'

/** Dark on light in both themes, since many readers cannot take it the other way round. */
export function Qr({ text, label }: { readonly text: string; readonly label: string }): ReactNode {
  const { path, size } = useMemo(() => {
    const rows = encodeQR(text, 'raw', { ecc: 'low', border: 1 })
    const parts: string[] = []
    rows.forEach((row, y) => {
      for (let x = 0; x < row.length; x++) {
        if (row[x] !== true) continue
        const start = x
        while (row[x + 1] === true) x++
        parts.push(`M${start} ${y}h${x - start + 1}v1h-${x - start + 1}z`)
      }
    })
    return { path: parts.join(''), size: rows.length }
  }, [text])
  return (
    <svg
      className="qr"
      role="img"
      aria-label={label}
      viewBox={`-2 -2 ${size + 4} ${size + 4}`}
      shapeRendering="crispEdges"
    >
      <rect className="qr-ground" x={-2} y={-2} width={size + 4} height={size + 4} />
      <path className="qr-ink" d={path} />
    </svg>
  )
}
