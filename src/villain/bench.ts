// SPDX-License-Identifier: Apache-2.0
// A card on a bench, for one case: the bad function, a neighbour that looks on, and everything that comes out.
import { EXT_CAP_SRIOV, VIRTIO_BAR } from '../../assembly/abi/config_layout.ts';
import { PCI_COMMAND, PCI_COMMAND_IO, PCI_COMMAND_MASTER, PCI_COMMAND_MEMORY } from '../../assembly/abi/pci_header.ts';
import {
  PCI_SRIOV_CTRL,
  PCI_SRIOV_CTRL_MSE,
  PCI_SRIOV_CTRL_VFE,
  PCI_SRIOV_NUM_VF,
} from '../../assembly/abi/pci_sriov.ts';
import {
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ,
  VIRTIO_ADMIN_GROUP_TYPE_SRIOV,
  VIRTIO_ADMIN_STATUS_OK,
} from '../../assembly/abi/virtio_admin.ts';
import { VIRTIO_F_ADMIN_VQ, VIRTIO_F_SR_IOV } from '../../assembly/abi/virtio_features.ts';
import { LEGACY_DEVICE_STATUS } from '../../assembly/abi/virtio_pci_legacy.ts';
import { COMMON_NUM_QUEUES } from '../../assembly/abi/virtio_pci_common.ts';
import { enumerate } from '../device/bus.ts';
import type { CoreBuild } from '../core/load.ts';
import type { NicConfig } from '../device/config.ts';
import { createNic, type MsiMessage, type Nic } from '../device/nic.ts';
import type { NicMode } from '../device/profile.ts';
import { Machine } from '../machine/machine.ts';
import { NicError } from '../util/errors.ts';
import { VFIO_PCI_MSIX_IRQ_INDEX } from '../vfio/vfio_device.ts';
import { AdminQueue } from './admin_queue.ts';
import { serviceFault } from './frames.ts';
import type { GuestMemory } from './guest_memory.ts';
import { barRegisters, LegacyFunction } from './legacy_function.ts';
import type { Card, Endpoint, Path, PathDriver } from './path.ts';
import { CONFIG, RawFunction, RX, TX } from './raw_function.ts';
import type { RawRing } from './raw_ring.ts';
import type { Rig } from './rig.ts';
import { must, Misbehaviour } from './verdict.ts';

export const BAD_VF = 1;
export const BYSTANDER_VF = 2;
/** VFs that are enabled, of one more that the card has. */
export const NUM_VFS = 2;
export const TOTAL_VFS: number = NUM_VFS + 1;
export const QUEUE_SIZE = 16;
const WINDOW_BYTES = 4 << 20;
/** Events until settle() gives up: no act of a case makes the card do so much. */
const EVENTS_MAX = 2_000_000;

/**
 * Who drives what at the start:
 * - `net`: the PF runs under its driver; VF 1 is the bad function with receive and transmit queue up, VF 2 looks on.
 * - `admin`: the PF is the bad function, with receive, transmit and admin queue up; VF 1 is a member without a driver, VF 2
 *   looks on.
 * - `legacy`: as `net`, and VF 1 is behind the variant driver; nothing has been written to it.
 */
export type Setup = 'net' | 'admin' | 'legacy';

/** The stage of a case. */
export interface CaseSetup {
  readonly setup: Setup;
  /** Options of the card beside the bench's own. */
  readonly config?: NicConfig;
  /** The driver of setup `net` sits in the kernel and has the MSI-X table; through vfio-pci nobody has. */
  readonly hasTable?: boolean;
  /** Feature bits that the bad function's driver accepts beside the base features. */
  readonly features?: readonly number[];
  /** Queues of the bad function beside 0 and 1. */
  readonly queues?: readonly number[];
}

/** How the cards of a run are made. */
export interface RunOptions {
  readonly mode: NicMode;
  readonly build?: CoreBuild;
}

