// SPDX-License-Identifier: Apache-2.0
// What is recorded of a card while a kernel is on it: its administration commands, one by one and summed up, and every signal
// for the files of viewers.
import type { AdminRecord } from '../../device/admin_record.ts';
import { adminQueueIndex } from '../../device/driver_state.ts';
import type { Nic } from '../../device/nic.ts';
import { traceRecords } from '../../trace/index.ts';
import { tracedCard } from '../../trace/traced_card.ts';
import { NicError } from '../../util/errors.ts';
import type { CommandFiles } from '../kit/command_files.ts';
import { TRACE_FORMATS, writeTrace, type TraceFile } from '../kit/trace_files.ts';
import { AdminTally, type AdminRow } from '../serve/report.ts';

/** Bytes of records that a card holds before they are taken. */
export const TRACE_BYTES = 2 ** 24;

/** An administration command as files have it. */
export interface AdminLine extends Pick<AdminRecord, 'opcode' | 'groupType' | 'memberId' | 'status' | 'qualifier'> {
  readonly name: string;
  /** Its bytes in hexadecimal, as many as the card records. */
  readonly command: string;
  /** Time of the card at the doorbell, and from there to the notification, or to the write-back where none was sent. */
  readonly doorbellNs: number;
  readonly latencyNs: number;
}

export class RunRecords {
  readonly commands: AdminLine[] = [];
  private readonly nic: Nic;
  private readonly tally: AdminTally;
  private readonly hasTrace: boolean;
  private readonly chunks: Uint8Array[] = [];

  /** `hasTrace`: the card was made with TRACE_BYTES, and every signal is recorded. */
  constructor(nic: Nic, hasTrace: boolean) {
    this.nic = nic;
    this.hasTrace = hasTrace;
    this.tally = new AdminTally(nic, (record, name) => this.commands.push(adminLine(nic, record, name)));
    if (hasTrace) nic.startTrace(TRACE_FORMATS.reduce((bits, { mask }) => bits | mask, 0));
  }

  /** Takes what the card holds by now. */
  take(): void {
    const chunk = this.hasTrace ? this.nic.takeTrace() : new Uint8Array();
    if (chunk.length > 0) this.chunks.push(chunk);
  }

  adminRows(): AdminRow[] {
    return this.tally.rows();
  }

  /** Writes the file of each format whose option is given. Throws NicError TRACE where the ring was too small. */
  writeTraces(files: CommandFiles): TraceFile[] {
    if (!this.hasTrace) return [];
    this.nic.stopTrace();
    this.take();
    const lost = this.nic.lostTraceRecords();
    if (lost > 0) throw new NicError('TRACE', `${lost} records found no room in the trace ring`);
    const card = tracedCard(this.nic, adminQueueIndex(this.nic.core));
    return TRACE_FORMATS.flatMap((format) => writeTrace(files, format, card, traceRecords(this.chunks)) ?? []);
  }
}

function adminLine(nic: Nic, record: AdminRecord, name: string): AdminLine {
  const { opcode, groupType, memberId, status, qualifier, doorbellIssued, notified, writtenBack } = record;
  const ns = (cycles: number): number => nic.toPs(cycles) / 1000;
  return {
    opcode,
    name,
    groupType,
    memberId,
    status,
    qualifier,
    command: Buffer.from(record.command).toString('hex'),
    doorbellNs: ns(doorbellIssued),
    latencyNs: ns(Math.max(notified, writtenBack) - doorbellIssued),
  };
}
