import { ApiError } from '../../contract/errors.ts'

/** Why a store cannot be used, for programs; the UI owns the words. */
export type StoreFailureReason =
  /** The disk or the browser's allowance is full. */
  | 'quota'
  /** Written by a later version of the program, which must not be touched (house law 8). */
  | 'newerSchema'
  /** Another program or tab holds it. */
  | 'inUse'
  /** It was taken away while open: site data cleared, or a newer version has taken over. */
  | 'lost'
  | 'closed'
  /** Anything else the platform says no with. */
  | 'io'

/** A store's failure as the API says it: `storageFailed`, with the reason in `data.reason`. */
export const storeFailure = (reason: StoreFailureReason, message: string): ApiError =>
  new ApiError({ code: 'storageFailed', message, data: { reason } })