export class Bench implements Rig {
  readonly nic: Nic;
  readonly card: Card;
  readonly path: Path;
  /** Frames that left on the wire. */
  readonly wire: Uint8Array[] = [];
  /** MSI-X messages of all functions. */
  readonly messages: MsiMessage[] = [];
  readonly bystander: RawFunction;
  /** VF 1 in the setup `admin`: a member of the group, without a driver. */
  readonly member: Endpoint | null = null;
  private readonly badFunction: RawFunction | null = null;
  private readonly adminQueue: AdminQueue | null = null;
  private readonly legacyFunction: LegacyFunction | null = null;
  private legacyPlace: Endpoint | null = null;
  private bystanderImage = new Uint8Array(0);
  /** Frames that had left before the act. */
  sentBefore = 0;

  /** Everything up to the moment before the bad act. */
  constructor(
    { setup, config, hasTable, features = [], queues = [] }: CaseSetup,
    driver: PathDriver,
    options: RunOptions,
  ) {
    const cardOptions: NicConfig = {
      mode: options.mode,
      totalVfs: TOTAL_VFS,
      queueSize: QUEUE_SIZE,
      adminQueueSize: 64,
      windowBytes: WINDOW_BYTES,
      ...config,
    };
    const create = options.build === undefined ? {} : { build: options.build };
    if (setup === 'admin') {
      const nic = createNic(cardOptions, create);
      this.card = { nic, bus: enumerate(nic), pfAdmin: null };
    } else {
      const { nic, bus, pf } = new Machine({ ...cardOptions, numVfs: NUM_VFS }, create);
      this.card = { nic, bus, pfAdmin: pf.admin };
    }
    this.nic = this.card.nic;
    this.nic.onFrame((bytes) => this.wire.push(bytes.slice()));
    this.nic.onMessage((message) => this.messages.push(message));
    this.path = driver.connect(this.card);
    try {
      if (setup === 'admin') {
        this.badFunction = this.openPf(features);
        this.adminQueue = new AdminQueue(this.badFunction);
        this.enableVfs();
        this.member = this.path.open(BAD_VF, 'vfio');
        this.badFunction.start();
      } else if (setup === 'net') {
        const endpoint = this.path.open(BAD_VF, hasTable === true ? 'hardware' : 'vfio');
        this.badFunction = new RawFunction(this, BAD_VF, endpoint, features, [RX, TX, ...queues]);
        this.badFunction.start();
      } else {
        this.legacyFunction = this.openLegacy();
      }
      this.bystander = new RawFunction(this, BYSTANDER_VF, this.path.open(BYSTANDER_VF, 'vfio'));
      this.bystander.start();
      const fault = serviceFault(this, this.bystander);
      if (fault !== null) throw new NicError('BENCH', `before the act: ${fault}`);
      this.acceptBystander();
      this.sentBefore = this.wire.length;
    } catch (error) {
      this.path.close();
      throw error;
    }
  }

  get bad(): RawFunction {
    return given(this.badFunction, 'a bad function');
  }

  get admin(): AdminQueue {
    return given(this.adminQueue, 'an admin queue');
  }

  get legacy(): LegacyFunction {
    return given(this.legacyFunction, 'a legacy function');
  }

  /** The function behind legacy's registers, as its driver holds it. */
  get legacyEndpoint(): Endpoint {
    return given(this.legacyPlace, 'a legacy function');
  }

  /** Number of the function that the case maltreats. */
  get badFn(): number {
    return this.badFunction?.fn ?? BAD_VF;
  }

  get isLegacy(): boolean {
    return this.legacyFunction !== null;
  }

  /** The rings and the memory of the bad function. */
  get rings(): ReadonlyMap<number, RawRing> {
    return (this.badFunction ?? this.legacy).rings;
  }

  get memory(): GuestMemory {
    return (this.badFunction ?? this.legacy).memory;
  }

  /** Lets the card work until nothing is left to do. Throws Misbehaviour where that never comes. */
  settle(): void {
    const { nic } = this;
    const limit = nic.eventsRun() + EVENTS_MAX;
    while (nic.nextEventTime() !== Infinity) {
      nic.advance(nic.nextEventTime());
      if (nic.eventsRun() > limit) throw new Misbehaviour(`the card does not come to rest in ${EVENTS_MAX} events`);
    }
    this.path.deliver();
  }

