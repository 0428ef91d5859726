// SPDX-License-Identifier: Apache-2.0
// Trace files: what a card recorded as VCD, Perfetto timeline, and pcapng of frames and TLPs.
export { framePieces } from './pcapng.ts';
export { tlpPieces } from './nettlp.ts';
export { perfettoPieces } from './timeline.ts';
export { CREDIT_POOLS, TRACE_KINDS, traceRecords } from './records.ts';
export type { TracedCard, TraceRecord } from './records.ts';
export { vcdPieces } from './vcd.ts';
