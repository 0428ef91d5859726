// SPDX-License-Identifier: Apache-2.0
// The DMA reads of a card, put together from their records. A read belongs to a job or to a queue, which has one under way
// at a time; it is asked for as a whole and goes out as one or more requests, each with a tag and a number of its own.
import * as TRACE from '../../assembly/abi/trace_kind.ts';
import { openSlice, type OpenSlice } from './perfetto.ts';
import type { TraceRecord } from './records.ts';

/** A read that is over. */
export interface FinishedRead {
  readonly fn: number;
  /** A job's number, or TRACE_OWNER_* | queue. */
  readonly owner: number;
  readonly slice: OpenSlice;
  /** Requests of it that overlap with those inside the slice. */
  readonly overlapping: readonly OpenSlice[];
}

interface Read {
  readonly fn: number;
  readonly owner: number;
  readonly slice: OpenSlice;
  readonly requests: Request[];
  bytesLeft: number;
  open: number;
}

interface Request {
  readonly read: Read;
  readonly slice: OpenSlice;
  readonly bytes: number;
  served: number | undefined;
}

/** Collects reads and hands each on when it has ended. */
export class ReadTimeline {
  private readonly onEnd: (read: FinishedRead) => void;
  /** By owner: the read asked for last. */
  private readonly current = new Map<string, Read>();
  /** By number: those under way. */
  private readonly requests = new Map<number, Request>();

  constructor(onEnd: (read: FinishedRead) => void) {
    this.onEnd = onEnd;
  }

  take(record: TraceRecord): void {
    const { time, sub, e } = record;
    if (sub === TRACE.DMA_ASKED) {
      this.ask(record);
      return;
    }
    if (sub === TRACE.DMA_ISSUED) {
      this.issue(record);
      return;
    }
    const request = this.requests.get(e);
    if (request === undefined) return; // the trace began after it
    if (sub === TRACE.DMA_SERVED) request.served = time;
    else this.endRequest(request, e, time, sub === TRACE.DMA_DROPPED);
  }

  /** Ends what is still under way when the trace does. */
  finish(time: number): void {
    for (const { slice } of this.requests.values()) slice.end = time;
    for (const read of this.current.values()) this.end(read, time, 'DMA read (unfinished)');
  }

  private ask({ time, fn, a, b, cLow, cHigh }: TraceRecord): void {
    const key = `${fn}/${b}`;
    const before = this.current.get(key);
    // an address that nobody answers for: no request of it went out, or none that is left
    if (before !== undefined && before.open === 0) this.end(before, before.slice.end, 'DMA read (failed)');
    const bytes = a >>> 16;
    const slice = openSlice('DMA read', 'dma', time, { address: { low: cLow, high: cHigh }, bytes });
    this.current.set(key, { fn, owner: b, slice, requests: [], bytesLeft: bytes, open: 0 });
  }

  private issue({ time, fn, a, b, cLow, cHigh, e }: TraceRecord): void {
    const read = this.current.get(`${fn}/${b}`);
    if (read === undefined) return; // the trace began after it was asked for
    const bytes = a >>> 16;
    const annotations = { address: { low: cLow, high: cHigh }, bytes, tag: a & 0xffff };
    const request = { read, slice: openSlice('MRd', 'dma', time, annotations), bytes, served: undefined };
    if (read.requests.length === 0)
      read.slice.children.push({ ...openSlice('issue', 'dma', read.slice.begin), end: time });
    read.requests.push(request);
    read.open++;
    this.requests.set(e, request);
  }

  private endRequest(request: Request, number: number, time: number, isDropped: boolean): void {
    const { read, slice, bytes, served } = request;
    this.requests.delete(number);
    slice.end = time;
    if (served !== undefined) {
      slice.children.push({ ...openSlice('request', 'dma', slice.begin), end: served });
      slice.children.push({ ...openSlice('completion', 'dma', served), end: time });
    }
    read.slice.end = time;
    read.bytesLeft -= bytes;
    read.open--;
    if (read.open === 0 && (isDropped || read.bytesLeft <= 0)) {
      this.end(read, time, isDropped ? 'DMA read (dropped)' : 'DMA read');
    }
  }

  private end(read: Read, time: number, name: string): void {
    const { fn, owner, slice, requests } = read;
    const key = `${fn}/${owner}`;
    if (this.current.get(key) === read) this.current.delete(key);
    slice.name = name;
    slice.end = time;
    const overlapping: OpenSlice[] = [];
    for (const { slice: request } of requests) {
      const isBehind = request.begin >= slice.children.at(-1)!.end;
      (isBehind ? slice.children : overlapping).push(request);
    }
    this.onEnd({ fn, owner, slice, overlapping });
  }
}
