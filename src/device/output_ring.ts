// SPDX-License-Identifier: Apache-2.0
// Records of the output ring, handed to whom they are for: interrupts, frames, records of administration commands.
import * as EV from '../../assembly/abi/event_code.ts';
import * as CTL from '../../assembly/abi/control.ts';
import { FUNCTIONS } from '../../assembly/abi/state_map.ts';
import * as FN from '../../assembly/abi/function.ts';
import {
  OUT_A,
  OUT_B,
  OUT_C,
  OUT_D,
  OUT_FUNCTION,
  OUT_KIND,
  OUT_TIME,
  WIRE_END,
  WIRE_ENTRY_BYTES,
} from '../../assembly/abi/record.ts';
import type { CoreInstance } from '../core/instance.ts';
import { checkWhole } from '../util/options.ts';
import { readAdminRecord, type AdminRecord } from './admin_record.ts';
import type { CompletionHandler, DmaRead, DmaWrite, FrameHandler, InterruptHandler, MsiMessage } from './outputs.ts';

const HIGH = 0x1_0000_0000;
/** Bits of OUT_KIND below those for a PASID. */
const KIND = (1 << EV.OUT_PASID_SHIFT) - 1;

/** What the handler of a DMA request gets, the same object every time. */
type Reused<T> = { -readonly [K in keyof T]: T[K] };

const REQUEST = { fn: 0, requesterId: 0, pasid: null, address: 0, length: 0, timeCycles: 0 };

/** The handlers of one card. */
export class OutputRing {
  /** By function and vector. */
  private readonly vectors: (InterruptHandler | null)[];
  intx: InterruptHandler | null = null;
  frames: FrameHandler | null = null;
  messages: ((message: MsiMessage) => void) | null = null;
  records: ((record: AdminRecord) => void) | null = null;
  completions: CompletionHandler | null = null;
  dmaReads: ((read: DmaRead) => void) | null = null;
  dmaWrites: ((write: DmaWrite) => void) | null = null;
  private readonly core: CoreInstance;
  /** Frames that a handler has, one within the other, and where the newest ends in the wire ring. */
  private framesOut = 0;
  private wireEnd = 0;
  private readonly read: Reused<DmaRead>;
  private readonly write: Reused<DmaWrite>;

  constructor(core: CoreInstance, functions: number) {
    this.core = core;
    this.read = { ...REQUEST, tag: 0 };
    this.write = { ...REQUEST, source: core.u8, at: 0 };
    this.vectors = Array.from({ length: functions * FN.MSIX_VECTORS_MAX }, () => null);
  }

  /** Handler of one vector, 0..31: a table may have so many, whatever this function was given. */
  onVector(fn: number, vector: number, handler: InterruptHandler | null): void {
    checkWhole('FUNCTION', 'function', fn, 0, this.vectors.length / FN.MSIX_VECTORS_MAX - 1);
    checkWhole('VECTOR', 'vector', vector, 0, FN.MSIX_VECTORS_MAX - 1);
    this.vectors[fn * FN.MSIX_VECTORS_MAX + vector] = handler;
  }

  /** Hands out the record at word `record` of the memory. */
  deliver(record: number): void {
    const { u32 } = this.core;
    const kind = u32[record + (OUT_KIND >> 2)]!;
    const fn = u32[record + (OUT_FUNCTION >> 2)]!;
    const a = u32[record + (OUT_A >> 2)]!;
    const b = u32[record + (OUT_B >> 2)]!;
    const time = u32[record + (OUT_TIME >> 2)]! + u32[record + (OUT_TIME >> 2) + 1]! * HIGH;
    if (kind === EV.OUT_MSI) {
      if (this.messages !== null) {
        const address = u32[record + (OUT_C >> 2)]! + u32[record + (OUT_D >> 2)]! * HIGH;
        this.messages({ fn, vector: a, address, data: b, timeCycles: time });
      }
      const handler = this.vectors[fn * FN.MSIX_VECTORS_MAX + a];
      if (handler) handler(a, time);
    } else if (kind === EV.OUT_FRAME) {
      this.deliverFrame(a, b, fn, time);
    } else if (kind === EV.OUT_INTX) {
      if (this.intx !== null) this.intx(a, time);
    } else if (kind === EV.OUT_ADMIN) {
      if (this.records !== null) this.records(readAdminRecord(this.core, a));
    } else if (kind === EV.OUT_COMPLETION) {
      if (this.completions !== null) this.completions(a, b, time);
    } else if ((kind & KIND) === EV.OUT_DMA_READ) {
      if (this.dmaReads === null) return;
      this.read.tag = a;
      this.dmaReads(this.request(this.read, record, time));
    } else if ((kind & KIND) === EV.OUT_DMA_WRITE) {
      if (this.dmaWrites === null) return;
      this.write.at = a;
      this.dmaWrites(this.request(this.write, record, time));
    }
  }

  /** Fills in what reads and writes have in common. */
  private request<T extends Reused<DmaRead> | Reused<DmaWrite>>(request: T, record: number, time: number): T {
    const { u32 } = this.core;
    const fn = u32[record + (OUT_FUNCTION >> 2)]!;
    const pasid = u32[record + (OUT_KIND >> 2)]! >>> EV.OUT_PASID_SHIFT;
    request.fn = fn;
    request.requesterId = u32[(FUNCTIONS + fn * FN.STRIDE + FN.ROUTING_ID) >> 2]!;
    request.pasid = pasid === 0 ? null : pasid - 1;
    request.address = u32[record + (OUT_C >> 2)]! + u32[record + (OUT_D >> 2)]! * HIGH;
    request.length = u32[record + (OUT_B >> 2)]!;
    request.timeCycles = time;
    return request;
  }

  /** The frame is free to be overwritten once the tail has moved past it: not while a handler further out still has one. */
  private deliverFrame(at: number, bytes: number, fn: number, time: number): void {
    const { u8, u32 } = this.core;
    this.wireEnd = u32[(at - WIRE_ENTRY_BYTES + WIRE_END) >> 2]!;
    this.framesOut++;
    try {
      if (this.frames !== null) this.frames(u8.subarray(at, at + bytes), fn, time);
    } finally {
      this.framesOut--;
      if (this.framesOut === 0) u32[CTL.WIRE_TAIL >> 2] = this.wireEnd;
    }
  }
}
