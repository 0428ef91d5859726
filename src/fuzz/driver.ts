// SPDX-License-Identifier: Apache-2.0
// What a driver does in one go, well or badly: bring a function up, set a queue up, give a command, send a frame. The books
// follow.
import {
  CAP_EXP,
  EXT_CAP_SRIOV,
  NOTIFY_BAR_OFFSET,
  NOTIFY_OFF_MULTIPLIER,
  VIRTIO_BAR,
} from '../../assembly/abi/config_layout.ts';
import {
  PCI_SRIOV_CTRL,
  PCI_SRIOV_CTRL_MSE,
  PCI_SRIOV_CTRL_VFE,
  PCI_SRIOV_NUM_VF,
} from '../../assembly/abi/pci_sriov.ts';
import { PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR } from '../../assembly/abi/pci_express.ts';
import { WIRE_INPUT } from '../../assembly/abi/state_map.ts';
import {
  COMMON_DEVICE_FEATURE,
  COMMON_DEVICE_FEATURE_SELECT,
  COMMON_DEVICE_STATUS,
  COMMON_DRIVER_FEATURE,
  COMMON_DRIVER_FEATURE_SELECT,
  COMMON_QUEUE_DESC,
  COMMON_QUEUE_DEVICE,
  COMMON_QUEUE_DRIVER,
  COMMON_QUEUE_ENABLE,
  COMMON_QUEUE_MSIX_VECTOR,
  COMMON_QUEUE_RESET,
  COMMON_QUEUE_SELECT,
  COMMON_QUEUE_SIZE,
} from '../../assembly/abi/virtio_pci_common.ts';
import { VIRTIO_F_INDIRECT_DESC } from '../../assembly/abi/virtio_features.ts';
import { VIRTQ_AVAIL_RING, VIRTQ_USED_IDX, VIRTQ_USED_RING } from '../../assembly/abi/virtio_ring.ts';
import { MSIX_CLEARED, MSIX_TOUCHED, type Books } from './books.ts';
import type { FuzzCard } from './card.ts';
import type { ExactMemory } from './exact_memory.ts';
import type { GuestRings } from './guest_rings.ts';
import { chainFault, type ChainMemory } from '../reference/chain.ts';
import type { Violation } from './target.ts';
import {
  FUNCTIONS,
  QUEUE_ADMIN,
  QUEUE_CONTROL,
  QUEUE_RX,
  QUEUE_SIZE,
  QUEUE_TX,
  QUEUES,
  RING_AVAILABLE,
  RING_BYTES,
  RING_INDIRECT,
  RING_USED,
  MAPPED_BYTES,
  SLICE_IOVA,
  SLICE_IOVA_HIGH,
  SLOT_BYTES,
  SLOT_WRITABLE,
} from './layout.ts';

/** Values of device_status on the way up. */
const ACKNOWLEDGE_DRIVER = 3;
const FEATURES_OK = 11;
const DRIVER_OK = 15;
const COMMAND_ON = 6;
const COMMAND = 4;
const INDIRECT_DESC = 1 << VIRTIO_F_INDIRECT_DESC;
const FRAME_BYTES_MAX = 1600;
const FRAME_HEADER_BYTES = 14;
const NET_HEADER_BYTES = 12;
const FIRST_LEGACY_OPCODE = 2;
const ADMIN_HEADER_BYTES = 24;
const ADMIN_STATUS_BYTES = 8;
const ADMIN_RESULT_BYTES = 64;
const MAC_PREFIX = 0x00667602; // 02:76:66:00, little-endian

/** The drivers of all functions. */
export class FuzzDriver {
  private readonly card: FuzzCard;
  private readonly books: Books;
  private readonly rings: GuestRings;
  private readonly exact: ExactMemory;
  private readonly memories: readonly ChainMemory[];
  /** A chain of this run that the card should not have taken. */
  violation: Violation | null = null;

  constructor(card: FuzzCard, books: Books, rings: GuestRings, exact: ExactMemory) {
    this.card = card;
    this.books = books;
    this.rings = rings;
    this.exact = exact;
    this.memories = Array.from({ length: FUNCTIONS }, (_, fn) => ({
      view: new DataView(card.u8.buffer, card.at(fn, 0), MAPPED_BYTES),
      base: SLICE_IOVA,
      length: MAPPED_BYTES,
    }));
  }

