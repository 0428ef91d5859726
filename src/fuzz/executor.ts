// SPDX-License-Identifier: Apache-2.0
// Runs programs on a card. Reads of registers, interrupts and frames go into the trace hash; what was made available on
// each queue goes into the books, so that the oracles know what the card may do.
import {
  CAP_EXP,
  CAP_MSIX,
  CAP_PM,
  CAP_VIRTIO_COMMON,
  CAP_VIRTIO_PCI_CFG,
  EXT_CAP_SRIOV,
} from '../../assembly/abi/config_layout.ts';
import { VIRTIO_BAR } from '../../assembly/abi/config_layout.ts';
import { PCI_COMMAND, PCI_COMMAND_MASTER } from '../../assembly/abi/pci_header.ts';
import { PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR } from '../../assembly/abi/pci_express.ts';
import * as EV from '../../assembly/abi/event_code.ts';
import { OUT_RECORDS, OUT_RING } from '../../assembly/abi/state_map.ts';
import * as CTL from '../../assembly/abi/control.ts';
import {
  OUT_A,
  OUT_B,
  OUT_C,
  OUT_FUNCTION,
  OUT_KIND,
  OUT_RECORD_BYTES,
  WIRE_END,
  WIRE_ENTRY_BYTES,
} from '../../assembly/abi/record.ts';
import { IOMMU_FOREIGN, IOMMU_READ, IOMMU_WRITE, NONE } from '../../assembly/abi/state_value.ts';
import { COMMON_QUEUE_SELECT, COMMON_SIZE } from '../../assembly/abi/virtio_pci_common.ts';
import { VIRTQ_DESC_F_WRITE } from '../../assembly/abi/virtio_ring.ts';
import { NicError } from '../util/errors.ts';
import type { AccessSize } from '../vfio/vfio_device.ts';
import { VfioPci } from '../vfio/vfio_pci.ts';
import { Books, MESSAGE_VECTORS, MSIX_TOUCHED } from './books.ts';
import type { FuzzCard } from './card.ts';
import { FuzzDriver } from './driver.ts';
import { BootRecorder, type BootEvent } from './differential.ts';
import { ExactMemory } from './exact_memory.ts';
import { FillMemory } from './fill_memory.ts';
import { GuestRings } from './guest_rings.ts';
import {
  BUFFERS,
  FUNCTIONS,
  MAPPED_BYTES,
  QUEUE_ADMIN,
  QUEUE_CONTROL,
  QUEUE_SIZE,
  QUEUES,
  RING_BYTES,
  RING_INDIRECT,
  RING_INDIRECT_ENTRIES,
  SLICE_BYTES,
  SLICE_IOVA,
  SLICE_IOVA_HIGH,
} from './layout.ts';
import { OP, OP_NAMES, OP_WORDS, OPS_MAX } from './program.ts';

const ADVANCE_MAX = 0x10000;

/** Executes operations of one card, one program after the other. */
export class Executor {
  readonly card: FuzzCard;
  readonly books = new Books();
  /** What guest memory should hold; only in thorough runs. */
  readonly exact: ExactMemory;
  /** What was done before programs begin. */
  readonly bootEvents: readonly BootEvent[];
  private readonly bootBooks = new Books();
  private readonly rings: GuestRings;
  readonly driver: FuzzDriver;
  private readonly fillMemory: FillMemory;
  private readonly fillHandle: number;
  private readonly devices: readonly VfioPci[];
  private readonly bytes = new Uint8Array(64);
  /** The clock went back in this run. */
  hasGoneBack = false;
  /** The latest time seen: of the clock, and of what came out. */
  private lastNow = 0;
  private hash = 0;

