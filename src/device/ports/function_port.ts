// SPDX-License-Identifier: Apache-2.0
// Functions before they are there, and those that come and go: provisioning, creation on demand.
import { NONE } from '../../../assembly/abi/state_value.ts';
import type { FunctionProfile, ProvisionedFunction } from '../function_profile.ts';
import { ProfileTable } from '../provision.ts';
import { TimePort } from './time_port.ts';

/** What functions are made as, and which there are. */
export abstract class FunctionPort extends TimePort {
  private readonly profiles = new ProfileTable(this.core, this.config);

  /**
   * Says what a VF or a function on demand is made as when it comes into being. Throws NicError EINVAL for bad values (all
   * are named), EBUSY for a function that is there (only the vectors of a VF without driver may change), ENOSPC.
   */
  provision(fn: number, profile: FunctionProfile): void {
    this.functionBase(fn);
    if (this.profiles.write(fn, profile)) this.pins.changeVectors(fn);
  }

  /** What the function is provisioned as. */
  provisioned(fn: number): ProvisionedFunction {
    this.functionBase(fn);
    return this.profiles.read(fn);
  }

  /** What provision() makes of a profile: every value filled in. Throws NicError EINVAL as it does. */
  completeProfile(fn: number, profile: FunctionProfile): ProvisionedFunction {
    this.functionBase(fn);
    return this.profiles.complete(fn, profile);
  }

  /** MSI-X vectors of the pool `vfVectorPool` that are given to VFs. */
  vfVectorsInUse(): number {
    return this.profiles.vectorsInUse();
  }

  /**
   * Brings a function on demand into being as it is provisioned. Its DMA carries the PF's requester id and `pasid` (20 bits;
   * null: none). Throws NicError EINVAL for a PF, VF or bad PASID, EEXIST if the function is there or the PASID in use.
   */
  createFunction(fn: number, pasid: number | null): void {
    this.functionBase(fn);
    this.profiles.checkCreate(fn, pasid);
    this.pins.createFunction(fn, pasid ?? NONE);
  }

  /**
   * Takes a function on demand away: it stops at once, what it has put on the link arrives before the call returns, and it
   * is detached from its address space. Throws NicError EINVAL as above, ENODEV if it is not there.
   */
  destroyFunction(fn: number): void {
    this.functionBase(fn);
    this.profiles.checkDestroy(fn);
    this.pins.destroyFunction(fn);
    this.drain();
  }

  /** PASID that the function's DMA carries; null if it carries none. */
  pasid(fn: number): number | null {
    this.functionBase(fn);
    return this.profiles.pasid(fn);
  }
}
