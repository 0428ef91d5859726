// SPDX-License-Identifier: Apache-2.0
// The data path of a network driver: one transmit and one receive queue over a ring, the same for the modern and the
// legacy driver. Buffers are made once and fixed to their ids, so nothing is allocated, looked up or addressed
// per frame. Headers stay zero on transmit: no offload is used (virtio 1.4 §5.1.6).
import { VIRTIO_NET_HDR_NUM_BUFFERS } from '../../assembly/abi/virtio_net.ts';
import { NicError } from '../util/errors.ts';
import { DeviceFaultError } from './device_fault.ts';
import type { Doorbell, DriverRing } from './driver_ring.ts';
import { alignUp, type DmaMemory } from './platform.ts';

/** Where buffers begin: on a line of the cache. */
export const BUFFER_ALIGN = 64;
/** Packets that Linux takes in one go; when half of them have come, the receive ring is filled up again. */
const POLL_BUDGET = 64;
/** Rounds of one interrupt, each with at least half a ring of packets, after which a device floods its driver. */
const MOST_ROUNDS = 256;
/** Longest packet that mergeable buffers carry without offloads that are not negotiated here. */
const MAX_MERGED_BYTES = 0x10000;

/**
 * Takes one received frame: `length` bytes of `bytes` from `offset`, without the virtio-net header, valid during the call.
 */
export type ReceiveHandler = (bytes: Uint8Array, offset: number, length: number) => void;

/** How the virtio-net header lies before a frame. */
export interface NetQueueLayout {
  /** 12, or 10 for a legacy device without mergeable buffers. */
  readonly headerBytes: number;
  /** The header needs a descriptor of its own: legacy framing without VIRTIO_F_ANY_LAYOUT. */
  readonly hasSeparateHeader: boolean;
}

/** Buffers for a header and a frame, one for each chain that a ring can have in flight, fixed to its ids. */
class FrameBuffers {
  /** Descriptors per chain: 2 where the header has its own. */
  readonly descriptors: 1 | 2;
  /** Where the frame begins in its buffer; a header of its own leaves a gap. */
  readonly frameOffset: number;
  private readonly ring: DriverRing;
  private readonly headerBytes: number;
  private readonly frameBytes: number;
  private readonly indexShift: number;
  private readonly stride: number;
  private readonly at: number;
  private readonly iova: number;

  constructor(ring: DriverRing, memory: DmaMemory, layout: NetQueueLayout, frameBytes: number) {
    const { headerBytes, hasSeparateHeader } = layout;
    this.ring = ring;
    this.headerBytes = headerBytes;
    this.frameBytes = frameBytes;
    this.descriptors = hasSeparateHeader ? 2 : 1;
    this.indexShift = hasSeparateHeader ? 1 : 0;
    this.frameOffset = hasSeparateHeader ? alignUp(headerBytes, 16) : headerBytes;
    this.stride = alignUp(this.frameOffset + frameBytes, BUFFER_ALIGN);
    this.at = memory.alloc(this.stride * (ring.size >>> this.indexShift), BUFFER_ALIGN);
    this.iova = memory.iova(this.at);
  }

  /** Tells a ring that was just cleared. */
  fix(writable: boolean): void {
    const { ring, headerBytes, frameBytes } = this;
    for (let id = 0; id + this.descriptors <= ring.size; id += this.descriptors) {
      const iova = this.iova + (id >>> this.indexShift) * this.stride;
      if (this.descriptors === 1) ring.fix(id, iova, headerBytes + frameBytes, writable);
      else ring.fixPair(id, iova, headerBytes, iova + this.frameOffset, frameBytes, writable);
    }
  }

  /** Offset in memory of the buffer of an id. */
  place(id: number): number {
    return this.at + (id >>> this.indexShift) * this.stride;
  }