  constructor(card: FuzzCard) {
    this.card = card;
    const recorder = new BootRecorder(card);
    this.bootEvents = recorder.events;
    card.observer = recorder;
    this.exact = new ExactMemory(card);
    this.rings = new GuestRings(card, this.books, this.exact);
    this.driver = new FuzzDriver(card, this.books, this.rings, this.exact);
    this.fillMemory = new FillMemory((at, bytes) => card.pins.willWrite(at, bytes));
    this.fillHandle = card.nic.addForeign(this.fillMemory);
    this.driver.setVfs(FUNCTIONS - 1);
    for (let fn = 0; fn < FUNCTIONS; fn++) this.driver.masterOn(fn);
    this.devices = Array.from({ length: FUNCTIONS }, (_, fn) => new VfioPci(card.nic, fn, card.bus, 'hardware'));
    for (let queue = 0; queue < FUNCTIONS * QUEUES; queue++) this.books.clear(queue);
    this.settle();
    this.keep();
  }

  /** Runs a program whose end is where every later one begins. */
  boot(words: Uint32Array): void {
    this.execute(words);
    this.keep();
  }

  /** Booting is over. */
  seal(): void {
    this.card.observer = null;
  }

  private keep(): void {
    this.books.acted[0] = 0;
    this.books.msix.fill(0);
    this.bootBooks.copyFrom(this.books);
    this.card.keep();
  }

  /** Back to the state after boot. */
  reset(): void {
    this.card.reset();
    this.books.copyFrom(this.bootBooks);
    this.driver.violation = null;
    this.hasGoneBack = false;
    this.lastNow = 0;
    this.restartHash();
  }

  /** Runs operations (the header first), then lets the card work until nothing is left to do. */
  execute(words: Uint32Array, count = words.length): void {
    const operations = Math.min(OPS_MAX, Math.floor(count / OP_WORDS) - 1);
    for (let index = 1; index <= operations; index++) this.executeOne(words, index);
    this.settle();
  }

  /** Runs operation `index`, counted from 1. */
  executeOne(words: Uint32Array, index: number): void {
    const { u32 } = this.card;
    const at = index * OP_WORDS;
    this.step(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!);
    if (u32[CTL.OUT_HEAD >> 2] !== u32[CTL.OUT_TAIL >> 2]) this.drain();
    if (this.card.observer !== null && this.card.mode === 'functional') this.card.observer.settled();
  }

  restartHash(): void {
    this.hash = 0x9e3779b9;
  }

  /** Hash of every value read, message and frame of the run. */
  traceHash(): number {
    return this.hash >>> 0;
  }

  /** Takes a value into the trace hash. */
  note(value: number): void {
    this.hash = Math.imul(this.hash ^ value, 0x9e3779b1);
    this.hash ^= this.hash >>> 15;
  }

  /** Lets the card work until nothing is left to do. */
  settle(): void {
    const { pins } = this.card;
    let why: number;
    do {
      why = pins.runToIdle(false);
      this.drain();
      const now = pins.now();
      if (now < this.lastNow) this.hasGoneBack = true;
      this.lastNow = now;
    } while (why === EV.RUN_EVENT || pins.nextEvent() !== Infinity);
    this.card.observer?.settled();
  }

  private drain(): void {
    const { u32 } = this.card;
    let tail = u32[CTL.OUT_TAIL >> 2]!;
    while (tail !== u32[CTL.OUT_HEAD >> 2]) {
      const record = (OUT_RING + (tail & (OUT_RECORDS - 1)) * OUT_RECORD_BYTES) >> 2;
      const kind = u32[record + (OUT_KIND >> 2)]!;
      const a = u32[record + (OUT_A >> 2)]!;
      const b = u32[record + (OUT_B >> 2)]!;
      this.lastNow = Math.max(this.lastNow, u32[record]! + u32[record + 1]! * 2 ** 32);
      this.note(kind + (u32[record + (OUT_FUNCTION >> 2)]! << 4));
      this.note(b ^ u32[record + (OUT_C >> 2)]!);
      if (kind === EV.OUT_MSI) this.noteMessage(u32[record + (OUT_FUNCTION >> 2)]!, a);
      else if (kind === EV.OUT_FRAME) u32[CTL.WIRE_TAIL >> 2] = u32[(a - WIRE_ENTRY_BYTES + WIRE_END) >> 2]!;
      tail = (tail + 1) >>> 0;
      u32[CTL.OUT_TAIL >> 2] = tail;
    }
  }

