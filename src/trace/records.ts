// SPDX-License-Identifier: Apache-2.0
// Records of the trace ring as the core writes them (assembly/abi/record.ts has the layout, trace_kind.ts what they say), and what the writers have
// to know about the card that they come from.
import * as R from '../../assembly/abi/record.ts';
import * as TRACE from '../../assembly/abi/trace_kind.ts';
import { NicError } from '../util/errors.ts';

/** What the writers ask about a card. */
export interface TracedCard {
  /** Picoseconds of a core cycle. */
  readonly clockPs: number;
  /** Functions of the card, the PF included. */
  readonly functions: number;
  /** TotalVFs; functions behind the last VF come on demand. All but the PF are VFs where it is left out. */
  readonly vfs?: number;
  /** The PF's administration queue; -1 if there is none. */
  readonly adminQueue: number;
  /** Bus, device and function number of a function, `bus << 8 | device << 3 | function`. */
  routingId(fn: number): number;
  /** Units that the sender of a pool CREDIT_* may have out; undefined where it is infinite or not known. */
  creditLimit?(pool: number): number | undefined;
}

/** One record. The fields mean what the kind says; times are in core cycles. */
export interface TraceRecord {
  readonly time: number;
  readonly kind: number;
  readonly fn: number;
  readonly sub: number;
  readonly a: number;
  readonly b: number;
  /** Exact below 2^53; addresses above it are in the two halves. */
  readonly c: number;
  readonly cLow: number;
  readonly cHigh: number;
  readonly d: number;
  readonly e: number;
  /** Bytes behind the fixed part, up to 7 of them padding. */
  readonly payload: Uint8Array;
}

const HIGH = 0x1_0000_0000;
const ALIGNMENT = 8;

/** The record under the cursor of traceRecords(). */
class Cursor implements TraceRecord {
  time = 0;
  kind = 0;
  fn = 0;
  sub = 0;
  a = 0;
  b = 0;
  c = 0;
  cLow = 0;
  cHigh = 0;
  d = 0;
  e = 0;
  private chunk: Uint8Array = new Uint8Array();
  private end = 0;
  private payloadAt = 0;

  get payload(): Uint8Array {
    return this.chunk.subarray(this.payloadAt, this.end);
  }

  /** Reads the record at `offset`; returns where the next one begins. */
  read(chunk: Uint8Array, view: DataView, offset: number): number {
    const left = chunk.length - offset;
    const bytes = left < R.TRACE_PAYLOAD ? 0 : view.getUint16(offset + R.TRACE_BYTES, true);
    if (bytes < R.TRACE_PAYLOAD || bytes % ALIGNMENT !== 0 || bytes > left) {
      throw new NicError('TRACE', `trace byte ${offset}: no whole record of ${bytes} bytes in ${left}; take it again`);
    }
    this.chunk = chunk;
    this.time = view.getUint32(offset + R.TRACE_TIME, true) + view.getUint32(offset + R.TRACE_TIME + 4, true) * HIGH;
    this.kind = view.getUint16(offset + R.TRACE_KIND, true);
    this.fn = view.getUint16(offset + R.TRACE_FUNCTION, true);
    this.sub = view.getUint16(offset + R.TRACE_SUB, true);
    this.a = view.getUint32(offset + R.TRACE_A, true);
    this.b = view.getUint32(offset + R.TRACE_B, true);
    this.cLow = view.getUint32(offset + R.TRACE_C, true);
    this.cHigh = view.getUint32(offset + R.TRACE_C + 4, true);
    this.c = this.cLow + this.cHigh * HIGH;
    this.d = view.getUint32(offset + R.TRACE_D, true);
    this.e = view.getUint32(offset + R.TRACE_E, true);
    this.payloadAt = offset + R.TRACE_PAYLOAD;
    this.end = offset + bytes;
    return this.end;
  }
}

/**
 * The records of a trace, in the order in which they were made, as often as they are asked for (where `chunks` can be read
 * more than once, as an array can). It is the same object each time: copy what is to stay.
 *
 * @throws NicError TRACE, when it comes to them, where the bytes are no records.
 */
export function traceRecords(chunks: Iterable<Uint8Array>): Iterable<TraceRecord> {
  return { [Symbol.iterator]: () => recordsOf(chunks) };
}

function* recordsOf(chunks: Iterable<Uint8Array>): Generator<TraceRecord, void, void> {
  const record = new Cursor();
  for (const chunk of chunks) {
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let offset = 0; offset < chunk.length;) {
      offset = record.read(chunk, view, offset);
      yield record;
    }
  }
}

/** Kinds of records by number, as reports name them. */
export const TRACE_KINDS: ReadonlyMap<number, string> = new Map([
  [TRACE.TLP, 'tlp'],
  [TRACE.TAGS, 'tags'],
  [TRACE.CREDITS, 'credits'],
  [TRACE.STATUS, 'device_status'],
  [TRACE.QUEUE, 'queue'],
  [TRACE.JOB, 'job'],
  [TRACE.DMA, 'dma'],
  [TRACE.DOORBELL, 'doorbell'],
  [TRACE.MSIX, 'msix'],
  [TRACE.FRAME, 'frame'],
  [TRACE.REGISTER, 'register'],
]);

/** Pools of credits by number, without the direction. */
export const CREDIT_POOLS = ['ph', 'pd', 'nph', 'npd', 'cplh', 'cpld'] as const;

/** `pf`, `vf1`, ..., then `od1`, ... for functions on demand; `wire` for what belongs to no function. */
export function functionName(fn: number, { vfs = Infinity }: Pick<TracedCard, 'vfs'> = {}): string {
  if (fn === TRACE.NOBODY) return 'wire';
  if (fn > vfs) return `od${fn - vfs}`;
  return fn === 0 ? 'pf' : `vf${fn}`;
}

/** Core cycles as picoseconds, exact at any time. */
export function picoseconds(cycles: number, clockPs: number): bigint {
  return BigInt(cycles) * BigInt(clockPs);
}

/** Core cycles as whole nanoseconds, rounded down; nothing swaps places. */
export function nanoseconds(cycles: number, clockPs: number): number {
  const ps = cycles * clockPs;
  return ps <= Number.MAX_SAFE_INTEGER ? Math.floor(ps / 1000) : Number(picoseconds(cycles, clockPs) / 1000n);
}
