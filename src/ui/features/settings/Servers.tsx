import { type ReactNode, useState } from 'react'
import { useAction } from '../../state/hooks.ts'
import { client, SUGGESTED_SERVERS, useNode } from '../../state/session.ts'
import { t } from '../../text/en.ts'
import { realMoney } from '../../text/real-money.ts'
import { isGatewayAddress, isServerAddress } from '../../text/addresses.ts'
import { Button } from '../../widgets/Button.tsx'
import { TextArea, TextField } from '../../widgets/Field.tsx'
import { Section } from '../../widgets/Screen.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'

/** Which network the wallet is on, and the servers and the gateway it uses. */
export function Servers(): ReactNode {
  const network = useNode((node) => node.network)
  const settings = useNode((node) => node.settings)
  const [servers, setServers] = useState(settings.servers.join('\n'))
  const [gateway, setGateway] = useState(settings.gateway)
  const [saved, setSaved] = useState(false)
  const lines = servers
    .split(/\s+/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
  const mainnet = network === 'bitcoin'
  const bad = lines.find((line) => !isServerAddress(line))
  const serverProblem =
    bad !== undefined
      ? t.settings.serverBad(bad)
      : lines.length === 0 && settings.servers.length > 0
        ? t.settings.serverNone
        : undefined
  const gatewayProblem =
    gateway.trim() === '' || isGatewayAddress(gateway.trim()) ? undefined : t.settings.gatewayBad
  const changed = lines.join('\n') !== settings.servers.join('\n') || gateway.trim() !== settings.gateway
  const save = useAction(async () => {
    // There is no taking back to none: whoever has chosen changes, or keeps.
    await client().updateSettings({
      ...(lines.length === 0 ? {} : { servers: lines }),
      gateway: gateway.trim(),
    })
    setSaved(true)
  })
  return (
    <Section id="servers" title={t.settings.network}>
      <p>
        {t.settings.networkIs} <strong>{t.networks.name[network]}</strong>.{' '}
        <span className="quiet">{t.settings.networkFixed}</span>
      </p>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void save.run()
        }}
      >
        <TextArea
          label={t.settings.servers}
          className="mono"
          rows={Math.max(2, Math.min(5, lines.length + 1))}
          value={servers}
          problem={serverProblem}
          hint={lines.length === 0 ? realMoney.serversTodo : t.settings.serversHint}
          onText={(text) => {
            setSaved(false)
            setServers(text)
          }}
        />
        {mainnet && lines.length < 2 ? (
          <div className="stack stack-tight">
            <Button
              onClick={() => {
                setSaved(false)
                setServers([...new Set([...lines, ...SUGGESTED_SERVERS])].join('\n'))
              }}
            >
              {realMoney.suggest}
            </Button>
            <p className="quiet">{realMoney.suggestAbout}</p>
          </div>
        ) : null}
        <TextField
          label={t.settings.gateway}
          className="mono"
          inputMode="url"
          value={gateway}
          problem={gatewayProblem}
          hint={t.settings.gatewayHint}
          onText={(text) => {
            setSaved(false)
            setGateway(text)
          }}
        />
        <Trouble error={save.error} />
        <div className="buttons">
          <Button
            type="submit"
            disabled={!changed || save.pending || serverProblem !== undefined || gatewayProblem !== undefined}
          >
            {t.settings.save}
          </Button>
          <span role="status">{saved && !changed ? t.settings.saved : ''}</span>
        </div>
      </form>
    </Section>
  )
}
