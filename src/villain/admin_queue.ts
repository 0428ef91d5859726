// SPDX-License-Identifier: Apache-2.0
// Administration commands as bytes over the PF's admin queue (virtio 1.4 §2.13), so that malformed ones are possible. What
// the device may write is filled with a pattern before.
import {
  ADMIN_CMD_HEADER_SIZE,
  ADMIN_RESULT_HEADER_SIZE,
  VIRTIO_ADMIN_CMD_LIST_QUERY,
  VIRTIO_ADMIN_CMD_LIST_USE,
  VIRTIO_ADMIN_GROUP_TYPE_SELF,
  VIRTIO_ADMIN_GROUP_TYPE_SRIOV,
  VIRTIO_ADMIN_STATUS_EINVAL,
  VIRTIO_ADMIN_STATUS_OK,
} from '../../assembly/abi/virtio_admin.ts';
import { COMMON_ADMIN_QUEUE_INDEX } from '../../assembly/abi/virtio_pci_common.ts';
import type { RawFunction } from './raw_function.ts';
import { WRITE, type Descriptor, type RawRing, type UsedElement } from './raw_ring.ts';
import { must, Misbehaviour, type Outcome } from './verdict.ts';

export const PATTERN = 0xa5;
export const SELF: number = VIRTIO_ADMIN_GROUP_TYPE_SELF;
export const SRIOV: number = VIRTIO_ADMIN_GROUP_TYPE_SRIOV;
const BITMAP_BYTES = 8;
const LIST_COMMANDS = (1 << VIRTIO_ADMIN_CMD_LIST_QUERY) | (1 << VIRTIO_ADMIN_CMD_LIST_USE);

/** What came back of one command. */
export interface Answer {
  /** Used length. */
  readonly length: number;
  readonly status: number;
  readonly qualifier: number;
  /** The whole device-writable part, and what lies behind its first eight bytes. */
  readonly bytes: Uint8Array;
  readonly result: Uint8Array;
}

/** A command that was made available and not necessarily answered. */
export interface Pending {
  readonly head: number;
  readonly addr: number;
  readonly length: number;
}

/** How a command's two parts are cut into descriptors: the lengths of all pieces but the last. */
export interface Cuts {
  readonly readable?: readonly number[];
  readonly writable?: readonly number[];
}

/** Little-endian bytes of a number. */
export function le(value: number | bigint, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));
}

/** Value of little-endian bytes. */
export function fromLe(bytes: ArrayLike<number>): number {
  return Array.from(bytes).reduceRight((value, byte) => value * 256 + byte, 0);
}

/** The header of a command; `reserved` fills its 12 reserved bytes. */
export function header(opcode: number, group: number, member: number | bigint, reserved = 0): number[] {
  const fill = Array.from({ length: ADMIN_CMD_HEADER_SIZE - 12 }, () => reserved);
  return [...le(opcode, 2), ...le(group, 2), ...fill, ...le(member, 8)];
}

/** The admin queue of a PF that runs. */
export class AdminQueue {
  readonly pf: RawFunction;
  readonly index: number;
  private nextDescriptor = 0;

  constructor(pf: RawFunction) {
    this.pf = pf;
    this.index = pf.read(COMMON_ADMIN_QUEUE_INDEX);
  }

  get ring(): RawRing {
    return this.pf.ring(this.index);
  }

  /** The ring is a fresh one: chains begin at its first descriptor again. */
  rewind(): void {
    this.nextDescriptor = 0;
  }

  /** Puts every command that the device lists for the SR-IOV group into use. */
  useAll(): void {
    const list = this.command(VIRTIO_ADMIN_CMD_LIST_QUERY, SRIOV, 0, [], BITMAP_BYTES);
    this.command(VIRTIO_ADMIN_CMD_LIST_USE, SRIOV, 0, [...list.result]);
  }

