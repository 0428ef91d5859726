// SPDX-License-Identifier: Apache-2.0
// A card as firmware leaves it, with raw access to the registers of its functions. No driver runs: what a test wants
// written, it writes. Numbers in this folder are typed from the specifications, not taken from assembly/abi.
import type { NicConfig } from '../../../src/device/config.ts';
import { createNic, type CreateOptions } from '../../../src/device/nic.ts';
import { VfioPci, type ConfigViewKind } from '../../../src/vfio/vfio_pci.ts';
import { RawBench } from '../../support/raw_bench.ts';
import type { RegisterPath } from '../../support/register_path.ts';

/** How registers are reached. */
export type PathKind = 'direct' | 'vfio';

/** Where every function has the PCI Express, power management and MSI-X capabilities. */
export const EXPRESS = 0x54;
export const PM = 0x40;
export const MSIX = 0x48;

const CONFIG_REGION = 7;
const TOTAL_VFS = 4;
/** VIRTFN_CORE=debug runs the suites on the build with asserts. */
const BUILD = process.env['VIRTFN_CORE'] === 'debug' ? 'debug' : 'release';

/** A card after enumeration; functional, with 4 VFs that are not enabled yet, unless `config` says otherwise. */
export class Card extends RawBench {
  constructor(config: NicConfig = {}, core: CreateOptions = { build: BUILD }) {
    super(createNic({ mode: 'functional', totalVfs: TOTAL_VFS, windowBytes: 1 << 19, ...config }, core));
  }

  path(kind: PathKind, fn: number): RegisterPath {
    return kind === 'direct' ? this.direct(fn) : this.vfio(fn);
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
}
