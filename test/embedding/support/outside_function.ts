// SPDX-License-Identifier: Apache-2.0
// The PF of a card whose memory is outside, driven register by register: one transmit queue in an array of the test's own.
// What the card asks of memory is written down, and answered when the test says so. virtio 1.4 §3.1.1, §4.1.4.3, §2.7.
import { enumerate } from '../../../src/device/bus.ts';
import type { NicConfig } from '../../../src/device/config.ts';
import { createNic, type DmaRead, type MsiMessage, type Nic } from '../../../src/device/nic.ts';
import { ACKNOWLEDGE, DRIVER, DRIVER_OK, F, FEATURES_OK, NEEDS_RESET, R } from '../../support/registers.ts';
import { PlainMemory } from '../../support/plain_memory.ts';

export const TRANSMIT = 1;
const SIZE = 16;
const VIRTIO_BAR = 2;
const MSIX_BAR = 4;
const NOTIFY = 0x3000;
/** virtio_net_hdr with VERSION_1. */
export const HEADER = 12;

/** A write of the card as it arrived, its bytes copied. */
export interface Written {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly fn: number;
  readonly requesterId: number;
  readonly pasid: number | null;
  readonly timeCycles: number;
}

export class OutsideFunction {
  readonly nic: Nic;
  readonly fn: number;
  readonly memory = new PlainMemory();
  readonly reads: DmaRead[] = [];
  readonly writes: Written[] = [];
  readonly messages: MsiMessage[] = [];
  readonly frames: { readonly bytes: Uint8Array; readonly timeCycles: number }[] = [];
  /** What the card does to memory, in order. */
  readonly order: string[] = [];
  readonly ring = {
    desc: this.memory.alloc(16 * SIZE, 16),
    avail: this.memory.alloc(6 + 2 * SIZE, 2),
    used: this.memory.alloc(6 + 8 * SIZE, 4),
  };
  private available = 0;

  constructor(config: NicConfig = {}, fn = 0) {
    this.fn = fn;
    this.nic = createNic({ totalVfs: 1, memory: 'outside', ...config }, { build: 'debug' });
    enumerate(this.nic);
    this.watch(this.nic);
  }

  watch(nic: Nic): void {
    nic.onDmaRead((read) => {
      this.reads.push({ ...read });
      this.order.push(`read ${read.length}`);
    });
    nic.onDmaWrite(({ address, length, source, at, fn, requesterId, pasid, timeCycles }) => {
      const bytes = source.slice(at, at + length);
      this.writes.push({ address, bytes, fn, requesterId, pasid, timeCycles });
      this.order.push(`write ${length}`);
    });
    nic.onMessage((message) => {
      this.messages.push(message);
      this.order.push('message');
    });
    nic.onFrame((bytes, _, timeCycles) => this.frames.push({ bytes: bytes.slice(), timeCycles }));
  }

  /** From reset to DRIVER_OK; queue 1 in memory, MSI-X vector 1 for it, data 1. The card is at rest. */
  start(): void {
    const { nic, fn } = this;
    nic.configWrite(fn, 0x04, 2, 0x6); // memory space, bus master
    [0xfee00000, 0, 1, 0].forEach((word, i) => nic.write(fn, MSIX_BAR, 16 + 4 * i, 4, word));
    nic.configWrite(fn, 0x4a, 2, 0x8000); // MSI-X Enable
    this.write(R.DEVICE_STATUS, ACKNOWLEDGE | DRIVER, 1);
    [F.VERSION_1, F.ACCESS_PLATFORM].forEach((bit) => {
      this.write(R.DRIVER_FEATURE_SELECT, bit >> 5, 4);
      this.write(R.DRIVER_FEATURE, 3, 4); // bits 32 and 33
    });
    this.write(R.DEVICE_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK, 1);
    this.write(R.QUEUE_SELECT, TRANSMIT, 2);
    this.write(R.QUEUE_SIZE, SIZE, 2);
    for (const [register, place] of [
      [R.QUEUE_DESC, this.ring.desc],
      [R.QUEUE_DRIVER, this.ring.avail],
      [R.QUEUE_DEVICE, this.ring.used],
    ] as const) {
      const address = this.memory.iova(place);
      this.write(register, address % 2 ** 32, 4);
      this.write(register + 4, Math.floor(address / 2 ** 32), 4);
    }
    this.write(R.QUEUE_MSIX_VECTOR, 1, 2);
    this.write(R.QUEUE_ENABLE, 1, 2);
    this.write(R.DEVICE_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK, 1);
    nic.advance(nic.now() + 1000);
  }

  write(register: number, value: number, size: number): void {
    this.nic.write(this.fn, VIRTIO_BAR, register, size, value);
  }

  get needsReset(): boolean {
    return (this.nic.read(this.fn, VIRTIO_BAR, R.DEVICE_STATUS, 1) & NEEDS_RESET) !== 0;
  }

  /** Offers one buffer, header and frame in one piece, and rings; the cycle of the doorbell. */
  send(frame: Uint8Array): number {
    const { memory, ring, nic } = this;
    const at = memory.alloc(HEADER + frame.length, 4);
    memory.u8.set(frame, at + HEADER);
    const address = memory.iova(at);
    const head = this.available % SIZE;
    const word = (ring.desc >> 2) + 4 * head;
    memory.u32.set([address % 2 ** 32, Math.floor(address / 2 ** 32), HEADER + frame.length, 0], word);
    memory.u16[(ring.avail >> 1) + 2 + head] = head;
    this.available++;
    memory.u16[(ring.avail >> 1) + 1] = this.available;
    const time = nic.now();
    this.write(NOTIFY + 4 * TRANSMIT, TRANSMIT, 2);
    return time;
  }

  /** Answers a read with what memory holds. */
  answer({ tag, address, length }: DmaRead): void {
    this.nic.answerDmaRead(tag, this.memory.u8, this.memory.offset(address, length));
  }

  /** Advances to the next read, which has to come, and forgets it. */
  nextRead(): DmaRead {
    while (this.reads.length === 0) {
      if (this.nic.nextEventTime() === Infinity) throw new Error('the card asks for nothing');
      this.nic.advance(this.nic.nextEventTime());
    }
    return this.reads.shift()!;
  }

  /** Answers all reads at once until the card is at rest. */
  settle(): void {
    while (this.nic.nextEventTime() !== Infinity || this.reads.length > 0) {
      const read = this.reads.shift();
      if (read === undefined) this.nic.advance(this.nic.nextEventTime());
      else this.answer(read);
    }
  }
}
