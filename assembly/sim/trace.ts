// SPDX-License-Identifier: Apache-2.0
// The trace ring: what happened, for waveforms, timelines and captures (trace_kind.ts has the layout). It lies outside of
// the arena and nothing reads it back, so that a traced run is the run that was not traced. A caller asks isTracing()
// first; without a trace that one load is all the cost. Records for which there is no room are counted.
import * as CTL from '../abi/control.ts';
import { TRACE_A, TRACE_C, TRACE_D, TRACE_KIND, TRACE_PAYLOAD, TRACE_TIME } from '../abi/record.ts';
import { copyBytes } from '../mem/arena.ts';

/** Is any of the TRACE_MASK_* bits recorded? */
export function isTracing(mask: u32): bool {
  return (load<u32>(CTL.TRACE_RING_MASK) & mask) != 0;
}

/** Writes a record of the current cycle, without payload. */
export function record(kind: u32, fn: u32, sub: u32, a: u32, b: u32, c: u64, d: u32 = 0, e: u32 = 0): void {
  const used = load<u32>(CTL.TRACE_RING_USED);
  if (used + TRACE_PAYLOAD > load<u32>(CTL.TRACE_RING_BYTES)) return lose();
  store<u32>(CTL.TRACE_RING_USED, used + TRACE_PAYLOAD);
  put(load<u32>(CTL.TRACE_RING_BASE) + used, load<u64>(CTL.NOW), kind, fn, TRACE_PAYLOAD, sub, a, b, c, d, e);
}

/** Writes a record of cycle `time` with `length` bytes of payload. */
export function recordAt(
  time: u64,
  kind: u32,
  fn: u32,
  sub: u32,
  a: u32,
  b: u32,
  c: u64,
  d: u32,
  e: u32,
  payload: usize,
  length: u32,
): void {
  const bytes = TRACE_PAYLOAD + ((length + 7) & ~7);
  const used = load<u32>(CTL.TRACE_RING_USED);
  if (used + bytes > load<u32>(CTL.TRACE_RING_BYTES)) return lose();
  store<u32>(CTL.TRACE_RING_USED, used + bytes);
  const at: usize = load<u32>(CTL.TRACE_RING_BASE) + used;
  put(at, time, kind, fn, bytes, sub, a, b, c, d, e);
  if (length != 0) {
    store<u64>(at + bytes - 8, 0); // padding
    copyBytes(at + TRACE_PAYLOAD, payload, length);
  }
}

/** Lays a record out, two to four fields a store: TRACE_TIME, then kind to sub, a and b, c, d and e. */
function put(
  at: usize,
  time: u64,
  kind: u32,
  fn: u32,
  bytes: u32,
  sub: u32,
  a: u32,
  b: u32,
  c: u64,
  d: u32,
  e: u32,
): void {
  store<u64>(at, time, TRACE_TIME);
  store<u64>(at, (<u64>(kind | (fn << 16))) | ((<u64>(bytes | (sub << 16))) << 32), TRACE_KIND);
  store<u64>(at, (<u64>a) | ((<u64>b) << 32), TRACE_A);
  store<u64>(at, c, TRACE_C);
  store<u64>(at, (<u64>d) | ((<u64>e) << 32), TRACE_D);
}

function lose(): void {
  store<u32>(CTL.TRACE_RING_LOST, load<u32>(CTL.TRACE_RING_LOST) + 1);
}

/** Is at least half of the ring left? If not, the host takes the records before the card goes on. */
export function hasTraceRoom(): bool {
  return load<u32>(CTL.TRACE_RING_USED) <= load<u32>(CTL.TRACE_RING_BYTES) >> 1;
}
