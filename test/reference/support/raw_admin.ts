// SPDX-License-Identifier: Apache-2.0
// A PF whose admin queue is driven by hand: any bytes as a command, any room for the answer.
import { createNic, type Nic } from '../../../src/device/nic.ts';
import { enumerate } from '../../../src/device/bus.ts';

const BAR = 2;
const QUEUE = 3; // admin_queue_index of a PF with one pair
const SIZE = 8;
const WINDOW = 1 << 14;
const DESC = 0x000;
const AVAIL = 0x100;
const USED = 0x200;
const READABLE = 0x1000;
const WRITABLE = 0x2000;
const GUARD = 0xa5;
const NEXT = 1;
const WRITE = 2;

export interface RawAnswer {
  readonly writable: Uint8Array;
  readonly usedId: number;
  readonly usedLength: number;
}

export class RawAdmin {
  readonly nic: Nic;
  private readonly memory: Uint8Array;
  private readonly view: DataView;
  private index = 0;

  constructor(mode: 'timed' | 'functional', totalVfs: number, lenientSriovLists: boolean) {
    this.nic = createNic({ mode, totalVfs, windowBytes: WINDOW, identityDma: true, lenientSriovLists });
    enumerate(this.nic);
    this.nic.configWrite(0, 0x04, 2, 6);
    this.memory = this.nic.core.u8.subarray(this.nic.core.windowBase, this.nic.core.windowBase + WINDOW);
    this.view = new DataView(this.memory.buffer, this.memory.byteOffset, WINDOW);
  }

  /** Reset, negotiation of RING_RESET and ADMIN_VQ, one queue with vector 1. */
  start(): void {
    this.memory.fill(0);
    this.index = 0;
    const write = (offset: number, size: number, value: number): void => this.nic.write(0, BAR, offset, size, value);
    write(0x14, 1, 0);
    write(0x14, 1, 3);
    write(8, 4, 1);
    write(12, 4, (1 << 0) | (1 << 8) | (1 << 9)); // with VERSION_1
    write(0x14, 1, 0xb);
    write(0x16, 2, QUEUE);
    write(0x18, 2, SIZE);
    write(0x1a, 2, 1);
    write(0x20, 4, DESC);
    write(0x28, 4, AVAIL);
    write(0x30, 4, USED);
    write(0x1c, 2, 1);
    write(0x14, 1, 0xf);
  }

  get status(): number {
    return this.nic.read(0, BAR, 0x14, 1);
  }

  setVfs(count: number): void {
    const control = (value: number): void => this.nic.configWrite(0, 0x148, 2, value);
    control(0);
    this.nic.configWrite(0, 0x150, 2, count);
    if (count > 0) control(9);
  }

  setMsix(vf: number, isOn: boolean): void {
    this.nic.configWrite(vf, 0x4a, 2, isOn ? 0x8000 : 0);
  }

  /** Runs one command, its readable and writable parts cut in two where that is possible; null if no answer comes. */
  exec(command: Uint8Array, writableBytes: number, cut = 0): RawAnswer | null {
    this.memory.fill(GUARD, WRITABLE, WRITABLE + 0x400);
    this.memory.set(command, READABLE);
    const parts = [...split(READABLE, command.length, cut, 0), ...split(WRITABLE, writableBytes, cut, WRITE)];
    parts.forEach(({ at, length, flags }, i) => {
      this.view.setUint32(DESC + 16 * i, at, true);
      this.view.setUint32(DESC + 16 * i + 8, length, true);
      this.view.setUint16(DESC + 16 * i + 12, flags | (i + 1 < parts.length ? NEXT : 0), true);
      this.view.setUint16(DESC + 16 * i + 14, i + 1, true);
    });
    this.view.setUint16(AVAIL + 4 + 2 * (this.index % SIZE), 0, true);
    const slot = USED + 4 + 8 * (this.index % SIZE);
    this.index = (this.index + 1) & 0xffff;
    this.view.setUint16(AVAIL + 2, this.index, true);
    this.nic.write(0, BAR, 0x3000 + 4 * QUEUE, 2, QUEUE);
    this.nic.runToIdle();
    if (this.view.getUint16(USED + 2, true) !== this.index) return null;
    return {
      writable: this.memory.subarray(WRITABLE, WRITABLE + writableBytes),
      usedId: this.view.getUint32(slot, true),
      usedLength: this.view.getUint32(slot + 4, true),
    };
  }

  /** Bytes behind the answer that nobody may touch. */
  isGuardIntact(from: number): boolean {
    return this.memory.subarray(WRITABLE + from, WRITABLE + 0x400).every((byte) => byte === GUARD);
  }
}

function split(
  at: number,
  length: number,
  cut: number,
  flags: number,
): { at: number; length: number; flags: number }[] {
  if (length === 0) return [];
  if (cut <= 0 || cut >= length) return [{ at, length, flags }];
  return [
    { at, length: cut, flags },
    { at: at + cut, length: length - cut, flags },
  ];
}