  /** Makes the next buffer available with a frame, or room for one, of this length; -1 where none is free. */
  add(frameBytes: number): number {
    return this.descriptors === 1
      ? this.ring.addFixed(this.headerBytes + frameBytes)
      : this.ring.addFixedPair(frameBytes);
  }
}

/** What a transmit queue is made of. */
export interface TxQueueOptions extends NetQueueLayout {
  readonly maxFrameBytes: number;
  /** Interrupts for every used buffer; otherwise only while the ring is full, and used buffers are reclaimed on send. */
  readonly wantsInterrupts?: boolean;
}

/** A transmit queue with a buffer per descriptor. */
export class TxQueue {
  readonly ring: DriverRing;
  readonly maxFrameBytes: number;
  /** Frames and bytes handed to the device; refused for want of room; completed by the device. */
  frames = 0;
  bytes = 0;
  refused = 0;
  completed = 0;
  /** Called when a full ring has room again. */
  onSpace: (() => void) | null = null;

  private readonly u8: Uint8Array;
  private readonly doorbell: Doorbell;
  private readonly buffers: FrameBuffers;
  private readonly layout: NetQueueLayout;
  private readonly wantsInterrupts: boolean;
  private isFull = false;

  constructor(ring: DriverRing, memory: DmaMemory, doorbell: Doorbell, options: TxQueueOptions) {
    this.ring = ring;
    this.u8 = memory.u8;
    this.doorbell = doorbell;
    this.layout = options;
    this.maxFrameBytes = options.maxFrameBytes;
    this.wantsInterrupts = options.wantsInterrupts ?? false;
    this.buffers = new FrameBuffers(ring, memory, options, options.maxFrameBytes);
    this.start();
  }

  /** The queue for a ring: `old`, with its buffers and counters, where it fits, otherwise a new one. */
  static over(
    old: TxQueue | undefined,
    ring: DriverRing,
    memory: DmaMemory,
    doorbell: Doorbell,
    options: TxQueueOptions,
  ): TxQueue {
    const isSame =
      old?.ring === ring && isSameLayout(old.layout, options) && old.maxFrameBytes === options.maxFrameBytes;
    if (!isSame) return new TxQueue(ring, memory, doorbell, options);
    old.start();
    return old;
  }

  private start(): void {
    this.isFull = false;
    this.buffers.fix(false);
    if (!this.wantsInterrupts) this.ring.disableInterrupts();
  }

  /** Where the next frame is to be written in the memory's u8; -1 while the ring is full. */
  reserve(): number {
    if (!this.hasSpace()) {
      this.reclaim();
      if (!this.hasSpace() && !this.waitForSpace()) return -1;
    }
    return this.buffers.place(this.ring.nextId) + this.buffers.frameOffset;
  }

  /** Adds the frame of `length` bytes that was written where reserve() said; flush() shows it to the device. */
  commit(length: number): void {
    if (length < 1 || length > this.maxFrameBytes) this.refuseLength(length);
    if (this.buffers.add(length) < 0)
      throw new NicError('RING_FULL', `commit() without reserve() on queue ${this.ring.queue}`);
    this.frames++;
    this.bytes += length;
  }

  /** Makes everything committed available, and notifies the device where it wants that. */
  flush(): void {
    if (this.ring.publish()) this.doorbell.notify(this.ring.queue);
  }

  /** Copies a frame and sends it; false while the ring is full. */
  send(frame: Uint8Array): boolean {
    if (!this.enqueue(frame)) return false;
    this.flush();
    return true;
  }

  /** As send(), without flush(): for frames that more frames follow. */
  enqueue(frame: Uint8Array): boolean {
    if (frame.length > this.maxFrameBytes) this.refuseLength(frame.length);
    const at = this.reserve();
    if (at < 0) return false;
    this.u8.set(frame, at);
    this.commit(frame.length);
    return true;
  }

  /** Takes back what the device has sent. */
  reclaim(): void {
    while (this.ring.takeUsed() >= 0) this.completed++;
  }

