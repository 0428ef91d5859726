// SPDX-License-Identifier: Apache-2.0
// What a User Mode Linux kernel may say to a function, and what it is owed for it, once more and independently of src/uml:
// numbers are those of vhost-user.rst, virtio_pcidev.h and virtio 1.4 §2.7, typed again. Where the card itself may have
// written into rings, or rings lie over one another, the model does not say what is right.

/** Guest address of the memory's first byte; the memory is a file as large. */
export const RAM_BASE = 0x10_0000;
export const RAM_BYTES = 0x1_0000;
/** Entries of each queue as a kernel sets them up; offsets of descriptors, available ring and used ring. */
export const ENTRIES = 8;
export const RINGS: readonly (readonly [desc: number, avail: number, used: number])[] = [
  [0, 0x400, 0x800],
  [0x1000, 0x1400, 0x1800],
];
/** Readable buffers begin here, writable ones behind them. */
export const COMMANDS_AT = 0x8000;
export const ANSWERS_AT = 0xa000;

/** Payload bytes by request. */
const PAYLOADS: Readonly<Record<number, number>> = {
  1: 0,
  2: 8,
  3: 0,
  8: 8,
  9: 40,
  10: 8,
  15: 0,
  16: 8,
  18: 8,
  21: 0,
  35: 8,
};
const [GET_FEATURES, SET_FEATURES, SET_MEM_TABLE, GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES] = [1, 2, 5, 15, 16];
const [SET_NUM, SET_ADDR, SET_BASE, SET_ENABLE, SET_CHANNEL, KICK] = [8, 9, 10, 18, 21, 35];
const FEATURES = 0x1_4000_0000n;
const PROTOCOL_FEATURES = 0x4028n;
const NEEDED_PROTOCOL_FEATURES = 0x4020n;
const MOST_PAYLOAD = 264;
/** The window of VIRTIO_PCI_CAP_PCI_CFG, through which configuration space reaches BARs. */
const WINDOW = [0xd4, 0xe8] as const;
/** BAR of the virtio structures: a write there may make the card work. */
const VIRTIO_BAR = 2;

/** A file that came with a message, as far as the model has to know it. */
export interface ModelFile {
  readonly kind: string;
  /** -1: it is no regular file. */
  readonly bytes: number;
}

/** 'right': it is done; 'lie': the kernel is dropped; 'either': the model cannot tell. */
export type Verdict = 'right' | 'lie' | 'either';

interface Queue {
  size: number;
  rings: readonly number[] | null;
  next: number;
  isOn: boolean;
}

interface Region {
  readonly guest: bigint;
  readonly size: bigint;
  readonly user: bigint;
  readonly offset: bigint;
}

/** A used element. */
export interface Used {
  readonly id: number;
  readonly bytes: number;
}

export class UmlModel {
  /** Used elements of queue 0 since the beginning of its rings, as far as the model can tell. */
  used: Used[] = [];
  /** The model can tell nothing any more. */
  isLoose = false;
  private readonly read: (offset: number, length: number) => Uint8Array;
  private readonly queues: Queue[] = [0, 1].map(() => ({ size: 0, rings: null, next: 0, isOn: false }));
  private regions: Region[] = [];
  private isStandardTable = false;
  private channel: 'none' | 'good' | 'bad' = 'none';

  /** `read` looks into the memory. */
  constructor(read: (offset: number, length: number) => Uint8Array) {
    this.read = read;
  }

  /** Was a message of this size ever one? */
  static isPossible(payloadBytes: number): boolean {
    return payloadBytes <= MOST_PAYLOAD;
  }

  /** The regions of a table as parts of files. */
  grants(): { offset: number; size: number }[] {
    return this.regions.map(({ offset, size }) => ({ offset: Number(offset), size: Number(size) }));
  }

  /** Value of the reply to a message that is right; null where none is due. */
  reply(request: number, flags: number): bigint | null {
    if (request === GET_FEATURES) return FEATURES;
    if (request === GET_PROTOCOL_FEATURES) return PROTOCOL_FEATURES;
    return (flags & 8) === 0 ? null : 0n;
  }

