// SPDX-License-Identifier: Apache-2.0
// The driver's side of an administration virtqueue (virtio 1.4 §2.13), laid out as Linux lays it out: each command is a
// chain of two to four buffers, and several may be in flight. Completion comes by interrupt only and there is no timeout.
//
//   device-readable   | header 24: opcode, group_type, 12 zero, group_member_id 8 | data, if any  |
//   device-writable   | status 8: status, qualifier, 4 reserved                   | result, if any |
import {
  ADMIN_CMD_GROUP_MEMBER_ID,
  ADMIN_CMD_HEADER_SIZE,
  ADMIN_CMD_OPCODE,
  ADMIN_RESULT_HEADER_SIZE,
  ADMIN_RESULT_STATUS,
  ADMIN_RESULT_STATUS_QUALIFIER,
  VIRTIO_ADMIN_CMD_LIST_USE,
  VIRTIO_ADMIN_STATUS_OK,
} from '../../assembly/abi/virtio_admin.ts';
import { NicError, VfioError } from '../util/errors.ts';
import { checkOptions, wholeFrom, type OptionChecks } from '../util/options.ts';
import { DeviceFaultError } from './device_fault.ts';
import type { Doorbell, DriverRing } from './driver_ring.ts';
import { ANSWER_WAITS, WAITS, type Clock, type DmaMemory } from './platform.ts';

const ALIGN = 8;
const FREE = 0;
const SUBMITTED = 1;
const EXECUTING = 2;
const DONE = 3;
/** Nobody waits for the answer any more. */
const GIVEN_UP = 4;
/**
 * What a slot keeps in one place: header, status, table of the chain; 96 bytes, in 128 so that no slot lies across a page, which
 * would cost the card a request more.
 */
const SLOT_STATUS = ADMIN_CMD_HEADER_SIZE;
const SLOT_TABLE = SLOT_STATUS + ADMIN_RESULT_HEADER_SIZE;
const SLOT_BYTES = 128;

/** Commands in flight, and bytes for data and for a result, unless others are asked for. */
export const ADMIN_SLOTS = 64;
export const ADMIN_BYTES = 64;
/** Descriptors of the longest chain: header, data, status, result. No chain may be longer than its queue (§2.7.5.3.1). */
export const ADMIN_CHAIN = 4;

/** How much an admin client sets aside, and how long it waits. */
export interface AdminClientOptions {
  /** Most commands in flight, up to 32768; default 64. */
  readonly slots?: number;
  /** Bytes set aside per command for data and for the result; larger commands get larger buffers when they come. */
  readonly dataBytes?: number;
  readonly resultBytes?: number;
  /** Waits of exec() for one answer before the device is given up. */
  readonly answerWaits?: number;
}

/** Larger commands get larger buffers when they come, so there is no need for more. */
const BYTES = wholeFrom(1, 1 << 20);

