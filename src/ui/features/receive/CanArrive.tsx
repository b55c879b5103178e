import type { ReactNode } from 'react'
import { Link } from 'wouter'
import type { ReceivePreview } from '../../../contract/receive-view.ts'
import { type Loaded, useLoad } from '../../state/hooks.ts'
import { useNames } from '../../state/names.ts'
import { client, useNode } from '../../state/session.ts'
import { formatMsat, formatSat } from '../../text/amounts.ts'
import { arriveText as words, percentOf } from '../../text/receive.ts'
import { Amount } from '../../widgets/Amount.tsx'
import { Button } from '../../widgets/Button.tsx'
import { Bar } from '../../widgets/Bar.tsx'
import { Code } from '../../widgets/CopyShare.tsx'

/** What the node says of an amount; asked again when it or the room in any channel changes. */
export function useArrival(amountMsat: bigint | undefined): Loaded<ReceivePreview> {
  const rooms = useNode((node) =>
    node.channels.map((c) => `${c.channelId}${c.receivableMsat}${c.connected}`).join(),
  )
  return useLoad(`${amountMsat ?? ''}/${rooms}`, () =>
    client().previewReceive(amountMsat === undefined ? {} : { amountMsat: amountMsat.toString() }),
  )
}

/** Whether Lightning can bring an amount in; without one, whether it can bring anything. */
export const canArrive = (preview: ReceivePreview, amountMsat: bigint | undefined): boolean =>
  BigInt(preview.totalMsat) > 0n && (amountMsat ?? 0n) <= BigInt(preview.totalMsat)

function verdict(preview: ReceivePreview, amountMsat: bigint | undefined): string {
  const [total, largest] = [BigInt(preview.totalMsat), BigInt(preview.largestMsat)]
  if (preview.ways.length === 0) return words.noChannel
  if (total === 0n) return BigInt(preview.awayMsat) > 0n ? words.allAway : words.none
  if (amountMsat === undefined) return words.any(formatMsat(total))
  if (amountMsat > total) return words.missing(formatMsat(total), formatMsat(amountMsat - total))
  return amountMsat > largest ? words.parts(formatMsat(largest)) : words.whole
}

/** Of a code for Lightning alone: what stands against it now. Nothing where it can be paid. */
export function CannotArrive({ amountMsat }: { readonly amountMsat: bigint | undefined }): ReactNode {
  const { value } = useArrival(amountMsat)
  if (value === undefined || canArrive(value, amountMsat)) return null
  return (
    <p className="callout" role="status">
      {value.totalMsat === '0' ? words.lastingNot : words.lastingLess(formatMsat(value.totalMsat))}
    </p>
  )
}

/** Before the code is made: whether the money can come, by which channels, and what to do where it cannot. */
export function CanArrive({
  preview,
  amountMsat,
  onAmount,
}: {
  readonly preview: ReceivePreview
  readonly amountMsat: bigint | undefined
  /** Puts another amount, in whole sat, in the place of this one. */
  readonly onAmount: (sat: bigint) => void
}): ReactNode {
  const names = useNames()
  const most = BigInt(preview.totalMsat) / 1000n
  const good = canArrive(preview, amountMsat)
  const usable = preview.ways.filter((way) => way.connected && way.receivableMsat !== '0')
  const onlyPeers = good && usable.every((way) => way.reach === 'peer')
  const peers = [...new Set(usable.map((way) => names.of(way.peer)))]
  return (
    <section className="stack" aria-label={words.title}>
      <p className={good ? 'quiet' : 'callout'} role="status">
        {verdict(preview, amountMsat)}
      </p>
      {onlyPeers ? <p className="callout">{words.onlyPeers(peers.join(', '))}</p> : null}
      {good || most === 0n ? null : (
        <Button wide onClick={() => onAmount(most)}>
          {words.instead(formatSat(most))}
        </Button>
      )}
      {good ? null : most === 0n ? (
        <div className="stack stack-tight arrive-todo">
          <h2>{words.todo}</h2>
          <Advice preview={preview} />
        </div>
      ) : (
        <details className="disclosure">
          <summary>{words.todo}</summary>
          <div className="stack stack-tight arrive-todo">
            <Advice preview={preview} />
          </div>
        </details>
      )}
      {preview.ways.length === 0 ? null : (
        <details className="disclosure">
          <summary>{words.byChannel}</summary>
          <Rooms preview={preview} />
        </details>
      )}
    </section>
  )
}

/** What makes room, the nearest at hand first. */
function Advice({ preview }: { readonly preview: ReceivePreview }): ReactNode {
  const nodeId = useNode((node) => node.nodeId)
  const spendable = useNode((node) => node.balances.spendableMsat !== '0')
  const away = BigInt(preview.awayMsat)
  return (
    <>
      <ul>
        {away > 0n ? <li>{words.todoAway(formatMsat(away))}</li> : null}
        <li>{spendable ? words.todoSpend : words.todoOpen}</li>
        <li>{words.todoAsk}</li>
      </ul>
      {nodeId === undefined ? null : (
        <p>
          <span className="quiet" aria-hidden="true">
            {words.yourId}
          </span>
          <Code text={nodeId} label={words.yourId} />
        </p>
      )}
      <p>
        <Link href="/channels">{words.openChannel}</Link>
      </p>
    </>
  )
}

/** Room by channel, to the scale of the largest. */
function Rooms({ preview }: { readonly preview: ReceivePreview }): ReactNode {
  const names = useNames()
  const channels = useNode((node) => node.channels)
  return (
    <ul className="ledger" aria-label={words.byChannel}>
      {preview.ways.map((way) => {
        const room = BigInt(way.receivableMsat)
        const capacity = BigInt(channels.find((c) => c.channelId === way.channelId)?.capacitySat ?? 0) * 1000n
        const fee =
          way.feeBaseMsat === undefined || way.feeProportionalMillionths === undefined
            ? ''
            : words.fee(formatMsat(BigInt(way.feeBaseMsat)), percentOf(way.feeProportionalMillionths))
        const reach = way.reach === 'invoice' && !way.hinted ? words.notNamed : words.reach[way.reach]
        return (
          <li key={way.channelId} className="arrive-room">
            <span>{names.of(way.peer)}</span>
            <Amount msat={room} />
            <Bar
              label={words.room(names.of(way.peer), formatMsat(room))}
              parts={[
                { kind: 'spendable', msat: room, label: '' },
                { kind: 'theirs', msat: capacity > room ? capacity - room : 0n, label: '' },
              ]}
            />
            <span className="quiet">{way.connected ? `${reach}${fee}` : words.away}</span>
          </li>
        )
      })}
    </ul>
  )
}
