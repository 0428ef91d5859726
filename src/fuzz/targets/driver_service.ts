// SPDX-License-Identifier: Apache-2.0
// What the hostile function does with the chains that it is given: sends, receives, answers control and administration
// commands as a device would, and returns them with the lies that are in store for the queue.
import * as A from '../../../assembly/abi/virtio_admin.ts';
import { VIRTIO_NET_F_MQ, VIRTIO_NET_HDR_NUM_BUFFERS, VIRTIO_NET_OK } from '../../../assembly/abi/virtio_net.ts';
import { NOTIFY_AT, REGISTER_BAR } from './driver_config.ts';
import type { Chain, DeviceQueue } from './driver_queue.ts';
import { FLOOD, STEP, type DriverWorld } from './driver_world.ts';

/** What the service needs of the function whose queues it works on. */
export interface ServedFunction {
  readonly world: DriverWorld;
  readonly adminQueue: number;
  /** The VF that the PF's legacy commands reach. */
  readonly member: ServedMember | null;
  hasAccepted(bit: number): boolean;
  ring(index: number): DeviceQueue | null;
  raiseQueue(index: number): void;
}

/** The legacy registers of a member. */
export interface ServedMember {
  readonly netConfig: Uint8Array;
  readLegacy(offset: number, size: number): number;
  writeLegacy(offset: number, size: number, value: number): void;
}

type Role = 'receive' | 'transmit' | 'control' | 'admin';

const HEADER_BYTES = 12;
const LISTED_COMMANDS = 0x3e7fc;
const OBJECT_LIMIT = 8;

function roleOf(fn: ServedFunction, index: number): Role {
  if (index === fn.adminQueue) return 'admin';
  const pairs = fn.hasAccepted(VIRTIO_NET_F_MQ) ? 2 : 1;
  if (index === 2 * pairs) return 'control';
  return index % 2 === 0 ? 'receive' : 'transmit';
}

/** Works on everything that the driver made available on a queue. */
export function serveQueue(fn: ServedFunction, index: number, ring: DeviceQueue): void {
  ring.take();
  const { world } = fn;
  if (((world.silent >>> index) & 1) === 1) return;
  const role = roleOf(fn, index);
  if (role === 'receive') {
    if ((world.behaviour & FLOOD) !== 0) for (let i = ring.work.length; i > 0; i--) deliver(fn, index, 60, 1);
    return;
  }
  while (ring.work.length > 0) {
    const chain = ring.held.get(ring.work[0]!)!;
    if (role === 'transmit') giveBack(fn, ring, chain, 0);
    else if (role === 'control') {
      ring.fill(chain, [VIRTIO_NET_OK]);
      giveBack(fn, ring, chain, 1);
    } else if (!answerCommand(fn, ring, chain)) ring.work.shift();
  }
  fn.raiseQueue(index);
}

/** A frame of `length` bytes for the driver, in as many buffers as `buffers` says; nothing where none is there. */
export function deliver(fn: ServedFunction, index: number, length: number, buffers: number): void {
  const ring = fn.ring(index);
  if (ring === null) return;
  ring.take();
  for (let i = 0; i < buffers; i++) {
    const chain = ring.held.get(ring.work[0] ?? -1);
    if (chain === undefined) break;
    const bytes = new Uint8Array((i === 0 ? HEADER_BYTES : 0) + length);
    if (i === 0) bytes[VIRTIO_NET_HDR_NUM_BUFFERS] = buffers;
    ring.fill(chain, bytes);
    giveBack(fn, ring, chain, Math.min(bytes.length, roomOf(chain)));
  }
  fn.raiseQueue(index);
}

function roomOf({ segments }: Chain): number {
  return segments.reduce((sum, { length, isWritable }) => sum + (isWritable ? length : 0), 0);
}

/** Returns a chain, with the next lie of the queue. */
function giveBack(fn: ServedFunction, ring: DeviceQueue, chain: Chain, length: number): void {
  const { world } = fn;
  const lie = world.usedLies.get(ring.index)?.shift();
  if (ring.work[0] === chain.head) ring.work.shift();
  if (lie === undefined) {
    ring.complete(chain.head, length);
    return;
  }
  const { size } = ring.place;
  const ids = [
    chain.head,
    lie.value,
    (chain.head + 1) % size,
    [...ring.returned.keys()].at(-1) ?? size,
    [...ring.held.keys()].find((head) => head !== chain.head) ?? size,
    lie.value % size,
    size + (lie.value & 7),
    0xffffffff,
  ];
  const lengths = [length, lie.value, roomOf(chain) + 1, 0xffffffff];
  const steps = [1, 0, 2, size, ring.held.size, lie.value & 0xffff, 0xffff, 1];
  world.step(STEP.USED + lie.id + 8 * lie.length + 64 * lie.step, lie.value);
  ring.complete(ids[lie.id]!, lengths[lie.length]!, steps[lie.step]!);
}