  judge(request: number, flags: number, payload: Uint8Array, files: readonly ModelFile[], hasLost: boolean): Verdict {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    const isTable = request === SET_MEM_TABLE;
    const bytes = isTable ? 8 : PAYLOADS[request];
    if ((flags & ~8) !== 1 || bytes === undefined) return 'lie';
    if (isTable ? payload.length < 8 : payload.length !== bytes) return 'lie';
    const count = isTable ? view.getUint32(0, true) : request === SET_CHANNEL ? 1 : 0;
    if (isTable && (count === 0 || count > 8 || payload.length < 8 + 32 * count)) return 'lie';
    if (hasLost || files.length !== count) return 'lie';
    const verdict = this.judgeContent(request, view, files);
    return this.isLoose ? 'either' : verdict;
  }

  private judgeContent(request: number, view: DataView, files: readonly ModelFile[]): Verdict {
    if (request === SET_MEM_TABLE) return this.setTable(view, files);
    if (request === SET_CHANNEL) this.channel = files[0]!.kind === 'channel' ? 'good' : 'bad';
    if (request === SET_FEATURES) {
      const bits = view.getBigUint64(0, true);
      return (bits & ~FEATURES) === 0n && bits >> 32n === 1n ? 'right' : 'lie';
    }
    if (request === SET_PROTOCOL_FEATURES) {
      const bits = view.getBigUint64(0, true);
      const isEnough = (bits & NEEDED_PROTOCOL_FEATURES) === NEEDED_PROTOCOL_FEATURES;
      return (bits & ~PROTOCOL_FEATURES) === 0n && isEnough ? 'right' : 'lie';
    }
    if (![SET_NUM, SET_ADDR, SET_BASE, SET_ENABLE, KICK].includes(request)) return 'right';
    const [index, value] = [view.getUint32(0, true), view.getUint32(4, true)];
    const queue = this.queues[index];
    if (queue === undefined) return 'lie';
    if (request === SET_NUM) {
      queue.size = value;
      queue.rings = null;
      return value > 0 && value <= 32768 && Math.log2(value) % 1 === 0 ? 'right' : 'lie';
    }
    if (request === SET_BASE) {
      queue.next = value;
      // used elements are looked at from the beginning of the ring on
      this.loosen(index === 0 && (value !== 0 || this.used.length > 0));
      return value <= 0xffff ? 'right' : 'lie';
    }
    if (request === SET_ENABLE) queue.isOn = value !== 0;
    if (request === SET_ADDR) return this.setRings(index, view);
    return request === KICK ? this.kick(index) : 'right';
  }

  private setTable(view: DataView, files: readonly ModelFile[]): Verdict {
    this.regions = files.map((_, i) => {
      const [guest, size, user, offset] = [0, 8, 16, 24].map((at) => view.getBigUint64(8 + 32 * i + at, true));
      return { guest: guest!, size: size!, user: user!, offset: offset! };
    });
    const [first] = this.regions;
    this.isStandardTable =
      this.regions.length === 1 &&
      first!.guest === BigInt(RAM_BASE) &&
      first!.user === BigInt(RAM_BASE) &&
      first!.size === BigInt(RAM_BYTES) &&
      first!.offset === 0n;
    const limit = 2n ** 53n;
    const isGood = this.regions.every(({ guest, size, user, offset }, i) => {
      const isRange = size > 0n && guest + size < limit && user + size < limit;
      const isInFile = offset + size <= BigInt(files[i]!.bytes);
      const isFree = this.regions
        .slice(0, i)
        .every(
          (other) =>
            (guest >= other.guest + other.size || other.guest >= guest + size) &&
            (user >= other.user + other.size || other.user >= user + size),
        );
      return isRange && isInFile && isFree;
    });
    return isGood ? 'right' : 'lie';
  }

