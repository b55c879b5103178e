import { type ReactNode, useState } from 'react'
import type { ChannelView } from '../../../contract/channel-view.ts'
import { formatMsat, group } from '../../text/amounts.ts'
import { c } from '../../text/commitments.ts'

type Whole = ChannelView['local']['tip']

const count = (value: number): string => group(String(value))

const ROWS: readonly { readonly name: string; readonly of: (commitment: Whole) => string }[] = [
  { name: c.rows.number, of: (one) => count(one.number) },
  { name: c.rows.ours, of: (one) => formatMsat(one.localMsat) },
  { name: c.rows.theirs, of: (one) => formatMsat(one.remoteMsat) },
  { name: c.rows.offered, of: (one) => count(one.htlcsOffered) },
  { name: c.rows.received, of: (one) => count(one.htlcsReceived) },
  { name: c.rows.localIndex, of: (one) => count(one.localIndex) },
  { name: c.rows.remoteIndex, of: (one) => count(one.remoteIndex) },
  { name: c.rows.feerate, of: (one) => count(one.feeratePerKw) },
]

/** The three commitments that matter, side by side. */
export function CommitmentTable({ view }: { readonly view: ChannelView }): ReactNode {
  const columns = [
    { name: c.columns.localTip, of: view.local.tip },
    { name: c.columns.remoteTail, of: view.remote.tail },
    { name: c.columns.remoteTip, of: view.remote.tip },
  ]
  return (
    <table className="instrument" aria-label={c.table}>
      <thead>
        <tr>
          <td />
          {columns.map(({ name }) => (
            <th key={name} scope="col">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {ROWS.map((row) => (
          <tr key={row.name}>
            <th scope="row">{row.name}</th>
            {columns.map(({ name, of }) => (
              <td key={name}>{row.of(of)}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** What either side grants the other, now and by its own wish. */
export function WindowTable({ view }: { readonly view: ChannelView }): ReactNode {
  const { local, remote } = view
  const rows = [
    { name: c.windowRows.granted, ours: count(local.granted), theirs: count(remote.granted) },
    { name: c.windowRows.used, ours: count(local.creditUsed), theirs: count(remote.creditUsed) },
    { name: c.windowRows.wanted, ours: local.wanted === undefined ? '' : count(local.wanted), theirs: '–' },
    { name: c.windowRows.announced, ours: count(local.announced), theirs: count(remote.announced) },
  ]
  return (
    <table className="instrument" aria-label={c.windows}>
      <thead>
        <tr>
          <td />
          <th scope="col">{c.windowColumns.local}</th>
          <th scope="col">{c.windowColumns.remote}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ name, ours, theirs }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{ours}</td>
            <td>{theirs}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** The HTLCs that live, on demand: rows are places, so that they keep still while what is in them changes. */
export function HtlcTable({ htlcs }: { readonly htlcs: ChannelView['htlcs'] }): ReactNode {
  const [open, setOpen] = useState(false)
  return (
    <details className="htlcs" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{c.htlcs(htlcs.count)}</summary>
      {!open ? null : htlcs.count === 0 ? (
        <p className="quiet">{c.noHtlcs}</p>
      ) : (
        <>
          <table className="instrument instrument-htlcs" aria-label={c.htlcs(htlcs.count)}>
            <thead>
              <tr>
                {Object.values(c.htlcColumns).map((name) => (
                  <th key={name} scope="col">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {htlcs.listed.map((htlc, place) => (
                <tr key={place}>
                  <td>{c.directions[htlc.direction]}</td>
                  <td>{group(htlc.id)}</td>
                  <td>{formatMsat(htlc.amountMsat)}</td>
                  <td>{count(htlc.cltvExpiry)}</td>
                  <td className={`htlc-${htlc.state}`}>{c.states[htlc.state]}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {htlcs.listed.length === htlcs.count ? null : (
            <p className="quiet">{c.first(htlcs.listed.length, htlcs.count)}</p>
          )}
        </>
      )}
    </details>
  )
}
