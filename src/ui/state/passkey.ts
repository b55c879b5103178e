/**
 * A passkey as a key (WebAuthn level 3, PRF extension): the authenticator makes 32 bytes of a salt, the same ones each time, after it
 * has checked that its user is there. They leave the page for the worker alone.
 */

const toHex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')

const fromHex = (hex: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))

const random = (bytes: number): Uint8Array<ArrayBuffer> => crypto.getRandomValues(new Uint8Array(bytes))

/** Why no secret came of it; `no` when the person or the device declined. */
export type PasskeyProblem = 'no' | 'unsupported'

/** Whether this browser can be asked at all. Whether a device can answer is known only once it was asked. */
export const passkeysExist = (): boolean => typeof globalThis.PublicKeyCredential === 'function'

function secretOf(credential: Credential | null): string | undefined {
  if (!(credential instanceof PublicKeyCredential)) return undefined
  const first = credential.getClientExtensionResults().prf?.results?.first
  if (first === undefined) return undefined
  const bytes =
    first instanceof ArrayBuffer
      ? new Uint8Array(first)
      : new Uint8Array(first.buffer, first.byteOffset, first.byteLength)
  return bytes.length === 32 ? toHex(bytes) : undefined
}

/** What a passkey made of the salt: 32 bytes in hex. */
export interface PasskeySecret {
  readonly secret: string
}

/** Asks a passkey for its 32 bytes of `salt` (hex). */
export async function askPasskey(
  credentialId: string,
  salt: string,
): Promise<PasskeySecret | PasskeyProblem> {
  try {
    const credential = await navigator.credentials.get({
      publicKey: {
        challenge: random(32),
        allowCredentials: [{ type: 'public-key', id: fromHex(credentialId) }],
        userVerification: 'required',
        extensions: { prf: { eval: { first: fromHex(salt) } } },
      },
    })
    const secret = secretOf(credential)
    return secret === undefined ? 'unsupported' : { secret }
  } catch {
    return 'no'
  }
}

export interface NewPasskey {
  readonly credentialId: string
  readonly salt: string
  readonly secret: string
}

/** Makes a passkey for this wallet and asks it for its secret. Some answer at once, others have to be asked a second time. */
export async function makePasskey(name: string): Promise<NewPasskey | PasskeyProblem> {
  const salt = toHex(random(32))
  let made: Credential | null
  try {
    made = await navigator.credentials.create({
      publicKey: {
        challenge: random(32),
        rp: { name },
        user: { id: random(16), name, displayName: name },
        // ES256 and RS256: what every authenticator has one of. The signature itself is of no interest here.
        pubKeyCredParams: [
          { type: 'public-key', alg: -7 },
          { type: 'public-key', alg: -257 },
        ],
        authenticatorSelection: { userVerification: 'required', residentKey: 'preferred' },
        extensions: { prf: { eval: { first: fromHex(salt) } } },
      },
    })
  } catch {
    return 'no'
  }
  if (!(made instanceof PublicKeyCredential)) return 'unsupported'
  if (made.getClientExtensionResults().prf?.enabled !== true) return 'unsupported'
  const credentialId = toHex(new Uint8Array(made.rawId))
  const atOnce = secretOf(made)
  const answer = atOnce === undefined ? await askPasskey(credentialId, salt) : { secret: atOnce }
  return typeof answer === 'string' ? answer : { credentialId, salt, secret: answer.secret }
}
