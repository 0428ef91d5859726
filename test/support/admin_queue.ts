// SPDX-License-Identifier: Apache-2.0
// Administration commands as bytes (virtio 1.4 "Group administration commands"), sent over the PF's admin queue by hand,
// so that malformed ones are possible. What the device may write is filled with PATTERN before.
//
//   device-readable  | opcode 2 | group_type 2 | reserved 12 | group_member_id 8 | data ...
//   device-writable  | status 2 | qualifier 2 | reserved 4 | result ...
import type { RawBench } from './raw_bench.ts';
import { RawFunction } from './raw_function.ts';
import { RawRing, type RawBuffer, type UsedEntry } from './raw_ring.ts';
import { ACKNOWLEDGE, DRIVER, DRIVER_OK, F, FEATURES_OK, R } from './registers.ts';

export const PATTERN = 0xa5;
export const SELF = 0;
export const SRIOV_GROUP = 1;

export const OK = [0, 0];
export const INVALID_COMMAND = [22, 1];
export const INVALID_OPCODE = [22, 2];
export const INVALID_FIELD = [22, 3];
export const INVALID_GROUP = [22, 4];
export const INVALID_MEMBER = [22, 5];

export const LIST_QUERY = 0;
export const LIST_USE = 1;

/** What came back of one command. */
export interface Answer {
  /** Used length. */
  readonly length: number;
  /** The whole device-writable part. */
  readonly bytes: Uint8Array;
  /** status and status_qualifier. */
  readonly status: number[];
  /** What lies behind the first eight writable bytes. */
  readonly result: Uint8Array;
}

/** A command that was made available and not necessarily answered. */
export interface Pending {
  readonly head: number;
  readonly at: number;
  readonly bytes: number;
}

/** How a command's two parts are cut into descriptors: the lengths of all pieces but the last. */
export interface Cuts {
  readonly readable?: readonly number[];
  readonly writable?: readonly number[];
}

/** Where the two parts lie, as offsets of the PF's memory. */
export interface Places {
  readonly readable: number;
  readonly writable: number;
}

export interface AdminQueueOptions {
  readonly size?: number;
  /** Beside SR_IOV and ADMIN_VQ. */
  readonly features?: readonly number[];
  /** MSI-X vector, default none. */
  readonly vector?: number;
}

/** The PF, set up by hand with nothing but its admin queue. */
export class AdminQueue {
  readonly card: RawBench;
  readonly pf: RawFunction;
  readonly ring: RawRing;
  /** admin_queue_index. */
  index = 0;
  private readonly options: AdminQueueOptions;

  constructor(card: RawBench, options: AdminQueueOptions = {}) {
    this.card = card;
    this.options = options;
    this.pf = new RawFunction(card, 0);
    this.ring = new RawRing(this.pf.memory, options.size ?? 64);
    this.start();
  }

  /** From reset to DRIVER_OK, the ring empty. */
  start(): void {
    const { pf, ring } = this;
    const { features = [], vector = null } = this.options;
    pf.prepare({ features: [F.SR_IOV, F.ADMIN_VQ, ...features], queues: {}, configVector: null });
    this.index = pf.read(R.ADMIN_QUEUE_INDEX);
    ring.clear();
    pf.addQueue(this.index, { ring, vector });
    pf.status = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
  }

  /** Allows every command of the SR-IOV group that the device lists. */
  useAll(): this {
    const { result } = this.command(LIST_QUERY, SRIOV_GROUP, 0, [], 8);
    this.command(LIST_USE, SRIOV_GROUP, 0, [...result]);
    return this;
  }

  /** A well-formed command and its answer. */
  command(opcode: number, group: number, member: number, data: readonly number[] = [], resultBytes = 0): Answer {
    return this.send([...header(opcode, group, member), ...data], 8 + resultBytes);
  }

  /** Any readable bytes, any number of writable ones. */
  send(readable: readonly number[], writableBytes: number, cuts: Cuts = {}): Answer {
    const pending = this.add(readable, writableBytes, cuts);
    this.kick();
    const [used] = this.ring.takeUsed();
    if (used?.id !== pending.head) throw new Error('the command did not come back');
    return this.answer(pending, used);
  }

  /** Makes a command available without the doorbell; in memory of its own, unless told otherwise. */
  add(readable: ArrayLike<number>, writableBytes: number, cuts: Cuts = {}, places?: Places): Pending {
    const { memory } = this.pf;
    const from = places?.readable ?? memory.alloc(readable.length, 8);
    const at = places?.writable ?? memory.alloc(writableBytes, 8);
    memory.u8.set(readable, from);
    memory.u8.fill(PATTERN, at, at + writableBytes);
    const head = this.ring.add([
      ...this.pieces(from, readable.length, cuts.readable, false),
      ...this.pieces(at, writableBytes, cuts.writable, true),
    ]);
    return { head, at, bytes: writableBytes };
  }

  kick(): void {
    this.pf.kick(this.index);
  }

  answer({ at, bytes }: Pending, used: UsedEntry): Answer {
    const written = this.pf.memory.u8.slice(at, at + bytes);
    const word = (offset: number): number => written[offset]! | (written[offset + 1]! << 8);
    return { length: used.length, bytes: written, status: [word(0), word(2)], result: written.slice(8) };
  }

  private pieces(at: number, bytes: number, cuts: readonly number[] = [], isWritable: boolean): RawBuffer[] {
    const lengths = [...cuts, bytes - cuts.reduce((sum, length) => sum + length, 0)];
    let offset = at;
    return lengths
      .filter((length) => length > 0)
      .map((length) => {
        const iova = this.pf.memory.iova(offset);
        offset += length;
        return { iova, length, isWritable };
      });
  }
}

/** The 24 bytes that begin every command; `reserved` fills the 12 reserved ones. */
export function header(opcode: number, group: number, member: number | bigint, reserved = 0): number[] {
  return [...le(opcode, 2), ...le(group, 2), ...Array.from({ length: 12 }, () => reserved), ...le(member, 8)];
}

/** Little-endian bytes of a number. */
export function le(value: number | bigint, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));
}

/** Value of little-endian bytes. */
export function fromLe(bytes: ArrayLike<number>): number {
  return Array.from(bytes).reduceRight((value, byte) => value * 256 + byte, 0);
}
