// SPDX-License-Identifier: Apache-2.0
// Numbers that raw tests share: feature bits, queues, registers of the common configuration (virtio 1.4 §4.1.4.3, offsets in
// BAR2), bits of device_status (§2.1). Typed from the specification.

/** Feature bits by number. */
export const F = {
  CSUM: 0,
  MTU: 3,
  MAC: 5,
  MRG_RXBUF: 15,
  STATUS: 16,
  CTRL_VQ: 17,
  CTRL_RX: 18,
  MQ: 22,
  CTRL_MAC_ADDR: 23,
  INDIRECT_DESC: 28,
  EVENT_IDX: 29,
  VERSION_1: 32,
  ACCESS_PLATFORM: 33,
  ORDER_PLATFORM: 36,
  SR_IOV: 37,
  RING_RESET: 40,
  ADMIN_VQ: 41,
} as const;

/** The queues of a function with one pair. */
export const RX = 0;
export const TX = 1;

/** BAR that holds the virtio structures, and where they lie in it behind the common configuration. */
export const VIRTIO_BAR = 2;
export const ISR = 0x1000;
export const DEVICE_CONFIG = 0x2000;
/** 4 bytes a queue. */
export const NOTIFY = 0x3000;

/** Registers of the common configuration. */
export const R = {
  DEVICE_FEATURE_SELECT: 0x00,
  DEVICE_FEATURE: 0x04,
  DRIVER_FEATURE_SELECT: 0x08,
  DRIVER_FEATURE: 0x0c,
  CONFIG_MSIX_VECTOR: 0x10,
  NUM_QUEUES: 0x12,
  DEVICE_STATUS: 0x14,
  CONFIG_GENERATION: 0x15,
  QUEUE_SELECT: 0x16,
  QUEUE_SIZE: 0x18,
  QUEUE_MSIX_VECTOR: 0x1a,
  QUEUE_ENABLE: 0x1c,
  QUEUE_NOTIFY_OFF: 0x1e,
  QUEUE_DESC: 0x20,
  QUEUE_DRIVER: 0x28,
  QUEUE_DEVICE: 0x30,
  QUEUE_RESET: 0x3a,
  ADMIN_QUEUE_INDEX: 0x3c,
  ADMIN_QUEUE_NUM: 0x3e,
} as const;

export const ACKNOWLEDGE = 1;
export const DRIVER = 2;
export const DRIVER_OK = 4;
export const FEATURES_OK = 8;
export const NEEDS_RESET = 64;
