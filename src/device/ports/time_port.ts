// SPDX-License-Identifier: Apache-2.0
// The clock of the card, and the trace, whose ring is emptied as time passes.
import * as EV from '../../../assembly/abi/event_code.ts';
import { NicError } from '../../util/errors.ts';
import type { AdvanceReason } from '../outputs.ts';
import { TraceRing } from '../trace_ring.ts';
import { RegisterPort } from './register_port.ts';

/** Latest time that advance() takes: cycles are exact as a number up to here. */
const LAST_CYCLE = Number.MAX_SAFE_INTEGER;

/** Time passes in these calls, and while a read waits for its completion. */
export abstract class TimePort extends RegisterPort {
  private readonly trace = new TraceRing(this.core);

  /** Core cycles since creation. */
  now(): number {
    return this.pins.now();
  }

  /** Core cycles as picoseconds. */
  toPs(cycles: number): number {
    return cycles * this.profile.clockPs;
  }

  /** Cycle of the next event inside the card; Infinity if nothing is left to do. */
  nextEventTime(): number {
    return this.pins.nextEvent();
  }

  /** Runs up to cycle `until`. With `stopOnOutput` it returns behind the first output. */
  advance(until: number, stopOnOutput = false): { now: number; why: AdvanceReason } {
    if (!(until >= 0 && until <= LAST_CYCLE)) {
      throw new NicError('TIME', `advance to ${until}: cycles from 0 to 2^53 - 1; runToIdle() has no limit`);
    }
    while (true) {
      const why = this.pins.advance(Math.max(until, this.pins.now()), stopOnOutput);
      if (this.trace.makeRoom() && !this.hasOutput()) continue;
      this.drain(true);
      if (why === EV.RUN_EVENT && !stopOnOutput) continue; // the output ring was full
      return { now: this.pins.now(), why: why === EV.RUN_EVENT ? 'event' : why === EV.RUN_IDLE ? 'idle' : 'reached' };
    }
  }

  /** Runs to the next output; false if the card went idle without any. Time stands at the last event. */
  runToOutput(): boolean {
    let why: number;
    do {
      why = this.pins.runToIdle(true);
    } while (this.trace.makeRoom() && !this.hasOutput());
    this.drain(true);
    return why === EV.RUN_EVENT;
  }

  /** Runs until nothing is left to do. Time stands at the last thing that happened. */
  runToIdle(): void {
    let why: number;
    do {
      why = this.pins.runToIdle(false);
      this.trace.makeRoom();
      this.drain(true);
    } while (why === EV.RUN_EVENT || this.pins.nextEvent() !== Infinity);
  }

  /** Records from now on what `mask` asks for (TRACE_MASK_*). Throws NicError TRACE on a card without `traceBytes`. */
  startTrace(mask: number): void {
    this.trace.start(mask);
  }

  /** Records nothing from now on; what was recorded stays to be taken. */
  stopTrace(): void {
    this.trace.stop();
  }

  /** The records since the last call, oldest first; empty if there are none. */
  takeTrace(): Uint8Array {
    return this.trace.take();
  }

  /** Records for which the ring had no room, since creation. */
  lostTraceRecords(): number {
    return this.trace.lost();
  }
}
