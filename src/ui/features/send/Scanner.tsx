import { type ReactNode, useEffect, useRef, useState } from 'react'
import { t } from '../../text/en.ts'
import { Button } from '../../widgets/Button.tsx'
import { Dialog } from '../../widgets/Dialog.tsx'
import { readQrFrame } from './readQr.ts'

interface ScannerProps {
  readonly onText: (text: string) => void
  readonly onClose: () => void
}

/** The camera until it has seen a QR code. Nothing of what it sees leaves the page. */
export default function Scanner({ onText, onClose }: ScannerProps): ReactNode {
  const video = useRef<HTMLVideoElement>(null)
  const [refused, setRefused] = useState(false)
  const found = useRef(onText)
  useEffect(() => {
    found.current = onText
  })
  useEffect(() => {
    let stopped = false
    let stream: MediaStream | undefined
    const look = () => {
      const element = video.current
      if (stopped || element === null) return
      const { videoWidth, videoHeight } = element
      const scale = Math.min(1, 800 / Math.max(1, videoWidth, videoHeight))
      const text =
        videoWidth === 0 ? undefined : readQrFrame(element, videoWidth * scale, videoHeight * scale, 60)
      if (text === undefined) setTimeout(look, 80)
      else found.current(text)
    }
    const start = async () => {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } })
      const element = video.current
      if (stopped || element === null) {
        stopAll()
        return
      }
      element.srcObject = stream
      await element.play()
      look()
    }
    const stopAll = () => stream?.getTracks().forEach((track) => track.stop())
    start().catch(() => {
      if (!stopped) setRefused(true)
    })
    return () => {
      stopped = true
      stopAll()
    }
  }, [])
  return (
    <Dialog title={t.send.scan} onClose={onClose}>
      {refused ? (
        <p className="trouble" role="alert">
          {t.send.cameraRefused}
        </p>
      ) : (
        <>
          <video ref={video} className="camera" muted playsInline />
          <p className="quiet" role="status">
            {t.send.cameraLooking}
          </p>
        </>
      )}
      <Button wide onClick={onClose}>
        {t.app.cancel}
      </Button>
    </Dialog>
  )
}
