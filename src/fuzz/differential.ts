// SPDX-License-Identifier: Apache-2.0
// The card beside the reference model (reference/), access by access: every register read has to be what the model allows,
// every message and every administration command's answer too (O8, O12). Where a program acts in a way that the model
// cannot follow, as a legacy driver or through a window, the function is not compared until it is reset.
import {
  CAP_EXP,
  CAP_MSIX,
  CAP_PM,
  CAP_VIRTIO_PCI_CFG,
  EXT_CAP_ARI,
  EXT_CAP_SRIOV,
} from '../../assembly/abi/config_layout.ts';
import {
  MSIX_BAR,
  MSIX_BAR_BYTES,
  MSIX_PBA_OFFSET,
  NOTIFY_BAR_OFFSET,
  VIRTIO_BAR,
  VIRTIO_BAR_BYTES,
} from '../../assembly/abi/config_layout.ts';
import type { AccessObserver, FuzzCard } from './card.ts';
import { FUNCTIONS, QUEUE_SIZE, QUEUES } from './layout.ts';
import {
  adminAnswerFault,
  expectedAdminAnswer,
  noteAdminAnswer,
  resetAdmin,
  type AdminState,
} from '../reference/admin.ts';
import { ReferenceFunction, type Block } from '../reference/function.ts';
import type { Violation } from './target.ts';

/** Registers of configuration space, by the specification's capabilities at this card's places. */
const COMMAND = 0x04;
const MSIX_CONTROL = CAP_MSIX + 2;
const DEVICE_CONTROL = CAP_EXP + 8;
const SRIOV_CONTROL = EXT_CAP_SRIOV + 0x08;
const SRIOV_NUM_VFS = EXT_CAP_SRIOV + 0x10;
const VF_ENABLE = 1;
const FLR_BYTE = 0x80;
const MSIX_ENABLE = 0x8000;

/** What the card offers: virtio 1.4 §6, §5.1.3, of a card with one pair; SR_IOV and ADMIN_VQ on the PF. */
const VF_FEATURES = [3, 5, 15, 16, 17, 18, 23, 28, 29, 32, 33, 36, 40];
const PF_FEATURES = [...VF_FEATURES, 37, 41];
const NET_QUEUES = 3;
const MTU = 1500;
const PF_VECTORS = 5;
const VF_VECTORS = 4;
/** LIST_QUERY, LIST_USE; for the SR-IOV group the five legacy commands besides. */
const SELF_COMMANDS = 0x03;
const SRIOV_COMMANDS = 0x7f;
/** LEGACY_NOTIFY_INFO: the doorbells lie in the VF's own BAR. */
const NOTIFY = { bar: 2, offset: 0x3000 };

const BLOCKS: readonly { readonly block: Block; readonly bar: number; readonly from: number; readonly to: number }[] = [
  { block: 'common', bar: VIRTIO_BAR, from: 0, to: 0x40 },
  { block: 'isr', bar: VIRTIO_BAR, from: 0x1000, to: 0x1001 },
  { block: 'device', bar: VIRTIO_BAR, from: 0x2000, to: 0x201c },
  { block: 'msix-table', bar: MSIX_BAR, from: 0, to: MSIX_PBA_OFFSET },
  { block: 'msix-pba', bar: MSIX_BAR, from: MSIX_PBA_OFFSET, to: MSIX_PBA_OFFSET + 8 },
];
const DEVICE_STATUS = 0x14;
const GENERATION = 0x15;
const QUEUE_SELECT = 0x16;
const MAC_END = 6;
const HOLES_SEEN = 32;

function model(fn: number): ReferenceFunction {
  const isPf = fn === 0;
  return new ReferenceFunction({
    isPf,
    queues: NET_QUEUES,
    maxQueueSize: () => QUEUE_SIZE,
    offeredFeatures: (isPf ? PF_FEATURES : VF_FEATURES).reduce((all, bit) => all | (1n << BigInt(bit)), 0n),
    vectors: isPf ? PF_VECTORS : VF_VECTORS,
    adminQueueIndex: isPf ? NET_QUEUES : null,
    mac: Uint8Array.of(0x02, 0x76, 0x66, 0, 0, fn),
    mtu: MTU,
    pairs: 1,
  });
}

