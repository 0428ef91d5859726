// SPDX-License-Identifier: Apache-2.0
// The life of an access, cut into phases that follow each other without gap or overlap: they add up to its total, exactly,
// in cycles. The cuts are the times of the core's record; what lies outside of the record is the driver's.
import type { AdminRecord } from '../device/admin_record.ts';

/** One phase of a report: its key, a word for narrow columns, and what it is. */
export interface PhaseInfo {
  readonly key: PhaseKey;
  readonly word: string;
  readonly label: string;
}

/** Every phase there is, in the order in which they are passed. */
export const PHASES = [
  { key: 'doorbell', word: 'doorbell', label: 'doorbell on the link' },
  { key: 'schedule', word: 'sched', label: 'doorbell decode and scheduler' },
  { key: 'index', word: 'index', label: 'read available index' },
  { key: 'ring', word: 'ring', label: 'read ring entry' },
  { key: 'fetch', word: 'index+ring', label: 'read available index and ring entry' },
  { key: 'queued', word: 'queued', label: 'wait to be taken from the ring' },
  { key: 'descriptors', word: 'descr', label: 'read descriptors' },
  { key: 'data', word: 'data', label: 'read command and data' },
  { key: 'order', word: 'order', label: 'wait for earlier commands' },
  { key: 'execute', word: 'exec', label: 'execute' },
  { key: 'writeback', word: 'wr-back', label: 'write-back' },
  { key: 'notify', word: 'notify', label: 'posted writes and MSI-X to the host' },
  { key: 'link', word: 'link', label: 'request and completion on the link' },
  { key: 'access', word: 'access', label: 'decode and register access' },
  { key: 'transmit', word: 'transmit', label: 'transmit queue at work until the frame is out' },
  { key: 'driver', word: 'driver', label: 'driver' },
] as const;

export type PhaseKey = (typeof PHASES)[number]['key'];

/** Cycles by phase; a phase that an access does not have is left out. */
export type Phases = Readonly<Partial<Record<PhaseKey, number>>>;

/** Cycles of all phases together. */
export function sumOf(phases: Phases): number {
  let sum = 0;
  for (const cycles of Object.values(phases)) sum += cycles;
  return sum;
}

/** Adds the cycles of `phases` to `totals`. */
export function addPhases(totals: Partial<Record<PhaseKey, number>>, phases: Phases): void {
  for (const { key } of PHASES) {
    const cycles = phases[key];
    if (cycles !== undefined) totals[key] = (totals[key] ?? 0) + cycles;
  }
}

/** One command that had the queue to itself, and the driver's times around it. */
export interface LoneCommand {
  readonly record: AdminRecord;
  /** The driver asked for it, and had the answer. */
  readonly begin: number;
  readonly end: number;
  /** Cycles from the arrival of a doorbell at an idle queue to the queue's visit. */
  readonly idleVisit: number;
}

/** Phases of a command that had the queue to itself. */
export function commandPhases(command: LoneCommand): Phases {
  const { record, begin, end } = command;
  const answered = record.notified === 0 ? record.writtenBack : record.notified;
  const driver = record.doorbellIssued - begin + (end - answered);
  return {
    ...untilExecuted(command),
    writeback: record.writtenBack - record.executed,
    notify: answered - record.writtenBack,
    ...(driver === 0 ? {} : { driver }),
  };
}

/** The part of commandPhases() from the doorbell to the end of execution. */
export function untilExecuted({ record, idleVisit }: LoneCommand): Phases {
  const { doorbellIssued, doorbellArrived, visited, indexRead, started } = record;
  // A record may tell of a later look at the ring, that which found no further command; then the two reads that found
  // this one are one phase.
  const isOwnFetch = visited >= doorbellArrived && indexRead >= visited && indexRead <= started;
  const begun = isOwnFetch ? visited : doorbellArrived + idleVisit;
  return {
    doorbell: doorbellArrived - doorbellIssued,
    schedule: begun - doorbellArrived,
    ...(isOwnFetch ? { index: indexRead - begun, ring: started - indexRead } : { fetch: started - begun }),
    ...fromStart(record),
  };
}

/** Phases of a command among others: which doorbell and which look at the ring found it, nobody can say. */
export function queuedPhases(record: AdminRecord, begin: number, end: number): Phases {
  return {
    queued: record.started - begin,
    ...fromStart(record),
    writeback: record.writtenBack - record.executed,
    notify: end - record.writtenBack,
  };
}

function fromStart(record: AdminRecord): Phases {
  return {
    descriptors: record.descriptorsKnown - record.started,
    data: record.dataKnown - record.descriptorsKnown,
    order: record.executing - record.dataKnown,
    execute: record.executed - record.executing,
  };
}
