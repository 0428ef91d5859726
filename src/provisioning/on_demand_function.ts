// SPDX-License-Identifier: Apache-2.0
// One function behind the on-demand interface, whatever it is made of.
import type { FunctionProfile } from '../device/function_profile.ts';
import type { Host } from './host.ts';
import { LifecycleState } from './lifecycle_state.ts';
import type { Pending, Steps } from './tasks.ts';
import type { VfioFile } from './vfio_file.ts';
import type { VfioNode } from './vfio_node.ts';

/** A VF; a function whose DMA is mediated; a function told apart by a PASID. */
export type FunctionKind = 'sriov' | 'mdev' | 'siov';

/** The device that stands for a function while it is enabled. */
export interface FunctionDevice {
  /** Null once the device is gone. */
  readonly node: VfioNode | null;
  open(): VfioFile;
}

/** How functions of one kind are made. What throws has undone its work. */
export interface FunctionMaker {
  /** Takes a profile, or refuses it. */
  configure(profile: FunctionProfile): void;
  /** Makes the device with its node. */
  enable(profile: FunctionProfile): FunctionDevice;
  /** Takes the device away, if it is still there; sleeps while it is in use. */
  disable(): Steps;
  /** Gives back what was set aside. */
  release(): void;
}

/** One function. OnDemandFunctions.create() makes it. */
export class OnDemandFunction {
  readonly kind: FunctionKind;
  readonly lifecycle: LifecycleState;
  private readonly host: Host;
  private readonly maker: FunctionMaker;
  private readonly onGone: () => void;
  private profile: FunctionProfile = {};
  private current: FunctionDevice | null = null;

  constructor(host: Host, kind: FunctionKind, name: string, maker: FunctionMaker, onGone: () => void) {
    this.host = host;
    this.kind = kind;
    this.maker = maker;
    this.onGone = onGone;
    this.lifecycle = new LifecycleState('function', name, 'created');
  }

  get state(): string {
    this.notice();
    return this.lifecycle.state;
  }

  /** The device while it is enabled. */
  get device(): FunctionDevice | null {
    this.notice();
    return this.current;
  }

  /**
   * Says what the function is made as. EBUSY: it is there, or, for a VF, the VFs are; EINVAL: bad values; ENOSPC: too many
   * vectors; ENODEV: destroyed.
   */
  configure(profile: FunctionProfile): void {
    this.notice();
    this.lifecycle.check('configure');
    this.maker.configure(profile);
    this.profile = profile;
    this.lifecycle.step('configure');
  }

  /**
   * Makes the device and its node. EBUSY: it is there, or somebody holds what it needs; ENOSPC: the card has no function, or
   * the host no PASID left; ENODEV, ENOENT: the PF has no driver; ENOENT, ETIMEDOUT: what the variant driver's probe fails with.
   */
  enable(): VfioNode {
    this.notice();
    this.lifecycle.check('enable');
    this.current = this.maker.enable(this.profile);
    this.lifecycle.step('enable');
    return this.current.node!;
  }

  /** Opens the node. ENOENT: not enabled; ENODEV: destroyed. */
  open(): VfioFile {
    this.notice();
    this.lifecycle.check('open');
    return this.current!.open();
  }

  /** Takes the function away for good. Sleeps while it is in use; its user is asked to let go. ENODEV: destroyed. */
  destroy(): Pending {
    return this.host.tasks.start(this.destruction());
  }

  /** The driver of the PF may have gone, and the device with it. */
  private notice(): void {
    if (this.lifecycle.state !== 'enabled' || this.current!.node !== null) return;
    this.current = null;
    this.lifecycle.step('lost');
  }

  private *destruction(): Steps {
    this.notice();
    yield* this.lifecycle.turn(() => 'destroy');
    this.lifecycle.step('destroy');
    yield* this.maker.disable();
    this.maker.release();
    this.current = null;
    this.lifecycle.step('destroyed');
    this.onGone();
  }
}
