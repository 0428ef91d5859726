// SPDX-License-Identifier: Apache-2.0
// What one function is made as, and what is wrong with a description of that.
import * as FN from '../../assembly/abi/function.ts';
import {
  PROFILE_LEGACY,
  PROFILE_MIGRATION,
  PROFILE_SPOOF_CHECK,
  PROFILE_TRUST,
} from '../../assembly/abi/state_value.ts';
import { VIRTIO_F_VERSION_1 } from '../../assembly/abi/virtio_features.ts';
import { isUnicast, macBytes } from '../util/mac.ts';
import { unknownName, valueText } from '../util/names.ts';
import { isRecord } from '../util/problems.ts';

/** Where LEGACY_NOTIFY_INFO sends a legacy driver's doorbells. */
export type NotifyPlace = 'member' | 'owner' | 'none';

/** What a function is provisioned as; what is left out is as the configuration of the card has it. */
export interface FunctionProfile {
  /** Feature bits that are not offered, by number 0..63; VIRTIO_F_VERSION_1 always is. */
  readonly withoutFeatures?: readonly number[];
  /** Unicast address. Default the PF's with the function's number added. */
  readonly mac?: string;
  /** 68..9000. */
  readonly mtu?: number;
  /** Receive/transmit queue pairs, 1..8. */
  readonly queuePairs?: number;
  /** Descriptors in each net queue, a power of two from 2 to 256. */
  readonly queueSize?: number;
  /** MSI-X vectors, 2..32; those of VFs come from the pool `vfVectorPool`. */
  readonly vectors?: number;
  /** The administration commands for legacy access take this VF. Default true. */
  readonly legacy?: boolean;
  /** Doorbells of a legacy driver: in the VF's own BAR, in the PF's, or by command only. Default member. */
  readonly notify?: NotifyPlace;
  /** Access VLAN 1..4094: its frames carry the tag outside of the function. Default 0: none, a trunk. */
  readonly vlan?: number;
  /** Mbit/s of frames that it may send, up to 400,000. In timed mode only. Default 0: no limit. */
  readonly rateMbps?: number;
  /** Frames with a source address that is none of the function's are dropped. Default false. */
  readonly spoofCheck?: boolean;
  /** Its driver may set promiscuous mode and change the address. Default true. */
  readonly trust?: boolean;
  /** Stored and told; device parts are not built. Default false. */
  readonly migration?: boolean;
}

/** A profile with every value filled in. */
export type ProvisionedFunction = Required<FunctionProfile>;

/** Names of the fields of a profile, in the order in which they are shown. */
export const PROFILE_FIELDS = [
  'withoutFeatures',
  'mac',
  'mtu',
  'queuePairs',
  'queueSize',
  'vectors',
  'legacy',
  'notify',
  'vlan',
  'rateMbps',
  'spoofCheck',
  'trust',
  'migration',
] as const satisfies readonly (keyof FunctionProfile)[];

/** One bad value of a profile. */
export interface ProfileProblem {
  readonly field: string;
  /** The value, and what is needed. */
  readonly message: string;
  readonly needed: string;
}

/** By the flags of the entry. */
export const NOTIFY_PLACES: readonly NotifyPlace[] = ['none', 'owner', 'member'];
const VLAN_MAX = 4094;
const RATE_MAX = 400_000;
/** Yes-or-no fields with their bits in PROFILE.FLAGS. */
export const PROFILE_BITS = [
  ['legacy', PROFILE_LEGACY],
  ['spoofCheck', PROFILE_SPOOF_CHECK],
  ['trust', PROFILE_TRUST],
  ['migration', PROFILE_MIGRATION],
] as const;
const RANGES = [
  ['mtu', 68, 9000],
  ['queuePairs', 1, 8],
  ['queueSize', 2, 256],
  ['vectors', 2, FN.MSIX_VECTORS_MAX],
  ['vlan', 0, VLAN_MAX],
  ['rateMbps', 0, RATE_MAX],
] as const;

/** Everything that is wrong with a profile, in the order of its fields; empty if it is good. */
export function profileProblems(profile: FunctionProfile): ProfileProblem[] {
  const given: unknown = profile;
  if (!isRecord(given)) {
    const needed = 'an object is needed, say {}';
    return [{ field: 'profile', message: `${valueText(given)}: ${needed}`, needed }];
  }
  const problems: ProfileProblem[] = Object.keys(profile)
    .filter((name) => !(PROFILE_FIELDS as readonly string[]).includes(name))
    .map((field) => ({ field, needed: unknownName('field', field, PROFILE_FIELDS) }))
    .map(({ field, needed }) => ({ field, message: needed, needed }));
  const report = (field: keyof FunctionProfile, needed: string): void => {
    const value = profile[field];
    const text = typeof value === 'string' ? JSON.stringify(value) : valueText(value);
    problems.push({ field, message: `${text}: ${needed}`, needed });
  };
  const { withoutFeatures, mac, notify } = profile;
  if (withoutFeatures !== undefined) {
    const isList = Array.isArray(withoutFeatures);
    if (!isList || withoutFeatures.some((bit) => !Number.isInteger(bit) || bit < 0 || bit > 63)) {
      report('withoutFeatures', 'a list of bit numbers from 0 to 63 is needed');
    } else if (withoutFeatures.includes(VIRTIO_F_VERSION_1)) {
      report('withoutFeatures', 'VIRTIO_F_VERSION_1 (32) is always offered');
    }
  }
  if (mac !== undefined) {
    const bytes = macBytes(mac);
    if (bytes === null) report('mac', 'six bytes in hexadecimal with colons are needed');
    else if (!isUnicast(bytes)) report('mac', 'a unicast address is needed');
  }
  for (const [field, low, high] of RANGES) {
    const value = profile[field];
    if (value === undefined) continue;
    const isGood = Number.isInteger(value) && value >= low && value <= high;
    if (!isGood) report(field, `a whole number from ${low} to ${high} is needed`);
    else if (field === 'queueSize' && (value & (value - 1)) !== 0)
      report(field, `a power of two is needed, say ${2 ** Math.floor(Math.log2(value))}`);
  }
  for (const [field] of PROFILE_BITS) {
    const value = profile[field];
    if (value !== undefined && typeof value !== 'boolean') report(field, 'true or false is needed');
  }
  if (notify !== undefined && !NOTIFY_PLACES.includes(notify)) report('notify', 'member, owner or none is needed');
  return problems;
}
