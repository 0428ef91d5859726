// SPDX-License-Identifier: Apache-2.0
// Trace records typed by hand, as the core would write them: offsets here come from the drawing in
// assembly/abi/trace_kind.ts, not from its constants, so that both are checked against each other.
import type { TracedCard } from '../../src/trace/records.ts';

/** Fields of a record; what is left out is 0. */
export interface TraceFields {
  readonly time?: number;
  readonly kind: number;
  readonly fn?: number;
  readonly sub?: number;
  readonly a?: number;
  readonly b?: number;
  readonly c?: number | bigint;
  readonly d?: number;
  readonly e?: number;
  readonly payload?: readonly number[];
}

/** A function number that is none. */
export const NOBODY = 0xffff;

/** Records one after the other, each padded to 8 bytes. */
export function traceBytes(...records: readonly TraceFields[]): Uint8Array {
  const parts = records.map(({ time = 0, kind, fn = 0, sub = 0, a = 0, b = 0, c = 0, d = 0, e = 0, payload = [] }) => {
    const bytes = new Uint8Array(40 + Math.ceil(payload.length / 8) * 8);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(time), true);
    view.setUint16(8, kind, true);
    view.setUint16(10, fn, true);
    view.setUint16(12, bytes.length, true);
    view.setUint16(14, sub, true);
    view.setUint32(16, a, true);
    view.setUint32(20, b, true);
    view.setBigUint64(24, BigInt(c), true);
    view.setUint32(32, d, true);
    view.setUint32(36, e, true);
    bytes.set(payload, 40);
    return bytes;
  });
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** A card of 250 MHz with two VFs at 01:00.0, 01:00.1 and, on the next bus, 02:00.0. */
export const TRACED_CARD: TracedCard = {
  clockPs: 4000,
  functions: 3,
  adminQueue: 3,
  routingId: (fn) => [0x0100, 0x0101, 0x0200][fn]!,
};

/** The pieces of a file as one. */
export function joined(pieces: Iterable<Uint8Array>): Uint8Array {
  return Uint8Array.from(Buffer.concat([...pieces]));
}
