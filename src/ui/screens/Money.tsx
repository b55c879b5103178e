import type { ReactNode } from 'react'
import { Link } from 'wouter'
import type { MoneyCost, MoneyLine } from '../../contract/schemas.ts'
import { useLedgerKey } from '../features/wallet/Ledger.tsx'
import { useLoad } from '../state/hooks.ts'
import { useNames } from '../state/names.ts'
import { client, useNode } from '../state/session.ts'
import { t } from '../text/en.ts'
import { m } from '../text/money.ts'
import { formatAbout } from '../text/times.ts'
import { Amount } from '../widgets/Amount.tsx'
import { Bar, type Part } from '../widgets/Bar.tsx'
import { Empty } from '../widgets/Empty.tsx'
import { Panes, Screen } from '../widgets/Screen.tsx'
import { Trouble } from '../widgets/Trouble.tsx'
import { Waiting } from '../widgets/Waiting.tsx'

type Group = MoneyLine['group']
const COLOURS = {
  now: 'spendable',
  underWay: 'flight',
  returning: 'reserve',
  aside: 'theirs',
} as const satisfies Readonly<Record<Group, Part['kind']>>
const GROUPS = Object.keys(COLOURS) as readonly Group[]

const sumOf = (lines: readonly { readonly amountMsat: string }[]): bigint =>
  lines.reduce((sum, line) => sum + BigInt(line.amountMsat), 0n)

/** Lines that say the same of the same channel, as one. */
interface Row {
  readonly first: MoneyLine
  readonly lines: readonly MoneyLine[]
}

function rowsOf(lines: readonly MoneyLine[]): readonly Row[] {
  const rows = new Map<string, MoneyLine[]>()
  for (const line of lines) {
    // A block to wait for is said of each; a payment's expiry hardly ever comes, and there may be hundreds.
    const until = line.kind === 'htlcOffered' || line.kind === 'htlcArriving' ? '' : line.untilHeight
    const key = `${line.kind}/${line.channelId ?? ''}/${until ?? ''}`
    rows.set(key, [...(rows.get(key) ?? []), line])
  }
  return [...rows.values()].flatMap((all) => (all[0] === undefined ? [] : [{ first: all[0], lines: all }]))
}

function hrefOf({ first, lines }: Row): string | undefined {
  if (first.kind === 'anchorReserve') return '/wallet'
  if (lines.length === 1 && first.paymentHash !== undefined && first.kind.startsWith('htlc'))
    return first.kind === 'htlcTimeout' ? `/channels/${first.channelId}` : `/payment/${first.paymentHash}`
  if (first.channelId !== undefined) return `/channels/${first.channelId}`
  const single = lines.length === 1 && first.txid !== undefined && first.kind !== 'onchainImmature'
  return single ? `/transaction/${first.txid}` : '/wallet'
}

/** What a row waits for, or why it is kept. */
function aboutOf({ first, lines }: Row, height: number): string | undefined {
  const count = lines.reduce((n, line) => n + line.count, 0)
  const { kind, untilHeight, untilAbout } = first
  const many = lines.length > 1
  if (kind === 'onchain') return m.coins(count)
  if (kind === 'htlcOffered' || kind === 'htlcArriving') {
    if (many) return m.payments(count)
    if (kind === 'htlcArriving' || untilHeight === undefined) return undefined
    return m.backBy(untilHeight, formatAbout(untilAbout))
  }
  if (untilHeight !== undefined) return m.until(untilHeight, untilHeight - height, formatAbout(untilAbout))
  return m.why[kind]
}

function RowLine({ row, height }: { readonly row: Row; readonly height: number }): ReactNode {
  const names = useNames()
  const { first, lines } = row
  const peer = useNode((node) => node.channels.find((c) => c.channelId === first.channelId)?.peer)
  const what = m.kinds[first.kind]
  const about = aboutOf(row, height)
  const body = (
    <>
      <span className="money-what">
        <span className="money-title">{peer === undefined ? what : m.with(what, names.of(peer))}</span>
        {about === undefined ? null : <span className="quiet">{about}</span>}
      </span>
      <Amount msat={sumOf(lines)} unit={false} />
    </>
  )
  const href = hrefOf(row)
  return (
    <li>
      {href === undefined ? (
        <div className="money-line">{body}</div>
      ) : (
        <Link href={href} className="money-line">
          {body}
        </Link>
      )}
    </li>
  )
}

