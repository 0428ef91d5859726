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
}

/** Phases of a command that had the queue to itself. */
export function commandPhases(command: LoneCommand): Phases {
  const { record, begin, end } = command;
  const answered = record.notified === 0 ? record.writtenBack : record.notified;
  const driver = record.doorbellIssued - begin + (end - answered);
  return {
    ...phasesToEffect(command),
    notify: answered - record.writtenBack,
    ...(driver === 0 ? {} : { driver }),
  };
}

/** The part of commandPhases() from the doorbell until the command has its effect: when its answer is put together. */
export function phasesToEffect({ record }: LoneCommand): Phases {
  return {
    doorbell: record.doorbellArrived - record.doorbellIssued,
    schedule: record.visited - record.doorbellArrived,
    index: record.indexRead - record.visited,
    ring: record.started - record.indexRead,
    ...fromStart(record),
  };
}

/** Phases of a command among others, whose doorbell may have been rung for an earlier one. */
export function queuedPhases(record: AdminRecord, begin: number, end: number): Phases {
  return {
    queued: record.started - begin,
    ...fromStart(record),
    notify: end - record.writtenBack,
  };
}

function fromStart(record: AdminRecord): Phases {
  return {
    descriptors: record.descriptorsKnown - record.started,
    data: record.dataKnown - record.descriptorsKnown,
    order: record.executing - record.dataKnown,
    execute: record.executed - record.executing,
    writeback: record.writtenBack - record.executed,
  };
}
