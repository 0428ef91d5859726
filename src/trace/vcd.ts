// SPDX-License-Identifier: Apache-2.0
// A trace as value change dump (IEEE 1364-2005, clause 18): link, tags and credits, then one scope for each function that
// occurs and one for each of its queues. Time is in picoseconds. A value that no record has told yet is x.
//
// Records lie in the order in which they were made, but speak of times ahead: a TLP waits for the link, credits come back
// later, a message arrives later. So all changes are collected first and sorted.
import * as TRACE from '../../assembly/abi/trace_kind.ts';
import { CREDIT_POOLS, functionName, picoseconds, type TracedCard, type TraceRecord } from './records.ts';

interface Signal {
  readonly name: string;
  readonly bits: number;
  readonly code: string;
  /** As written last; null is x. */
  value: number | null;
}

interface Scope {
  readonly name: string;
  readonly signals: Map<string, Signal>;
  readonly scopes: Map<string, Scope>;
}

const FIRST_CODE = 33; // '!' to '~'
const CODES = 94;
/** vf2 before vf10. */
const BY_NAME = new Intl.Collator('en', { numeric: true });

const QUEUE_SIGNALS: ReadonlyMap<number, readonly [name: string, bits: number]> = new Map([
  [TRACE.QUEUE_AVAIL_SEEN, ['avail_seen', 16]],
  [TRACE.QUEUE_AVAIL_IDX, ['avail_idx', 16]],
  [TRACE.QUEUE_USED_IDX, ['used_idx', 16]],
  [TRACE.QUEUE_JOBS, ['jobs', 8]],
  [TRACE.QUEUE_FETCH, ['fetch_state', 3]],
  [TRACE.QUEUE_NOTIFY, ['notify_state', 3]],
]);

function scope(name: string): Scope {
  return { name, signals: new Map(), scopes: new Map() };
}

/** Signals and their changes, in any order of time. */
class Changes {
  readonly top = scope('virtfn');
  readonly signals: Signal[] = [];
  readonly times: number[] = [];
  private readonly changed: Signal[] = [];
  private readonly values: number[] = [];
  private readonly isStep: boolean[] = [];

  /** The signal of a scope; `initial` is its value before the first change. */
  signal(path: readonly string[], name: string, bits: number, initial: number | null): Signal {
    let { top: at } = this;
    for (const part of path) {
      let next = at.scopes.get(part);
      if (next === undefined) at.scopes.set(part, (next = scope(part)));
      at = next;
    }
    let found = at.signals.get(name);
    if (found === undefined) {
      found = { name, bits, code: identifierCode(this.signals.length), value: initial };
      at.signals.set(name, found);
      this.signals.push(found);
    }
    return found;
  }

  set(signal: Signal, time: number, value: number): void {
    this.add(signal, time, value, false);
  }

  /** Adds to the value that the signal has by then. */
  step(signal: Signal, time: number, by: number): void {
    this.add(signal, time, by, true);
  }

  /** One more of what the signal counts, from one time to another. */
  during(signal: Signal, from: number, to: number): void {
    this.step(signal, from, 1);
    this.step(signal, Math.max(to, from), -1);
  }

  private add(signal: Signal, time: number, value: number, isStep: boolean): void {
    this.times.push(time);
    this.changed.push(signal);
    this.values.push(value);
    this.isStep.push(isStep);
  }

  /** Time by time what changed; each signal has its new value, equal ones are left out. */
  *steps(): Generator<{ time: number; signals: readonly Signal[] }, void, void> {
    const { times, changed, values, isStep } = this;
    const order = Uint32Array.from(times.keys()).sort((one, other) => times[one]! - times[other]! || one - other);
    for (let i = 0; i < order.length;) {
      const time = times[order[i]!]!;
      const before = new Map<Signal, number | null>();
      for (; i < order.length && times[order[i]!] === time; i++) {
        const at = order[i]!;
        const signal = changed[at]!;
        if (!before.has(signal)) before.set(signal, signal.value);
        signal.value = isStep[at] ? signal.value! + values[at]! : values[at]!;
      }
      const signals = [...before].filter(([signal, value]) => text(signal, value) !== text(signal, signal.value));
      if (signals.length > 0) yield { time, signals: signals.map(([signal]) => signal) };
    }
  }
}