/** Something that happened at boot, to be told to the models before each comparison. */
export type BootEvent =
  | {
      readonly kind: 'write' | 'config';
      readonly fn: number;
      readonly bar: number;
      readonly offset: number;
      readonly size: number;
      readonly value: number;
    }
  | { readonly kind: 'message'; readonly fn: number; readonly vector: number }
  | { readonly kind: 'answered'; readonly command: Uint8Array; readonly status: number }
  | { readonly kind: 'settled' };

/** Models of all functions, told of every access. */
export class Differential implements AccessObserver {
  fault: Violation | null = null;
  private readonly card: FuzzCard;
  private models: ReferenceFunction[] = [];
  /** 1: the model cannot follow the function any more. */
  private readonly isOpen = new Uint8Array(FUNCTIONS);
  /** 1: the address may have been changed by a control command. */
  private readonly isMacOpen = new Uint8Array(FUNCTIONS);
  private readonly hasMsix = new Uint8Array(FUNCTIONS);
  private readonly admin: AdminState;
  private isAdminOpen = false;
  private numVfsWritten = 0;
  private places = 0;

  constructor(card: FuzzCard) {
    this.card = card;
    this.admin = {
      self: { supported: SELF_COMMANDS, used: null },
      sriov: { supported: SRIOV_COMMANDS, used: null },
      isVfEnabled: false,
      numVfs: 0,
      lenientSriovLists: true,
      hasMsix: (member) => this.hasMsix[member] === 1,
      notify: NOTIFY,
    };
  }

  /** Begins anew with what was done at boot. */
  begin(boot: readonly BootEvent[]): void {
    this.fault = null;
    this.isOpen.fill(0);
    this.isMacOpen.fill(0);
    this.hasMsix.fill(0);
    this.isAdminOpen = false;
    resetAdmin(this.admin);
    this.models = Array.from({ length: FUNCTIONS }, (_, fn) => model(fn));
    this.models[0]!.configWrite('command', 2); // enumeration left memory decode on
    for (let fn = 1; fn < FUNCTIONS; fn++) this.models[fn]!.configWrite('sriov-control', 0);
    for (const event of boot) {
      if (event.kind === 'settled') this.settled();
      else if (event.kind === 'message') this.message(event.fn, event.vector);
      else if (event.kind === 'answered') noteAdminAnswer(this.admin, event.command, event.status);
      else if (event.kind === 'write') this.write(event.fn, event.bar, event.offset, event.size, event.value);
      else this.register(event.fn, event.offset, event.value);
    }
  }

  // ---- accesses ---------------------------------------------------------------------------------------------------------

  read(fn: number, bar: number, offset: number, size: number, value: number): void {
    const place = BLOCKS.find(({ bar: in_, from, to }) => bar === in_ && offset >= from && offset < to);
    if (this.isOpen[fn] === 1) return;
    if (place === undefined) {
      this.readHole(fn, bar, offset, size, value);
      return;
    }
    const at = offset - place.from;
    if (this.isMacOpen[fn] === 1 && this.isAboutMac(place.block, at, size)) return;
    const fault = this.models[fn]!.check(place.block, at, size, value);
    if (fault !== null) this.broke('O8', `function ${fn}: ${fault}`);
  }

  /** Between the structures of a BAR there is nothing, and nothing reads as zero; all ones if memory is not decoded. */
  private readHole(fn: number, bar: number, offset: number, size: number, value: number): void {
    const isInside = (bar === VIRTIO_BAR && offset < VIRTIO_BAR_BYTES) || (bar === MSIX_BAR && offset < MSIX_BAR_BYTES);
    const ones = size === 4 ? 0xffffffff : (1 << (8 * size)) - 1;
    if (value === ones || (isInside && value === 0)) return;
    this.broke(
      'O8',
      `function ${fn}: BAR${bar}+0x${offset.toString(16)} reads 0x${value.toString(16)}, and nothing is there`,
    );
  }

  private isAboutMac(block: Block, at: number, size: number): boolean {
    if (block === 'device') return at < MAC_END;
    return block === 'common' && at <= GENERATION && at + size > GENERATION;
  }

  write(fn: number, bar: number, offset: number, size: number, value: number): void {
    if (fn === 0 && bar === VIRTIO_BAR && offset >= NOTIFY_BAR_OFFSET && this.isAdminOpen) this.commandsGiven();
    const place = BLOCKS.find(({ bar: in_, from, to }) => bar === in_ && offset >= from && offset < to);
    if (place === undefined) return;
    this.models[fn]!.write(place.block, offset - place.from, size, value);
    const isReset = place.block === 'common' && offset === DEVICE_STATUS && (value & 0xff) === 0;
    if (isReset) {
      this.isMacOpen[fn] = 1; // whether a reset takes an address back is the device's choice
      if (fn === 0) this.forgetCommands();
    }
  }

