import type { Msat } from '../base/units.ts'
import { refuse } from './errors.ts'
import { readItems } from './fields.ts'
import type { LcpIndexes, LcpParameters, LcpPoint, LcpPoints, LcpState } from './messages.ts'
import type { TlvField } from './tlv.ts'
import { tlv } from './tlv.ts'

/**
 * The TLVs of our own `lcp` format: odd and above 2^16, so that a strict BOLT decoder passes over them. Numbers (which
 * point, which commitment) are checked by the channel machine; here only what the layout bounds.
 */
export const LCP_PARAMETERS = 780311
export const LCP_POINTS = 780313
export const LCP_INDEXES = 780315
export const LCP_STATE = 780317

/** 148 bytes: u16, u16, u64, two proofs of 64 bytes. */
export const lcpParameters: TlvField<LcpParameters> = tlv(
  LCP_PARAMETERS,
  (r) => {
    const revocationWindow = r.u16()
    // LCP rule 5: at most 64 points outstanding.
    if (revocationWindow < 1 || revocationWindow > 64) refuse('bad_value', 'revocation_window outside 1..64')
    return {
      revocationWindow,
      maxTrimmedHtlcs: r.u16(),
      maxDustInFlightMsat: r.u64() as Msat,
      basepointProof: r.bytes(64, 'basepoint_proof'),
      firstPointProof: r.bytes(64, 'first_point_proof'),
    }
  },
  (w, v) =>
    w
      .u16(v.revocationWindow)
      .u16(v.maxTrimmedHtlcs)
      .u64(v.maxDustInFlightMsat)
      .bytes(v.basepointProof, 64)
      .bytes(v.firstPointProof, 64),
)

/** u64 number of the first, then `least` to `most` times a point and its proof (97 bytes). */
export const lcpPoints = (least: number, most: number): TlvField<LcpPoints> =>
  tlv(
    LCP_POINTS,
    (r) => {
      const firstNumber = r.u64()
      const points = readItems<LcpPoint>(r, most, (item) => ({
        point: item.point(),
        proof: item.bytes(64, 'proof'),
      }))
      if (points.length < least) refuse('bad_length', `fewer than ${least} points`)
      return { firstNumber, points }
    },
    (w, v) => {
      w.u64(v.firstNumber)
      for (const { point, proof } of v.points) w.point(point).bytes(proof, 64)
    },
  )

/** 24 bytes. */
export const lcpIndexes: TlvField<LcpIndexes> = tlv(
  LCP_INDEXES,
  (r) => ({ commitmentNumber: r.u64(), openerIndex: r.u64(), accepterIndex: r.u64() }),
  (w, v) => w.u64(v.commitmentNumber).u64(v.openerIndex).u64(v.accepterIndex),
)

/** 16 bytes. */
export const lcpState: TlvField<LcpState> = tlv(
  LCP_STATE,
  (r) => ({ openerIndex: r.u64(), accepterIndex: r.u64() }),
  (w, v) => w.u64(v.openerIndex).u64(v.accepterIndex),
)
