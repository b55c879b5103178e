import { messagePort } from '../contract/port.ts'
import { serve } from '../contract/rpc.ts'
import { INFO } from './fake-data.ts'
import { fakeNode, type Scene } from './fake-node.ts'

// Loaded by the dev server before the app for `?fake` or `?fake=SCENE`: the app finds a port to this node in place of its worker.
const page = globalThis as unknown as { location: { search: string }; switchbackFake?: unknown }
const { port1, port2 } = new MessageChannel()
const query = new URLSearchParams(page.location.search)
serve(
  messagePort(port1 as never),
  fakeNode((query.get('fake') || 'running') as Scene, Number(query.get('pace') ?? 600)),
)
page.switchbackFake = { port: port2, info: query.has('public') ? undefined : INFO }
