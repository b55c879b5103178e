import { ClipboardPaste, Image, ScanLine } from 'lucide-react'
import { lazy, type ReactNode, Suspense, useRef, useState } from 'react'
import { t } from '../../text/en.ts'
import { Button } from '../../widgets/Button.tsx'
import { TextArea } from '../../widgets/Field.tsx'

const Scanner = lazy(() => import('./Scanner.tsx'))

interface PayableFieldProps {
  readonly value: string
  readonly onText: (text: string) => void
  readonly problem: string | undefined
  readonly hint: ReactNode
  /** Whether the text is read already: the other ways in are out of the way then. */
  readonly settled: boolean
}

/** The one field that takes anything payable: typed, pasted, from a picture, from the camera. */
export function PayableField({ value, onText, problem, hint, settled }: PayableFieldProps): ReactNode {
  const picker = useRef<HTMLInputElement>(null)
  const [scanning, setScanning] = useState(false)
  const [trouble, setTrouble] = useState<string>()
  const take = (text: string) => {
    setTrouble(undefined)
    onText(text.trim())
  }
  const paste = async () => {
    try {
      const text = await navigator.clipboard.readText()
      if (text.trim() === '') setTrouble(t.send.clipboardEmpty)
      else take(text)
    } catch {
      setTrouble(t.send.clipboardRefused)
    }
  }
  const readImage = async (file: File) => {
    const { readQrImage } = await import('./readQr.ts')
    const text = await readQrImage(file)
    if (text === undefined) setTrouble(t.send.noQr)
    else take(text)
  }
  return (
    <div className="payable">
      <TextArea
        label={t.send.field}
        className="mono"
        rows={settled || value.length < 90 ? 2 : 4}
        value={value}
        onText={(text) => {
          setTrouble(undefined)
          onText(text)
        }}
        onPaste={(event) => {
          const image = [...event.clipboardData.files].find((file) => file.type.startsWith('image/'))
          if (image === undefined) return
          event.preventDefault()
          void readImage(image)
        }}
        problem={trouble ?? problem}
        hint={settled ? undefined : hint}
      />
      <div className="buttons buttons-even buttons-compact" hidden={settled}>
        <Button icon={<ClipboardPaste aria-hidden="true" />} onClick={() => void paste()}>
          {t.send.paste}
        </Button>
        <Button icon={<ScanLine aria-hidden="true" />} onClick={() => setScanning(true)}>
          {t.send.scan}
        </Button>
        <Button icon={<Image aria-hidden="true" />} onClick={() => picker.current?.click()}>
          {t.send.image}
        </Button>
        <input
          ref={picker}
          type="file"
          accept="image/*"
          hidden
          aria-label={t.send.image}
          onChange={(event) => {
            const file = event.target.files?.[0]
            // The same file can be chosen again after an error.
            event.target.value = ''
            if (file !== undefined) void readImage(file)
          }}
        />
      </div>
      {scanning ? (
        <Suspense fallback={null}>
          <Scanner
            onText={(text) => {
              setScanning(false)
              take(text)
            }}
            onClose={() => setScanning(false)}
          />
        </Suspense>
      ) : null}
    </div>
  )
}
