import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import { helpText } from '../features/console/commands.ts'
import { complete } from '../features/console/complete.ts'
import { parseLine } from '../features/console/parse.ts'
import { runProcedure } from '../features/console/run.ts'
import { toError, useNode, useSession } from '../state/session.ts'
import { t } from '../text/en.ts'
import { wordsFor } from '../text/words.ts'
import { Button } from '../widgets/Button.tsx'
import { Json } from '../widgets/Json.tsx'
import { Screen } from '../widgets/Screen.tsx'

interface Entry {
  readonly id: number
  readonly kind: 'command' | 'value' | 'text' | 'error'
  readonly body: unknown
}

/** Lines kept; older ones go. A stream may run for days. */
const KEPT = 500
const HISTORY = 100

// The output and the history outlive the screen, not the page: walking to another screen loses nothing.
let entries: readonly Entry[] = []
let history: readonly string[] = []
let nextId = 1

/** The API as a command line. */
export default function Console(): ReactNode {
  const [shown, setShown] = useState(entries)
  const [line, setLine] = useState('')
  const [candidates, setCandidates] = useState<readonly string[]>([])
  const [place, setPlace] = useState(-1)
  const [running, setRunning] = useState<AbortController>()
  const input = useRef<HTMLInputElement>(null)
  const end = useRef<HTMLDivElement>(null)
  const channels = useNode((node) => node.channels)
  const peers = useNode((node) => node.peers)
  const offered = useSession((s) => s.defaults.peers)

  useEffect(() => {
    end.current?.scrollIntoView({ block: 'end' })
  }, [shown, candidates])
  // A stream belongs to the screen that shows it.
  useEffect(() => () => running?.abort(), [running])

  const add = (kind: Entry['kind'], body: unknown) => {
    entries = [...entries, { id: nextId++, kind, body }].slice(-KEPT)
    setShown(entries)
  }

  const submit = async () => {
    const parsed = parseLine(line)
    if (parsed.kind === 'nothing') return
    history = [line, ...history.filter((before) => before !== line)].slice(0, HISTORY)
    setLine('')
    setPlace(-1)
    setCandidates([])
    if (parsed.kind === 'clear') {
      entries = []
      setShown(entries)
      return
    }
    add('command', line)
    if (parsed.kind === 'wrong') add('error', parsed.message)
    else if (parsed.kind === 'help') {
      const help = helpText(parsed.topic)
      add(help === undefined ? 'error' : 'text', help ?? `there is no command ${parsed.topic}`)
    } else {
      const controller = new AbortController()
      setRunning(controller)
      try {
        if (parsed.kind === 'demo') {
          const { demoStream } = await import('../features/console/demo.ts')
          await demoStream(parsed.payments, controller.signal, (line) => add('text', line))
        } else {
          await runProcedure(parsed.procedure, parsed.input, controller.signal, (value) =>
            add('value', value),
          )
        }
      } catch (thrown) {
        const error = toError(thrown)
        const words = wordsFor(error)
        add('error', `${error.code}: ${error.message}\n${words.what} ${words.todo}`)
        if (error.data !== undefined && Object.keys(error.data).length > 0) add('value', error.data)
      } finally {
        setRunning(undefined)
      }
    }
  }

  const walk = (by: number) => {
    const next = Math.max(-1, Math.min(history.length - 1, place + by))
    setPlace(next)
    setLine(next === -1 ? '' : (history[next] ?? ''))
  }

  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key === 'Tab' && !event.shiftKey && line.trim() !== '') {
      event.preventDefault()
      const completion = complete(line, {
        channels: channels.map((channel) => channel.channelId),
        peers: peers.map((peer) => peer.nodeId),
        addresses: [
          ...new Set([
            ...offered.map((peer) => peer.address),
            ...peers.flatMap((peer) => (peer.address === undefined ? [] : [peer.address])),
          ]),
        ],
      })
      setLine(completion.line)
      setCandidates(completion.candidates)
    } else if (event.key === 'ArrowUp') {
      event.preventDefault()
      walk(1)
    } else if (event.key === 'ArrowDown') {
      event.preventDefault()
      walk(-1)
    } else if (event.key === 'c' && event.ctrlKey && window.getSelection()?.toString() === '') {
      if (running !== undefined) {
        event.preventDefault()
        running.abort()
        setRunning(undefined)
      }
    }
  }

  return (
    <Screen title={t.consoleScreen.title} className="console-screen">
      <div className="console">
        <div className="console-log mono" role="log" aria-label={t.consoleScreen.log} tabIndex={0}>
          {shown.length === 0 ? <p className="quiet">{t.consoleScreen.about}</p> : null}
          {shown.map((entry) => (
            <div key={entry.id} className={`console-${entry.kind}`}>
              {entry.kind === 'value' ? <Json value={entry.body} /> : String(entry.body)}
            </div>
          ))}
          {candidates.length === 0 ? null : (
            <p className="console-candidates" aria-label={t.consoleScreen.completions}>
              {candidates.join('  ')}
            </p>
          )}
          <div ref={end} />
        </div>
        <form
          className="console-line mono"
          onSubmit={(event) => {
            event.preventDefault()
            if (running === undefined) void submit()
          }}
        >
          <span className="console-prompt" aria-hidden="true">
            ›
          </span>
          <input
            ref={input}
            type="text"
            aria-label={t.consoleScreen.field}
            autoComplete="off"
            autoCapitalize="none"
            autoCorrect="off"
            spellCheck={false}
            enterKeyHint="send"
            autoFocus
            value={line}
            onChange={(event) => {
              setLine(event.target.value)
              setCandidates([])
            }}
            onKeyDown={onKeyDown}
          />
          {running === undefined ? (
            <Button look="quiet" type="submit" className="button-small">
              {t.consoleScreen.run}
            </Button>
          ) : (
            <Button
              look="quiet"
              className="button-small"
              onClick={() => {
                running.abort()
                setRunning(undefined)
                input.current?.focus()
              }}
            >
              {t.consoleScreen.stop}
            </Button>
          )}
        </form>
      </div>
    </Screen>
  )
}
