import { unwrap } from '../../engine/base/result.ts'
import { msat, sat } from '../../engine/base/units.ts'
import { buildCommitment } from '../../engine/commitment/build.ts'
import { ANCHORS } from '../../engine/commitment/formats.ts'
import { INITIAL_SIGNER_STATE } from '../../engine/commitment/signer.ts'
import { testChannel } from '../../engine/commitment/testing.ts'
import type { CommitmentView, ViewHtlc } from '../../engine/commitment/types.ts'
import { verifyRemoteSignature } from '../../engine/commitment/verify.ts'
import { seeded } from '../random.ts'
import { millisecondsOf } from './time.ts'
import type { Bench, Figures } from './types.ts'

const COUNTS = [0, 20, 483] as const

function viewOf(count: number): CommitmentView {
  const random = seeded(count + 1)
  const htlcs = Array.from(
    { length: count },
    (_, i): ViewHtlc => ({
      offerer: i % 2 === 0 ? 'opener' : 'accepter',
      id: BigInt(i),
      amountMsat: msat(10_000_000n),
      paymentHash: random.bytes(32),
      cltvExpiry: 800_000 + random.int(100),
    }),
  )
  const half = msat((10_000_000_000n - 10_000_000n * BigInt(count)) / 2n)
  return { feeratePerKw: 253, openerMsat: half, accepterMsat: half, htlcs }
}

function measure(count: number): Figures {
  const { params, signers } = testChannel(ANCHORS, { fundingSat: sat(10_000_000n) })
  const point = signers.accepter.commitmentPoint(0n)
  const view = viewOf(count)
  const build = () => buildCommitment(params, 'accepter', 0n, point, view)
  const built = build()
  if (built.htlcs.length !== count) throw new Error(`${built.htlcs.length} HTLC outputs instead of ${count}`)
  const sign = () => unwrap(signers.opener.signRemoteCommitment(INITIAL_SIGNER_STATE, built))
  const signed = sign()
  const peer = params.opener.keys
  const verify = () => unwrap(verifyRemoteSignature(built, signed.signature, signed.htlcSignatures, peer))
  verify()
  return {
    [`htlcs${count}BuildMs`]: millisecondsOf(build),
    [`htlcs${count}SignMs`]: millisecondsOf(sign),
    [`htlcs${count}VerifyMs`]: millisecondsOf(verify),
  }
}

export const commitment: Bench = {
  name: 'commitment',
  about: 'one commitment with anchors: build it, sign it for the peer, verify what the peer signed',
  run: () => Promise.resolve(Object.assign({}, ...COUNTS.map(measure)) as Figures),
}
