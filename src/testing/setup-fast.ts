import { randomBytes } from 'node:crypto'
import { useCurve } from '../engine/crypto/curve.ts'
import { loadWasmCurve } from '../host/curve-wasm.ts'

/** Node's BigInt is slow: simulations and channel tests run on the WASM curve, which `curve-wasm.test.ts` holds to the reference. */
useCurve(await loadWasmCurve(randomBytes(32)))
