// SPDX-License-Identifier: Apache-2.0
// One interface for every way to make a function: create, configure, enable, use its vfio device, destroy. Behind it stand
// SR-IOV VFs, mediated devices, and functions told apart by a PASID on the requester id of the PF; all live side by side.
// A step that fails undoes what it has done.
import type { FunctionProfile } from '../device/function_profile.ts';
import { VfioError } from '../util/errors.ts';
import { checkOptions, wholeFrom } from '../util/options.ts';
import { NumberPool, type PfChild } from './host.ts';
import { MdevParent } from './mdev.ts';
import type { MdevType } from './mdev_type.ts';
import { MdevDevice } from './mdev_device.ts';
import { OnDemandFunction, type FunctionKind, type FunctionMaker } from './on_demand_function.ts';
import type { SriovLifecycle } from './sriov_lifecycle.ts';
import type { Steps } from './tasks.ts';
import { VfFunctions } from './vf_functions.ts';

/** PASID 0 means requests without a PASID to some IOMMUs; it is not given out. */
const FIRST_PASID = 1;
/** PASIDs have 20 bits. */
const LAST_PASID = 0xf_ffff;
const OWN_TYPE = { id: 'virtfn-net', name: 'virtio-net', description: 'as its profile says' };

/** What the host has for functions on demand. */
export interface OnDemandOptions {
  /** Highest PASID that the host gives out. Default 2^20 - 1. */
  readonly lastPasid?: number;
}

/** The functions of one card, made on demand. */
export class OnDemandFunctions implements PfChild {
  readonly mdevs: MdevParent;
  readonly pasids: NumberPool;
  private readonly host: SriovLifecycle;
  private readonly functions = new Set<OnDemandFunction>();
  private readonly numbers = new NumberPool(1, Infinity);
  private readonly byPasid = new Set<MdevDevice>();
  private readonly vfs: VfFunctions;

  constructor(host: SriovLifecycle, options: OnDemandOptions = {}) {
    checkOptions('functions on demand', options, { lastPasid: wholeFrom(FIRST_PASID, LAST_PASID) });
    this.host = host;
    this.mdevs = new MdevParent(host);
    this.pasids = new NumberPool(FIRST_PASID, options.lastPasid ?? LAST_PASID);
    this.vfs = new VfFunctions(host);
    host.addChild(this.mdevs);
    host.addChild(this);
  }

  /** Functions that were created and not destroyed. */
  get all(): readonly OnDemandFunction[] {
    return [...this.functions];
  }

  /** Sets a function aside; nothing of it is to be seen yet. ENOSPC: no VF is left; of other things enable() tells. */
  create(kind: FunctionKind): OnDemandFunction {
    const number = this.numbers.take()!;
    const onGone = (): void => {
      this.functions.delete(made);
      this.numbers.give(number);
    };
    const made = new OnDemandFunction(this.host, kind, `function ${number}`, this.maker(kind, number), onGone);
    this.functions.add(made);
    return made;
  }

  *unregister(): Steps {
    for (const device of this.byPasid) yield* device.removal();
  }

  register(): void {}

  restore(): void {
    for (const device of this.byPasid) device.restore();
  }

  private maker(kind: FunctionKind, number: number): FunctionMaker {
    const guid = `76666e00-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;
    switch (kind) {
      case 'sriov':
        return this.vfs.maker();
      case 'mdev':
        return this.softMaker((profile) => this.mdevs.add({ ...OWN_TYPE, profile }, guid));
      case 'siov':
        return this.softMaker((profile) => this.addByPasid({ ...OWN_TYPE, profile }, guid));
    }
  }

  private addByPasid(type: MdevType, name: string): MdevDevice {
    const { host, byPasid } = this;
    if (host.state === 'unbound' || host.state === 'draining') {
      throw new VfioError('ENODEV', `the PF is ${host.state}; bind it to its driver first`);
    }
    const device = new MdevDevice(host, type, name, () => byPasid.delete(device), this.pasids);
    byPasid.add(device);
    device.create();
    return device;
  }

  private softMaker(make: (profile: FunctionProfile) => MdevDevice): FunctionMaker {
    const { nic } = this.host.machine;
    let device: MdevDevice | null = null;
    return {
      // the values are the same for any function on demand
      configure: (profile) => void nic.completeProfile(nic.functions() - 1, profile),
      enable: (profile) => (device = make(profile)),
      *disable() {
        if (device !== null && device.state !== 'absent') yield* device.removal();
      },
      release: () => {},
    };
  }
}
