// SPDX-License-Identifier: Apache-2.0
// What Linux's virtio_vfio_pci decides, once, when it is bound to a function: legacy access through admin commands, or
// migration only, or nothing beyond vfio-pci.
import { PCI_CAP_ID_EXP, PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_FLR, PCI_EXP_DEVCTL } from '../../assembly/abi/pci_express.ts';
import {
  PCI_CAPABILITY_LIST,
  PCI_CAP_LIST_ID,
  PCI_CAP_LIST_NEXT,
  PCI_CFG_SPACE_SIZE,
  PCI_DEVICE_ID,
  PCI_DEVICE_ID_VIRTIO_NET,
  PCI_HEADER_SIZE,
  PCI_STATUS,
  PCI_STATUS_CAP_LIST,
} from '../../assembly/abi/pci_header.ts';
import {
  ADMIN_NOTIFY_INFO_BAR,
  ADMIN_NOTIFY_INFO_ENTRY_SIZE,
  ADMIN_NOTIFY_INFO_FLAGS,
  ADMIN_NOTIFY_INFO_OFFSET,
  ADMIN_NOTIFY_INFO_OFFSET_HI,
  ADMIN_NOTIFY_INFO_RESULT_SIZE,
  VIRTIO_ADMIN_CMD_LEGACY_NOTIFY_INFO,
  VIRTIO_ADMIN_CMD_NOTIFY_INFO_FLAGS_END,
  VIRTIO_ADMIN_CMD_NOTIFY_INFO_FLAGS_OWNER_MEM,
  VIRTIO_ADMIN_GROUP_TYPE_SRIOV,
  VIRTIO_ADMIN_STATUS_OK,
} from '../../assembly/abi/virtio_admin.ts';
import { DEVICE_PARTS_COMMANDS, LEGACY_COMMANDS } from '../../assembly/abi/admin_command.ts';
import { VfioError } from '../util/errors.ts';
import { VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX, type VfioDevice } from '../vfio/vfio_device.ts';
import { throwStatus } from './admin_status.ts';
import type { NotifyPlace } from './legacy_io.ts';
import type { PfAdmin } from './pf_admin.ts';

/** Legacy access with migration if supported; migration only; as vfio-pci. The names are those of Linux's operations. */
export type VariantKind = 'trans-lm' | 'lm' | 'plain';

/** `pf` is null where the PF is not bound to its virtio driver, or the function is no VF. */
export function chooseKind(core: VfioDevice, pf: PfAdmin | null): VariantKind {
  if (pf === null) return 'plain';
  const isLegacyCapable =
    hasAll(pf.supportedCommands, LEGACY_COMMANDS) &&
    core.read(VFIO_PCI_CONFIG_REGION_INDEX, PCI_DEVICE_ID, 2) === PCI_DEVICE_ID_VIRTIO_NET &&
    core.regionInfo(VFIO_PCI_BAR0_REGION_INDEX).size === 0;
  if (isLegacyCapable) return 'trans-lm';
  return hasAll(pf.supportedCommands, DEVICE_PARTS_COMMANDS) && pf.devicePartsLimit > 0 ? 'lm' : 'plain';
}

/** Asks where the VF's doorbell is. Only an entry in a BAR of the VF itself counts; ENOENT where there is none. */
export function findNotifyPlace(pf: PfAdmin, memberId: number): NotifyPlace {
  const opcode = VIRTIO_ADMIN_CMD_LEGACY_NOTIFY_INFO;
  const answer = pf.exec(opcode, VIRTIO_ADMIN_GROUP_TYPE_SRIOV, memberId, null, ADMIN_NOTIFY_INFO_RESULT_SIZE);
  if (answer.status !== VIRTIO_ADMIN_STATUS_OK) throwStatus(answer, `notify information of member ${memberId}`);
  const entries = new Uint8Array(ADMIN_NOTIFY_INFO_RESULT_SIZE);
  entries.set(answer.result.subarray(0, Math.min(answer.resultLength, entries.length)));
  const view = new DataView(entries.buffer);
  for (let entry = 0; entry < entries.length; entry += ADMIN_NOTIFY_INFO_ENTRY_SIZE) {
    const flags = entries[entry + ADMIN_NOTIFY_INFO_FLAGS]!;
    if (flags === VIRTIO_ADMIN_CMD_NOTIFY_INFO_FLAGS_END) break;
    if (flags !== VIRTIO_ADMIN_CMD_NOTIFY_INFO_FLAGS_OWNER_MEM) continue;
    const low = view.getUint32(entry + ADMIN_NOTIFY_INFO_OFFSET, true);
    const high = view.getUint32(entry + ADMIN_NOTIFY_INFO_OFFSET_HI, true);
    return { bar: entries[entry + ADMIN_NOTIFY_INFO_BAR]!, offset: low + high * 0x1_0000_0000 };
  }
  throw new VfioError('ENOENT', `member ${memberId} has no notify area in a BAR of its own`);
}

/** Position of the byte of PCI Express device control that holds the FLR bit; -1 where the function has no FLR. */
export function findFlrByte(core: VfioDevice): number {
  const config = VFIO_PCI_CONFIG_REGION_INDEX;
  if ((core.read(config, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST) === 0) return -1;
  let at = core.read(config, PCI_CAPABILITY_LIST, 1) & ~3;
  for (let left = (PCI_CFG_SPACE_SIZE - PCI_HEADER_SIZE) / 4; left > 0 && at >= PCI_HEADER_SIZE; left--) {
    if (core.read(config, at + PCI_CAP_LIST_ID, 1) === PCI_CAP_ID_EXP) {
      return (core.read(config, at + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR) === 0 ? -1 : at + PCI_EXP_DEVCTL + 1;
    }
    at = core.read(config, at + PCI_CAP_LIST_NEXT, 1) & ~3;
  }
  return -1;
}

function hasAll(commands: number, wanted: number): boolean {
  return (commands & wanted) === wanted;
}
