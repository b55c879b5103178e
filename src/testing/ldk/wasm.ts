import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { initializeWasmFromBinary } from 'lightningdevkit'

let loading: Promise<void> | undefined

/** Loads LDK's WebAssembly once a process; every node of the process lives in the one instance. */
export function loadLdk(): Promise<void> {
  loading ??= (async () => {
    const path = createRequire(import.meta.url).resolve('lightningdevkit/liblightningjs.wasm')
    const bytes = await readFile(path)
    // The bindings greet on the console, where a launcher has its own four lines to say.
    const { log } = console
    console.log = () => {}
    try {
      await initializeWasmFromBinary(bytes)
    } finally {
      console.log = log
    }
  })()
  return loading
}

/** LDK's bindings hand out objects around a null pointer where Rust has `None`. */
export const isNull = (object: object): boolean => (object as { readonly ptr?: bigint }).ptr === 0n

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
export const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'))
/** Between LDK's byte order of hashes (internal) and the order in which people and RPC write them. */
export const displayed = (hash: Uint8Array): string => hex(Uint8Array.from(hash).reverse())
export const internal = (text: string): Uint8Array => unhex(text).reverse()

/** The words of an LDK error, whichever of its classes it is. */
export function words(error: unknown): string {
  if (typeof error === 'object' && error !== null) {
    const { err, to_str } = error as { err?: unknown; to_str?: () => string }
    if (typeof err === 'string') return err
    if (typeof to_str === 'function') return to_str.call(error)
    return error.constructor.name
  }
  return String(error)
}