function GroupSection({
  title,
  colour,
  lines,
  height,
  about,
}: {
  readonly title: string
  readonly colour?: Part['kind']
  readonly lines: readonly MoneyLine[]
  readonly height: number
  readonly about?: string
}): ReactNode {
  if (lines.length === 0) return null
  return (
    <section className="section">
      <div className="section-head">
        <h2 className="money-group">
          {colour === undefined ? null : <span className={`swatch swatch-${colour}`} />}
          {title}
        </h2>
        <Amount msat={sumOf(lines)} />
      </div>
      {about === undefined ? null : <p className="quiet">{about}</p>}
      <ul className="money-lines" aria-label={title}>
        {rowsOf(lines).map((row) => (
          <RowLine
            key={`${row.first.kind}/${row.first.channelId}/${row.first.txid}/${row.first.untilHeight}`}
            row={row}
            height={height}
          />
        ))}
      </ul>
    </section>
  )
}

/** What is gone, for those who want to know: it is no part of the total. */
function Costs({ costs }: { readonly costs: readonly MoneyCost[] }): ReactNode {
  if (costs.length === 0) return null
  const kinds = Object.keys(m.costKinds) as readonly MoneyCost['kind'][]
  return (
    <details className="money-costs">
      <summary>
        {m.costs} <Amount msat={sumOf(costs)} />
      </summary>
      <ul className="money-lines">
        {kinds.map((kind) => {
          const of = costs.filter((cost) => cost.kind === kind)
          return of.length === 0 ? null : (
            <li key={kind} className="money-line">
              <span>{m.costKinds[kind]}</span>
              <Amount msat={sumOf(of)} unit={false} />
            </li>
          )
        })}
      </ul>
    </details>
  )
}

/** All money, each msat once: what can be spent, what comes back and when, what is kept and why. */
export default function Money(): ReactNode {
  const map = useLoad(useLedgerKey(), () => client().moneyMap())
  const { value } = map
  if (value === undefined)
    return (
      <Screen title={m.title} back="/">
        <Trouble error={map.error} />
        {map.pending ? <Waiting what={t.app.starting} /> : null}
      </Screen>
    )
  const { height, lines, incoming, costs } = value
  const parts = GROUPS.map((group): Part => {
    const msat = sumOf(lines.filter((line) => line.group === group))
    return { kind: COLOURS[group], msat, label: m.groups[group] }
  }).filter((part) => part.msat > 0n)
  const total = BigInt(value.totalMsat)
  const share = (msat: bigint): string => `${(msat * 100n) / (total === 0n ? 1n : total)} %`
  const sections = GROUPS.map((group) => (
    <GroupSection
      key={group}
      title={m.groups[group]}
      colour={COLOURS[group]}
      lines={lines.filter((line) => line.group === group)}
      height={height}
    />
  ))
  return (
    <Screen title={m.title} back="/">
      <Trouble error={map.error} />
      <Panes
        first={
          <>
            <p className="figure-head">
              <span className="field-label">{m.total}</span>
              <Amount msat={total} className="figure" />
            </p>
            {parts.length === 0 ? (
              <Empty title={m.nothing}>
                <p>{m.nothingTodo}</p>
              </Empty>
            ) : (
              <Bar parts={parts} label={m.bar(parts.map((p) => `${p.label} ${share(p.msat)}`))} />
            )}
            {sections.slice(0, 2)}
            <GroupSection title={m.incoming} about={m.incomingAbout} lines={incoming} height={height} />
          </>
        }
        second={
          <>
            {sections.slice(2)}
            <Costs costs={costs} />
          </>
        }
      />
    </Screen>
  )
}