  /** Handler of the queue's interrupt. */
  readonly onUsed = (): void => {
    do {
      this.ring.disableInterrupts();
      this.reclaim();
    } while ((this.wantsInterrupts || !this.hasSpace()) && this.ring.enableInterrupts());
    if (this.isFull && this.hasSpace()) {
      this.isFull = false;
      if (this.onSpace !== null) this.onSpace();
    }
  };

  private hasSpace(): boolean {
    return this.ring.freeCount >= this.buffers.descriptors;
  }

  private waitForSpace(): boolean {
    if (this.ring.enableInterrupts()) this.reclaim();
    if (this.hasSpace()) {
      if (!this.wantsInterrupts) this.ring.disableInterrupts();
      return true;
    }
    this.isFull = true;
    this.refused++;
    return false;
  }

  private refuseLength(length: number): never {
    const { queue } = this.ring;
    throw new NicError('FRAME_LENGTH', `frame of ${length} bytes, queue ${queue} takes 1 to ${this.maxFrameBytes}`);
  }
}

/** What a receive queue is made of. */
export interface RxQueueOptions extends NetQueueLayout {
  /** VIRTIO_NET_F_MRG_RXBUF: a packet may span buffers. */
  readonly isMergeable: boolean;
  /** Bytes of each buffer, header included. */
  readonly bufferBytes: number;
}

/** A receive queue that keeps its ring full of buffers. */
export class RxQueue {
  readonly ring: DriverRing;
  /** Frames and bytes received, frames over several buffers, and packets dropped because their lengths cannot be. */
  frames = 0;
  bytes = 0;
  merged = 0;
  lengthErrors = 0;
  onReceive: ReceiveHandler | null = null;

  private readonly u8: Uint8Array;
  private readonly u16: Uint16Array;
  private readonly doorbell: Doorbell;
  private readonly buffers: FrameBuffers;
  private readonly layout: RxQueueOptions;
  private readonly headerBytes: number;
  private readonly isMergeable: boolean;
  private readonly frameBytes: number;
  private readonly refillAbove: number;
  private assembly: Uint8Array | null = null;
  private isWorking = false;

  constructor(ring: DriverRing, memory: DmaMemory, doorbell: Doorbell, options: RxQueueOptions) {
    this.ring = ring;
    this.u8 = memory.u8;
    this.u16 = memory.u16;
    this.doorbell = doorbell;
    this.layout = options;
    this.headerBytes = options.headerBytes;
    this.isMergeable = options.isMergeable;
    this.frameBytes = options.bufferBytes - options.headerBytes;
    this.refillAbove = Math.min(POLL_BUDGET, ring.size) / 2;
    // A packet that may span buffers follows its header directly, whatever the framing.
    const hasSeparateHeader = options.hasSeparateHeader && !options.isMergeable;
    this.buffers = new FrameBuffers(ring, memory, { ...options, hasSeparateHeader }, this.frameBytes);
    this.start();
  }

  /** The queue for a ring: `old`, with its buffers and counters, where it fits, otherwise a new one. */
  static over(
    old: RxQueue | undefined,
    ring: DriverRing,
    memory: DmaMemory,
    doorbell: Doorbell,
    options: RxQueueOptions,
  ): RxQueue {
    const isSame =
      old?.ring === ring &&
      isSameLayout(old.layout, options) &&
      old.layout.isMergeable === options.isMergeable &&
      old.layout.bufferBytes === options.bufferBytes;
    if (!isSame) return new RxQueue(ring, memory, doorbell, options);
    old.start();
    return old;
  }

  private start(): void {
    this.buffers.fix(true);
  }

  /** Posts every free buffer. */
  fill(): void {
    while (this.buffers.add(this.frameBytes) >= 0);
    if (this.ring.publish()) this.doorbell.notify(this.ring.queue);
  }

  /** Handler of the queue's interrupt: delivers everything that came. Throws DeviceFaultError where that has no end. */
  readonly onUsed = (): void => this.work(true);

