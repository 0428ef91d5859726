// SPDX-License-Identifier: Apache-2.0
// The driver's side of an administration virtqueue (virtio 1.4 §2.13), laid out as Linux lays it out: each command is a
// chain of two to four buffers, and several may be in flight. Completion comes by interrupt only and there is no timeout.
//
//   device-readable   | header 24: opcode, group_type, 12 zero, group_member_id 8 | data, if any  |
//   device-writable   | status 8: status, qualifier, 4 reserved                   | result, if any |
import {
  ADMIN_CMD_GROUP_MEMBER_ID,
  ADMIN_CMD_GROUP_TYPE,
  ADMIN_CMD_HEADER_SIZE,
  ADMIN_CMD_OPCODE,
  ADMIN_RESULT_HEADER_SIZE,
  ADMIN_RESULT_STATUS,
  ADMIN_RESULT_STATUS_QUALIFIER,
  VIRTIO_ADMIN_CMD_LIST_USE,
  VIRTIO_ADMIN_STATUS_OK,
} from '../../assembly/abi/virtio_admin.ts';
import { NicError, VfioError } from '../util/errors.ts';
import { DeviceFaultError } from './device_fault.ts';
import type { Clock, DmaMemory } from './platform.ts';
import type { Doorbell, SplitRing } from './split_ring.ts';

/** Buffers of the longest chain: header, data, status, result. */
export const ADMIN_CHAIN_BUFFERS = 4;
const ALIGN = 8;
const FREE = 0;
const IN_FLIGHT = 1;
const DONE = 2;

export interface AdminClientOptions {
  /** Most commands in flight; default 64. */
  readonly slots?: number;
  /** Bytes set aside per command for data and for the result; larger commands get larger buffers when they come. */
  readonly dataBytes?: number;
  readonly resultBytes?: number;
}

/** Outcome of exec(). One object serves all calls: read it before the next one. */
export interface AdminResult {
  /** 0, or the Linux error number that the caller of the command is given as -status. */
  readonly status: number;
  readonly qualifier: number;
  /** Bytes of result that the device wrote. */
  readonly resultLength: number;
  /** The first `resultLength` bytes are the result; the rest is undefined. */
  readonly result: Uint8Array;
}

/** Issues administration commands over one admin queue. */
export class AdminClient {
  /** Bit n: opcode n may be sent. Opcodes 0 and 1 always may; what is not here is refused without asking the device. */
  supportedCommands = 0;
  /** Device-parts objects that the device grants; 0 where its functions cannot be migrated. */
  devicePartsLimit = 0;
  /** Called with the slot of each completed submit(), from the interrupt. */
  onComplete: ((slot: number) => void) | null = null;
  /** Commands sent, and those that came back with a status other than 0. */
  commands = 0;
  failures = 0;

  private readonly memory: DmaMemory;
  private readonly clock: Clock;
  private readonly doorbell: Doorbell;
  private readonly u8: Uint8Array;
  private readonly u16: Uint16Array;
  private readonly u32: Uint32Array;
  private ring: SplitRing | null = null;
  private readonly outcome: { status: number; qualifier: number; resultLength: number; result: Uint8Array };

  // Per slot: places of its four buffers, their capacities and the state of its command.
  private readonly headerAt: Uint32Array;
  private readonly dataAt: Uint32Array;
  private readonly statusAt: Uint32Array;
  private readonly resultAt: Uint32Array;
  private readonly headerIova: Float64Array;
  private readonly dataIova: Float64Array;
  private readonly statusIova: Float64Array;
  private readonly resultIova: Float64Array;
  private readonly dataCapacity: Uint32Array;
  private readonly results: Uint8Array[] = [];
  private readonly requested: Uint32Array;
  private readonly written: Uint32Array;
  private readonly state: Uint8Array;
  private readonly isExclusive: Uint8Array;
  private readonly freeSlots: Uint16Array;
  private freeCount = 0;
  private readonly completed: Uint16Array;
  private completedHead = 0;
  private completedCount = 0;

