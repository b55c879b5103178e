import { createRoot } from 'react-dom/client'
import { applyTheme } from '../state/prefs.ts'
import { session } from '../state/session.ts'
import { App } from './App.tsx'
import { connect } from './connect.ts'
import { keepShell } from './update.ts'

/** Links (`web+lightning:`, `bitcoin:`) and the share sheet arrive as parameters; Send takes them, the address bar forgets them. */
function takeHandedOver(): void {
  const url = new URL(location.href)
  const text = url.searchParams.get('pay') ?? url.searchParams.get('text') ?? url.searchParams.get('url')
  if (text === null || text.trim() === '') return
  session.setState({ handedOver: text.trim().replace(/^web\+lightning:/i, 'lightning:') })
  history.replaceState(null, '', `${url.pathname}#/send`)
}

// Screens decide where they begin; what the browser remembers belongs to another screen's length.
history.scrollRestoration = 'manual'
applyTheme()
takeHandedOver()
connect()
keepShell()

const root = document.getElementById('root')
if (root === null) throw new Error('The page has no root element.')
createRoot(root).render(<App />)