  private noteMessage(fn: number, vector: number): void {
    this.books.messages[fn * MESSAGE_VECTORS + vector]!++;
    this.card.observer?.message(fn, vector);
  }

  private step(head: number, offset: number, value: number, value2: number): void {
    const kind = (head & 0xff) % OP_NAMES.length;
    const fn = ((head >>> 8) & 0xff) % FUNCTIONS;
    const a = (head >>> 16) & 0xff;
    const b = head >>> 24;
    const { books, card } = this;
    const { pins } = card;
    books.act(fn);
    switch (kind) {
      case OP.configRead:
        this.note(card.configRead(fn, alignedOffset(offset & 0xfff, a), sizeOf(a)));
        return;
      case OP.configWrite:
        this.configWrite(fn, alignedOffset(offset & 0xfff, a), sizeOf(a), value);
        return;
      case OP.mmioRead:
        this.note(card.read(fn, b % 6, alignedOffset(offset & 0x7fff, a), sizeOf(a)));
        return;
      case OP.mmioWrite:
        this.mmioWrite(fn, b % 6, alignedOffset(offset & 0x7fff, a), sizeOf(a), value);
        return;
      case OP.memory:
        this.memory(fn, offset % MAPPED_BYTES, 1 << (a & 3), value, value2);
        return;
      case OP.descriptor:
        books.roomKnown[fn * QUEUES + (b & 3)] = 0;
        this.rawDescriptor(fn, (b & 3) * RING_BYTES, a % QUEUE_SIZE, offset, value, value2);
        return;
      case OP.indirect:
        books.roomKnown[fn * QUEUES + (b & 3)] = 0;
        this.rawDescriptor(fn, (b & 3) * RING_BYTES + RING_INDIRECT, a % RING_INDIRECT_ENTRIES, offset, value, value2);
        return;
      case OP.available:
        this.available(fn, b & 3, value & 0xffff, a);
        return;
      case OP.kick:
        this.driver.kick(fn, b & 7, a, value);
        return;
      case OP.queueSetup:
        this.note(this.driver.queueSetup(fn, b & 3, a, offset, value, value2) ? 1 : 0);
        return;
      case OP.queueReset:
        this.note(this.driver.queueReset(fn, b & 3));
        return;
      case OP.bringUp:
        this.note(this.driver.bringUp(fn, value, value2));
        return;
      case OP.driverOk:
        this.note(this.driver.driverOk(fn));
        return;
      case OP.admin:
        this.driver.admin(a + (b & 0x80) * 0x100, offset & 0xf, offset >>> 16, b, 8, value, value2);
        return;
      case OP.legacy:
        this.driver.legacy(a, b, offset, value, value2);
        return;
      case OP.control:
        this.driver.control(fn, a, b, offset, value, value2);
        return;
      case OP.receive:
        this.driver.receive(fn, a, b, value);
        return;
      case OP.transmit:
        this.driver.transmit(fn, a, b, offset, value, value2);
        return;
      case OP.advance:
        pins.advance(pins.now() + (value % ADVANCE_MAX), false);
        return;
      case OP.frame:
        this.driver.frame(a, offset, value);
        return;
      case OP.flr:
        this.driver.flr(fn);
        return;
      case OP.vfEnable:
        this.driver.setVfs(a % (FUNCTIONS + 1));
        return;
      case OP.readFault:
        card.u32[CTL.READ_FAULT_KIND >> 2] = 1 + (a % 3);
        this.card.u32[CTL.READ_FAULTS >> 2] = b & 3;
        return;
      case OP.attach:
        this.remap(fn, a & 3);
        return;
      case OP.fill:
        books.actAll();
        this.fillMemory.seed(value);
        this.exact.loseTrack(fn);
        pins.dmaMap(fn, SLICE_IOVA + SLICE_BYTES, SLICE_BYTES, this.fillHandle, IOMMU_READ | IOMMU_FOREIGN);
        return;
      default:
        this.region(fn, a, b, offset, value);
    }
  }

