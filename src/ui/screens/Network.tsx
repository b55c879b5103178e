import { type ReactNode, useState } from 'react'
import type { Peer, Server } from '../../contract/schemas.ts'
import { GraphSection } from '../features/network/GraphSection.tsx'
import { useAction, useNow } from '../state/hooks.ts'
import { useNames } from '../state/names.ts'
import { client, useNode } from '../state/session.ts'
import { formatSat, shorten } from '../text/amounts.ts'
import { t } from '../text/en.ts'
import { formatSpan } from '../text/times.ts'
import { Button } from '../widgets/Button.tsx'
import { Code } from '../widgets/CopyShare.tsx'
import { Facts } from '../widgets/Facts.tsx'
import { TextField } from '../widgets/Field.tsx'
import { Panes, Screen, Section } from '../widgets/Screen.tsx'
import { Trouble } from '../widgets/Trouble.tsx'
import { Waiting } from '../widgets/Waiting.tsx'

function Chain(): ReactNode {
  const chain = useNode((node) => node.chain)
  const network = useNode((node) => node.network)
  const refresh = useAction(() => client().refresh())
  return (
    <Section
      title={t.network.chain}
      actions={
        <Button
          look="quiet"
          className="button-small"
          disabled={refresh.pending}
          onClick={() => void refresh.run()}
        >
          {t.network.refresh}
        </Button>
      }
    >
      <Facts
        facts={[
          { name: t.network.network, value: t.networks.name[network] },
          { name: t.network.height, value: formatSat(BigInt(chain.height)) },
          chain.blockHash === ''
            ? undefined
            : {
                name: t.network.block,
                value: (
                  <Code
                    text={chain.blockHash}
                    shown={`…${chain.blockHash.slice(-12)}`}
                    label={t.network.block}
                  />
                ),
              },
          { name: t.network.verified, value: formatSat(BigInt(chain.headersVerified)) },
          {
            name: t.network.progress,
            value: chain.synced ? t.network.synced : t.network.notSynced(Math.floor(chain.progress * 100)),
          },
        ]}
      />
      <Trouble error={refresh.error} />
      {refresh.pending ? <Waiting what={t.network.refreshing} /> : null}
    </Section>
  )
}

/** How a server stands to what is verified here, in words. */
function standing(server: Server, height: number): string {
  const words = t.network.serverAgrees
  if (server.state === 'lying' || server.state === 'backingOff') return t.network.serverStates[server.state]
  if (server.agrees === 'yes') return words.yes
  if (server.agrees === 'behind' && server.height !== undefined) return words.behind(height - server.height)
  if (server.agrees === 'otherBranch') return words.otherBranch
  return t.network.serverStates[server.state]
}

function ServerLine({ server, height }: { readonly server: Server; readonly height: number }): ReactNode {
  const lying = server.state === 'lying'
  const good = server.state === 'ok' && server.agrees !== 'behind' && server.doubt === undefined
  const earlier = (server.lies ?? 0) - (lying ? 1 : 0)
  return (
    <li className="ledger-line">
      <span className="ledger-what">
        <span className="breakable">{server.url}</span>
        <span className={lying ? 'trouble' : 'quiet'}>{standing(server, height)}</span>
        {server.lastError === undefined ? null : (
          <span className={`breakable ${lying ? 'trouble' : 'quiet'}`}>{server.lastError}</span>
        )}
        {server.doubt === undefined ? null : (
          <span className="trouble breakable">{t.network.serverDoubt(server.doubt)}</span>
        )}
        {earlier > 0 ? <span className="quiet">{t.network.serverLied(earlier)}</span> : null}
      </span>
      <span className={`dot ${good ? 'dot-good' : lying ? 'dot-bad' : ''}`} />
    </li>
  )
}

