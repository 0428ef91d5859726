// SPDX-License-Identifier: Apache-2.0
// A whole machine around one card, the way a host brings it up: enumeration, PF driver with admin queue, VFs on demand,
// each as a plain function or behind the variant driver. Benchmarks, the command line, examples and tests start here.
import { enumerate, type BusLayout } from '../device/bus.ts';
import { NicClock } from '../device/clock.ts';
import { createNic, type CreateOptions, type Nic } from '../device/nic.ts';
import { PfDriver } from '../guest/pf_driver.ts';
import { VirtioModern } from '../guest/virtio_modern.ts';
import { VIRTIO_NET_OPTIONS, VirtioNet, type VirtioNetOptions } from '../guest/virtio_net.ts';
import { VIRTIO_NET_LEGACY_OPTIONS, VirtioNetLegacy, type VirtioNetLegacyOptions } from '../guest/virtio_net_legacy.ts';
import { DmaBuffer } from '../iommufd/dma_buffer.ts';
import { Ioas } from '../iommufd/ioas.ts';
import { UsageError } from '../util/errors.ts';
import { checkOptions } from '../util/options.ts';
import { VirtioVfioPci } from '../variant/virtio_vfio_pci.ts';
import type { VfioDevice } from '../vfio/vfio_device.ts';
import { VfioPci } from '../vfio/vfio_pci.ts';
import { DRIVER_MEMORY_BYTES, driverMemory, resolveMachine, type MachineOptions } from './machine_config.ts';

export { DRIVER_MEMORY_BYTES, type MachineOptions } from './machine_config.ts';

/** A card with its PF driver running. */
export class Machine {
  readonly nic: Nic;
  readonly bus: BusLayout;
  readonly clock: NicClock;
  readonly pfDevice: VfioPci;
  readonly pf: PfDriver;

  constructor(options: MachineOptions = {}, create: CreateOptions = {}) {
    const { card, numVfs, pf, pfMemoryBytes } = resolveMachine(options);
    this.nic = createNic(card, create);
    this.bus = enumerate(this.nic);
    this.clock = new NicClock(this.nic);
    this.pfDevice = new VfioPci(this.nic, 0, this.bus, 'hardware');
    const memory = this.memoryFor(this.pfDevice, pfMemoryBytes);
    this.pf = new PfDriver(this.pfDevice, memory, this.clock, pf);
    this.pf.start();
    this.pf.setNumVfs(numVfs);
  }

  /** An address space of its own for a device, with `bytes` of guest memory in it. */
  memoryFor(device: VfioDevice, bytes: number = DRIVER_MEMORY_BYTES): DmaBuffer {
    const ioas = new Ioas(this.nic);
    const memory = new DmaBuffer(this.nic, ioas, bytes);
    device.attach(ioas);
    return memory;
  }

  /** VF `vf` (from 1) as vfio-pci presents it, opened. */
  openVf(vf: number): VfioPci {
    const device = new VfioPci(this.nic, this.checkVf(vf), this.bus);
    device.open();
    return device;
  }

  /** VF `vf` (from 1) behind the variant driver, opened: a transitional function with an I/O BAR0. */
  openTransitionalVf(vf: number): VirtioVfioPci {
    const device = new VirtioVfioPci(new VfioPci(this.nic, this.checkVf(vf), this.bus), this.pf.admin, vf - 1);
    device.open();
    return device;
  }

  /** The modern driver on a VF, running. Its memory is by default what it takes, 2 MiB at least. */
  startModern(vf: number, options: VirtioNetOptions = {}, memoryBytes?: number): VirtioNet {
    checkOptions('modern driver', options, VIRTIO_NET_OPTIONS);
    const device = this.openVf(vf);
    const memory = this.memoryFor(
      device,
      memoryBytes === undefined ? driverMemory(this.nic.provisioned(vf), options) : memoryBytes,
    );
    const driver = new VirtioNet(new VirtioModern(device), memory, this.clock, options);
    driver.start();
    return driver;
  }

  /** The legacy driver on a VF behind the variant driver, running; memory as for the modern one. */
  startLegacy(vf: number, options: VirtioNetLegacyOptions = {}, memoryBytes?: number): VirtioNetLegacy {
    checkOptions('legacy driver', options, VIRTIO_NET_LEGACY_OPTIONS);
    const device = this.openTransitionalVf(vf);
    const memory = this.memoryFor(
      device,
      memoryBytes === undefined ? driverMemory(this.nic.provisioned(vf), options) : memoryBytes,
    );
    const driver = new VirtioNetLegacy(device, memory, this.clock, options);
    driver.start();
    return driver;
  }

  /** Lets the card work until nothing is left to do. */
  settle(): void {
    this.nic.runToIdle();
  }

  private checkVf(vf: number): number {
    const { numVfs } = this.pf.sriov!;
    if (!Number.isInteger(vf) || vf < 1 || vf > numVfs) {
      throw new UsageError(`VF ${vf} does not exist; the PF has ${numVfs} enabled, counted from 1`);
    }
    return vf;
  }
}
