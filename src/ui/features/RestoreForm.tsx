import { wordlist } from '@scure/bip39/wordlists/english.js'
import { type ReactNode, useState } from 'react'
import { noteDurability } from '../state/durability.ts'
import { type FileKind, keepChosenBackup, kindOf } from '../state/files.ts'
import { useAction } from '../state/hooks.ts'
import { client, type NetworkName } from '../state/session.ts'
import { t } from '../text/en.ts'
import { moveText } from '../text/move.ts'
import { splitWords, wordProblems } from '../text/recovery.ts'
import { Button } from '../widgets/Button.tsx'
import { Choice } from '../widgets/Choice.tsx'
import { TextArea, TextField } from '../widgets/Field.tsx'
import { Trouble } from '../widgets/Trouble.tsx'
import { Waiting } from '../widgets/Waiting.tsx'
import { ChosenFile, MovedForm } from './MovedForm.tsx'

interface RestoreFormProps {
  readonly settings: {
    readonly network: NetworkName
    readonly servers: string[]
    readonly gateway: string
    readonly confirm?: 'real money'
  }
  readonly choice: ReactNode
  readonly onCancel: () => void
}

/** What a person may have of a wallet: its words, with or without a backup of channels, or the file of a moved one. */
export default function RestoreForm(props: RestoreFormProps): ReactNode {
  const [from, setFrom] = useState<'words' | 'file'>('words')
  return (
    <>
      <Choice
        label={moveText.from}
        value={from}
        onChoose={setFrom}
        options={[
          { value: 'words', label: moveText.fromWords },
          { value: 'file', label: moveText.fromFile },
        ]}
      />
      {from === 'words' ? <WordsForm {...props} /> : <MovedForm onCancel={props.onCancel} />}
    </>
  )
}

/** Recovery words in, each checked against the list while it is typed. */
function WordsForm({ settings, choice, onCancel }: RestoreFormProps): ReactNode {
  const [text, setText] = useState('')
  const [passphrase, setPassphrase] = useState('')
  const [backup, setBackup] = useState<{ readonly file: File; readonly kind: FileKind }>()
  const unfit = backup !== undefined && backup.kind !== 'backup'
  const words = splitWords(text)
  const problems = wordProblems(text, wordlist)
  const countFits = words.length === 12 || words.length === 24
  const restore = useAction(async () => {
    // Settings brings its channels back, and says what came of it.
    keepChosenBackup(backup?.file)
    if (backup !== undefined) location.hash = '#/settings'
    await client().restoreWallet({
      ...settings,
      words: words.join(' '),
      ...(passphrase === '' ? {} : { passphrase }),
    })
    void noteDurability(true).catch(() => undefined)
  })
  const correct = (position: number, word: string) =>
    setText(words.map((before, index) => (index === position - 1 ? word : before)).join(' '))
  const hint =
    words.length === 0
      ? t.welcome.wordsHint
      : countFits
        ? problems.length === 0
          ? t.welcome.wordsGood(words.length)
          : t.welcome.wordsBad(words.length, problems.length)
        : t.welcome.wordCount(words.length)
  return (
    <form
      className="welcome-body"
      onSubmit={(event) => {
        event.preventDefault()
        void restore.run()
      }}
    >
      <TextArea
        label={t.welcome.words}
        rows={4}
        autoFocus
        value={text}
        hint={hint}
        onText={(typed) => {
          setText(typed)
          restore.clear()
        }}
      />
      {problems.length === 0 ? null : (
        <ul className="word-problems" aria-live="polite">
          {problems.slice(0, 24).map(({ position, word, suggestion }) => (
            <li key={position}>
              <span className="trouble">{t.welcome.wordUnknown(position, word)}</span>{' '}
              {suggestion === undefined ? null : (
                <button type="button" className="link" onClick={() => correct(position, suggestion)}>
                  {t.welcome.wordSuggest(suggestion)}
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      <TextField
        label={t.welcome.passphrase}
        type="password"
        autoComplete="off"
        hint={t.welcome.passphraseHint}
        value={passphrase}
        onText={setPassphrase}
      />
      <ChosenFile
        label={moveText.copyFile}
        about={moveText.copyAbout}
        choose={moveText.copyChoose}
        name={backup?.file.name}
        problem={unfit ? moveText.wrongKind[backup.kind === 'wallet' ? 'wallet' : 'other'] : undefined}
        onFile={async (file) => setBackup({ file, kind: await kindOf(file) })}
      />
      {choice}
      <Trouble error={restore.error} />
      {restore.pending ? <Waiting what={t.welcome.restoring} /> : null}
      <div className="buttons buttons-even">
        <Button onClick={onCancel} disabled={restore.pending}>
          {t.app.cancel}
        </Button>
        <Button
          look="primary"
          type="submit"
          disabled={!countFits || problems.length > 0 || unfit || restore.pending}
        >
          {t.app.continue}
        </Button>
      </div>
      <p className="quiet">{t.welcome.channelsNote}</p>
    </form>
  )
}