  // ---- raw accesses ---------------------------------------------------------------------------------------------------

  private configWrite(fn: number, offset: number, size: number, value: number): void {
    const end = offset + size;
    const touches = (from: number, to: number): boolean => offset < to && end > from;
    if (touches(CAP_PM, CAP_VIRTIO_COMMON)) this.lose(fn);
    if (touches(CAP_VIRTIO_PCI_CFG, EXT_CAP_SRIOV)) this.lose(fn);
    const isReset = touches(CAP_EXP + PCI_EXP_DEVCTL + 1, CAP_EXP + PCI_EXP_DEVCTL + 2);
    const high = value >>> (8 * (CAP_EXP + PCI_EXP_DEVCTL + 1 - offset));
    // a reset of the PF, from D3hot too, takes its VFs away
    if (fn === 0 && (touches(CAP_PM, CAP_MSIX) || touches(CAP_EXP, CAP_VIRTIO_COMMON) || end > EXT_CAP_SRIOV)) {
      this.books.actAll();
      for (let vf = 1; vf < FUNCTIONS; vf++) this.lose(vf);
    }
    // without bus mastering nothing is written; in timed mode what was sent before may still arrive
    const isCommand = touches(PCI_COMMAND, PCI_COMMAND + 2) && this.card.mode === 'functional';
    if (isCommand && this.books.isCutOff[fn] === 0) this.exact.permit(fn);
    this.card.configWrite(fn, offset, size, value);
    if (isCommand && (this.card.peekConfig(fn, PCI_COMMAND) & PCI_COMMAND_MASTER) === 0) this.exact.forbid(fn);
    if (isReset && (high & (PCI_EXP_DEVCTL_BCR_FLR >> 8)) !== 0) this.card.observer?.functionReset(fn);
  }

  /** What the function's queues do is not known any more. */
  private lose(fn: number): void {
    this.books.distrustFunction(fn);
    this.books.msix[fn]! |= MSIX_TOUCHED;
    this.exact.loseTrack(fn);
  }

  private mmioWrite(fn: number, bar: number, offset: number, size: number, value: number): void {
    if (bar === VIRTIO_BAR && offset < COMMON_SIZE) {
      this.lose(fn);
      // the admin queue may be set up anywhere now
      if (fn === 0 && offset + size > COMMON_QUEUE_SELECT) this.card.observer?.commandsUnknown();
    }
    this.card.write(fn, bar, offset, size, value);
  }

  private memory(fn: number, offset: number, size: number, value: number, value2: number): void {
    const queue = fn * QUEUES + Math.floor(offset / RING_BYTES);
    if (offset < QUEUES * RING_BYTES) {
      this.exact.loseTrack(fn);
      if (fn === 0) this.card.observer?.commandsUnknown();
      this.card.observer?.addressMayChange(fn);
      this.books.distrust(queue);
      if (offset + size > (Math.floor(offset / RING_BYTES) + 1) * RING_BYTES && queue + 1 < FUNCTIONS * QUEUES) {
        this.books.distrust(queue + 1);
      }
    }
    for (let i = 0; i < size && offset + i < MAPPED_BYTES; i++) {
      this.rings.write8(fn, offset + i, (i < 4 ? value >>> (8 * i) : value2 >>> (8 * (i - 4))) & 0xff);
    }
  }

