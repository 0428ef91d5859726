// SPDX-License-Identifier: Apache-2.0
// A trace as a timeline: each chain of a queue from the moment a job takes it until its message has arrived at the host,
// with the job's phases and its DMA reads inside; doorbells, messages, TLPs, registers and frames beside it; counters.
// An administration command carries its name. A flow leads from the doorbell to the chain and on to the message.
import * as TRACE from '../../assembly/abi/trace_kind.ts';
import { ChainTimeline } from './chains.ts';
import { trackPieces, Track } from './perfetto.ts';
import { CREDIT_POOLS, functionName, type TracedCard, type TraceRecord } from './records.ts';

const TLP_NAMES: ReadonlyMap<number, string> = new Map([
  [TRACE.TLP_MRD, 'MRd'],
  [TRACE.TLP_MWR, 'MWr'],
  [TRACE.TLP_CPL, 'Cpl'],
  [TRACE.TLP_CPLD, 'CplD'],
  [TRACE.TLP_CFGRD, 'CfgRd'],
  [TRACE.TLP_CFGWR, 'CfgWr'],
  [TRACE.TLP_MSG, 'Msg'],
]);
/** What a register access of TRACE.REGISTER goes to, where it is no BAR. */
const REGISTER_SPACES: ReadonlyMap<number, string> = new Map([
  [6, 'legacy'],
  [7, 'config'],
]);

/** A Perfetto trace file, piece by piece. */
export function perfettoPieces(card: TracedCard, records: Iterable<TraceRecord>): Generator<Uint8Array, void, void> {
  return trackPieces(timelineOf(card, records), card.clockPs);
}

/** The tracks of a trace, in the order of the viewer: link, credits and tags, then the functions as they occur. */
export function timelineOf(card: TracedCard, records: Iterable<TraceRecord>): Track {
  const process = new Track('virtfn');
  const timeline = new Timeline(process, card);
  for (const record of records) timeline.take(record);
  timeline.finish();
  return process;
}

class Timeline {
  private readonly process: Track;
  private readonly card: TracedCard;
  private readonly chains: ChainTimeline;
  private readonly credits = new Map<number, { time: number; units: number }[]>();
  private readonly rings = new Map<string, { seen?: number; used?: number }>();
  private last = 0;

  constructor(process: Track, card: TracedCard) {
    this.process = process;
    this.card = card;
    this.chains = new ChainTimeline(card, (fn) => this.functionTrack(fn));
    process.child('link up');
    process.child('link down');
  }

  take(record: TraceRecord): void {
    const { time, kind, fn, sub, a, b, c, cLow, cHigh, d, e } = record;
    this.last = Math.max(this.last, time);
    switch (kind) {
      case TRACE.TLP:
        this.process.child((sub & TRACE.TLP_DOWN) === 0 ? 'link up' : 'link down').slices.push({
          name: TLP_NAMES.get(sub & TRACE.TLP_TYPE_MASK) ?? `TLP type ${sub & TRACE.TLP_TYPE_MASK}`,
          category: 'link',
          begin: time,
          end: time + b,
          annotations: {
            function: functionName(fn, this.card),
            address: { low: cLow, high: cHigh },
            bytes: a & 0xffff,
            tag: a >>> 16,
            link_bytes: e,
            ...((sub & TRACE.TLP_PASID) !== 0 ? { pasid: d } : d === 0 ? {} : { bytes_left: d }),
            ...(sub >>> TRACE.TLP_STATUS_SHIFT === 0 ? {} : { status: sub >>> TRACE.TLP_STATUS_SHIFT }),
          },
        });
        break;
      case TRACE.TAGS:
        this.process.counter('tags in use').values.push({ time, value: a });
        break;
      case TRACE.CREDITS: {
        const steps = this.credits.get(sub) ?? [];
        this.credits.set(sub, steps);
        if (b !== TRACE.CREDITS_BACK) steps.push({ time, units: a });
        if (b !== TRACE.CREDITS_TAKEN) steps.push({ time: c, units: -a });
        break;
      }
      case TRACE.STATUS:
        this.functionTrack(fn)
          .child('device_status')
          .slices.push({
            name: `device_status 0x${a.toString(16).padStart(2, '0')}`,
            category: 'state',
            begin: time,
          });
        break;
      case TRACE.QUEUE:
        this.chains.take(record);
        this.takeQueue(time, fn, sub, a, b);
        break;
      case TRACE.FRAME:
        this.functionTrack(fn)
          .child('frames')
          .slices.push({
            name: sub === 0 ? 'frame into the switch' : 'frame out of the switch',
            category: 'net',
            begin: time,
            annotations: { bytes: a },
          });
        break;
      case TRACE.REGISTER:
        this.functionTrack(fn)
          .child('registers')
          .slices.push({
            name: `${(sub & 1) === 0 ? 'read' : 'write'} ${REGISTER_SPACES.get(sub >>> 1) ?? `BAR${sub >>> 1}`}`,
            category: 'register',
            begin: time,
            annotations: { offset: a & 0xffffff, size: a >>> 24, value: b },
          });
        break;
      default:
        this.chains.take(record);
    }
  }

  finish(): void {
    this.chains.finish(this.last);
    for (const [pool, steps] of this.credits) this.creditCounter(pool, steps);
  }

  /** Buffers that the driver has made available and not been given back, and chains in work. */
  private takeQueue(time: number, fn: number, queue: number, what: number, value: number): void {
    const track = this.functionTrack(fn).child(`queue ${queue}`);
    if (what === TRACE.QUEUE_JOBS) track.counter('jobs').values.push({ time, value });
    const key = `${fn}/${queue}`;
    const ring = this.rings.get(key) ?? {};
    this.rings.set(key, ring);
    if (what === TRACE.QUEUE_AVAIL_SEEN) ring.seen = value;
    else if (what === TRACE.QUEUE_USED_IDX) ring.used = value;
    else return;
    if (ring.seen === undefined || ring.used === undefined) return;
    track.counter('ring depth').values.push({ time, value: (ring.seen - ring.used) & 0xffff });
  }

  private creditCounter(pool: number, steps: { time: number; units: number }[]): void {
    const limit = this.card.creditLimit?.(pool);
    const way = pool < TRACE.CREDIT_DOWN ? 'up' : 'down';
    const name = CREDIT_POOLS[pool % TRACE.CREDIT_DOWN]?.toUpperCase();
    const { values } = this.process.counter(`${way} ${name} credits ${limit === undefined ? 'taken' : 'available'}`);
    let taken = 0;
    // what comes back is there before what is taken in the same cycle
    for (const { time, units } of steps.toSorted((one, other) => one.time - other.time || one.units - other.units)) {
      taken += units;
      values.push({ time, value: limit === undefined ? taken : limit - taken });
    }
  }

  private functionTrack(fn: number): Track {
    return this.process.child(functionName(fn, this.card));
  }
}
