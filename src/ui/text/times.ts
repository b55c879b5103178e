/** Times as people say them, in the browser's language where only figures are concerned. */

const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const dayYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' })
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })

/** `14:05` today, `3 Nov 14:05` this year, `3 Nov 2025` before. */
export function formatWhen(iso: string, now: Date = new Date()): string {
  const date = new Date(iso)
  if (Number.isNaN(date.getTime())) return ''
  if (date.toDateString() === now.toDateString()) return clock.format(date)
  if (date.getFullYear() === now.getFullYear()) return `${day.format(date)} ${clock.format(date)}`
  return dayYear.format(date)
}

/** With the second, for receipts. */
export function formatExact(iso: string): string {
  const date = new Date(iso)
  return Number.isNaN(date.getTime()) ? '' : exact.format(date)
}

/** A day that is estimated, or a time when it is today; empty without one. */
export function formatAbout(iso: string | undefined, now: Date = new Date()): string {
  const date = new Date(iso ?? '')
  if (Number.isNaN(date.getTime())) return ''
  if (date.toDateString() === now.toDateString()) return clock.format(date)
  return (date.getFullYear() === now.getFullYear() ? day : dayYear).format(date)
}

/** A length of time, two units at most: `45 s`, `12 min`, `3 h 5 min`, `2 days 4 h`. */
export function formatSpan(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  const days = Math.floor(hours / 24)
  // Strangers' invoices may be valid for longer than anything lasts.
  if (days >= 36_525) return 'over 100 years'
  if (days >= 731) return `${Math.floor(days / 365.25)} years`
  const unit = days === 1 ? 'day' : 'days'
  return hours % 24 === 0 || days > 6 ? `${days} ${unit}` : `${days} ${unit} ${hours % 24} h`
}

/** How long something took: milliseconds below a second, then tenths. */
export function formatTook(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`
  return formatSpan(milliseconds)
}
