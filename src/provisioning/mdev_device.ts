// SPDX-License-Identifier: Apache-2.0
// One mediated device from create to remove. A function that is told apart by its PASID lives the same life: the devices
// of Scalable I/O Virtualization were made as mdevs in every proposal for Linux.
import { DeviceFaultError } from '../guest/device_fault.ts';
import { NicError, VfioError } from '../util/errors.ts';
import { CoreFunction } from './core_function.ts';
import type { Host, NumberPool } from './host.ts';
import { LifecycleState } from './lifecycle_state.ts';
import type { MdevType } from './mdev_type.ts';
import type { Pending, Steps } from './tasks.ts';
import type { VfioFile } from './vfio_file.ts';
import { VfioNode } from './vfio_node.ts';

/** A mediated device; MdevParent.create() makes it. */
export class MdevDevice {
  readonly guid: string;
  readonly type: MdevType;
  readonly lifecycle: LifecycleState;
  node: VfioNode | null = null;
  /** What the driver has of the card; null while it is not bound. */
  core: CoreFunction | null = null;
  /** PASID of its requests. */
  pasid: number | null = null;
  private readonly host: Host;
  private readonly onGone: () => void;
  private readonly pasids: NumberPool | null;
  private isBeingRemoved = false;

  /** `pasids`: where its PASID comes from; null for a mediated device, which has none. */
  constructor(host: Host, type: MdevType, guid: string, onGone: () => void, pasids: NumberPool | null = null) {
    this.pasids = pasids;
    this.host = host;
    this.type = type;
    this.guid = guid;
    this.onGone = onGone;
    this.lifecycle = new LifecycleState('mdev', guid, 'absent');
  }

  get state(): string {
    return this.lifecycle.state;
  }

  /** The device appears and the parent's driver takes it; if the driver cannot, it is gone again. Throws ENOSPC. */
  create(): void {
    this.lifecycle.step('create');
    try {
      this.take();
    } catch (error) {
      this.lifecycle.step('remove');
      this.onGone();
      throw error;
    }
  }

  /** Writes its GUID to the driver's bind. EBUSY: bound; ENOSPC: the card has no function left; ENODEV: gone. */
  bind(): Pending {
    return this.start(function* (mdev) {
      yield* mdev.lifecycle.turn(() => 'bind');
      mdev.lifecycle.step('bind');
      mdev.take();
    });
  }

  /** Writes its GUID to the driver's unbind: the device stays, without a node. Sleeps while a file is open. */
  unbind(): Pending {
    if (this.core === null) this.lifecycle.step('unbind:other');
    return this.start(function* (mdev) {
      yield* mdev.lifecycle.turn(() => 'unbind');
      if (mdev.core === null) return; // it slept, and another has done it
      mdev.lifecycle.step('unbind');
      yield* mdev.letGo();
      mdev.lifecycle.step('closed:unbind');
    });
  }

  /** Writes 1 to `remove`. Sleeps while a file is open; who comes second finds it under way. ENOENT: gone. */
  remove(): Pending {
    if (this.state === 'absent') this.lifecycle.step('remove');
    return this.start(function* (mdev) {
      if (!mdev.isBeingRemoved) yield* mdev.removal();
    });
  }

  /** Opens the node. ENOENT where there is none. */
  open(): VfioFile {
    this.lifecycle.check('open');
    return this.node!.open();
  }

  /** The removal as steps; for a second caller, waiting until the first is through. */
  *removal(): Steps {
    if (this.isBeingRemoved) {
      yield () => this.state === 'absent';
      return;
    }
    this.isBeingRemoved = true;
    yield* this.lifecycle.turn(() => 'remove');
    this.lifecycle.step('remove');
    if (this.core !== null) {
      yield* this.letGo();
      this.lifecycle.step('closed:remove');
    }
    this.onGone();
  }

  /** Behind a reset of the PF: makes its function again. */
  restore(): void {
    this.core?.restore();
  }

  private start(steps: (mdev: this) => Steps): Pending {
    return this.host.tasks.start(steps(this));
  }

  /** The driver's probe: a function of the card for it, and a PASID. */
  private take(): void {
    const { functions, nodes, tasks } = this.host;
    const pasid = this.pasids?.take() ?? null;
    if (this.pasids !== null && pasid === null) this.lifecycle.step('probed:no-pasid');
    this.pasid = pasid;
    try {
      const fn = functions.take();
      if (fn === null) throw new VfioError('ENOSPC', 'the card has no function on demand left');
      this.core = this.makeFunction(fn);
    } catch (error) {
      this.givePasid();
      if (error instanceof DeviceFaultError) this.lifecycle.step('probed:silent');
      if (error instanceof VfioError && error.code === 'ENOENT') this.lifecycle.step('probed:no-notify');
      if (error instanceof NicError) this.lifecycle.step('probed:no-function');
      throw error;
    }
    this.lifecycle.step('probed:vfio');
    this.node = new VfioNode(nodes, tasks, this.lifecycle, this.core);
  }

  private makeFunction(fn: number): CoreFunction {
    try {
      return new CoreFunction(this.host, fn, this.type.profile, this.pasid);
    } catch (error) {
      this.host.functions.give(fn);
      throw error;
    }
  }

  private givePasid(): void {
    if (this.pasid !== null) this.pasids!.give(this.pasid);
    this.pasid = null;
  }

  /** The driver's remove. */
  private *letGo(): Steps {
    yield* this.node!.unregister(this.host.nowMs());
    const { fn } = this.core!;
    this.core!.destroy();
    this.host.functions.give(fn);
    this.givePasid();
    this.node = null;
    this.core = null;
  }
}
