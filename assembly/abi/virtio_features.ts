// SPDX-License-Identifier: Apache-2.0
// Feature bit numbers that do not depend on the device type. virtio 1.4 §6 "Reserved Feature Bits".
// Numbers, not masks: each side shifts them itself, in 32-bit words selected by device_feature_select and driver_feature_select.

export const VIRTIO_F_NOTIFY_ON_EMPTY = 24; // transitional devices only
export const VIRTIO_F_ANY_LAYOUT = 27; // transitional devices only
export const VIRTIO_F_INDIRECT_DESC = 28;
export const VIRTIO_F_EVENT_IDX = 29;
export const VIRTIO_F_VERSION_1 = 32;
export const VIRTIO_F_ACCESS_PLATFORM = 33;
export const VIRTIO_F_RING_PACKED = 34;
export const VIRTIO_F_IN_ORDER = 35;
export const VIRTIO_F_ORDER_PLATFORM = 36;
export const VIRTIO_F_SR_IOV = 37;
export const VIRTIO_F_NOTIFICATION_DATA = 38;
export const VIRTIO_F_NOTIF_CONFIG_DATA = 39;
export const VIRTIO_F_RING_RESET = 40;
export const VIRTIO_F_ADMIN_VQ = 41;
export const VIRTIO_F_SUSPEND = 43;

/** 32-bit words served through the feature selectors: net bits reach 70, so words 0 to 3. */
export const FEATURE_WORDS = 4;