/** A VCD file piece by piece. */
export function* vcdPieces(card: TracedCard, records: Iterable<TraceRecord>): Generator<string, void, void> {
  const changes = new Changes();
  let [first, last] = [Infinity, 0];
  for (const record of records) {
    take(changes, card, record);
    first = Math.min(first, record.time);
    last = Math.max(last, record.time);
  }
  const stamp = (time: number): string => `#${picoseconds(time, card.clockPs)}\n`;
  yield '$version virtfn $end\n$timescale 1 ps $end\n';
  yield* declarations(changes.top);
  yield '$enddefinitions $end\n';
  if (first === Infinity) return;

  for (const time of changes.times) first = Math.min(first, time);
  const shown = Math.max(0, first - 1); // a cycle before, so that the first changes can be seen
  yield `${stamp(shown)}$dumpvars\n${changes.signals.map((signal) => text(signal, signal.value)).join('')}$end\n`;
  let end = shown;
  for (const { time, signals } of changes.steps()) {
    yield `${time === shown ? '' : stamp(time)}${signals.map((signal) => text(signal, signal.value)).join('')}`;
    end = time;
  }
  if (last > end) yield stamp(last);
}

function* declarations({ name, signals, scopes }: Scope): Generator<string, void, void> {
  yield `$scope module ${name} $end\n`;
  for (const { name: signal, bits, code } of sorted(signals)) {
    yield `$var wire ${bits} ${code} ${signal}${bits > 1 ? ` [${bits - 1}:0]` : ''} $end\n`;
  }
  for (const inner of sorted(scopes)) yield* declarations(inner);
  yield '$upscope $end\n';
}

function sorted<T extends { readonly name: string }>(byName: ReadonlyMap<string, T>): T[] {
  return [...byName.values()].sort((one, other) => BY_NAME.compare(one.name, other.name));
}

/** A value as a line of the file. One bit that counts is 1 while there is anything. */
function text({ bits, code }: Signal, value: number | null): string {
  if (bits === 1) return `${value === null ? 'x' : value > 0 ? 1 : 0}${code}\n`;
  if (value === null) return `bx ${code}\n`;
  return `b${BigInt.asUintN(bits, BigInt(value)).toString(2)} ${code}\n`;
}

function identifierCode(index: number): string {
  const rest = Math.floor(index / CODES);
  return (rest > 0 ? identifierCode(rest - 1) : '') + String.fromCharCode(FIRST_CODE + (index % CODES));
}

function take(changes: Changes, card: TracedCard, record: TraceRecord): void {
  const { time, kind, fn, sub, a, b, c } = record;
  const scopeName = functionName(fn, card);
  const pulse = (path: readonly string[], name: string, at: number): void =>
    changes.during(changes.signal(path, name, 1, 0), at, at + 1);
  const set = (path: readonly string[], name: string, bits: number, value: number, at = time): void =>
    changes.set(changes.signal(path, name, bits, null), at, value);

  switch (kind) {
    case TRACE.TLP: {
      const way = (sub & TRACE.TLP_DOWN) === 0 ? 'up' : 'down';
      changes.during(changes.signal(['link'], `${way}_busy`, 1, 0), time, time + b);
      changes.during(changes.signal(['link'], `${way}_tlps`, 8, 0), time, time + b);
      set(['link'], `${way}_type`, 4, sub & TRACE.TLP_TYPE_MASK);
      break;
    }
    case TRACE.TAGS:
      set(['requester'], 'tags', 16, a);
      break;
    case TRACE.CREDITS: {
      const way = sub < TRACE.CREDIT_DOWN ? 'up' : 'down';
      const limit = card.creditLimit?.(sub);
      const pool = `${CREDIT_POOLS[sub % TRACE.CREDIT_DOWN]}_${limit === undefined ? 'taken' : 'available'}`;
      const signal = changes.signal([`credits_${way}`], pool, 16, limit ?? 0);
      const units = limit === undefined ? a : -a;
      if (b !== TRACE.CREDITS_BACK) changes.step(signal, time, units);
      if (b !== TRACE.CREDITS_TAKEN) changes.step(signal, c, -units);
      break;
    }
    case TRACE.STATUS:
      set([scopeName], 'device_status', 8, a);
      break;
    case TRACE.QUEUE: {
      const queueSignal = QUEUE_SIGNALS.get(a);
      if (queueSignal !== undefined) set([scopeName, `queue${sub}`], ...queueSignal, b);
      break;
    }
    case TRACE.DOORBELL:
      pulse([scopeName, `queue${sub}`], 'doorbell', time);
      break;
    case TRACE.MSIX:
      pulse([scopeName], 'msix', c);
      set([scopeName], 'msix_vector', 11, sub, c);
      break;
    case TRACE.REGISTER:
      pulse([scopeName], (sub & 1) === 1 ? 'register_write' : 'register_read', time);
      set([scopeName], 'register_space', 3, sub >>> 1);
      set([scopeName], 'register_offset', 24, a & 0xffffff);
      set([scopeName], 'register_value', 32, b);
      break;
  }
}
