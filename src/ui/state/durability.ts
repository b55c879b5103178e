import { client, session } from './session.ts'

/**
 * Whether the browser keeps what this page stores. With `ask`, requests it: done right after a wallet is made, when the user has just
 * acted and there is something to keep. The node is told, so that its notice comes and goes rightly.
 */
export async function noteDurability(ask: boolean): Promise<void> {
  const storage: StorageManager | undefined = navigator.storage
  if (storage === undefined) return
  const persisted = (await storage.persisted()) || (ask && (await storage.persist()))
  // A refusal is told as well: what was never asked for is not worth a notice yet.
  if (ask || persisted !== session.getState().node?.settings.storagePersisted) {
    await client().updateSettings({ storagePersisted: persisted })
  }
}
