// SPDX-License-Identifier: Apache-2.0
// Output ring: what leaves the card for the host (interrupts, frames, trace records), each with its time. The host
// takes records after every call; run() returns early while there is less than half of the ring left.
import { OUT_RECORDS, OUT_RING, POSTED_BYTES, WIRE_RING_BYTES } from '../abi/state_map.ts';
import * as CTL from '../abi/control.ts';
import { OUT_A, OUT_B, OUT_C, OUT_D, OUT_FUNCTION, OUT_KIND, OUT_RECORD_BYTES, OUT_TIME } from '../abi/record.ts';

export function emit(kind: u32, fn: u32, a: u32, b: u32, c: u32, d: u32): void {
  const head = load<u32>(CTL.OUT_HEAD);
  // outputs of one call are bounded by half of the ring; more is a bug of the model
  if (head - load<u32>(CTL.OUT_TAIL) >= <u32>OUT_RECORDS) unreachable();
  const record: usize = OUT_RING + (head & (OUT_RECORDS - 1)) * OUT_RECORD_BYTES;
  store<u64>(record, load<u64>(CTL.NOW), OUT_TIME);
  store<u32>(record, kind, OUT_KIND);
  store<u32>(record, fn, OUT_FUNCTION);
  store<u32>(record, a, OUT_A);
  store<u32>(record, b, OUT_B);
  store<u32>(record, c, OUT_C);
  store<u32>(record, d, OUT_D);
  store<u32>(CTL.OUT_HEAD, head + 1);
}

/** The same for a record whose `bytes` stay in a ring of their own until the host has taken it. */
export function emitBytes(kind: u32, fn: u32, at: usize, bytes: u32, c: u32, d: u32): void {
  store<u32>(CTL.OUT_BYTES, (hasOutput() ? load<u32>(CTL.OUT_BYTES) : 0) + bytes);
  emit(kind, fn, <u32>at, bytes, c, d);
}

export function hasOutput(): bool {
  return load<u32>(CTL.OUT_HEAD) != load<u32>(CTL.OUT_TAIL);
}

/** False while the host has to take output before more work is done; frames still on their way do not count. */
export function hasOutputRoom(): bool {
  return (
    load<u32>(CTL.OUT_HEAD) - load<u32>(CTL.OUT_TAIL) < <u32>(OUT_RECORDS / 2) &&
    load<u32>(CTL.WIRE_EMITTED) - load<u32>(CTL.WIRE_TAIL) < <u32>(WIRE_RING_BYTES / 2)
  );
}

/** Likewise for the bytes of records that emitBytes() made. */
export function hasByteRoom(): bool {
  return !hasOutput() || load<u32>(CTL.OUT_BYTES) < <u32>(POSTED_BYTES / 4);
}
