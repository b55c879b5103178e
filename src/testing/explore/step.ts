import { step as engineStep } from '../../engine/channel/step.ts'
import type { Channel, ChannelContext, ChannelInput, Fault, Transition } from '../../engine/channel/types.ts'
import type { Result } from '../../engine/base/result.ts'

/** The channel machine as the explorer drives it: the engine's own, or one with a known fault put around it. */
export type Step = (channel: Channel, input: ChannelInput, ctx: ChannelContext) => Result<Transition, Fault>

export const step: Step = engineStep