/** Which servers are asked, and whether they agree: who hides something can be noticed only beside another. */
function Servers(): ReactNode {
  const servers = useNode((node) => node.chain.servers)
  const height = useNode((node) => node.chain.height)
  const agreeing = servers.filter((server) => server.agrees === 'yes').length
  return (
    <Section title={t.network.servers}>
      {servers.length === 0 ? <p className="quiet">{t.network.noServers}</p> : null}
      {servers.length === 1 ? <p className="quiet">{t.network.oneServer}</p> : null}
      {servers.length > 1 ? <p className="quiet">{t.network.agreement(agreeing, servers.length)}</p> : null}
      <ul className="ledger" aria-label={t.network.servers}>
        {servers.map((server) => (
          <ServerLine key={server.url} server={server} height={height} />
        ))}
      </ul>
    </Section>
  )
}

function PeerLine({ peer }: { readonly peer: Peer }): ReactNode {
  const name = useNames().known(peer.nodeId)
  const now = useNow(1000)
  const drop = useAction(() => client().disconnectPeer({ nodeId: peer.nodeId }))
  const state =
    peer.state === 'waiting' && peer.retryAt !== undefined
      ? t.network.retryIn(formatSpan(new Date(peer.retryAt).getTime() - now))
      : t.network.peerStates[peer.state]
  return (
    <li className="ledger-line">
      <span className="ledger-what">
        <span>
          {name === undefined ? null : `${name} `}
          <Code text={peer.nodeId} shown={shorten(peer.nodeId, 10, 6)} label={t.channels.peer} />
        </span>
        <span className="quiet breakable">
          {state}
          {peer.inbound ? ` · ${t.network.inbound}` : ''}
          {peer.address === undefined ? '' : ` · ${peer.address.slice(peer.address.indexOf('@') + 1)}`}
        </span>
        {peer.lastError === undefined || peer.state === 'connected' ? null : (
          <span className="trouble">{peer.lastError}</span>
        )}
        <Trouble error={drop.error} />
      </span>
      <span className="ledger-amount">
        <span className={`dot ${peer.state === 'connected' ? 'dot-good' : ''}`} />
        {peer.state === 'connected' ? (
          <Button
            look="quiet"
            className="button-small"
            disabled={drop.pending}
            onClick={() => void drop.run()}
          >
            {t.network.disconnect}
          </Button>
        ) : null}
      </span>
    </li>
  )
}

function Peers(): ReactNode {
  const peers = useNode((node) => node.peers)
  const [address, setAddress] = useState('')
  const connect = useAction(async () => {
    await client().connectPeer({ address: address.trim() })
    setAddress('')
  })
  return (
    <Section title={t.network.peers}>
      {peers.length === 0 ? <p className="quiet">{t.network.noPeers}</p> : null}
      <ul className="ledger" aria-label={t.network.peers}>
        {peers.map((peer) => (
          <PeerLine key={peer.nodeId} peer={peer} />
        ))}
      </ul>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void connect.run()
        }}
      >
        <TextField
          label={t.channels.peer}
          className="mono"
          hint={t.channels.peerHint}
          value={address}
          onText={setAddress}
          end={
            <button
              type="submit"
              className="field-button"
              disabled={connect.pending || address.trim() === ''}
            >
              {t.network.connect}
            </button>
          }
        />
        {connect.pending ? <Waiting what={t.network.connecting} /> : null}
        <Trouble error={connect.error} />
      </form>
    </Section>
  )
}

/** What this node sees of the world: chain, servers, peers. */
export default function Network(): ReactNode {
  const gateway = useNode((node) => node.settings.gateway)
  const nodeId = useNode((node) => node.nodeId)
  return (
    <Screen title={t.network.title}>
      <Panes
        first={
          <>
            <Chain />
            <Servers />
            <GraphSection />
          </>
        }
        second={
          <>
            <Peers />
            <Section title={t.network.gateway}>
              <p className="breakable">{gateway === '' ? t.network.noGateway : gateway}</p>
            </Section>
            {nodeId === undefined ? null : (
              <Section title={t.network.nodeId}>
                <Code text={nodeId} label={t.network.nodeId} />
              </Section>
            )}
          </>
        }
      />
    </Screen>
  )
}