  private setRings(index: number, view: DataView): Verdict {
    const queue = this.queues[index]!;
    if (view.getUint32(4, true) !== 0 || queue.size === 0) return 'lie';
    const [desc, used, avail] = [8, 16, 24].map((at) => view.getBigUint64(at, true));
    const extents: readonly (readonly [bigint, number, bigint])[] = [
      [desc!, 16 * queue.size, 16n],
      [avail!, 4 + 2 * queue.size, 2n],
      [used!, 4 + 8 * queue.size, 4n],
    ];
    const isGood = extents.every(([at, bytes, alignment]) => {
      const region = this.regions.find(({ user, size }) => at >= user && at + BigInt(bytes) <= user + size);
      return region !== undefined && (region.guest + at - region.user) % alignment === 0n;
    });
    queue.rings = extents.map(([at]) => Number(at) - RAM_BASE);
    const isStandard = queue.size === ENTRIES && String(queue.rings) === String(RINGS[index]);
    this.loosen(isGood && !isStandard);
    return isGood ? 'right' : 'lie';
  }

  private loosen(isLoose: boolean): void {
    if (isLoose) this.isLoose = true;
  }

  private kick(index: number): Verdict {
    const queue = this.queues[index]!;
    if (!queue.isOn || queue.size === 0 || queue.rings === null) return 'lie';
    if (!this.isStandardTable) return this.loosely();
    if (index === 1) return 'right'; // no message waits where the card was not made to work
    const [desc, avail] = RINGS[0]!;
    const waiting = (this.u16(avail + 2) - queue.next) & 0xffff;
    if (waiting > queue.size) return 'lie';
    for (let i = 0; i < waiting; i++) {
      const head = this.u16(avail + 4 + 2 * ((queue.next + i) % queue.size));
      const verdict = this.chain(desc, head, queue.size);
      if (verdict !== 'right') return verdict;
    }
    queue.next = (queue.next + waiting) & 0xffff;
    const wantsCall = waiting > 0 && (this.u16(avail) & 1) === 0;
    return wantsCall && this.channel !== 'good' ? 'lie' : 'right';
  }

  private chain(table: number, head: number, size: number): Verdict {
    const command: number[] = [];
    let [writableBytes, count, id] = [0, 0, head];
    for (;;) {
      if (id >= size || ++count > size) return 'lie';
      const bytes = this.read(table + 16 * id, 16);
      const view = new DataView(bytes.buffer);
      const offset = Number(view.getBigUint64(0, true)) - RAM_BASE;
      const [length, flags] = [view.getUint32(8, true), view.getUint16(12, true)];
      if (flags > 3 || offset < 0 || offset + length > RAM_BYTES) return 'lie';
      if ((flags & 2) === 0) {
        if (writableBytes > 0) return 'lie';
        if (length > 0x2000) return this.loosely(); // too long to be looked at
        command.push(...this.read(offset, length));
        if (offset < COMMANDS_AT || offset + length > ANSWERS_AT) return this.loosely();
      } else {
        if (offset < ANSWERS_AT || length === 0) return this.loosely();
        writableBytes += length;
      }
      if ((flags & 1) === 0) break;
      id = view.getUint16(14, true);
    }
    return this.command(head, Uint8Array.from(command), writableBytes);
  }

  private command(head: number, bytes: Uint8Array, writableBytes: number): Verdict {
    if (bytes.length < 16) return 'lie';
    const view = new DataView(bytes.buffer);
    const [op, bar, size] = [view.getUint8(0), view.getUint8(1), view.getUint32(4, true)];
    const address = view.getBigUint64(8, true);
    const isConfig = op === 1 || op === 2;
    if (op === 0 || op > 5) return 'lie';
    if (isConfig ? ![1, 2, 4, 8].includes(size) : size === 0 || size > 65536 || bar > 5) return 'lie';
    if (address + BigInt(size) > (isConfig ? 4096n : 2n ** 32n)) return 'lie';
    const isRead = op === 1 || op === 3;
    if (isRead ? writableBytes < size : bytes.length - 16 < (op === 5 ? 1 : size)) return 'lie';
    this.used.push({ id: head, bytes: isRead ? size : 0 });
    const isWindow = op === 2 && Number(address) < WINDOW[1] && Number(address) + size > WINDOW[0];
    if (isWindow || (!isRead && !isConfig && bar === VIRTIO_BAR)) return this.loosely();
    return 'right';
  }

  private loosely(): Verdict {
    this.isLoose = true;
    return 'either';
  }

  private u16(offset: number): number {
    const bytes = this.read(offset, 2);
    return bytes[0]! | (bytes[1]! << 8);
  }
}
