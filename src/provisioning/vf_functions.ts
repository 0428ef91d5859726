// SPDX-License-Identifier: Apache-2.0
// SR-IOV behind the on-demand interface. VF Enable makes all VFs or none: the first function that is enabled brings them
// up, without drivers, and the last one that goes takes them down. A profile counts only if it was there before.
import type { FunctionProfile } from '../device/function_profile.ts';
import { VfioError } from '../util/errors.ts';
import { NumberPool } from './host.ts';
import type { FunctionMaker } from './on_demand_function.ts';
import type { SriovLifecycle } from './sriov_lifecycle.ts';
import type { SriovVf } from './sriov_vf.ts';
import { waitFor } from './tasks.ts';

const DRIVER = 'virtio_vfio_pci';

/** The VFs of a card, given out one by one. */
export class VfFunctions {
  private readonly host: SriovLifecycle;
  /** VFs that belong to a function, or still have the profile of one. */
  private readonly numbers: NumberPool;
  private readonly stale = new Set<number>();
  /** The VFs were enabled here, so they are disabled here. */
  private ownsVfs = false;

  constructor(host: SriovLifecycle) {
    this.host = host;
    this.numbers = new NumberPool(1, host.vfs.length);
  }

  /** Sets a VF aside. ENOSPC: none is left. */
  maker(): FunctionMaker {
    this.clean();
    const { host } = this;
    const number = this.numbers.take();
    if (number === null)
      throw new VfioError('ENOSPC', `none of ${host.vfs.length} VFs is free; destroy a function first`);
    const vf = host.vf(number);
    let hasProfile = false;
    return {
      configure: (profile: FunctionProfile) => {
        host.machine.nic.provision(number, profile);
        hasProfile = true;
      },
      enable: () => {
        this.enable(vf);
        return vf;
      },
      *disable() {
        if (vf.driver === DRIVER) yield* waitFor(vf.unbind(DRIVER));
        if (vf.state === 'unbound') vf.setOverride('');
      },
      release: () => {
        if (hasProfile) this.stale.add(number);
        else this.numbers.give(number);
        this.disableIdle();
      },
    };
  }

  private enable(vf: SriovVf): void {
    const { host } = this;
    if (host.lifecycle.waits('numvfs:n') || (vf.state !== 'absent' && vf.state !== 'unbound')) {
      throw new VfioError(
        'EBUSY',
        `${vf.lifecycle.name} is ${vf.state} and its PF ${host.state}; somebody else is at it`,
      );
    }
    if (vf.state === 'absent') {
      const { autoprobe } = host;
      host.autoprobe = false; // who is not asked for stays without a driver
      try {
        host.setNumVfs(host.vfs.length);
      } finally {
        host.autoprobe = autoprobe;
      }
      this.ownsVfs = true;
    }
    try {
      vf.setOverride(DRIVER);
      vf.bind(DRIVER);
    } catch (error) {
      vf.setOverride('');
      this.disableIdle();
      throw error;
    }
  }

  /** VF Enable goes with the last function that needs it. */
  private disableIdle(): void {
    const { host } = this;
    if (this.ownsVfs && host.state === 'enabled' && host.vfs.every(({ driver }) => driver === null)) host.setNumVfs(0);
    this.clean();
  }

  /** A profile that nobody needs any more goes as soon as its VF is gone. */
  private clean(): void {
    const { nic } = this.host.machine;
    if (this.host.numVfs === 0) this.ownsVfs = false;
    for (const number of this.stale) {
      if (nic.isPresent(number)) continue;
      nic.provision(number, {});
      this.stale.delete(number);
      this.numbers.give(number);
    }
  }
}
