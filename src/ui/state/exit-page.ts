import { ApiError } from '../../contract/errors.ts'
import { exitText } from '../text/exit.ts'

/** Where the empty form takes its copy (`src/exit/exit.html`). */
const SLOT = '<script type="text/plain" id="sealed">'
const CHUNK = 32_768

function toBase64(bytes: Uint8Array): string {
  let binary = ''
  for (let at = 0; at < bytes.length; at += CHUNK)
    binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK))
  return btoa(binary)
}

/** The empty form with a sealed copy in it. Rejects when it is not the form. */
export function fillExitPage(form: string, copy: Uint8Array): string {
  const parts = form.split(`${SLOT}</script>`)
  if (parts.length !== 2) throw new ApiError({ code: 'notAvailable', message: exitText.missing })
  return parts.join(`${SLOT}${toBase64(copy)}</script>`)
}

/** The exit file's empty form: part of the site, and kept with it for when there is no network. */
export async function exitForm(): Promise<string> {
  const response = await fetch(new URL('exit.html', document.baseURI)).catch(() => undefined)
  if (response?.ok !== true) throw new ApiError({ code: 'notAvailable', message: exitText.missing })
  return response.text()
}
