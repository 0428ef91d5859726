// SPDX-License-Identifier: Apache-2.0
// Numbers of virtio 1.4 and PCI Express as the reference model needs them, typed from the specifications. They stand here
// a second time on purpose: the model must not share a mistake with the declarations of the core.

/** struct virtio_pci_common_cfg, §4.1.4.3: byte offset of each field. */
export const COMMON = {
  deviceFeatureSelect: 0,
  deviceFeature: 4,
  driverFeatureSelect: 8,
  driverFeature: 12,
  configMsixVector: 16,
  numQueues: 18,
  deviceStatus: 20,
  configGeneration: 21,
  queueSelect: 22,
  queueSize: 24,
  queueMsixVector: 26,
  queueEnable: 28,
  queueNotifyOff: 30,
  queueDesc: 32,
  queueDescHigh: 36,
  queueDriver: 40,
  queueDriverHigh: 44,
  queueDevice: 48,
  queueDeviceHigh: 52,
  queueNotifConfigData: 56,
  queueReset: 58,
  adminQueueIndex: 60,
  adminQueueNum: 62,
} as const;

/** Size of the structure, and the end of the part that has one copy for each queue. */
export const COMMON_BYTES = 64;
export const COMMON_QUEUE_END = COMMON.adminQueueIndex;

/** Bits of device_status, §2.1. Bit 5 is not assigned. */
export const STATUS = {
  acknowledge: 1,
  driver: 2,
  driverOk: 4,
  featuresOk: 8,
  suspend: 16,
  deviceNeedsReset: 64,
  failed: 128,
} as const;

/** Feature bits, by number: network device §5.1.3, reserved §6. */
export const FEATURE = {
  mtu: 3,
  mac: 5,
  status: 16,
  ctrlVq: 17,
  mq: 22,
  version1: 32,
  accessPlatform: 33,
  orderPlatform: 36,
  ringPacked: 34,
  ringReset: 40,
  adminVq: 41,
  rss: 60,
} as const;

export const NO_VECTOR = 0xffff;

/** Bits of the ISR status, §4.1.4.5. */
export const ISR_QUEUE = 1;
export const ISR_CONFIG = 2;

/** struct virtio_net_config, §5.1.4, as far as this card offers what its fields exist with. */
export const NET_CONFIG = { mac: 0, status: 6, maxVirtqueuePairs: 8, mtu: 10, end: 12 } as const;
export const NET_S_LINK_UP = 1;

/** Message Control of the MSI-X capability, PCI Express Base §7.7.2. */
export const MSIX_CONTROL_MASK = 1 << 14;
export const MSIX_CONTROL_ENABLE = 1 << 15;
/** An entry of the MSI-X table: lower address, upper address, data, vector control. */
export const MSIX_ENTRY_BYTES = 16;
export const MSIX_ENTRY_CONTROL = 12;

/** Command register, Device Control, SR-IOV Control. */
export const COMMAND_MEMORY = 1 << 1;
export const COMMAND_MASTER = 1 << 2;
export const DEVICE_CONTROL_FLR = 1 << 15;
export const SRIOV_VF_ENABLE = 1 << 0;
export const SRIOV_VF_MEMORY = 1 << 3;

/** Administration commands, "Group administration commands". */
export const ADMIN_OPCODE = {
  listQuery: 0,
  listUse: 1,
  legacyCommonWrite: 2,
  legacyCommonRead: 3,
  legacyDeviceWrite: 4,
  legacyDeviceRead: 5,
  legacyNotifyInfo: 6,
} as const;
export const GROUP_SELF = 0;
export const GROUP_SRIOV = 1;
export const ADMIN_OK = 0;
export const ADMIN_EINVAL = 22;
export const QUALIFIER = { ok: 0, invalidOpcode: 2, invalidField: 3, invalidGroup: 4, invalidMember: 5 } as const;
