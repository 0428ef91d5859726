// SPDX-License-Identifier: Apache-2.0
// Bits of device_status. virtio 1.4 §2.1 "Device Status Field"; SUSPEND: "Device Suspend".

export const STATUS_ACKNOWLEDGE = 1 << 0;
export const STATUS_DRIVER = 1 << 1;
export const STATUS_DRIVER_OK = 1 << 2;
export const STATUS_FEATURES_OK = 1 << 3;
export const STATUS_SUSPEND = 1 << 4;
export const STATUS_DEVICE_NEEDS_RESET = 1 << 6;
export const STATUS_FAILED = 1 << 7;

/** Every defined bit; bit 5 is not assigned. */
export const STATUS_DEFINED_BITS = 0xdf;
