// SPDX-License-Identifier: Apache-2.0
// A card as firmware leaves it, with raw access to the registers of its functions. No driver runs: what a test wants
// written, it writes. Numbers in this folder are typed from the specifications, not taken from assembly/abi.
import { createHash } from 'node:crypto';

import { enumerate, type BusLayout } from '../../../src/device/bus.ts';
import type { NicConfig } from '../../../src/device/config.ts';
import { createNic, type CreateOptions, type MsiMessage, type Nic } from '../../../src/device/nic.ts';
import { DmaBuffer } from '../../../src/iommufd/dma_buffer.ts';
import { Ioas } from '../../../src/iommufd/ioas.ts';
import { VfioPci, type ConfigViewKind } from '../../../src/vfio/vfio_pci.ts';
import type { AccessSize } from '../../../src/vfio/vfio_device.ts';

/** How registers are reached. */
export type PathKind = 'direct' | 'vfio';

/** Registers of one function. */
export interface RegisterPath {
  read(bar: number, offset: number, size: AccessSize): number;
  write(bar: number, offset: number, size: AccessSize, value: number): void;
  configRead(offset: number, size: AccessSize): number;
  configWrite(offset: number, size: AccessSize, value: number): void;
}

/** Where this card has the SR-IOV extended capability. */
export const SRIOV = 0x140;
/** Where every function has the PCI Express, power management and MSI-X capabilities. */
export const EXPRESS = 0x54;
export const PM = 0x40;
export const MSIX = 0x48;

const CONFIG_REGION = 7;
const TOTAL_VFS = 4;
/** VIRTFN_CORE=debug runs the suites on the build with asserts. */
const BUILD = process.env['VIRTFN_CORE'] === 'debug' ? 'debug' : 'release';

/** A card after enumeration; functional, with 4 VFs that are not enabled yet, unless `config` says otherwise. */
export class Card {
  readonly nic: Nic;
  readonly bus: BusLayout;
  /** Every MSI-X message that reached the host. */
  readonly messages: MsiMessage[] = [];
  /** Address spaces that memoryFor() made, by function. */
  readonly spaces = new Map<number, Ioas>();
  /** Levels of the PF's INTx line, one entry for each change. */
  readonly intx: number[] = [];

  constructor(config: NicConfig = {}, core: CreateOptions = { build: BUILD }) {
    this.nic = createNic({ mode: 'functional', totalVfs: TOTAL_VFS, windowBytes: 1 << 19, ...config }, core);
    this.bus = enumerate(this.nic);
    this.nic.onMessage((message) => this.messages.push(message));
    this.nic.onIntx((level) => this.intx.push(level));
  }

  /** Writes NumVFs, then VF Enable and VF MSE in one access, as Linux does. */
  enableVfs(count: number): this {
    this.nic.configWrite(0, SRIOV + 0x10, 2, count);
    this.nic.configWrite(0, SRIOV + 0x08, 2, 0x0009);
    return this;
  }

  /** Clears VF Enable and VF MSE. */
  disableVfs(): void {
    this.nic.configWrite(0, SRIOV + 0x08, 2, 0);
  }

  /** Lets the card work until nothing is left to do and all that it wrote has arrived. */
  settle(): void {
    while (this.nic.runToOutput());
  }

  path(kind: PathKind, fn: number): RegisterPath {
    return kind === 'direct' ? this.direct(fn) : this.vfio(fn);
  }

  direct(fn: number): RegisterPath {
    const { nic } = this;
    return {
      read: (bar, offset, size) => nic.read(fn, bar, offset, size),
      write: (bar, offset, size, value) => nic.write(fn, bar, offset, size, value),
      configRead: (offset, size) => nic.configRead(fn, offset, size),
      configWrite: (offset, size, value) => nic.configWrite(fn, offset, size, value),
    };
  }

  vfio(fn: number, view: ConfigViewKind = 'vfio'): RegisterPath {
    const device = new VfioPci(this.nic, fn, this.bus, view);
    return {
      read: (bar, offset, size) => device.read(bar, offset, size),
      write: (bar, offset, size, value) => device.write(bar, offset, size, value),
      configRead: (offset, size) => device.read(CONFIG_REGION, offset, size),
      configWrite: (offset, size, value) => device.write(CONFIG_REGION, offset, size, value),
    };
  }

  /** Guest memory in an address space that this function alone is attached to. */
  memoryFor(fn: number, bytes = 64 << 10): DmaBuffer {
    const ioas = new Ioas(this.nic);
    const memory = new DmaBuffer(this.nic, ioas, bytes);
    this.nic.attachIoas(fn, ioas.id);
    this.spaces.set(fn, ioas);
    return memory;
  }

  /** What must stay as it is after a reset: a digest of guest memory, and how many messages came. */
  trace(memory: DmaBuffer): string {
    return `${createHash('md5').update(memory.u8).digest('hex')} and ${this.messages.length} messages`;
  }

  /** Sets Bus Master Enable; the PF keeps Memory Space Enable. */
  enableBusMaster(fn: number): void {
    this.nic.configWrite(fn, 0x04, 2, fn === 0 ? 0x0006 : 0x0004);
  }
}