  /** Lets `cycles` pass, and no more. */
  advance(cycles: number): void {
    this.nic.advance(this.nic.now() + cycles);
  }

  /** A frame arrives at the wire port and is dealt with. */
  arrive(bytes: Uint8Array): void {
    must(this.nic.receiveFrame(bytes), 'the wire port is still busy with the frame before');
    this.settle();
  }

  /** Messages of one function, or of one of its vectors. */
  interrupts(fn: number, vector?: number): number {
    return this.messages.filter((one) => one.fn === fn && (vector === undefined || one.vector === vector)).length;
  }

  counter(name: string): number {
    return this.nic.functionCounters(this.badFn)[name]!;
  }

  /** NumVFs, then VF Enable and VF MSE in one access, as Linux does; setup `admin`. */
  enableVfs(count = NUM_VFS): void {
    this.writeSriov(PCI_SRIOV_NUM_VF, count);
    this.writeSriov(PCI_SRIOV_CTRL, PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
  }

  /** 16-bit register of the SR-IOV capability; setup `admin`. */
  readSriov(register: number): number {
    return this.bad.device.read(CONFIG, EXT_CAP_SRIOV + register, 2);
  }

  writeSriov(register: number, value: number): void {
    this.bad.device.write(CONFIG, EXT_CAP_SRIOV + register, 2, value);
  }

  /** The bystander begins anew, where the act has taken it down by right: its VF was disabled, the PF was reset. */
  restartBystander(): void {
    this.bystander.switchOn();
    this.bystander.start();
    this.acceptBystander();
  }

  /** Takes the bystander as it is now, where the case has let it work. */
  acceptBystander(): void {
    this.bystanderImage = this.bystander.memory.u8.slice();
  }

  /** What the bystander, or the PF where it is good, has noticed of the act; null: nothing. */
  bystanderFault(): string | null {
    const { bystander } = this;
    const { pfAdmin } = this.card;
    if (pfAdmin !== null) {
      const data = Uint8Array.of(LEGACY_DEVICE_STATUS);
      const opcode = VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ;
      const { status } = pfAdmin.exec(opcode, VIRTIO_ADMIN_GROUP_TYPE_SRIOV, BYSTANDER_VF, data, 1);
      if (status !== VIRTIO_ADMIN_STATUS_OK) return `the PF answers a command for it with ${status}`;
    }
    if (Buffer.compare(bystander.memory.u8, this.bystanderImage) !== 0) return 'its memory was written';
    if (!bystander.isRunning) return `its status is 0x${bystander.status.toString(16)}`;
    return serviceFault(this, bystander);
  }

  /** Device writes outside of what was offered, in any memory of the case; null: none. */
  trespass(): string | null {
    const memories = [this.memory, this.member?.memory];
    return memories.map((memory) => memory?.trespass() ?? null).find((found) => found !== null) ?? null;
  }

  close(): void {
    this.path.close();
  }

  private openPf(features: readonly number[]): RawFunction {
    const endpoint = this.path.open(0, 'hardware');
    const { device } = endpoint;
    // the admin queue lies behind all others, one pair and the control queue
    const index = device.read(VIRTIO_BAR, COMMON_NUM_QUEUES, 2);
    return new RawFunction(this, 0, endpoint, [VIRTIO_F_SR_IOV, VIRTIO_F_ADMIN_VQ, ...features], [RX, TX, index]);
  }

  private openLegacy(): LegacyFunction {
    this.legacyPlace = this.path.open(BAD_VF, 'transitional');
    const { device, memory } = this.legacyPlace;
    device.write(CONFIG, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    device.setIrqs(VFIO_PCI_MSIX_IRQ_INDEX, 0, [() => {}, () => {}]);
    return new LegacyFunction(this, barRegisters(device), memory);
  }
}

function given<T>(value: T | null, what: string): T {
  if (value === null) throw new NicError('BENCH', `the case has no ${what}; choose another setup for it`);
  return value;
}
