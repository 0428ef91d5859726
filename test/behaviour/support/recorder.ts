// SPDX-License-Identifier: Apache-2.0
// All that a card lets the outside see, in order and with its time: what registers answer, interrupts, frames, records of
// administration commands, TLPs with their data, guest memory, counters. Nothing of how it keeps its state goes in, so the
// hash stays where the layout changes.
import { createHash } from 'node:crypto';

import * as TRACE from '../../../assembly/abi/trace_kind.ts';
import type { Nic } from '../../../src/device/nic.ts';
import { traceRecords } from '../../../src/trace/records.ts';

/** What is recorded of a traced card: what goes over the link and the wire. */
const LINK_AND_WIRE = TRACE.MASK_TLP | TRACE.MASK_DATA | TRACE.MASK_FRAMES;
/** Bytes of the ring of a traced card. */
export const TRACE_RING_BYTES = 1 << 20;

/** Collects lines; the digest is a hash over them. */
export class Recorder {
  /** Where the lines are wanted, and not their hash alone. */
  readonly lines: string[] = [];
  private readonly hash = createHash('sha256');

  note(line: string): void {
    this.hash.update(`${line}\n`);
    if (process.env['VIRTFN_BEHAVIOUR_LOG'] !== undefined) this.lines.push(line);
  }

  bytes(what: string, bytes: Uint8Array): void {
    this.note(`${what} ${createHash('sha256').update(bytes).digest('hex')}`);
  }

  /** Watches a card from now on: reads by anybody, messages, frames, records. */
  watch(nic: Nic): void {
    const { read, configRead } = nic;
    nic.read = (fn, bar, offset, size) => {
      const value = read.call(nic, fn, bar, offset, size);
      this.note(`${nic.now()} read ${fn} ${bar} ${offset} ${size} ${value}`);
      return value;
    };
    nic.configRead = (fn, offset, size) => {
      const value = configRead.call(nic, fn, offset, size);
      this.note(`${nic.now()} config ${fn} ${offset} ${size} ${value}`);
      return value;
    };
    nic.onMessage(({ fn, vector, address, data, timeCycles }) =>
      this.note(`${timeCycles} msi ${fn} ${vector} ${address} ${data}`),
    );
    nic.onIntx((level, time) => this.note(`${time} intx ${level}`));
    nic.onFrame((frame, fn, time) => this.note(`${time} frame ${fn} ${Buffer.from(frame).toString('hex')}`));
    nic.onAdminCommand((record) => this.note(`admin ${JSON.stringify(record)}`));
    if (nic.config.traceBytes > 0) nic.startTrace(LINK_AND_WIRE);
  }

  /** What the trace ring holds; to be asked before it is full. */
  takeTrace(nic: Nic): void {
    if (nic.config.traceBytes === 0) return;
    for (const { time, kind, fn, sub, a, b, cLow, cHigh, d, e, payload } of traceRecords([nic.takeTrace()])) {
      this.note([time, kind, fn, sub, a, b, cLow, cHigh, d, e, Buffer.from(payload).toString('hex')].join(' '));
    }
  }

  /** What is to be seen of a card at the end. */
  end(nic: Nic): void {
    this.takeTrace(nic);
    this.note(`lost ${nic.lostTraceRecords()}`);
    this.note(`now ${nic.now()}`);
    this.note(JSON.stringify(nic.linkTraffic()));
    this.note(JSON.stringify(nic.counters()));
    for (let fn = 0; fn < nic.functions(); fn++) {
      if (nic.isPresent(fn)) this.note(`${fn} ${JSON.stringify(nic.functionCounters(fn))}`);
    }
  }

  digest(): string {
    return this.hash.digest('hex').slice(0, 16);
  }
}