  configRead(): void {
    // configuration space is compared with a new card's after a reset (thorough.ts)
  }

  configWrite(fn: number, offset: number, size: number): void {
    const end = offset + size;
    const touches = (from: number, bytes: number): boolean => offset < from + bytes && end > from;
    if (touches(CAP_PM + 4, 2) || touches(CAP_VIRTIO_PCI_CFG, EXT_CAP_ARI - CAP_VIRTIO_PCI_CFG)) {
      this.cannotFollow(fn);
      if (fn === 0) this.commandsGiven(); // the window reaches doorbells
    }
    if (touches(COMMAND, 2)) this.register(fn, COMMAND, this.now(fn, COMMAND));
    if (touches(MSIX_CONTROL, 2)) this.register(fn, MSIX_CONTROL, this.now(fn, MSIX_CONTROL));
    if (fn !== 0) return;
    const mayReset = touches(CAP_PM + 4, 2); // on its way from D3hot to D0, which takes the VFs away
    if (mayReset || touches(SRIOV_NUM_VFS, 2)) this.register(0, SRIOV_NUM_VFS, this.now(0, SRIOV_NUM_VFS));
    if (mayReset || touches(SRIOV_CONTROL, 2)) this.register(0, SRIOV_CONTROL, this.now(0, SRIOV_CONTROL));
  }

  /** A function level reset was written. */
  functionReset(fn: number): void {
    this.register(fn, DEVICE_CONTROL + 1, FLR_BYTE);
  }

  private now(fn: number, offset: number): number {
    return this.card.peekConfig(fn, offset);
  }

  /** A register of configuration space has a new value. */
  private register(fn: number, offset: number, value: number): void {
    const one = this.models[fn]!;
    if (offset === COMMAND) one.configWrite('command', value);
    else if (offset === MSIX_CONTROL) {
      this.hasMsix[fn] = (value & MSIX_ENABLE) === 0 ? 0 : 1;
      one.configWrite('msix-control', value);
    } else if (offset === DEVICE_CONTROL + 1) {
      one.configWrite('device-control', 0x8000);
      this.known(fn);
      if (fn === 0) {
        this.forgetCommands();
        this.numVfsWritten = 0;
        this.setVfs(0, 0);
      }
    } else if (offset === SRIOV_NUM_VFS) {
      this.numVfsWritten = value;
    } else if (offset === SRIOV_CONTROL) this.setVfs(value, this.numVfsWritten);
  }

  private setVfs(control: number, numVfs: number): void {
    const isEnabled = (control & VF_ENABLE) !== 0;
    for (let fn = 1; fn < FUNCTIONS; fn++) {
      const isThere = isEnabled && fn <= numVfs;
      if (!isThere) this.known(fn);
      this.models[fn]!.configWrite('sriov-control', isThere ? control : 0);
    }
    this.admin.isVfEnabled = isEnabled;
    this.admin.numVfs = isEnabled ? numVfs : 0;
  }

  /** The function is as after power-on. */
  private known(fn: number): void {
    // a legacy command that is still under way may come behind the reset
    if (this.card.mode === 'functional') this.isOpen[fn] = 0;
    this.isMacOpen[fn] = 0;
    this.hasMsix[fn] = 0;
  }

  private forgetCommands(): void {
    resetAdmin(this.admin);
    this.isAdminOpen = false;
  }

  // ---- what else happens ------------------------------------------------------------------------------------------------

  /** Somebody acted on the function who is not seen: a legacy driver, a window. */
  cannotFollow(fn: number): void {
    this.isOpen[fn] = 1;
  }

  /** A control command was given. */
  addressMayChange(fn: number): void {
    this.isMacOpen[fn] = 1;
  }

  /** Administration commands may have been given that are not seen. */
  commandsUnknown(): void {
    this.isAdminOpen = true;
  }

  /** A doorbell of the PF, with commands that are not seen: any of them may have been a legacy access to any member. */
  private commandsGiven(): void {
    for (let vf = 1; vf < FUNCTIONS; vf++) this.cannotFollow(vf);
  }

  message(fn: number, vector: number): void {
    if (this.isOpen[fn] === 1) return;
    const fault = this.models[fn]!.message(vector);
    // a message that was on its way when the driver reset the device may come behind it (decision 0012)
    if (fault !== null && !fault.includes('after a reset')) this.broke('O12', `function ${fn}: ${fault}`);
  }