  /** `place`: an offset in the slice, or, with bit 31, one of the places where no buffer should be. */
  private rawDescriptor(
    fn: number,
    table: number,
    index: number,
    place: number,
    length: number,
    flagsNext: number,
  ): void {
    let low = place % SLICE_BYTES;
    let high = SLICE_IOVA_HIGH;
    if (place >= 0x80000000) {
      const { bus } = this.card;
      switch (place & 7) {
        case 0:
          low = high = 0;
          break;
        case 1:
          low = high = 0xffffffff;
          break;
        case 2:
        case 3: {
          const bars = fn === 0 ? bus.pf : bus.vf;
          const address = bars[place & 1]!.address;
          low = address >>> 0;
          high = Math.floor(address / 0x1_0000_0000);
          break;
        }
        case 4:
          low = MAPPED_BYTES - 8;
          break;
        case 5:
          low = (table & ~(RING_BYTES - 1)) + RING_INDIRECT;
          break;
        case 6:
          low = SLICE_BYTES + ((place >>> 3) % (SLICE_BYTES - 64));
          break;
        default:
          low = table;
      }
    }
    // the card may write over its own rings
    if ((flagsNext & VIRTQ_DESC_F_WRITE) !== 0 && high === SLICE_IOVA_HIGH && low < BUFFERS) this.lose(fn);
    this.rings.descriptor(fn, table, index, low, high, length, flagsNext);
  }

  private available(fn: number, q: number, head: number, jump: number): void {
    if (fn === 0 && q === QUEUE_ADMIN) this.card.observer?.commandsUnknown();
    if (q === QUEUE_CONTROL) this.card.observer?.addressMayChange(fn);
    const queue = fn * QUEUES + q;
    this.books.roomKnown[queue] = 0;
    if (jump > 127) {
      this.books.distrust(queue);
      this.books.available[queue]! += jump - 128;
    }
    this.rings.makeAvailable(fn, q, head, 0);
  }

  /** What the host does to the address space: 0 whole and attached, 1 detached, 2 read-only, 3 not mapped. */
  private remap(fn: number, how: number): void {
    const { pins } = this.card;
    this.books.actAll();
    this.lose(fn); // what is under way may be lost, and nobody is told
    if (how === 0) this.exact.permit(fn);
    if (how === 1) pins.attachIoas(fn, NONE);
    else {
      pins.dmaUnmap(fn, SLICE_IOVA, SLICE_BYTES);
      const permissions = how === 2 ? IOMMU_READ : IOMMU_READ | IOMMU_WRITE;
      if (how !== 3) pins.dmaMap(fn, SLICE_IOVA, MAPPED_BYTES, fn * SLICE_BYTES, permissions);
      if (this.books.isCutOff[fn] === 1) pins.attachIoas(fn, fn);
    }
    this.books.isCutOff[fn] = how;
    if (how !== 0) this.exact.forbid(fn);
  }

  private region(fn: number, a: number, b: number, offset: number, value: number): void {
    const { card } = this;
    const device = this.devices[fn]!;
    const size = b & 15;
    const place = (b & 0x80) === 0 ? offset : offset - 0x100000000 / 2;
    try {
      // a read of a register may change it, and what comes out is not seen
      card.observer?.cannotFollow(fn);
      if ((b & 0x10) === 0) this.note(device.read(a % 12, place, size as AccessSize));
      else if ((b & 0x20) === 0) this.note(device.readBytes(a % 12, place, this.bytes.subarray(0, value % 65)));
      else {
        // the write may be to any register
        this.books.actAll();
        for (let one = 0; one < FUNCTIONS; one++) {
          this.lose(one);
          card.observer?.cannotFollow(one);
        }
        device.write(a % 12, place, size as AccessSize, value);
      }
    } catch (error) {
      if (error instanceof NicError) this.note(error.message.length);
      else throw error;
    }
  }
}

function sizeOf(code: number): number {
  return 1 << Math.min(2, code & 3);
}

function alignedOffset(offset: number, code: number): number {
  return offset & -sizeOf(code);
}