/** Executes an administration command; false where no answer comes. */
function answerCommand(fn: ServedFunction, ring: DeviceQueue, chain: Chain): boolean {
  const { world } = fn;
  const bytes = Uint8Array.from(ring.read(chain));
  const opcode = (bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8);
  const result = execute(fn, opcode, bytes.subarray(A.ADMIN_CMD_HEADER_SIZE));
  const answer = new Uint8Array(A.ADMIN_RESULT_HEADER_SIZE + result.length);
  answer.set(result, A.ADMIN_RESULT_HEADER_SIZE);
  let length = Math.min(answer.length, roomOf(chain));
  const lie = world.adminLies.shift();
  if (lie !== undefined) {
    world.step(STEP.ADMIN + opcode * 8 + lie.mode, lie.value);
    const view = new DataView(answer.buffer);
    switch (lie.mode) {
      case 0:
        view.setUint16(A.ADMIN_RESULT_STATUS, lie.status, true);
        view.setUint16(A.ADMIN_RESULT_STATUS_QUALIFIER, lie.value & 0xffff, true);
        break;
      case 1:
        length = lie.value;
        break;
      case 2:
        return false;
      case 3:
        for (let i = A.ADMIN_RESULT_HEADER_SIZE; i < answer.length; i++) answer[i]! ^= lie.value >>> (8 * (i & 3));
        break;
      case 4:
        length = lie.value % (roomOf(chain) + 1);
        break;
      case 5:
        answer.fill(lie.value & 0xff);
        break;
      case 6:
        if (lie.status + 4 <= answer.length) view.setUint32(lie.status, lie.value, true);
        break;
      default:
        break; // an honest answer, so that a later one can lie
    }
  }
  ring.fill(chain, answer);
  giveBack(fn, ring, chain, length);
  return true;
}

function execute(fn: ServedFunction, opcode: number, data: Uint8Array): Uint8Array {
  const member = fn.member;
  switch (opcode) {
    case A.VIRTIO_ADMIN_CMD_LIST_QUERY:
      return word(LISTED_COMMANDS, 8);
    case A.VIRTIO_ADMIN_CMD_CAP_ID_LIST_QUERY:
      return word(1 << A.VIRTIO_DEV_PARTS_CAP, 8);
    case A.VIRTIO_ADMIN_CMD_DEVICE_CAP_GET:
      return Uint8Array.of(OBJECT_LIMIT, OBJECT_LIMIT);
    case A.VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ:
      return word(member?.readLegacy(data[0] ?? 0, 4) ?? 0, 4);
    case A.VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_READ:
      return member?.netConfig.slice(data[0] ?? 0, (data[0] ?? 0) + 8) ?? word(0, 8);
    case A.VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_WRITE:
      writeMember(member, data);
      return new Uint8Array(0);
    case A.VIRTIO_ADMIN_CMD_LEGACY_NOTIFY_INFO: {
      const entries = new Uint8Array(A.ADMIN_NOTIFY_INFO_RESULT_SIZE);
      entries[A.ADMIN_NOTIFY_INFO_FLAGS] = A.VIRTIO_ADMIN_CMD_NOTIFY_INFO_FLAGS_OWNER_MEM;
      entries[A.ADMIN_NOTIFY_INFO_BAR] = REGISTER_BAR;
      new DataView(entries.buffer).setUint32(A.ADMIN_NOTIFY_INFO_OFFSET, NOTIFY_AT, true);
      return entries;
    }
    default:
      return new Uint8Array(16);
  }
}

function writeMember(member: ServedMember | null, data: Uint8Array): void {
  let value = 0;
  for (let i = data.length - 1; i >= A.ADMIN_LEGACY_WR_REGISTERS; i--) value = value * 256 + data[i]!;
  member?.writeLegacy(data[A.ADMIN_LEGACY_WR_OFFSET] ?? 0, data.length - A.ADMIN_LEGACY_WR_REGISTERS, value >>> 0);
}

function word(value: number, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (i < 4 ? (value >>> (8 * i)) & 0xff : 0));
}