  constructor(memory: DmaMemory, clock: Clock, doorbell: Doorbell, options: AdminClientOptions = {}) {
    const { slots = 64, dataBytes = 64, resultBytes = 64 } = options;
    if (!Number.isInteger(slots) || slots < 1 || slots > 0x8000) {
      throw new NicError('ADMIN_SLOTS', `${slots} command slots: choose 1 to 32768`);
    }
    this.memory = memory;
    this.clock = clock;
    this.doorbell = doorbell;
    this.u8 = memory.u8;
    this.u16 = memory.u16;
    this.u32 = memory.u32;
    this.headerAt = new Uint32Array(slots);
    this.dataAt = new Uint32Array(slots);
    this.statusAt = new Uint32Array(slots);
    this.resultAt = new Uint32Array(slots);
    this.headerIova = new Float64Array(slots);
    this.dataIova = new Float64Array(slots);
    this.statusIova = new Float64Array(slots);
    this.resultIova = new Float64Array(slots);
    this.dataCapacity = new Uint32Array(slots);
    this.requested = new Uint32Array(slots);
    this.written = new Uint32Array(slots);
    this.state = new Uint8Array(slots);
    this.isExclusive = new Uint8Array(slots);
    this.freeSlots = new Uint16Array(slots);
    this.completed = new Uint16Array(slots);
    for (let slot = 0; slot < slots; slot++) {
      this.headerAt[slot] = memory.alloc(ADMIN_CMD_HEADER_SIZE, ALIGN);
      this.statusAt[slot] = memory.alloc(ADMIN_RESULT_HEADER_SIZE, ALIGN);
      this.headerIova[slot] = memory.iova(this.headerAt[slot]!);
      this.statusIova[slot] = memory.iova(this.statusAt[slot]!);
      this.giveData(slot, dataBytes);
      this.giveResult(slot, resultBytes);
    }
    this.outcome = { status: 0, qualifier: 0, resultLength: 0, result: this.results[0]! };
  }

  /** Starts over on a ring of a device that was just reset. */
  start(ring: SplitRing): void {
    const slots = this.state.length;
    this.ring = ring;
    this.supportedCommands = 0;
    this.devicePartsLimit = 0;
    this.state.fill(FREE);
    for (let i = 0; i < slots; i++) this.freeSlots[i] = slots - 1 - i;
    this.freeCount = slots;
    this.completedHead = 0;
    this.completedCount = 0;
  }

  /** Commands that the device has and has not answered. */
  get inFlight(): number {
    return this.ring === null ? 0 : this.ring.inFlight;
  }

  /** Handler of the queue's interrupt. */
  readonly onUsed = (): void => {
    const ring = this.ring;
    if (ring === null) return;
    do {
      ring.disableInterrupts();
      while (ring.takeUsed()) this.complete(ring.usedToken, ring.usedLength);
    } while (ring.enableInterrupts());
  };

  /**
   * Sends one command and waits for its answer. A status other than 0 is returned, not thrown.
   * Throws VfioError EOPNOTSUPP for an opcode outside the used list, DeviceFaultError where no answer will ever come.
   */
  exec(
    opcode: number,
    groupType: number,
    memberId: number,
    data: Uint8Array | null,
    resultLength: number,
  ): AdminResult {
    let slot = this.send(opcode, groupType, memberId, data, resultLength, 1);
    while (slot < 0) {
      const isIdle = !this.clock.waitForEvent();
      slot = this.send(opcode, groupType, memberId, data, resultLength, 1);
      if (slot < 0 && isIdle) throw new VfioError('EAGAIN', 'no command slot or descriptor becomes free');
    }
    while (this.state[slot] !== DONE) {
      if (!this.clock.waitForEvent() && this.state[slot] !== DONE) {
        throw new DeviceFaultError('DEVICE_SILENT', `admin command 0x${opcode.toString(16)} is never answered`);
      }
    }
    const outcome = this.outcome;
    outcome.status = this.status(slot);
    outcome.qualifier = this.qualifier(slot);
    outcome.resultLength = this.written[slot]!;
    outcome.result = this.results[slot]!;
    this.release(slot);
    return outcome;
  }

  /** Sends one command and returns its slot at once; -1 where all slots or descriptors are taken. */
  submit(opcode: number, groupType: number, memberId: number, data: Uint8Array | null, resultLength: number): number {
    return this.send(opcode, groupType, memberId, data, resultLength, 0);
  }

  /** Slot of the next completed submit(), oldest first; -1 where none has completed. release() it after use. */
  poll(): number {
    if (this.completedCount === 0) return -1;
    const slot = this.completed[this.completedHead]!;
    this.completedHead = (this.completedHead + 1) % this.completed.length;
    this.completedCount--;
    return slot;
  }

  isDone(slot: number): boolean {
    return this.state[slot] === DONE;
  }

  status(slot: number): number {
    return this.u16[(this.statusAt[slot]! + ADMIN_RESULT_STATUS) >>> 1]!;
  }

  qualifier(slot: number): number {
    return this.u16[(this.statusAt[slot]! + ADMIN_RESULT_STATUS_QUALIFIER) >>> 1]!;
  }