  /** Delivers the packets that the device returned; fills the ring when enough descriptors are free. Returns their number. */
  poll(): number {
    const before = this.frames;
    this.work(false);
    return this.frames - before;
  }

  /** An interrupt that comes while this works, say from the notification of new buffers, finds nothing left to do. */
  private work(isInterrupt: boolean): void {
    if (this.isWorking) return;
    const { ring } = this;
    this.isWorking = true;
    try {
      let rounds = 0;
      do {
        if (rounds++ === MOST_ROUNDS) this.refuseFlood();
        if (isInterrupt) ring.disableInterrupts();
        for (let id = ring.takeUsed(); id >= 0; id = ring.takeUsed()) this.receive(id);
        if (ring.freeCount > this.refillAbove) this.fill();
      } while (isInterrupt ? ring.enableInterrupts() : ring.hasUsed());
    } finally {
      this.isWorking = false;
    }
  }

  private refuseFlood(): never {
    const { queue } = this.ring;
    throw new DeviceFaultError('DEVICE_FLOOD', `queue ${queue}: packets still come after ${MOST_ROUNDS} rounds`);
  }

  private receive(id: number): void {
    const at = this.buffers.place(id);
    const length = this.ring.usedLength - this.headerBytes;
    const buffers = this.isMergeable ? this.u16[(at + VIRTIO_NET_HDR_NUM_BUFFERS) >>> 1]! : 1;
    if (buffers > 1) {
      this.receiveMerged(at, length, buffers);
      return;
    }
    if (length < 1 || buffers === 0) this.lengthErrors++;
    else this.deliver(this.u8, at + this.buffers.frameOffset, length);
  }

  /** Puts a packet together from `buffers` used buffers, of which the first has been taken. */
  private receiveMerged(at: number, firstLength: number, buffers: number): void {
    const packet = (this.assembly ??= new Uint8Array(MAX_MERGED_BYTES));
    let isBad = firstLength < 1;
    let length = 0;
    let from = at + this.buffers.frameOffset;
    let part = firstLength;
    let taken = 1;
    for (;;) {
      if (!isBad && length + part <= packet.length) packet.set(this.u8.subarray(from, from + part), length);
      else isBad = true;
      length += part;
      if (taken === buffers) break;
      const id = this.ring.takeUsed();
      if (id < 0) {
        isBad = true;
        break;
      }
      taken++;
      from = this.buffers.place(id);
      part = this.ring.usedLength;
    }
    if (isBad) {
      this.lengthErrors++;
    } else {
      this.merged++;
      this.deliver(packet, 0, length);
    }
  }

  private deliver(bytes: Uint8Array, offset: number, length: number): void {
    this.frames++;
    this.bytes += length;
    if (this.onReceive !== null) this.onReceive(bytes, offset, length);
  }
}

/** What a driver's queues have done so far. */
export interface NetStatistics {
  txFrames: number;
  txBytes: number;
  /** Frames that a full ring refused. */
  txRefused: number;
  rxFrames: number;
  rxBytes: number;
  /** Packets dropped because their lengths cannot be. */
  rxLengthErrors: number;
}

export function sumStatistics(rx: readonly RxQueue[], tx: readonly TxQueue[]): NetStatistics {
  const sum = { txFrames: 0, txBytes: 0, txRefused: 0, rxFrames: 0, rxBytes: 0, rxLengthErrors: 0 };
  for (const queue of tx) {
    sum.txFrames += queue.frames;
    sum.txBytes += queue.bytes;
    sum.txRefused += queue.refused;
  }
  for (const queue of rx) {
    sum.rxFrames += queue.frames;
    sum.rxBytes += queue.bytes;
    sum.rxLengthErrors += queue.lengthErrors;
  }
  return sum;
}

function isSameLayout(a: NetQueueLayout, b: NetQueueLayout): boolean {
  return a.headerBytes === b.headerBytes && a.hasSeparateHeader === b.hasSeparateHeader;
}
