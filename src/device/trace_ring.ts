// SPDX-License-Identifier: Apache-2.0
// The host's end of the trace ring (assembly/sim/trace.ts fills it, assembly/abi/trace_kind.ts has the layout). The core
// stops where half of it is full; what it holds is copied out then and kept until somebody takes it.
import * as CTL from '../../assembly/abi/control.ts';
import * as TRACE from '../../assembly/abi/trace_kind.ts';
import type { CoreInstance } from '../core/instance.ts';
import { NicError } from '../util/errors.ts';
import { checkWhole } from '../util/options.ts';

const ALL_RECORDS = TRACE.MASK_TLP | TRACE.MASK_STATE | TRACE.MASK_FRAMES | TRACE.MASK_DATA;

/** Records of one card. */
export class TraceRing {
  private readonly core: CoreInstance;
  private chunks: Uint8Array[] = [];

  constructor(core: CoreInstance) {
    this.core = core;
  }

  start(mask: number): void {
    if (this.word(CTL.TRACE_RING_BYTES) === 0) {
      throw new NicError('TRACE', 'the card has no trace ring; create it with traceBytes, 16 MiB for instance');
    }
    checkWhole('TRACE', 'mask', mask, 0, ALL_RECORDS);
    this.core.u32[CTL.TRACE_RING_MASK >> 2] = mask;
  }

  stop(): void {
    this.core.u32[CTL.TRACE_RING_MASK >> 2] = 0;
  }

  take(): Uint8Array {
    this.collect();
    const { chunks } = this;
    this.chunks = [];
    const [first] = chunks;
    if (chunks.length === 1) return first!;
    const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  lost(): number {
    return this.word(CTL.TRACE_RING_LOST);
  }

  /** Takes the records out of a ring that is half full, for which the core stops; true if it was. */
  makeRoom(): boolean {
    if (this.word(CTL.TRACE_RING_USED) <= this.word(CTL.TRACE_RING_BYTES) >>> 1) return false;
    this.collect();
    return true;
  }

  private collect(): void {
    const used = this.word(CTL.TRACE_RING_USED);
    if (used === 0) return;
    const base = this.word(CTL.TRACE_RING_BASE);
    this.chunks.push(this.core.u8.slice(base, base + used));
    this.core.u32[CTL.TRACE_RING_USED >> 2] = 0;
  }

  private word(address: number): number {
    return this.core.u32[address >> 2]!;
  }
}
