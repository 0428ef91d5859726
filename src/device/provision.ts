// SPDX-License-Identifier: Apache-2.0
// Profiles in the arena: the words PROFILE_* of assembly/abi/profile.ts, written and read back. They are in effect
// when the function comes into being, and fixed while it is there.
import * as FN from '../../assembly/abi/function.ts';
import * as PROFILE from '../../assembly/abi/profile.ts';
import { FUNCTIONS } from '../../assembly/abi/state_map.ts';
import {
  NONE,
  PROFILE_LEGACY,
  PROFILE_MIGRATION,
  PROFILE_SPOOF_CHECK,
  PROFILE_TRUST,
} from '../../assembly/abi/state_value.ts';
import { COMMON_DEVICE_STATUS } from '../../assembly/abi/virtio_pci_common.ts';
import type { CoreInstance } from '../core/instance.ts';
import { NicError } from '../util/errors.ts';
import { macBytes, macText } from '../util/mac.ts';
import type { ResolvedConfig } from './config.ts';
import {
  NOTIFY_PLACES,
  PROFILE_BITS,
  profileProblems,
  type FunctionProfile,
  type ProvisionedFunction,
} from './function_profile.ts';

/** PASIDs have 20 bits (PCIe 6.0 §6.20). */
const PASID_MAX = 0xfffff;

/** The profiles of one card. */
export class ProfileTable {
  private readonly core: CoreInstance;
  private readonly config: ResolvedConfig;

  constructor(core: CoreInstance, config: ResolvedConfig) {
    this.core = core;
    this.config = config;
  }

  /**
   * Gives a function a profile; `fn` is a VF or a function on demand. True if it is there, and only its number of vectors
   * has changed. Throws NicError EINVAL, EBUSY, ENOSPC.
   */
  write(fn: number, profile: FunctionProfile): boolean {
    if (fn === 0) throw new NicError('EINVAL', 'function 0 is the PF; its values are options of the card');
    const wanted = this.complete(fn, profile);
    const now = this.read(fn);
    const isPresent = this.isPresent(fn);
    if (isPresent) this.checkIdle(fn, now, wanted);
    this.checkPool(fn, wanted.vectors);
    if (isPresent && wanted.vectors === now.vectors) return false;
    this.store(fn, wanted);
    if (!isPresent) this.core.u8[base(fn) + FN.PROFILE_NEW] = 1;
    return isPresent;
  }

  /** The profile with every value filled in. Throws NicError EINVAL that names every bad value. */
  complete(fn: number, profile: FunctionProfile): ProvisionedFunction {
    const problems = profileProblems(profile);
    if (problems.length > 0) {
      const text = problems.map(({ field, message }) => `${field} = ${message}`).join('; ');
      throw new NicError('EINVAL', `profile of function ${fn}: ${text}`);
    }
    const defaults = this.defaults(fn);
    return {
      withoutFeatures: [...new Set(profile.withoutFeatures)].sort((one, other) => one - other),
      mac: (profile.mac ?? defaults.mac).toLowerCase(),
      mtu: profile.mtu ?? defaults.mtu,
      queuePairs: profile.queuePairs ?? defaults.queuePairs,
      queueSize: profile.queueSize ?? defaults.queueSize,
      vectors: profile.vectors ?? defaults.vectors,
      legacy: profile.legacy ?? defaults.legacy,
      notify: profile.notify ?? defaults.notify,
      vlan: profile.vlan ?? defaults.vlan,
      rateMbps: profile.rateMbps ?? defaults.rateMbps,
      spoofCheck: profile.spoofCheck ?? defaults.spoofCheck,
      trust: profile.trust ?? defaults.trust,
      migration: profile.migration ?? defaults.migration,
    };
  }

