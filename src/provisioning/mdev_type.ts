// SPDX-License-Identifier: Apache-2.0
// The types of mediated devices below mdev_supported_types: what one is, how it reads, and those that a card offers.
import type { FunctionProfile } from '../device/function_profile.ts';

/** One directory below mdev_supported_types. */
export interface MdevType {
  /** Name of the directory: driver and type. */
  readonly id: string;
  /** What `name` and `description` read. */
  readonly name: string;
  readonly description: string;
  readonly profile: FunctionProfile;
}

/** A type as its directory reads. */
export interface MdevTypeView {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly deviceApi: 'vfio-pci';
  readonly availableInstances: number;
  /** GUIDs below `devices`. */
  readonly devices: readonly string[];
}

/** The types that a card offers. */
export const MDEV_TYPES: readonly MdevType[] = [
  {
    id: 'virtfn-net-1',
    name: 'virtio-net, one queue pair',
    description: 'queue pairs: 1, vectors: 4, rings of 256',
    profile: { queuePairs: 1, vectors: 4 },
  },
  {
    id: 'virtfn-net-4',
    name: 'virtio-net, four queue pairs',
    description: 'queue pairs: 4, vectors: 10, rings of 256',
    profile: { queuePairs: 4, vectors: 10 },
  },
];
