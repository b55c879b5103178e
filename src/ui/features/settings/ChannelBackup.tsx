import { type ReactNode, useEffect, useRef, useState } from 'react'
import { saveFile, takeChosenBackup } from '../../state/files.ts'
import { useAction } from '../../state/hooks.ts'
import { useNames } from '../../state/names.ts'
import { client, useNode } from '../../state/session.ts'
import { backupText } from '../../text/backup.ts'
import { t } from '../../text/en.ts'
import { moveText } from '../../text/move.ts'
import { formatExact } from '../../text/times.ts'
import { Button } from '../../widgets/Button.tsx'
import { Section } from '../../widgets/Screen.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'

/** Far above any backup: what is larger is some other file. */
const MAX_FILE_BYTES = 8_000_000

const toHex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')

const fromHex = (hex: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))

/** What brings channels back besides the words: the file, the copies at peers, how fresh they are, and the way back from them. */
export function ChannelBackup(): ReactNode {
  const backup = useNode((node) => node.backup)
  const names = useNames()
  const [said, setSaid] = useState<string>()
  const save = useAction(async () => {
    const { name, data } = await client().exportBackup()
    saveFile(name, fromHex(data))
  })
  const hexOf = async (file: File): Promise<string> =>
    file.size > MAX_FILE_BYTES ? '' : toHex(new Uint8Array(await file.arrayBuffer()))
  const check = useAction(async (file: File) => {
    setSaid(undefined)
    const {
      madeAt,
      channels: held,
      missing,
      unknown,
    } = await client().verifyBackup({
      backup: await hexOf(file),
    })
    setSaid(backupText.checked(formatExact(madeAt), held, missing, unknown))
  })
  const recover = useAction(async (file: File | undefined) => {
    setSaid(undefined)
    const from = file === undefined ? {} : { backup: await hexOf(file) }
    setSaid(t.channelBackup.recovered((await client().recoverChannels(from)).channels))
  })
  // Chosen where the words were typed: the wallet is there now, and its channels are asked for.
  const { run } = recover
  useEffect(() => {
    const chosen = takeChosenBackup()
    if (chosen !== undefined) void run(chosen)
  }, [run])
  const { channels, exportedAt, exportedCurrent, copies, found } = backup
  return (
    <Section id="backup" title={t.channelBackup.title}>
      <p className="quiet">{t.channelBackup.about}</p>
      {found === undefined ? null : (
        <div className="stack">
          <p className="accent">
            {t.channelBackup.found(names.of(found.nodeId), found.channels, formatExact(found.createdAt))}
          </p>
          <p>{t.channelBackup.foundAbout}</p>
          <Button look="primary" disabled={recover.pending} onClick={() => void recover.run(undefined)}>
            {t.channelBackup.recoverFound}
          </Button>
        </div>
      )}
      {channels === 0 ? (
        <p>{t.channelBackup.none}</p>
      ) : (
        <ul className="stack">
          <li className={exportedCurrent ? '' : 'accent'}>
            {exportedAt === undefined
              ? t.channelBackup.notSaved
              : exportedCurrent
                ? t.channelBackup.savedFresh(formatExact(exportedAt))
                : t.channelBackup.savedStale(formatExact(exportedAt))}
          </li>
          {copies.map(({ nodeId, holds }) => (
            <li key={nodeId}>{moveText.holds[holds](names.of(nodeId))}</li>
          ))}
        </ul>
      )}
      <div className="buttons buttons-column">
        {channels === 0 ? null : (
          <Button disabled={save.pending} onClick={() => void save.run()}>
            {t.channelBackup.save}
          </Button>
        )}
        {exportedAt === undefined ? null : (
          <FileButton
            name={backupText.check}
            file={backupText.checkFile}
            busy={check.pending}
            onFile={(file) => {
              recover.clear()
              void check.run(file)
            }}
          />
        )}
        <FileButton
          name={t.channelBackup.recover}
          file={t.channelBackup.file}
          busy={recover.pending}
          onFile={(file) => {
            check.clear()
            void recover.run(file)
          }}
        />
      </div>
      {said === undefined ? null : <p role="status">{said}</p>}
      <Trouble error={save.error ?? check.error ?? recover.error} />
    </Section>
  )
}

/** A button that asks for a file. */
function FileButton({
  name,
  file,
  busy,
  onFile,
}: {
  readonly name: string
  /** The picker's accessible name. */
  readonly file: string
  readonly busy: boolean
  readonly onFile: (file: File) => void
}): ReactNode {
  const picker = useRef<HTMLInputElement>(null)
  return (
    <>
      <Button disabled={busy} onClick={() => picker.current?.click()}>
        {name}
      </Button>
      <input
        ref={picker}
        type="file"
        hidden
        aria-label={file}
        onChange={(event) => {
          const [chosen] = event.target.files ?? []
          event.target.value = ''
          if (chosen !== undefined) onFile(chosen)
        }}
      />
    </>
  )
}