  read(fn: number): ProvisionedFunction {
    const { view, u8 } = this.core;
    const at = base(fn) + FN.PROFILE;
    const mask = [view.getUint32(at, true), view.getUint32(at + 4, true)];
    const flags = u8[at + PROFILE.FLAGS]!;
    const isSet = (bit: number): boolean => (flags & bit) !== 0;
    return {
      withoutFeatures: Array.from({ length: 64 }, (_, bit) => bit).filter(
        (bit) => ((mask[bit >>> 5]! >>> (bit & 31)) & 1) === 0,
      ),
      mac: this.mac(fn),
      mtu: view.getUint16(at + PROFILE.MTU, true),
      queuePairs: u8[at + PROFILE.PAIRS]!,
      queueSize: view.getUint16(at + PROFILE.QUEUE_SIZE, true),
      vectors: u8[at + PROFILE.VECTORS]!,
      legacy: isSet(PROFILE_LEGACY),
      notify: NOTIFY_PLACES[u8[at + PROFILE.NOTIFY]!]!,
      vlan: view.getUint16(at + PROFILE.VLAN, true),
      rateMbps: view.getUint32(at + PROFILE.RATE, true),
      spoofCheck: isSet(PROFILE_SPOOF_CHECK),
      trust: isSet(PROFILE_TRUST),
      migration: isSet(PROFILE_MIGRATION),
    };
  }

  /** May the function be created with this PASID? Throws NicError EINVAL, EEXIST. */
  checkCreate(fn: number, pasid: number | null): void {
    this.checkOnDemand(fn);
    if (pasid !== null && !(Number.isInteger(pasid) && pasid >= 0 && pasid <= PASID_MAX)) {
      throw new NicError('EINVAL', `PASID ${pasid}: a whole number from 0 to ${PASID_MAX} is needed, or null`);
    }
    if (this.isPresent(fn)) throw new NicError('EEXIST', `function ${fn} is there already; destroy it first`);
    if (pasid === null) return;
    const { totalVfs, onDemandFunctions } = this.config;
    for (let other = totalVfs + 1; other <= totalVfs + onDemandFunctions; other++) {
      if (this.pasid(other) !== pasid) continue;
      throw new NicError('EEXIST', `PASID ${pasid} is that of function ${other}; take another`);
    }
  }

  /** May the function be destroyed? Throws NicError EINVAL, ENODEV. */
  checkDestroy(fn: number): void {
    this.checkOnDemand(fn);
    if (!this.isPresent(fn)) throw new NicError('ENODEV', `function ${fn} is not there; create it first`);
  }

  /** PASID of a function's DMA, null for none. */
  pasid(fn: number): number | null {
    const pasid = this.core.u32[(base(fn) + FN.PASID) >> 2]!;
    return pasid === NONE ? null : pasid;
  }

  /** Vectors of the pool that VFs have. */
  vectorsInUse(): number {
    const at = FUNCTIONS + FN.PROFILE + PROFILE.VECTORS;
    let sum = 0;
    for (let vf = 1; vf <= this.config.totalVfs; vf++) sum += this.core.u8[at + vf * FN.STRIDE]!;
    return sum;
  }

  /** The profile of a function that nobody has provisioned. */
  private defaults(fn: number): ProvisionedFunction {
    const { config } = this;
    const isVf = fn <= config.totalVfs;
    const share = Math.floor(config.vfVectorPool / config.totalVfs);
    return {
      withoutFeatures: [],
      mac: this.numberedMac(fn),
      mtu: config.mtu,
      queuePairs: fn === 0 ? config.pfQueuePairs : config.vfQueuePairs,
      queueSize: config.queueSize,
      vectors: fn === 0 ? config.pfVectors : isVf ? Math.min(config.vfVectors, share) : config.vfVectors,
      legacy: true,
      notify: 'member',
      vlan: 0,
      rateMbps: 0,
      spoofCheck: false,
      trust: true,
      migration: false,
    };
  }

