// SPDX-License-Identifier: Apache-2.0
// One VF as the PCI bus of Linux knows it: driver_override, drivers_probe, bind, unbind, reset, and what its driver makes
// of it: virtio-pci in the kernel, or vfio-pci and the variant driver with a node in /dev/vfio/devices.
import { STATUS_ACKNOWLEDGE, STATUS_DRIVER } from '../../assembly/abi/device_status.ts';
import { DeviceFaultError } from '../guest/device_fault.ts';
import { VirtioModern } from '../guest/virtio_modern.ts';
import { addressText } from '../util/address_text.ts';
import { VfioError } from '../util/errors.ts';
import { VirtioVfioPci } from '../variant/virtio_vfio_pci.ts';
import type { VariantKind } from '../variant/probe.ts';
import { VfioPci } from '../vfio/vfio_pci.ts';
import { requesterDma } from './dma_binding.ts';
import type { Host } from './host.ts';
import { LifecycleState } from './lifecycle_state.ts';
import type { Pending, Steps } from './tasks.ts';
import type { VfioFile } from './vfio_file.ts';
import { VfioNode } from './vfio_node.ts';

/** Drivers that can take a VF. The last two do so only by driver_override. */
export type VfDriver = 'virtio-pci' | 'vfio-pci' | 'virtio_vfio_pci';
const DRIVERS: readonly VfDriver[] = ['virtio-pci', 'vfio-pci', 'virtio_vfio_pci'];

/** One VF, there or not. */
export class SriovVf {
  /** From 1, as member id and function number. */
  readonly number: number;
  readonly lifecycle: LifecycleState;
  /** Name in driver_override; null where there is none. */
  driverOverride: string | null = null;
  driver: VfDriver | null = null;
  /** What the variant driver decided when it took the VF. */
  kind: VariantKind | null = null;
  node: VfioNode | null = null;
  private readonly host: Host;
  private kernelDriver: VirtioModern | null = null;

  constructor(host: Host, number: number) {
    this.host = host;
    this.number = number;
    this.lifecycle = new LifecycleState('vf', `0000:${addressText(host.machine.nic.routingId(number))}`, 'absent');
  }

  get state(): string {
    return this.lifecycle.state;
  }

  /** Writes driver_override; an empty name clears it. ENOENT: no such VF. */
  setOverride(name: string): Pending {
    return this.start(function* (vf) {
      yield* vf.turn('override');
      vf.driverOverride = name.trim() === '' ? null : name.trim();
    });
  }

  /** Writes its name to drivers_probe. A probe that fails leaves it without driver and is no error here. ENODEV: no such VF. */
  probe(): void {
    const driver = DRIVERS.find((name) => this.matches(name));
    const on = driver === undefined ? 'probe:no-match' : 'probe';
    this.lifecycle.step(on);
    if (this.state !== 'probing') return;
    try {
      this.take(driver!);
    } catch (error) {
      if (!(error instanceof VfioError)) throw error;
    }
  }

  /** Writes its name to the driver's bind. ENODEV, EBUSY, and what the driver's probe fails with. */
  bind(driver: VfDriver): Pending {
    return this.start(function* (vf) {
      yield* vf.turn(() => (vf.state !== 'absent' && !vf.matches(driver) ? 'bind:no-match' : 'bind'));
      vf.lifecycle.step('bind');
      vf.take(driver);
    });
  }

  /** Writes its name to the driver's unbind. Sleeps while a file of its node is open. ENODEV: another driver has it, or none. */
  unbind(driver: VfDriver): Pending {
    if (this.driver !== driver) this.lifecycle.step('unbind:other');
    return this.start(function* (vf) {
      yield* vf.turn('unbind');
      if (vf.driver === null) return; // it slept, and another has done it
      vf.lifecycle.step('unbind');
      yield* vf.letGo();
      vf.lifecycle.step('closed:unbind');
    });
  }

  /** Writes 1 to reset: FLR. ENOENT: no such VF. */
  reset(): Pending {
    return this.start(function* (vf) {
      vf.lifecycle.step(yield* vf.turn('reset'));
      (vf.node?.registered.device ?? vf.function()).reset();
    });
  }

  /** Opens the node. ENOENT where there is none, or somebody waits for it to go. */
  open(): VfioFile {
    this.lifecycle.check('open');
    return this.node!.open();
  }

  /** VF Enable was set. */
  appear(autoprobe: boolean): void {
    this.lifecycle.step('appear');
    if (autoprobe) this.probe();
  }

  /** The PF takes the VF away. Sleeps while a file of its node is open. */
  *remove(): Steps {
    yield* this.turn('remove');
    this.lifecycle.step('remove');
    if (this.driver !== null) {
      yield* this.letGo();
      this.lifecycle.step('closed:remove');
    }
    this.driverOverride = null;
  }

  /** A driver of the kernel has it, and a reset has left the device without its driver's state. */
  get isDead(): boolean {
    return this.kernelDriver !== null && this.kernelDriver.status() === 0;
  }

  private matches(driver: VfDriver): boolean {
    return driver === (this.driverOverride ?? 'virtio-pci');
  }

  private turn(on: string | (() => string)): Steps<string> {
    return this.lifecycle.turn(typeof on === 'string' ? () => on : on);
  }

  private start(steps: (vf: this) => Steps): Pending {
    return this.host.tasks.start(steps(this));
  }

  private function(): VfioPci {
    const { machine } = this.host;
    return new VfioPci(machine.nic, this.number, machine.bus);
  }

  /** The driver's probe. */
  private take(driver: VfDriver): void {
    const core = this.function();
    if (driver === 'virtio-pci') {
      this.kernelDriver = new VirtioModern(core);
      this.kernelDriver.reset();
      this.kernelDriver.addStatus(STATUS_ACKNOWLEDGE);
      this.kernelDriver.addStatus(STATUS_DRIVER);
      this.lifecycle.step('probed:virtio');
      this.driver = driver;
      return;
    }
    const device = driver === 'vfio-pci' ? core : this.variant(core);
    this.lifecycle.step('probed:vfio');
    this.driver = driver;
    if (device instanceof VirtioVfioPci) this.kind = device.kind;
    this.node = new VfioNode(this.host.nodes, this.host.tasks, this.lifecycle, {
      device,
      bind: requesterDma(this.host.machine.nic, this.number),
      requestRelease: () => core.requestRelease(),
    });
  }

  private variant(core: VfioPci): VirtioVfioPci {
    try {
      return new VirtioVfioPci(core, this.host.machine.pf.admin, this.number - 1);
    } catch (error) {
      if (error instanceof DeviceFaultError) this.lifecycle.step('probed:silent');
      if (this.state === 'probing') this.lifecycle.step('probed:no-notify');
      throw error;
    }
  }

  /** The driver's remove, behind the step that said so. */
  private *letGo(): Steps {
    if (this.node !== null) yield* this.node.unregister(this.host.nowMs());
    this.kernelDriver?.reset();
    this.kernelDriver = null;
    this.node = null;
    this.driver = null;
    this.kind = null;
  }
}
