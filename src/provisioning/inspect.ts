// SPDX-License-Identifier: Apache-2.0
// What functions show of their profiles, read the way a driver reads it, and whether that is what they were provisioned as.
import { CAP_MSIX, DEVICE_BAR_OFFSET, VIRTIO_BAR } from '../../assembly/abi/config_layout.ts';
import { PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_QSIZE_MASK } from '../../assembly/abi/pci_msix.ts';
import {
  ADMIN_NOTIFY_INFO_FLAGS,
  ADMIN_NOTIFY_INFO_RESULT_SIZE,
  VIRTIO_ADMIN_CMD_LEGACY_NOTIFY_INFO,
  VIRTIO_ADMIN_GROUP_TYPE_SRIOV,
} from '../../assembly/abi/virtio_admin.ts';
import {
  VIRTIO_NET_CFG_MAC,
  VIRTIO_NET_CFG_MAX_VIRTQUEUE_PAIRS,
  VIRTIO_NET_CFG_MTU,
  VIRTIO_NET_MAC_SIZE,
} from '../../assembly/abi/virtio_net.ts';
import {
  COMMON_DEVICE_FEATURE,
  COMMON_DEVICE_FEATURE_SELECT,
  COMMON_NUM_QUEUES,
  COMMON_QUEUE_SELECT,
  COMMON_QUEUE_SIZE,
} from '../../assembly/abi/virtio_pci_common.ts';
import { NOTIFY_PLACES, type NotifyPlace } from '../device/function_profile.ts';
import type { Nic } from '../device/nic.ts';
import type { Machine } from '../machine/machine.ts';
import { macText } from '../util/mac.ts';
import type { ProvisionedCard } from './card.ts';
import { functionTitle } from './file.ts';

/** What a driver of a function that is there finds. */
export interface ShownFunction {
  /** Feature bits that are offered. */
  readonly features: readonly number[];
  readonly mac: string;
  readonly mtu: number;
  readonly queuePairs: number;
  /** num_queues. */
  readonly queues: number;
  readonly queueSize: number;
  /** MSI-X table size. */
  readonly vectors: number;
}

/** Reads the registers of a function; feature and queue selection move. */
export function shownBy(nic: Nic, fn: number): ShownFunction {
  const read = (offset: number, size: number): number => nic.read(fn, VIRTIO_BAR, offset, size);
  const config = (offset: number, size: number): number => read(DEVICE_BAR_OFFSET + offset, size);
  const features = [0, 1].flatMap((word) => {
    nic.write(fn, VIRTIO_BAR, COMMON_DEVICE_FEATURE_SELECT, 4, word);
    const bits = read(COMMON_DEVICE_FEATURE, 4);
    return Array.from({ length: 32 }, (_, bit) => bit).flatMap((bit) => ((bits >>> bit) & 1 ? [32 * word + bit] : []));
  });
  nic.write(fn, VIRTIO_BAR, COMMON_QUEUE_SELECT, 2, 0);
  const vectors = nic.configRead(fn, CAP_MSIX + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE_MASK;
  return {
    features,
    mac: macText(Array.from({ length: VIRTIO_NET_MAC_SIZE }, (_, i) => config(VIRTIO_NET_CFG_MAC + i, 1))),
    mtu: config(VIRTIO_NET_CFG_MTU, 2),
    queuePairs: config(VIRTIO_NET_CFG_MAX_VIRTQUEUE_PAIRS, 2),
    queues: read(COMMON_NUM_QUEUES, 2),
    queueSize: read(COMMON_QUEUE_SIZE, 2),
    vectors: vectors + 1,
  };
}

/** Will Linux's variant driver make a transitional function of this VF? It wants the notify place in the VF's own BAR. */
export function isTransitional(nic: Nic, fn: number): boolean {
  const { legacy, notify } = nic.provisioned(fn);
  return fn >= 1 && fn <= nic.config.totalVfs && nic.config.legacy && legacy && notify === 'member';
}

/** One thing that was looked at. */
export interface HealthCheck {
  readonly name: string;
  readonly isGood: boolean;
  /** What was found; where it is not good, what was expected, too. */
  readonly detail: string;
}

/** Looks at a card: does all that is there show what it is provisioned as? */
export function checkHealth({ machine, target }: ProvisionedCard): HealthCheck[] {
  const { nic, pf } = machine;
  const { totalVfs, vfVectorPool } = nic.config;
  const vfs = Array.from({ length: totalVfs }, (_, i) => i + 1);
  const present = vfs.filter((vf) => nic.isPresent(vf));
  const used = nic.vfVectorsInUse();
  const addresses = new Set(Array.from({ length: nic.functions() }, (_, fn) => nic.provisioned(fn).mac));
  const wrong = present.flatMap((vf) => mismatches(nic, vf));
  const legacy = nic.config.legacy ? present.flatMap((vf) => legacyMismatches(machine, vf)) : [];
  return [
    { name: 'pf', isGood: pf.hasAdminQueue, detail: pf.hasAdminQueue ? 'running, with admin queue' : 'no admin queue' },
    { name: 'vfs', isGood: present.length === target.numVfs(), detail: `${present.length} of ${totalVfs} enabled` },
    { name: 'vectors', isGood: used <= vfVectorPool, detail: `${used} of ${vfVectorPool} of the pool are given` },
    {
      name: 'addresses',
      isGood: addresses.size === nic.functions(),
      detail: `${addresses.size} for ${nic.functions()} functions`,
    },
    {
      name: 'registers',
      isGood: wrong.length === 0,
      detail: findings(wrong, `${present.length} VFs show their profile`),
    },
    {
      name: 'legacy',
      isGood: legacy.length === 0,
      detail: findings(legacy, `${present.length} VFs answer as provisioned`),
    },
  ];
}

function findings(wrong: readonly string[], good: string): string {
  return wrong.length === 0 ? good : wrong.join('; ');
}

function mismatches(nic: Nic, fn: number): string[] {
  const shown = shownBy(nic, fn);
  const profile = nic.provisioned(fn);
  const expected = { ...profile, queues: 2 * profile.queuePairs + 1 };
  const title = functionTitle(fn, nic.config);
  const wrong = (['mac', 'mtu', 'queuePairs', 'queues', 'queueSize', 'vectors'] as const)
    .filter((field) => shown[field] !== expected[field])
    .map((field) => `${title}: ${field} ${shown[field]} in place of ${expected[field]}`);
  const offered = profile.withoutFeatures.filter((bit) => shown.features.includes(bit));
  return offered.length === 0 ? wrong : [...wrong, `${title}: features ${offered.join(', ')} are offered`];
}

/** Asks for the notify place by command; a VF without legacy capability refuses to answer. */
function legacyMismatches({ nic, pf }: Machine, vf: number): string[] {
  const { legacy, notify } = nic.provisioned(vf);
  const expected: NotifyPlace | 'refused' = legacy ? notify : 'refused';
  const { status, result } = pf.admin.exec(
    VIRTIO_ADMIN_CMD_LEGACY_NOTIFY_INFO,
    VIRTIO_ADMIN_GROUP_TYPE_SRIOV,
    vf,
    null,
    ADMIN_NOTIFY_INFO_RESULT_SIZE,
  );
  const answer = status === 0 ? NOTIFY_PLACES[result[ADMIN_NOTIFY_INFO_FLAGS]!] : 'refused';
  return answer === expected ? [] : [`VF ${vf}: notify place ${answer} in place of ${expected}`];
}