  /** A function that is there keeps its profile, but for the vectors of a VF that no driver uses (as sriov_vf_msix_count). */
  private checkIdle(fn: number, now: ProvisionedFunction, wanted: ProvisionedFunction): void {
    const sameButVectors = JSON.stringify(wanted) === JSON.stringify({ ...now, vectors: wanted.vectors });
    const isVf = fn <= this.config.totalVfs;
    if (!isVf || !sameButVectors) {
      const remedy = isVf ? 'disable the VFs first, or change its vectors alone' : 'destroy it first';
      throw new NicError('EBUSY', `function ${fn} is there and keeps its profile; ${remedy}`);
    }
    if (wanted.vectors === now.vectors) return;
    const status = this.core.u8[base(fn) + FN.COMMON + COMMON_DEVICE_STATUS]!;
    const isMsixOn = this.core.u8[base(fn) + FN.MSIX_ENABLE] !== 0;
    if (status === 0 && !isMsixOn) return;
    const why = isMsixOn ? 'MSI-X is enabled' : `its device status is ${status}`;
    throw new NicError('EBUSY', `function ${fn} is in use (${why}); unbind its driver before its vectors change`);
  }

  private checkPool(fn: number, vectors: number): void {
    if (fn > this.config.totalVfs) return; // not from the pool
    const left =
      this.config.vfVectorPool - this.vectorsInUse() + this.core.u8[base(fn) + FN.PROFILE + PROFILE.VECTORS]!;
    if (vectors <= left) return;
    throw new NicError(
      'ENOSPC',
      `${vectors} MSI-X vectors for VF ${fn}: the pool has ${left} left; take some from others`,
    );
  }

  private store(fn: number, profile: ProvisionedFunction): void {
    const { view, u8 } = this.core;
    const at = base(fn) + FN.PROFILE;
    let masks = [0xffffffff, 0xffffffff];
    for (const bit of profile.withoutFeatures) {
      masks = masks.map((word, i) => (bit >>> 5 === i ? (word & ~(1 << (bit & 31))) >>> 0 : word));
    }
    masks.forEach((word, i) => view.setUint32(at + PROFILE.FEATURES + 4 * i, word, true));
    const isNumbered = profile.mac === this.numberedMac(fn);
    const mac = isNumbered ? [0, 0, 0, 0, 0, 0, 0, 0] : [...macBytes(profile.mac)!, 1, 0];
    u8.set(mac, at + PROFILE.MAC);
    view.setUint16(at + PROFILE.MTU, profile.mtu, true);
    view.setUint16(at + PROFILE.QUEUE_SIZE, profile.queueSize, true);
    u8[at + PROFILE.PAIRS] = profile.queuePairs;
    u8[at + PROFILE.VECTORS] = profile.vectors;
    u8[at + PROFILE.NOTIFY] = NOTIFY_PLACES.indexOf(profile.notify);
    u8[at + PROFILE.FLAGS] = PROFILE_BITS.reduce((word, [name, bit]) => (profile[name] ? word | bit : word), 0);
    view.setUint16(at + PROFILE.VLAN, profile.vlan, true);
    view.setUint32(at + PROFILE.RATE, profile.rateMbps, true);
  }

  private checkOnDemand(fn: number): void {
    if (fn > this.config.totalVfs) return;
    throw new NicError('EINVAL', `function ${fn} is ${fn === 0 ? 'the PF' : 'a VF'}, which does not come on demand`);
  }

  private isPresent(fn: number): boolean {
    return this.core.u8[base(fn) + FN.PRESENT] !== 0;
  }

  private mac(fn: number): string {
    const at = base(fn) + FN.PROFILE + PROFILE.MAC;
    return this.core.u8[at + 6] === 0 ? this.numberedMac(fn) : macText(this.core.u8.subarray(at, at + 6));
  }

  /** The PF's address with the number added to the last three bytes. */
  private numberedMac(fn: number): string {
    const bytes = macBytes(this.config.mac)!;
    const tail = ((bytes[3]! << 16) | (bytes[4]! << 8) | bytes[5]!) + fn;
    return macText([...bytes.slice(0, 3), (tail >> 16) & 0xff, (tail >> 8) & 0xff, tail & 0xff]);
  }
}

function base(fn: number): number {
  return FUNCTIONS + fn * FN.STRIDE;
}
