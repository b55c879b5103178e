import { lazy, type ReactNode, Suspense, useState } from 'react'
import { noteDurability } from '../state/durability.ts'
import { useAction } from '../state/hooks.ts'
import { client, type NetworkName, PUBLIC_SERVERS, useSession } from '../state/session.ts'
import { t } from '../text/en.ts'
import { Button } from '../widgets/Button.tsx'
import { Choice } from '../widgets/Choice.tsx'
import { TextField } from '../widgets/Field.tsx'
import { Mark } from '../widgets/Mark.tsx'
import { Trouble } from '../widgets/Trouble.tsx'
import { Waiting } from '../widgets/Waiting.tsx'

const RestoreForm = lazy(() => import('../features/RestoreForm.tsx'))
const RealMoney = lazy(() => import('../features/RealMoney.tsx'))

/** As in Settings: shorter ones are guessed in an afternoon. */
const LEAST_PASSWORD = 8

/** The first screen of a device without a wallet. */
export default function Welcome(): ReactNode {
  const defaults = useSession((s) => s.defaults)
  const practice = defaults.network === 'regtest'
  const [network, setNetwork] = useState<NetworkName>(
    defaults.network === 'bitcoin' ? 'signet' : defaults.network,
  )
  /** Mainnet has been picked, and what it asks for stands in the place of everything else. */
  const [asking, setAsking] = useState(false)
  const [restoring, setRestoring] = useState(false)
  const [longer, setLonger] = useState(false)
  const [passphrase, setPassphrase] = useState('')
  const [password, setPassword] = useState('')
  const short = password !== '' && password.length < LEAST_PASSWORD

  const place = (name: NetworkName) =>
    name === defaults.network
      ? { network: name, servers: [...defaults.servers], gateway: defaults.gateway }
      : { network: name, servers: [...PUBLIC_SERVERS[name]], gateway: '' }
  // Mainnet can be picked only by way of the warning.
  const at = (name: NetworkName) =>
    name === 'bitcoin' ? { ...place(name), confirm: 'real money' as const } : place(name)
  const create = useAction(async (name: NetworkName) => {
    await client().createWallet({
      ...at(name),
      words: longer ? 24 : 12,
      ...(passphrase === '' ? {} : { passphrase }),
    })
    if (password !== '') {
      // This screen is gone by then: where it was not done, the place that says so is opened.
      client()
        .addLock({ lock: { password } })
        .catch(() => {
          location.hash = '#/settings/lock'
        })
    }
    void noteDurability(true).catch(() => undefined)
  })
  const networks: readonly NetworkName[] = practice
    ? ['regtest', 'signet', 'testnet4', 'bitcoin']
    : ['signet', 'testnet4', 'bitcoin']
  const choice = (
    <Choice
      label={t.welcome.network}
      look="list"
      value={network}
      onChoose={(name) => (name === 'bitcoin' ? setAsking(true) : setNetwork(name))}
      options={networks.map((value) => ({
        value,
        label: t.networks.name[value],
        about: t.networks.about[value],
      }))}
    />
  )

  return (
    <main className="welcome" id="content">
      <div className="welcome-head">
        <Mark className="welcome-mark" />
        <h1>{t.app.name}</h1>
        <p className="welcome-tagline">{t.app.tagline}</p>
      </div>
      {asking ? (
        <Suspense fallback={null}>
          <RealMoney
            onBack={() => setAsking(false)}
            onAccept={() => {
              setNetwork('bitcoin')
              setAsking(false)
            }}
          />
        </Suspense>
      ) : null}
      {restoring ? (
        // Hidden, not gone: what has been typed stays.
        <div hidden={asking}>
          <Suspense fallback={null}>
            <RestoreForm settings={at(network)} choice={choice} onCancel={() => setRestoring(false)} />
          </Suspense>
        </div>
      ) : (
        <div className="welcome-body" hidden={asking}>
          <div className="buttons buttons-column">
            <Button
              look="primary"
              wide
              disabled={create.pending || short}
              onClick={() => void create.run(network)}
            >
              {t.welcome.create}
            </Button>
            <Button wide disabled={create.pending} onClick={() => setRestoring(true)}>
              {t.welcome.restore}
            </Button>
            {practice ? (
              <Button look="quiet" wide disabled={create.pending} onClick={() => void create.run('regtest')}>
                {t.welcome.tryIt}
              </Button>
            ) : null}
          </div>
          {create.pending ? <Waiting what={t.welcome.creating} /> : null}
          <Trouble error={create.error} />
          {choice}
          <details className="disclosure">
            <summary>{t.welcome.options}</summary>
            <label className="check">
              <input type="checkbox" checked={longer} onChange={(event) => setLonger(event.target.checked)} />
              {t.welcome.words24}
            </label>
            <TextField
              label={t.welcome.passphrase}
              type="password"
              autoComplete="new-password"
              hint={t.welcome.passphraseHint}
              value={passphrase}
              onText={setPassphrase}
            />
            <TextField
              label={t.welcome.password}
              type="password"
              autoComplete="new-password"
              hint={t.welcome.passwordHint}
              problem={short ? t.welcome.passwordShort(LEAST_PASSWORD) : undefined}
              value={password}
              onText={setPassword}
            />
          </details>
          <p className="quiet">{t.welcome.ownership}</p>
        </div>
      )}
    </main>
  )
}