  /** A good request: the list of the SR-IOV group, which holds at least the list commands themselves. */
  answers(): boolean {
    const list = this.command(VIRTIO_ADMIN_CMD_LIST_QUERY, SRIOV, 0, [], BITMAP_BYTES);
    return list.status === VIRTIO_ADMIN_STATUS_OK && (list.result[0]! & LIST_COMMANDS) === LIST_COMMANDS;
  }

  /** A well-formed command and its answer. */
  command(
    opcode: number,
    group: number,
    member: number | bigint,
    data: readonly number[] = [],
    resultBytes = 0,
  ): Answer {
    return this.send([...header(opcode, group, member), ...data], ADMIN_RESULT_HEADER_SIZE + resultBytes);
  }

  /** Any readable bytes, any number of writable ones. Throws Misbehaviour where no answer comes. */
  send(readable: readonly number[], writableBytes: number, cuts: Cuts = {}): Answer {
    this.ring.takeUsed();
    const pending = this.add(readable, writableBytes, cuts);
    this.pf.kick(this.index);
    const [used] = this.ring.takeUsed();
    if (used === undefined)
      throw new Misbehaviour(`a command is not answered, status 0x${this.pf.status.toString(16)}`);
    must(used.id === pending.head, `head ${used.id} was used, and ${pending.head} was made available`);
    return this.answer(pending, used);
  }

  /** Makes a command available without the doorbell. */
  add(readable: readonly number[], writableBytes: number, cuts: Cuts = {}): Pending {
    const { memory } = this.pf;
    const addr = memory.space(writableBytes, PATTERN);
    const head = this.addChain([
      ...pieces(memory.place(readable, 8), readable.length, cuts.readable, 0),
      ...pieces(addr, writableBytes, cuts.writable, WRITE),
    ]);
    return { head, addr, length: writableBytes };
  }

  /** Makes any chain available without the doorbell; returns its head. */
  addChain(descriptors: readonly Descriptor[]): number {
    // chains do not wrap: one that would not fit begins at descriptor 0 again
    if (this.nextDescriptor + descriptors.length > this.ring.size) this.nextDescriptor = 0;
    const head = this.ring.chain(descriptors, this.nextDescriptor);
    this.nextDescriptor += descriptors.length;
    this.ring.offer(head);
    return head;
  }

  answer({ addr, length }: Pending, used: UsedElement): Answer {
    const bytes = this.pf.memory.bytesAt(addr, length);
    return {
      length: used.len,
      status: fromLe(bytes.subarray(0, 2)),
      qualifier: fromLe(bytes.subarray(2, 4)),
      bytes,
      result: bytes.subarray(ADMIN_RESULT_HEADER_SIZE),
    };
  }

  /** What became of chains that were made available with addChain(), from used index `before` on. */
  outcomeSince(before: number, count = 1): Outcome {
    if (this.pf.needsReset) return 'needs-reset';
    const came = (this.ring.usedIdx - before) & 0xffff;
    must(came === count, `${came} of ${count} commands came back, and the status says nothing`);
    return 'served';
  }
}

/** Outcome of an answer: served, or refused with this qualifier. Throws Misbehaviour for any other refusal. */
export function outcomeOf({ status, qualifier }: Answer, expected: number): Outcome {
  if (status === VIRTIO_ADMIN_STATUS_OK) return 'served';
  must(
    status === VIRTIO_ADMIN_STATUS_EINVAL && qualifier === expected,
    `status ${status}, qualifier ${qualifier}; EINVAL with qualifier ${expected} is asked for`,
  );
  return 'refused';
}

function pieces(addr: number, bytes: number, cuts: readonly number[] = [], flags: number): Descriptor[] {
  const lengths = [...cuts, bytes - cuts.reduce((sum, length) => sum + length, 0)];
  let at = addr;
  return lengths
    .filter((len) => len > 0)
    .map((len) => {
      at += len;
      return { addr: at - len, len, flags };
    });
}