export const ADMIN_CLIENT_OPTIONS: OptionChecks<AdminClientOptions> = {
  slots: wholeFrom(1, 0x8000),
  dataBytes: BYTES,
  resultBytes: BYTES,
  answerWaits: WAITS,
};

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
  /** Called from the interrupt with the slot of each completed submit(), which poll() then does not return. */
  onComplete: ((slot: number) => void) | null = null;
  /** Commands sent, and those that came back with a status other than 0. */
  commands = 0;
  failures = 0;

  private readonly memory: DmaMemory;
  private readonly clock: Clock;
  private readonly doorbell: Doorbell;
  private readonly answerWaits: number;
  private readonly u8: Uint8Array;
  private readonly u16: Uint16Array;
  private readonly u32: Uint32Array;
  private ring: DriverRing | null = null;
  private readonly outcome: { status: number; qualifier: number; resultLength: number; result: Uint8Array };

  /** Where the slots begin; a slot's table stays as it is from one command to the next of the same lengths. */
  private readonly slotsAt: number;
  private readonly dataAt: Uint32Array;
  private readonly resultAt: Uint32Array;
  private readonly tableEntries: Uint8Array;
  private readonly dataCapacity: Uint32Array;
  private readonly dataLength: Uint32Array;
  private readonly resultSpace: Uint32Array;
  private readonly results: Uint8Array[] = [];
  private readonly written: Uint32Array;
  private readonly state: Uint8Array;
  /** Slot of a buffer in the ring, by its id. */
  private slotOf = new Uint16Array(0);
  private readonly freeSlots: Uint16Array;
  private freeCount = 0;
  private readonly completed: Uint16Array;
  private completedHead = 0;
  private completedCount = 0;

  constructor(memory: DmaMemory, clock: Clock, doorbell: Doorbell, options: AdminClientOptions = {}) {
    checkOptions('admin client', options, ADMIN_CLIENT_OPTIONS);
    const {
      slots = ADMIN_SLOTS,
      dataBytes = ADMIN_BYTES,
      resultBytes = ADMIN_BYTES,
      answerWaits = ANSWER_WAITS,
    } = options;
    this.memory = memory;
    this.clock = clock;
    this.doorbell = doorbell;
    this.answerWaits = answerWaits;
    this.u8 = memory.u8;
    this.u16 = memory.u16;
    this.u32 = memory.u32;
    this.dataAt = new Uint32Array(slots);
    this.resultAt = new Uint32Array(slots);
    this.tableEntries = new Uint8Array(slots);
    this.dataCapacity = new Uint32Array(slots);
    this.dataLength = new Uint32Array(slots);
    this.resultSpace = new Uint32Array(slots);
    this.written = new Uint32Array(slots);
    this.state = new Uint8Array(slots);
    this.freeSlots = new Uint16Array(slots);
    this.completed = new Uint16Array(slots);
    this.slotsAt = memory.alloc(slots * SLOT_BYTES, SLOT_BYTES);
    for (let slot = 0; slot < slots; slot++) {
      this.giveData(slot, dataBytes);
      this.giveResult(slot, resultBytes);
    }
    this.outcome = { status: 0, qualifier: 0, resultLength: 0, result: this.results[0]! };
  }

  /** Starts over on a ring of a device that was just reset. */
  start(ring: DriverRing): void {
    const slots = this.state.length;
    this.ring = ring;
    for (let slot = 0; slot < slots; slot++) this.writeTable(ring, slot, 0, 0);
    this.slotOf = new Uint16Array(ring.size);
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

  /** Index of its virtqueue; -1 before start(). */
  get queueIndex(): number {
    return this.ring === null ? -1 : this.ring.queue;
  }

  /** Handler of the queue's interrupt. */
  readonly onUsed = (): void => {
    const ring = this.ring;
    if (ring === null) return;
    do {
      ring.disableInterrupts();
      for (let id = ring.takeUsed(); id >= 0; id = ring.takeUsed()) {
        this.complete(this.slotOf[id]!, ring.usedLength);
      }
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
    let slot = this.send(opcode, groupType, memberId, data, resultLength, EXECUTING);
    for (let waits = 0; slot < 0; waits++) {
      const isIdle = waits === this.answerWaits || !this.clock.waitForEvent();
      slot = this.send(opcode, groupType, memberId, data, resultLength, EXECUTING);
      if (slot < 0 && isIdle) throw new VfioError('EAGAIN', 'no command slot or descriptor becomes free');
    }
    for (let waits = 0; this.state[slot] !== DONE; waits++) {
      if (waits === this.answerWaits || (!this.clock.waitForEvent() && this.state[slot] !== DONE)) {
        this.state[slot] = GIVEN_UP;
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
    return this.send(opcode, groupType, memberId, data, resultLength, SUBMITTED);
  }

  /** Slot of the next completed submit(), oldest first; -1 where none has completed. release() it after use. */
  poll(): number {
    if (this.completedCount === 0) return -1;
    const slot = this.completed[this.completedHead]!;
    this.completedHead = (this.completedHead + 1) % this.completed.length;
    this.completedCount--;
    return slot;
  }

  /** Is the command of a slot answered? */
  isDone(slot: number): boolean {
    return this.state[slot] === DONE;
  }

  /** Status of an answered command: 0, or a Linux error number. */
  status(slot: number): number {
    return this.u16[(this.slotsAt + slot * SLOT_BYTES + SLOT_STATUS + ADMIN_RESULT_STATUS) >>> 1]!;
  }

  /** Status qualifier of an answered command: why it failed. */
  qualifier(slot: number): number {
    return this.u16[(this.slotsAt + slot * SLOT_BYTES + SLOT_STATUS + ADMIN_RESULT_STATUS_QUALIFIER) >>> 1]!;
  }

  /** Bytes of result that the device wrote. */
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
    state: number,
  ): number {
    const ring = this.ring;
    if (ring === null) throw new NicError('ADMIN_QUEUE', 'the admin queue is not set up');
    if (opcode > VIRTIO_ADMIN_CMD_LIST_USE && (opcode > 31 || ((this.supportedCommands >>> opcode) & 1) === 0)) {
      throw new VfioError('EOPNOTSUPP', `admin command 0x${opcode.toString(16)} is not in the used list`);
    }
    if (this.freeCount === 0) return -1;
    const slot = this.freeSlots[this.freeCount - 1]!;
    const dataLength = data === null ? 0 : data.length;
    if (dataLength !== this.dataLength[slot] || resultLength !== this.resultSpace[slot]) {
      this.writeTable(ring, slot, dataLength, resultLength);
    }
    const u32 = this.u32;
    const header = (this.slotsAt + slot * SLOT_BYTES) >>> 2;
    u32[header + (ADMIN_CMD_OPCODE >>> 2)] = opcode | (groupType << 16);
    u32[header + (ADMIN_CMD_GROUP_MEMBER_ID >>> 2)] = memberId;
    u32[header + ((SLOT_STATUS + ADMIN_RESULT_STATUS) >>> 2)] = 0;
    if (data !== null) copyBytes(data, this.u8, this.dataAt[slot]!);

    const table = this.slotsAt + slot * SLOT_BYTES + SLOT_TABLE;
    const id = ring.addTable(table, this.tableEntries[slot]!, ADMIN_RESULT_HEADER_SIZE + resultLength);
    if (id < 0) return -1;
    this.slotOf[id] = slot;
    this.freeCount--;
    this.state[slot] = state;
    this.commands++;
    if (ring.publish()) this.doorbell.notify(ring.queue);
    return slot;
  }

  private complete(slot: number, usedLength: number): void {
    // A used length below 8 leaves no result, and the status what it was set to: success.
    const length = usedLength > ADMIN_RESULT_HEADER_SIZE ? usedLength - ADMIN_RESULT_HEADER_SIZE : 0;
    const wasSubmitted = this.state[slot] === SUBMITTED;
    const isGivenUp = this.state[slot] === GIVEN_UP;
    this.written[slot] = length;
    this.state[slot] = DONE;
    if (this.status(slot) !== VIRTIO_ADMIN_STATUS_OK) this.failures++;
    if (isGivenUp) this.release(slot);
    if (!wasSubmitted) return;
    if (this.onComplete !== null) {
      this.onComplete(slot);
      return;
    }
    const size = this.completed.length;
    this.completed[(this.completedHead + this.completedCount) % size] = slot;
    this.completedCount++;
  }

  /** Lays out a slot's chain for these lengths, in larger buffers if need be. */
  private writeTable(ring: DriverRing, slot: number, dataLength: number, resultLength: number): void {
    if (dataLength > this.dataCapacity[slot]!) this.giveData(slot, dataLength);
    if (resultLength > this.results[slot]!.length) this.giveResult(slot, resultLength);
    this.dataLength[slot] = dataLength;
    this.resultSpace[slot] = resultLength;
    const { memory } = this;
    const base = this.slotsAt + slot * SLOT_BYTES;
    const table = base + SLOT_TABLE;
    const hasResult = resultLength > 0;
    let entry = 0;
    ring.writeTableEntry(table, entry++, memory.iova(base), ADMIN_CMD_HEADER_SIZE, false, false);
    if (dataLength > 0) {
      ring.writeTableEntry(table, entry++, memory.iova(this.dataAt[slot]!), dataLength, false, false);
    }
    ring.writeTableEntry(table, entry++, memory.iova(base + SLOT_STATUS), ADMIN_RESULT_HEADER_SIZE, true, !hasResult);
    if (hasResult) ring.writeTableEntry(table, entry++, memory.iova(this.resultAt[slot]!), resultLength, true, true);
    this.tableEntries[slot] = entry;
  }

  private giveData(slot: number, bytes: number): void {
    const capacity = roomFor(bytes);
    this.dataAt[slot] = this.memory.alloc(capacity, ALIGN);
    this.dataCapacity[slot] = capacity;
  }

  private giveResult(slot: number, bytes: number): void {
    const capacity = roomFor(bytes);
    const at = this.memory.alloc(capacity, ALIGN);
    this.resultAt[slot] = at;
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