  resultLength(slot: number): number {
    return this.written[slot]!;
  }

  /** Result buffer of a slot; its first resultLength() bytes are the result. */
  result(slot: number): Uint8Array {
    return this.results[slot]!;
  }

  /** Gives a completed slot back. */
  release(slot: number): void {
    if (this.state[slot] !== DONE) throw new NicError('ADMIN_SLOTS', `slot ${slot} holds no completed command`);
    this.state[slot] = FREE;
    this.freeSlots[this.freeCount++] = slot;
  }

  private send(
    opcode: number,
    groupType: number,
    memberId: number,
    data: Uint8Array | null,
    resultLength: number,
    isExclusive: 0 | 1,
  ): number {
    const ring = this.ring;
    if (ring === null) throw new NicError('ADMIN_QUEUE', 'the admin queue is not set up');
    if (opcode > VIRTIO_ADMIN_CMD_LIST_USE && (opcode > 31 || ((this.supportedCommands >>> opcode) & 1) === 0)) {
      throw new VfioError('EOPNOTSUPP', `admin command 0x${opcode.toString(16)} is not in the used list`);
    }
    if (this.freeCount === 0) return -1;
    const slot = this.freeSlots[this.freeCount - 1]!;
    const dataLength = data === null ? 0 : data.length;
    if (dataLength > this.dataCapacity[slot]!) this.giveData(slot, dataLength);
    if (resultLength > this.results[slot]!.length) this.giveResult(slot, resultLength);

    const header = this.headerAt[slot]!;
    this.u16[(header + ADMIN_CMD_OPCODE) >>> 1] = opcode;
    this.u16[(header + ADMIN_CMD_GROUP_TYPE) >>> 1] = groupType;
    this.u32[(header + ADMIN_CMD_GROUP_MEMBER_ID) >>> 2] = memberId;
    const status = this.statusAt[slot]! >>> 2;
    this.u32[status] = 0;
    this.u32[status + 1] = 0;
    ring.push(this.headerIova[slot]!, ADMIN_CMD_HEADER_SIZE, false);
    if (data !== null && dataLength > 0) {
      copyBytes(data, this.u8, this.dataAt[slot]!);
      ring.push(this.dataIova[slot]!, dataLength, false);
    }
    ring.push(this.statusIova[slot]!, ADMIN_RESULT_HEADER_SIZE, true);
    if (resultLength > 0) ring.push(this.resultIova[slot]!, resultLength, true);
    if (!ring.commit(slot)) return -1;

    this.freeCount--;
    this.state[slot] = IN_FLIGHT;
    this.isExclusive[slot] = isExclusive;
    this.requested[slot] = resultLength;
    this.commands++;
    if (ring.publish()) this.doorbell.notify(ring.queue);
    return slot;
  }

  private complete(slot: number, usedLength: number): void {
    // A used length below 8 leaves no result, and the status what it was set to: success.
    const length = usedLength > ADMIN_RESULT_HEADER_SIZE ? usedLength - ADMIN_RESULT_HEADER_SIZE : 0;
    this.written[slot] = Math.min(length, this.requested[slot]!);
    this.state[slot] = DONE;
    if (this.status(slot) !== VIRTIO_ADMIN_STATUS_OK) this.failures++;
    if (this.isExclusive[slot] === 1) return;
    const size = this.completed.length;
    this.completed[(this.completedHead + this.completedCount) % size] = slot;
    this.completedCount++;
    if (this.onComplete !== null) this.onComplete(slot);
  }

  private giveData(slot: number, bytes: number): void {
    const capacity = roomFor(bytes);
    this.dataAt[slot] = this.memory.alloc(capacity, ALIGN);
    this.dataIova[slot] = this.memory.iova(this.dataAt[slot]!);
    this.dataCapacity[slot] = capacity;
  }

  private giveResult(slot: number, bytes: number): void {
    const capacity = roomFor(bytes);
    const at = this.memory.alloc(capacity, ALIGN);
    this.resultAt[slot] = at;
    this.resultIova[slot] = this.memory.iova(at);
    this.results[slot] = this.u8.subarray(at, at + capacity);
  }
}

/** Next power of two, so that growing buffers settle soon. */
function roomFor(bytes: number): number {
  let room = ALIGN;
  while (room < bytes) room *= 2;
  return room;
}

function copyBytes(from: Uint8Array, to: Uint8Array, at: number): void {
  if (from.length > 64) {
    to.set(from, at);
    return;
  }
  for (let i = 0; i < from.length; i++) to[at + i] = from[i]!;
}
