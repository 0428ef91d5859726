// SPDX-License-Identifier: Apache-2.0
// The entry `virtfn/trace` of the package.
/**
 * Trace files: what a card recorded as VCD, Perfetto timeline, and pcapng of frames and TLPs.
 *
 * @module virtfn/trace
 */
export { framePieces } from './pcapng.ts';
export { tlpPieces } from './nettlp.ts';
export { perfettoPieces } from './timeline.ts';
export { CREDIT_POOLS, TRACE_KINDS, traceRecords } from './records.ts';
export type { TracedCard, TraceRecord } from './records.ts';
export { tracedCard } from './traced_card.ts';
export { vcdPieces } from './vcd.ts';
export {
  MASK_DATA as TRACE_MASK_DATA,
  MASK_FRAMES as TRACE_MASK_FRAMES,
  MASK_STATE as TRACE_MASK_STATE,
  MASK_TLP as TRACE_MASK_TLP,
} from '../../assembly/abi/trace_kind.ts';
