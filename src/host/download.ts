/** Bytes from an address that the user named: a plain GET without cookies or a referrer, bounded in size and time. */

export type DownloadResult =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly reason: string }

/** Resolves always. */
export type Download = (
  url: string,
  limits: { readonly maxBytes: number; readonly timeoutMs: number },
  signal: AbortSignal,
) => Promise<DownloadResult>

/** Over any `fetch`: browsers, workers and Node alike. */
export const createDownload =
  (fetchIt: typeof fetch): Download =>
  async (url, { maxBytes, timeoutMs }, signal) => {
    const controller = new AbortController()
    const giveUp = () => controller.abort()
    const timer = setTimeout(giveUp, timeoutMs)
    signal.addEventListener('abort', giveUp, { once: true })
    if (signal.aborted) giveUp()
    try {
      const response = await fetchIt(url, {
        signal: controller.signal,
        credentials: 'omit',
        redirect: 'follow',
        referrerPolicy: 'no-referrer',
      })
      if (!response.ok) return { ok: false, reason: `status ${response.status}` }
      const parts: Uint8Array[] = []
      let size = 0
      const reader = response.body?.getReader()
      for (;;) {
        const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
        if (done || value === undefined) break
        size += value.length
        if (size > maxBytes) {
          giveUp()
          return { ok: false, reason: `more than ${maxBytes} bytes` }
        }
        parts.push(value)
      }
      const bytes = new Uint8Array(size)
      let at = 0
      for (const part of parts) {
        bytes.set(part, at)
        at += part.length
      }
      return { ok: true, bytes }
    } catch (error) {
      return { ok: false, reason: error instanceof Error ? error.message : 'failed' }
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', giveUp)
    }
  }
