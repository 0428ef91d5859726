// SPDX-License-Identifier: Apache-2.0
// Capability lists as software walks them (PCI Express Base §7.5.1.1.11, §7.6.3; virtio 1.4 §4.1.4).
import type { RegisterPath } from '../../support/register_path.ts';

export interface Capability {
  readonly id: number;
  readonly at: number;
}

/** A virtio structure capability. */
export interface VirtioCapability {
  readonly at: number;
  readonly capLen: number;
  readonly cfgType: number;
  readonly bar: number;
  readonly offset: number;
  readonly length: number;
}

const LIMIT = 64;

/** The capabilities from the pointer at 0x34 on, in order; ends after 64 even where the list loops. */
export function capabilities(path: RegisterPath): Capability[] {
  const found: Capability[] = [];
  for (let at = path.configRead(0x34, 1); at !== 0 && found.length < LIMIT; at = path.configRead(at + 1, 1)) {
    found.push({ id: path.configRead(at, 1), at });
  }
  return found;
}

/** The extended capabilities from 0x100 on; empty where the header there is zero. */
export function extendedCapabilities(path: RegisterPath): Capability[] {
  const found: Capability[] = [];
  for (let at = 0x100; at !== 0 && found.length < LIMIT;) {
    const header = path.configRead(at, 4);
    if (header === 0) break;
    found.push({ id: header & 0xffff, at });
    at = header >>> 20;
  }
  return found;
}

/** The vendor capabilities (id 0x09), in order. */
export function virtioCapabilities(path: RegisterPath): VirtioCapability[] {
  return capabilities(path)
    .filter(({ id }) => id === 0x09)
    .map(({ at }) => ({
      at,
      capLen: path.configRead(at + 2, 1),
      cfgType: path.configRead(at + 3, 1),
      bar: path.configRead(at + 4, 1),
      offset: path.configRead(at + 8, 4),
      length: path.configRead(at + 12, 4),
    }));
}

/** The first virtio structure of a type; throws where there is none. */
export function virtioStructure(path: RegisterPath, cfgType: number): VirtioCapability {
  const found = virtioCapabilities(path).find((capability) => capability.cfgType === cfgType);
  if (found === undefined) throw new Error(`no virtio structure of cfg_type ${cfgType}`);
  return found;
}