  setVfs(count: number): void {
    const { card } = this;
    this.books.actAll();
    for (let fn = 1; fn < FUNCTIONS; fn++) this.wasReset(fn);
    card.configWrite(0, EXT_CAP_SRIOV + PCI_SRIOV_CTRL, 2, 0);
    card.configWrite(0, EXT_CAP_SRIOV + PCI_SRIOV_NUM_VF, 2, count);
    const control = count === 0 ? 0 : PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE;
    card.configWrite(0, EXT_CAP_SRIOV + PCI_SRIOV_CTRL, 2, control);
    for (let fn = 1; fn < FUNCTIONS; fn++) this.exact.freeze(fn);
    for (let fn = 1; fn <= count && fn < FUNCTIONS; fn++) this.masterOn(fn);
  }

  /** Function level reset; the PF's takes the VFs away. */
  flr(fn: number): void {
    if (fn === 0) {
      this.books.actAll();
      for (let vf = 1; vf < FUNCTIONS; vf++) this.wasReset(vf);
    }
    this.wasReset(fn);
    this.card.configWrite(fn, CAP_EXP + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
    this.card.observer?.functionReset(fn);
    for (let one = fn; one < (fn === 0 ? FUNCTIONS : fn + 1); one++) this.exact.freeze(one);
    this.masterOn(fn);
  }

  private wasReset(fn: number): void {
    this.books.clearFunction(fn);
    this.books.msix[fn]! |= MSIX_TOUCHED;
  }

  bringUp(fn: number, features0: number, features1: number): number {
    const { card } = this;
    this.books.clearFunction(fn);
    const write = (offset: number, size: number, value: number): void =>
      card.write(fn, VIRTIO_BAR, offset, size, value);
    write(COMMON_DEVICE_STATUS, 1, 0);
    // the reset is over when it is read; without memory decode nothing was reset
    if (card.read(fn, VIRTIO_BAR, COMMON_DEVICE_STATUS, 1) === 0) this.exact.freeze(fn);
    else this.exact.loseTrack(fn);
    write(COMMON_DEVICE_STATUS, 1, ACKNOWLEDGE_DRIVER);
    write(COMMON_DEVICE_FEATURE_SELECT, 4, 0);
    const offered0 = card.read(fn, VIRTIO_BAR, COMMON_DEVICE_FEATURE, 4);
    write(COMMON_DEVICE_FEATURE_SELECT, 4, 1);
    const offered1 = card.read(fn, VIRTIO_BAR, COMMON_DEVICE_FEATURE, 4);
    write(COMMON_DRIVER_FEATURE_SELECT, 4, 0);
    write(COMMON_DRIVER_FEATURE, 4, offered0 & features0);
    write(COMMON_DRIVER_FEATURE_SELECT, 4, 1);
    write(COMMON_DRIVER_FEATURE, 4, offered1 & features1);
    write(COMMON_DEVICE_STATUS, 1, FEATURES_OK);
    const status = card.read(fn, VIRTIO_BAR, COMMON_DEVICE_STATUS, 1);
    if (status === FEATURES_OK) {
      this.books.features[2 * fn] = offered0 & features0;
      this.books.features[2 * fn + 1] = offered1 & features1;
    }
    return status;
  }

  /** a: bit 0 a size of the program's choice, bit 1 addresses moved by value2, bit 2 a vector of its choice. */
  queueSetup(fn: number, q: number, a: number, offset: number, size: number, shift: number): boolean {
    const { card } = this;
    const queue = fn * QUEUES + q;
    const write = (at: number, bytes: number, value: number): void => card.write(fn, VIRTIO_BAR, at, bytes, value);
    write(COMMON_QUEUE_SELECT, 2, q);
    const wasEnabled = card.read(fn, VIRTIO_BAR, COMMON_QUEUE_ENABLE, 2) !== 0;
    if (!wasEnabled) {
      this.books.clear(queue);
      this.rings.fill(fn, q * RING_BYTES + RING_AVAILABLE, RING_INDIRECT - RING_AVAILABLE, 0);
    }
    const moved = (a & 2) === 0 ? 0 : shift;
    const base = q * RING_BYTES;
    write(COMMON_QUEUE_SIZE, 2, (a & 1) === 0 ? QUEUE_SIZE : size);
    write(COMMON_QUEUE_DESC, 4, base + (moved & 0xff));
    write(COMMON_QUEUE_DESC + 4, 4, SLICE_IOVA_HIGH);
    write(COMMON_QUEUE_DRIVER, 4, base + RING_AVAILABLE + ((moved >>> 8) & 0xff));
    write(COMMON_QUEUE_DRIVER + 4, 4, SLICE_IOVA_HIGH);
    write(COMMON_QUEUE_DEVICE, 4, base + RING_USED + ((moved >>> 16) & 0xff));
    write(COMMON_QUEUE_DEVICE + 4, 4, moved >>> 24 === 0 ? SLICE_IOVA_HIGH : moved >>> 24);
    write(COMMON_QUEUE_MSIX_VECTOR, 2, (a & 4) === 0 ? q + 1 : offset & 0xffff);
    write(COMMON_QUEUE_ENABLE, 2, 1);
    const isEnabled = card.read(fn, VIRTIO_BAR, COMMON_QUEUE_ENABLE, 2) === 1;
    this.exact.allowRing(fn, q);
    if ((a & 3) !== 0) this.exact.loseTrack(fn);
    this.books.vector[queue] = card.read(fn, VIRTIO_BAR, COMMON_QUEUE_MSIX_VECTOR, 2);
    if (wasEnabled)
      this.books.msix[fn]! |= MSIX_CLEARED; // the vector may be another one
    else {
      const isInOrder = isEnabled && (a & 3) === 0 && this.books.hasQueue(queue) && this.books.isCutOff[fn] === 0;
      this.books.trusted[queue] = isInOrder ? 1 : 0;
    }
    return isEnabled;
  }

  queueReset(fn: number, q: number): number {
    const { card } = this;
    this.books.clear(fn * QUEUES + q);
    card.write(fn, VIRTIO_BAR, COMMON_QUEUE_SELECT, 2, q);
    card.write(fn, VIRTIO_BAR, COMMON_QUEUE_RESET, 2, 1);
    const isEnabled = card.read(fn, VIRTIO_BAR, COMMON_QUEUE_ENABLE, 2);
    if (isEnabled === 0) this.exact.freezeUsedRing(fn, q);
    else this.exact.loseTrack(fn);
    return isEnabled;
  }

  /** A command of the SR-IOV group may act on a VF, as a legacy driver would. */
  private reachMember(opcode: number, member: number): void {
    this.books.act(0);
    if (opcode < FIRST_LEGACY_OPCODE || member < 1 || member >= FUNCTIONS) return;
    this.books.act(member);
    this.books.distrustFunction(member);
    this.exact.loseTrack(member);
    this.card.observer?.cannotFollow(member);
  }

  /**
   * flags: bits 0-1 how the answer is laid out (whole, status only, 4 bytes, none), bits 2-3 how the command is cut (not,
   * after the header, in the header, 12 bytes), bit 5 no doorbell.
   */
  admin(opcode: number, group: number, member: number, flags: number, bytes: number, low: number, high: number): void {
    const { rings } = this;
    this.books.act(0);
    if (group === 1) this.reachMember(opcode, member);
    const at = rings.slot(0, QUEUE_ADMIN);
    rings.fill(0, at, SLOT_BYTES, 0);
    rings.write32(0, at, opcode + (group === 0xf ? 0xffff : group) * 0x10000);
    rings.write32(0, at + 16, member);
    rings.write32(0, at + 24, low);
    rings.write32(0, at + 28, high);
    const cut = [ADMIN_HEADER_BYTES + bytes, ADMIN_HEADER_BYTES, 20, 12][(flags >>> 2) & 3]!;
    const room = [ADMIN_STATUS_BYTES + ADMIN_RESULT_BYTES, ADMIN_STATUS_BYTES, 4, 0][flags & 3]!;
    rings.chain(0, QUEUE_ADMIN, at, cut, at + SLOT_WRITABLE, room);
    if ((flags & 0x20) === 0) this.kick(0, QUEUE_ADMIN, 0, 0);
    this.showAnswer(at, cut, room);
  }

  /** A legacy access: opcode 2 to 6, member, offset and size as offset gives them. */
  legacy(a: number, member: number, place: number, low: number, high: number): void {
    const { rings } = this;
    const opcode = 2 + (a % 5);
    this.reachMember(opcode, member);
    const at = rings.slot(0, QUEUE_ADMIN);
    rings.fill(0, at, SLOT_BYTES, 0);
    rings.write32(0, at, opcode + 0x10000);
    rings.write32(0, at + 16, member);
    rings.write32(0, at + 24, place & 0xff);
    rings.write32(0, at + 32, low);
    rings.write32(0, at + 36, high);
    const size = (place >>> 8) & 0x1f;
    const isWrite = opcode === 2 || opcode === 4;
    const data = isWrite ? 8 + size : opcode === 6 ? 0 : 1;
    const result = isWrite ? 0 : opcode === 6 ? ADMIN_RESULT_BYTES : size;
    rings.chain(0, QUEUE_ADMIN, at, ADMIN_HEADER_BYTES + data, at + SLOT_WRITABLE, ADMIN_STATUS_BYTES + result);
    this.kick(0, QUEUE_ADMIN, 0, 0);
    this.showAnswer(at, ADMIN_HEADER_BYTES + data, ADMIN_STATUS_BYTES + result);
  }

  /** An answer that came at once, to the only command under way, can be compared; after any other nothing is sure. */
  private showAnswer(at: number, commandBytes: number, room: number): void {
    const { card, books } = this;
    if (card.observer === null) return;
    const used = card.u16[card.at(0, QUEUE_ADMIN * RING_BYTES + RING_USED + VIRTQ_USED_IDX) >> 1]!;
    if (card.mode !== 'functional' || books.trusted[QUEUE_ADMIN] === 0 || used !== books.pushed[QUEUE_ADMIN]) {
      card.observer.commandsUnknown();
      return;
    }
    const entry = card.at(0, QUEUE_ADMIN * RING_BYTES + RING_USED + VIRTQ_USED_RING + 8 * ((used - 1) % QUEUE_SIZE));
    const command = card.u8.subarray(card.at(0, at), card.at(0, at + commandBytes));
    const writable = card.u8.subarray(card.at(0, at + SLOT_WRITABLE), card.at(0, at + SLOT_WRITABLE + room));
    card.observer.answered(command, writable, card.u32[(entry >> 2) + 1]!);
  }

  /** A control command: class, command, data of up to 64 bytes; bit 8 of `length`: no room for the ack. */
  control(fn: number, group: number, command: number, length: number, low: number, high: number): void {
    const { rings } = this;
    const at = rings.slot(fn, QUEUE_CONTROL);
    const bytes = length % 65;
    rings.fill(fn, at, SLOT_BYTES, 0);
    rings.write8(fn, at, group);
    rings.write8(fn, at + 1, command);
    for (let i = 0; i < 8; i++) rings.write8(fn, at + 2 + i, (i < 4 ? low >>> (8 * i) : high >>> (8 * (i - 4))) & 0xff);
    rings.chain(fn, QUEUE_CONTROL, at, 2 + bytes, at + SLOT_WRITABLE, (length & 0x100) === 0 ? 1 : 0);
    this.card.observer?.addressMayChange(fn);
    this.kick(fn, QUEUE_CONTROL, 0, 0);
  }

  receive(fn: number, count: number, flags: number, bytes: number): void {
    const room = bytes === 0 ? SLOT_BYTES : 1 + (bytes % SLOT_BYTES);
    for (let i = 0; i <= (count & 7); i++) {
      const at = this.rings.slot(fn, QUEUE_RX);
      this.rings.chain(fn, QUEUE_RX, 0, 0, at, room);
    }
    if ((flags & 1) === 0) this.kick(fn, QUEUE_RX, 0, 0);
  }

  transmit(fn: number, to: number, flags: number, length: number, seed: number, header: number): void {
    const { rings } = this;
    const at = rings.slot(fn, QUEUE_TX);
    const bytes = Math.min(SLOT_BYTES, NET_HEADER_BYTES + (length % SLOT_BYTES));
    rings.write32(fn, at, flags + header * 0x100);
    rings.write32(fn, at + 4, (flags & 0x80) === 0 ? 0 : seed);
    rings.write32(fn, at + 8, 0);
    const destination = destinationOf(to, fn);
    rings.write32(fn, at + 12, destination.low);
    rings.write32(fn, at + 16, destination.high + 0x7602 * 0x10000);
    rings.write32(fn, at + 20, fn * 0x1000000 + 0x66);
    rings.write32(fn, at + 24, seed);
    rings.chain(fn, QUEUE_TX, at, bytes, 0, 0);
    this.kick(fn, QUEUE_TX, 0, 0);
  }

  frame(to: number, length: number, seed: number): void {
    const { card } = this;
    if (card.isWireBusy()) return;
    const bytes = FRAME_HEADER_BYTES + (length % (FRAME_BYTES_MAX - FRAME_HEADER_BYTES));
    const destination = destinationOf(to, 0);
    card.pins.willWrite(WIRE_INPUT, 16);
    card.u32[WIRE_INPUT >> 2] = destination.low;
    card.u32[(WIRE_INPUT >> 2) + 1] = destination.high + 0x0102 * 0x10000;
    card.u32[(WIRE_INPUT >> 2) + 2] = seed;
    card.u32[(WIRE_INPUT >> 2) + 3] = 8;
    card.pins.receiveFrame(bytes);
  }

  /** Memory decode and bus mastering. */
  masterOn(fn: number): void {
    if (this.books.isCutOff[fn] === 0) this.exact.permit(fn);
    this.card.configWrite(fn, COMMAND, 2, COMMAND_ON);
  }

  /** DRIVER_OK; the status after it. */
  driverOk(fn: number): number {
    this.card.write(fn, VIRTIO_BAR, COMMON_DEVICE_STATUS, 1, DRIVER_OK);
    return this.card.read(fn, VIRTIO_BAR, COMMON_DEVICE_STATUS, 1);
  }

  kick(fn: number, q: number, a: number, value: number): void {
    const queue = fn * QUEUES + (q & 3);
    const isRaw = (a & 1) !== 0;
    const { card, books } = this;
    const announced = books.kicked[queue]!;
    // before DRIVER_OK a doorbell means nothing
    const isMeant = !isRaw && q < QUEUES && card.isRunning(fn);
    if (isMeant) books.kicked[queue] = books.pushed[queue]!;
    const fault = isMeant ? this.badChain(fn, q, announced) : null;
    const size = (a & 2) === 0 ? 2 : 4;
    const at = NOTIFY_BAR_OFFSET + q * NOTIFY_OFF_MULTIPLIER;
    card.write(fn, VIRTIO_BAR, at, size, isRaw ? value : q);
    if (fault === null || card.hasStopped(fn)) return;
    const message = `queue ${q} of function ${fn}: a chain was taken, and it is bad: ${fault}`;
    this.violation ??= { oracle: 'O8', message };
  }

  /**
   * What is certainly wrong with the chains that a doorbell announces now, of a queue whose work is done at once. Chains that
   * the card used are not among them: doorbells reach it in other ways too (by the value written anywhere in the notification
   * structure, through VIRTIO_PCI_CAP_PCI_CFG), and a driver may write a descriptor anew once it has its chain back.
   */
  private badChain(fn: number, q: number, announced: number): string | null {
    const { card, books } = this;
    const queue = fn * QUEUES + q;
    const used = card.u16[card.at(fn, q * RING_BYTES + RING_USED + VIRTQ_USED_IDX) >> 1]!;
    const fresh = books.pushed[queue]! - Math.max(announced, used);
    const isKnown = card.mode === 'functional' && q !== QUEUE_RX && books.trusted[queue] === 1;
    if (!isKnown || books.isCutOff[fn] !== 0 || fresh > QUEUE_SIZE || !card.isMaster(fn)) return null;
    const memory = this.memories[fn]!;
    const table = q * RING_BYTES;
    const hasIndirect = (books.features[2 * fn]! & INDIRECT_DESC) !== 0;
    for (let i = fresh; i > 0; i--) {
      const slot = (books.available[queue]! - i) & (QUEUE_SIZE - 1);
      const head = memory.view.getUint16(table + RING_AVAILABLE + VIRTQ_AVAIL_RING + 2 * slot, true);
      const fault = chainFault(memory, { table, size: QUEUE_SIZE, hasIndirect }, head);
      if (fault !== null) return fault;
    }
    return null;
  }
}

/** A destination address, little-endian in four and two bytes: a function, its own, broadcast, a group, a stranger. */
function destinationOf(code: number, own: number): { low: number; high: number } {
  const kind = code % 8;
  if (kind < FUNCTIONS) return MACS[kind]!;
  if (kind === 4) return BROADCAST;
  if (kind === 5) return GROUP;
  if (kind === 6) return STRANGER;
  return MACS[own]!;
}

const MACS = Array.from({ length: FUNCTIONS }, (_, fn) => ({ low: MAC_PREFIX, high: fn * 0x100 }));
const BROADCAST = { low: 0xffffffff, high: 0xffff };
const GROUP = { low: 0x005e0001, high: 0x0100 };
const STRANGER = { low: 0x0badcafe & ~1, high: 0x0607 };
