// SPDX-License-Identifier: Apache-2.0
// What comes out of the card: interrupts, frames, records; and what is put into it to see how a driver takes it.
import { FRAME_BYTES_MAX, OUT_RECORDS, OUT_RING, WIRE_INPUT } from '../../../assembly/abi/state_map.ts';
import * as CTL from '../../../assembly/abi/control.ts';
import { OUT_RECORD_BYTES } from '../../../assembly/abi/record.ts';
import { NicError } from '../../util/errors.ts';
import { checkHandler, checkOptions, FLAG, needed } from '../../util/options.ts';
import type { AdminRecord } from '../admin_record.ts';
import { OutputRing } from '../output_ring.ts';
import type { CompletionHandler, DmaRead, DmaWrite, FrameHandler, InterruptHandler, MsiMessage } from '../outputs.ts';
import { injectAdmin, putReadFault, type AdminInjection, type ReadFault } from '../injection.ts';
import { Card } from './card.ts';

/** Handlers, and what is handed to them before the call that caused it returns. */
export abstract class OutputPort extends Card {
  private readonly outputs = new OutputRing(this.core, this.functions());
  private isDraining = false;

  /** Handler of one MSI-X vector, 0..31 whatever the function was given, which may change; null takes it away. */
  onVector(fn: number, vector: number, handler: InterruptHandler | null): void {
    checkHandler('onVector', handler);
    this.outputs.onVector(fn, vector, handler);
  }

  /** Handler of the PF's INTx line; gets the new level. */
  onIntx(handler: InterruptHandler | null): void {
    checkHandler('onIntx', handler);
    this.outputs.intx = handler;
  }

  /** Handler of every MSI-X message, beside those of the vectors. */
  onMessage(handler: ((message: MsiMessage) => void) | null): void {
    checkHandler('onMessage', handler);
    this.outputs.messages = handler;
  }

  /** Handler of frames that leave on the wire. The bytes are valid during the call. */
  onFrame(handler: FrameHandler | null): void {
    checkHandler('onFrame', handler);
    this.outputs.frames = handler;
  }

  /** Handler of completions: of requestRead() and its like, each by its tag, with the value that was read. */
  onCompletion(handler: CompletionHandler | null): void {
    checkHandler('onCompletion', handler);
    this.outputs.completions = handler;
  }

  /** Handler of the card's reads with `memory: 'outside'`, to be set before drivers start: who is not answered waits. */
  onDmaRead(handler: ((read: DmaRead) => void) | null): void {
    checkHandler('onDmaRead', handler);
    this.outputs.dmaReads = handler;
  }

  /** Handler of the card's writes with `memory: 'outside'`, in the order in which they are to be in effect. */
  onDmaWrite(handler: ((write: DmaWrite) => void) | null): void {
    checkHandler('onDmaWrite', handler);
    this.outputs.dmaWrites = handler;
  }

  /** Handler of admin command records; needs `traceAdmin`. */
  onAdminCommand(handler: ((record: AdminRecord) => void) | null): void {
    checkHandler('onAdminCommand', handler);
    this.outputs.records = handler;
  }

  /** Offers a frame to the wire port; false while the one before is still arriving. */
  receiveFrame(frame: Uint8Array): boolean {
    if (!(frame.length >= 14 && frame.length <= FRAME_BYTES_MAX)) {
      throw new NicError('FRAME', `a frame of ${frame.length} bytes cannot arrive; 14..${FRAME_BYTES_MAX} can`);
    }
    if (this.u32[CTL.WIRE_IN_BYTES >> 2] !== 0) return false;
    this.core.u8.set(frame, WIRE_INPUT);
    const isTaken = this.pins.receiveFrame(frame.length);
    this.drain();
    return Boolean(isTaken);
  }

  /** Takes the wire's link up or down; every function's status follows, with a configuration change notification. */
  setLink(isUp: boolean): void {
    checkOptions('link', { isUp }, { isUp: needed(FLAG) });
    this.pins.setWireLink(isUp);
    this.drain();
  }

  /**
   * Answers the next `count` admin commands (those with `opcode`, or any) with a status of the caller's choice, without
   * executing them: how does a driver take EAGAIN, ENOMEM, a status from the future? Commands that are refused by the
   * rules of the specification are not counted.
   */
  injectAdminStatus(answer: AdminInjection): void {
    injectAdmin(this.core, answer);
  }

  /** Spoils the next `count` completions of the card's reads: what does the card, and its driver, make of that? */
  injectReadFault(fault: ReadFault, count = 1): void {
    putReadFault(this.core, fault, count);
  }

  protected hasOutput(): boolean {
    return this.u32[CTL.OUT_HEAD >> 2] !== this.u32[CTL.OUT_TAIL >> 2];
  }

  /** Hands out what came; to a handler only where it lets time pass (`isWaiting`): else the loop around it goes on. */
  protected drain(isWaiting = false): void {
    const { u32, isDraining } = this;
    if ((isDraining && !isWaiting) || this.foreign.isBusy) return;
    this.isDraining = true;
    try {
      do {
        while (u32[CTL.OUT_HEAD >> 2] !== u32[CTL.OUT_TAIL >> 2]) {
          const tail = u32[CTL.OUT_TAIL >> 2]!;
          u32[CTL.OUT_TAIL >> 2] = tail + 1; // before its handler runs, which may wait for the next one, or throw
          this.outputs.deliver((OUT_RING + (tail & (OUT_RECORDS - 1)) * OUT_RECORD_BYTES) >> 2);
        }
      } while (this.isFunctional && this.hasWorkNow());
    } finally {
      this.isDraining = isDraining;
    }
  }

  /** Functional mode: what waited for room in the output ring is done before the caller goes on. */
  private hasWorkNow(): boolean {
    const now = this.pins.now();
    if (this.pins.nextEvent() > now) return false;
    this.pins.advance(now, false);
    return true;
  }
}
