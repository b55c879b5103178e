import type { ReactNode } from 'react'
import { useState } from 'react'
import { useAction } from '../../state/hooks.ts'
import { client } from '../../state/session.ts'
import { t } from '../../text/en.ts'
import { qrText } from '../../text/request.ts'
import { Button } from '../../widgets/Button.tsx'
import { CopyShare } from '../../widgets/CopyShare.tsx'
import { Qr } from '../../widgets/Qr.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'

/** A fresh address with its QR code. */
export function NewAddress(): ReactNode {
  const [address, setAddress] = useState<string>()
  const make = useAction(async () => setAddress((await client().newAddress()).address))
  return (
    <div className="new-address">
      {address === undefined ? null : (
        <>
          <Qr text={qrText(address)} label={t.wallet.addressQr} />
          <p className="payload mono">{address}</p>
          <CopyShare text={address} title={t.receive.shareTitle} />
        </>
      )}
      <Trouble error={make.error} />
      <Button wide disabled={make.pending} onClick={() => void make.run()}>
        {t.wallet.newAddress}
      </Button>
      <p className="quiet">{t.wallet.addressAbout}</p>
    </div>
  )
}