  /** Nothing is under way between card and host. */
  settled(): void {
    for (const one of this.models) one.settle();
  }

  /** The card is idle: messages that had to come have come, and registers hold what they should. */
  finish(seed: number): Violation | null {
    this.places = seed;
    this.settled();
    this.models.forEach((one, fn) => {
      const [lost] = one.msix.lost();
      if (lost !== undefined && this.isOpen[fn] === 0) this.broke('O12', `function ${fn}: ${lost}`);
    });
    for (let fn = 0; fn < FUNCTIONS && this.fault === null; fn++) this.sweep(fn);
    return this.fault;
  }

  /** Reads every register that the model knows. */
  private sweep(fn: number): void {
    const { card } = this;
    if (this.isOpen[fn] === 1) return;
    for (let queue = 0; queue <= QUEUES; queue++) {
      card.write(fn, VIRTIO_BAR, QUEUE_SELECT, 2, queue);
      for (let at = 0; at < 0x40; at += 4) card.read(fn, VIRTIO_BAR, at, 4);
    }
    for (let at = 0; at < 12; at += 4) card.read(fn, VIRTIO_BAR, 0x2000 + at, 4);
    for (let at = 0; at < 16 * PF_VECTORS; at += 4) card.read(fn, MSIX_BAR, at, 4);
    // a few of the places where nothing is, others in every program
    for (let i = 0; i < HOLES_SEEN; i++) {
      this.places = (Math.imul(this.places, 1664525) + 1013904223) >>> 0;
      card.read(fn, VIRTIO_BAR, (this.places >>> 16) & (VIRTIO_BAR_BYTES - 4), 4);
    }
  }

  /** An administration command was answered. */
  answered(command: Uint8Array, writable: Uint8Array, usedLength: number): void {
    if (this.isAdminOpen) return;
    const fault = adminAnswerFault(expectedAdminAnswer(command, writable.length, this.admin), writable, usedLength);
    if (fault !== null) this.broke('O8', `administration command ${command[0]}: ${fault}`);
    const status = writable.length >= 2 ? writable[0]! + writable[1]! * 256 : 0;
    noteAdminAnswer(this.admin, command, status);
    if (status === 0 && isLegacyReset(command)) this.wasResetByCommand(command[16]!);
  }

  /** A legacy reset is a device reset: from here on the function can be followed again. */
  private wasResetByCommand(fn: number): void {
    if (fn < 1 || fn >= FUNCTIONS) return;
    this.models[fn]!.write('common', DEVICE_STATUS, 1, 0);
    this.isMacOpen[fn] = 1;
    this.isOpen[fn] = 0;
  }

  private broke(oracle: string, message: string): void {
    this.fault ??= { oracle, message };
  }
}

/** LEGACY_COMMON_CFG_WRITE of 0 to the status, one byte at 18. */
function isLegacyReset(command: Uint8Array): boolean {
  return command.length === 33 && command[0] === 2 && command[24] === 18 && command[32] === 0;
}

/** Writes down what is done at boot. */
export class BootRecorder implements AccessObserver {
  readonly events: BootEvent[] = [];
  private readonly card: FuzzCard;

  constructor(card: FuzzCard) {
    this.card = card;
  }

  read(): void {}
  configRead(): void {}

  write(fn: number, bar: number, offset: number, size: number, value: number): void {
    this.events.push({ kind: 'write', fn, bar, offset, size, value });
  }

  configWrite(fn: number, offset: number, size: number): void {
    for (const register of [COMMAND, MSIX_CONTROL, SRIOV_NUM_VFS, SRIOV_CONTROL]) {
      if (register >= EXT_CAP_SRIOV && fn !== 0) continue;
      if (offset >= register + 2 || offset + size <= register) continue;
      const value = this.card.peekConfig(fn, register);
      this.events.push({ kind: 'config', fn, bar: 0, offset: register, size: 2, value });
    }
  }

  functionReset(): void {}
  cannotFollow(): void {}
  addressMayChange(): void {}
  commandsUnknown(): void {}

  answered(command: Uint8Array, writable: Uint8Array): void {
    this.events.push({ kind: 'answered', command: command.slice(), status: writable[0]! + writable[1]! * 256 });
  }

  message(fn: number, vector: number): void {
    this.events.push({ kind: 'message', fn, vector });
  }

  settled(): void {
    this.events.push({ kind: 'settled' });
  }
}
