// SPDX-License-Identifier: Apache-2.0
// What Linux asks of a PF's admin queue each time it sets DRIVER_OK: which commands there are, which it will use, and how
// many device-parts objects the device grants. Command order, groups and sizes are those of Linux's virtio-pci.
import {
  ADMIN_CAP_DATA,
  ADMIN_CAP_ID,
  DEV_PARTS_CAP_GET_LIMIT,
  DEV_PARTS_CAP_SET_LIMIT,
  DEV_PARTS_CAP_SIZE,
  VIRTIO_ADMIN_CMD_CAP_ID_LIST_QUERY,
  VIRTIO_ADMIN_CMD_DEVICE_CAP_GET,
  VIRTIO_ADMIN_CMD_DRIVER_CAP_SET,
  VIRTIO_ADMIN_CMD_LIST_QUERY,
  VIRTIO_ADMIN_CMD_LIST_USE,
  VIRTIO_ADMIN_GROUP_TYPE_SELF,
  VIRTIO_ADMIN_GROUP_TYPE_SRIOV,
  VIRTIO_ADMIN_STATUS_OK,
  VIRTIO_DEV_PARTS_CAP,
} from '../../assembly/abi/virtio_admin.ts';
import { NicError } from '../util/errors.ts';
import type { AdminClient } from './admin_client.ts';

const BITMAP_BYTES = 8;

/** LIST_QUERY and LIST_USE for the SR-IOV group, then the device-parts capability. */
export function activateAdmin(admin: AdminClient, wantedCommands: number): void {
  admin.supportedCommands = 0;
  admin.devicePartsLimit = 0;
  useCommands(admin, wantedCommands);
  try {
    admin.devicePartsLimit = setDevicePartsCapability(admin);
  } catch (error) {
    // A command that the used list leaves out is refused without asking the device: no migration, nothing worse.
    if (!(error instanceof NicError && error.code === 'EOPNOTSUPP')) throw error;
  }
}

function useCommands(admin: AdminClient, wantedCommands: number): void {
  const list = admin.exec(VIRTIO_ADMIN_CMD_LIST_QUERY, VIRTIO_ADMIN_GROUP_TYPE_SRIOV, 0, null, BITMAP_BYTES);
  if (list.status !== VIRTIO_ADMIN_STATUS_OK) return;
  const used = (readLe32(list.result, list.resultLength) & wantedCommands) >>> 0;
  const data = new Uint8Array(BITMAP_BYTES);
  new DataView(data.buffer).setUint32(0, used, true);
  const answer = admin.exec(VIRTIO_ADMIN_CMD_LIST_USE, VIRTIO_ADMIN_GROUP_TYPE_SRIOV, 0, data, 0);
  if (answer.status === VIRTIO_ADMIN_STATUS_OK) admin.supportedCommands = used;
}

/** The number of device-parts objects over the whole PF; 0 where the device has no such capability. */
function setDevicePartsCapability(admin: AdminClient): number {
  const self = VIRTIO_ADMIN_GROUP_TYPE_SELF;
  const list = admin.exec(VIRTIO_ADMIN_CMD_CAP_ID_LIST_QUERY, self, 0, null, BITMAP_BYTES);
  if (list.status !== VIRTIO_ADMIN_STATUS_OK) return 0;
  if ((readLe32(list.result, list.resultLength) & (1 << VIRTIO_DEV_PARTS_CAP)) === 0) return 0;

  const get = new Uint8Array(ADMIN_CAP_DATA);
  get[ADMIN_CAP_ID] = VIRTIO_DEV_PARTS_CAP;
  const limits = admin.exec(VIRTIO_ADMIN_CMD_DEVICE_CAP_GET, self, 0, get, DEV_PARTS_CAP_SIZE);
  if (limits.status !== VIRTIO_ADMIN_STATUS_OK || limits.resultLength < DEV_PARTS_CAP_SIZE) return 0;
  const limit = Math.min(limits.result[DEV_PARTS_CAP_GET_LIMIT]!, limits.result[DEV_PARTS_CAP_SET_LIMIT]!);

  const set = new Uint8Array(ADMIN_CAP_DATA + DEV_PARTS_CAP_SIZE);
  set[ADMIN_CAP_ID] = VIRTIO_DEV_PARTS_CAP;
  set[ADMIN_CAP_DATA + DEV_PARTS_CAP_GET_LIMIT] = limit;
  set[ADMIN_CAP_DATA + DEV_PARTS_CAP_SET_LIMIT] = limit;
  const answer = admin.exec(VIRTIO_ADMIN_CMD_DRIVER_CAP_SET, self, 0, set, 0);
  return answer.status === VIRTIO_ADMIN_STATUS_OK ? limit : 0;
}

/** The first four bytes; bytes that the device did not write count as 0. */
function readLe32(bytes: Uint8Array, written: number): number {
  let value = 0;
  for (let i = Math.min(written, 4) - 1; i >= 0; i--) value = value * 256 + bytes[i]!;
  return value;
}
