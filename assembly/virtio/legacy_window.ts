// SPDX-License-Identifier: Apache-2.0
// The legacy register layout (virtio 1.4 §4.1.4.10) of one function. No function of this card has an I/O BAR; the
// administration commands of the owner are the only way here. Little-endian always. An access must lie inside one
// field (ADM-LEG-03); parts of a field are allowed (AMB-38).
import * as CTL from '../abi/control.ts';
import * as FN from '../abi/function.ts';
import * as Q from '../abi/queue.ts';
import { FC_IGNORED_WRITES } from '../abi/counter.ts';
import { STATUS_DEVICE_NEEDS_RESET, STATUS_DRIVER_OK, STATUS_FEATURES_OK } from '../abi/device_status.ts';
import {
  COMMON_CONFIG_MSIX_VECTOR,
  COMMON_DEVICE_STATUS,
  COMMON_QUEUE_SELECT,
  VIRTIO_MSI_NO_VECTOR,
} from '../abi/virtio_pci_common.ts';
import {
  LEGACY_CONFIG_MSIX_VECTOR,
  LEGACY_DEVICE_FEATURES,
  LEGACY_DEVICE_STATUS,
  LEGACY_DRIVER_FEATURES,
  LEGACY_ISR_STATUS,
  LEGACY_PAGE_SHIFT,
  LEGACY_QUEUE_ADDRESS,
  LEGACY_QUEUE_MSIX_VECTOR,
  LEGACY_QUEUE_NOTIFY,
  LEGACY_QUEUE_SELECT,
  LEGACY_QUEUE_SIZE,
  LEGACY_SIZE_WITH_MSIX,
  LEGACY_SIZE_WITHOUT_MSIX,
  LEGACY_VRING_ALIGN,
} from '../abi/virtio_pci_legacy.ts';
import { VIRTQ_AVAIL_RING, VIRTQ_DESC_SIZE, VIRTQ_EVENT_SIZE } from '../abi/virtio_ring.ts';
import { countFn } from '../mem/arena.ts';
import { mappedVector } from './common_cfg.ts';
import { goLive, resetDevice, resetQueue, takeFeatures } from './device_status.ts';
import { legacyDeviceFeatures } from './features.ts';
import { updateIntx } from './interrupt.ts';
import { kick } from './notify.ts';
import { refreshQueueWindow, selectedQueue } from './queue_window.ts';

/** Bytes of the common part: 24 with MSI-X enabled in the function, 20 without. */
export function legacyCommonSize(f: usize): u32 {
  return load<u8>(f, FN.MSIX_ENABLE) != 0 ? LEGACY_SIZE_WITH_MSIX : LEGACY_SIZE_WITHOUT_MSIX;
}

/** First byte of the field that holds `offset`; the field after it begins at legacyFieldEnd. */
function fieldStart(offset: u32): u32 {
  if (offset < <u32>LEGACY_QUEUE_SIZE) return offset & ~3;
  return offset < <u32>LEGACY_DEVICE_STATUS || offset >= <u32>LEGACY_CONFIG_MSIX_VECTOR ? offset & ~1 : offset;
}

function fieldWidth(start: u32): u32 {
  if (start < <u32>LEGACY_QUEUE_SIZE) return 4;
  return start == LEGACY_DEVICE_STATUS || start == LEGACY_ISR_STATUS ? 1 : 2;
}

/** True if 1 to 4 bytes at `offset` are inside one field of the common part. */
export function isInsideLegacyField(f: usize, offset: u32, size: u32): bool {
  if (size == 0 || size > 4 || offset + size > legacyCommonSize(f)) return false;
  const start = fieldStart(offset);
  return offset + size <= start + fieldWidth(start);
}

/** Value of the bytes at `offset`, inside one field. Reading ISR clears it. */
export function readLegacy(f: usize, offset: u32, size: u32): u32 {
  const start = fieldStart(offset);
  const value = readField(f, start) >> ((offset - start) << 3);
  return size == 4 ? value : value & ((1 << (size << 3)) - 1);
}

function readField(f: usize, field: u32): u32 {
  const q = selectedQueue(f);
  switch (field) {
    case LEGACY_DEVICE_FEATURES:
      return legacyDeviceFeatures(f);
    case LEGACY_DRIVER_FEATURES:
      return load<u32>(f, FN.DRIVER_FEATURES);
    case LEGACY_QUEUE_ADDRESS:
      return q == 0 ? 0 : <u32>(load<u64>(q, Q.DESC) >> LEGACY_PAGE_SHIFT);
    case LEGACY_QUEUE_SIZE:
      return q == 0 ? 0 : load<u16>(q, Q.SIZE);
    case LEGACY_QUEUE_SELECT:
      return load<u16>(f, FN.COMMON + COMMON_QUEUE_SELECT);
    case LEGACY_DEVICE_STATUS:
      return load<u8>(f, FN.COMMON + COMMON_DEVICE_STATUS);
    case LEGACY_ISR_STATUS: {
      const isr = load<u8>(f, FN.ISR);
      store<u8>(f, 0, FN.ISR);
      updateIntx(f);
      return isr;
    }
    case LEGACY_CONFIG_MSIX_VECTOR:
      return load<u16>(f, FN.COMMON + COMMON_CONFIG_MSIX_VECTOR);
    case LEGACY_QUEUE_MSIX_VECTOR:
      return q == 0 ? VIRTIO_MSI_NO_VECTOR : load<u16>(q, Q.VECTOR);
    default:
      return 0; // queue_notify
  }
}

/** Writes the bytes at `offset`, inside one field; the rest of the field keeps its value. DEVICE_*. */
export function writeLegacy(f: usize, offset: u32, size: u32, value: u32): u32 {
  const start = fieldStart(offset);
  const width = fieldWidth(start);
  if (size < width) {
    const shift = (offset - start) << 3;
    const mask: u32 = ((1 << (size << 3)) - 1) << shift;
    const old = start == LEGACY_QUEUE_NOTIFY || start == LEGACY_ISR_STATUS ? 0 : readField(f, start);
    value = (old & ~mask) | ((value << shift) & mask);
  }
  return writeField(f, start, value);
}

function writeField(f: usize, field: u32, value: u32): u32 {
  const c = f + FN.COMMON;
  switch (field) {
    case LEGACY_DRIVER_FEATURES:
      if ((load<u8>(c, COMMON_DEVICE_STATUS) & STATUS_FEATURES_OK) != 0) break; // a modern driver holds the device
      store<u8>(f, 1, FN.LEGACY);
      store<u32>(f, value & legacyDeviceFeatures(f), FN.DRIVER_FEATURES);
      return takeFeatures(f);
    case LEGACY_QUEUE_ADDRESS:
      return placeQueue(f, value);
    case LEGACY_QUEUE_SELECT:
      store<u16>(c, <u16>value, COMMON_QUEUE_SELECT);
      refreshQueueWindow(f);
      return 0;
    case LEGACY_QUEUE_NOTIFY:
      kick(f, value, load<u64>(CTL.NOW));
      return 0;
    case LEGACY_DEVICE_STATUS:
      return writeLegacyStatus(f, value);
    case LEGACY_CONFIG_MSIX_VECTOR:
      store<u16>(c, mappedVector(f, value), COMMON_CONFIG_MSIX_VECTOR);
      return 0;
    case LEGACY_QUEUE_MSIX_VECTOR: {
      const q = selectedQueue(f);
      if (q == 0) break;
      store<u16>(q, mappedVector(f, value), Q.VECTOR);
      refreshQueueWindow(f);
      return 0;
    }
  }
  countFn(f, FC_IGNORED_WRITES);
  return 0;
}

/** Queue Address: the ring's page; the three parts follow the one legacy layout. 0 takes the queue out of use. */
function placeQueue(f: usize, page: u32): u32 {
  const q = selectedQueue(f);
  if (q == 0) {
    countFn(f, FC_IGNORED_WRITES);
    return 0;
  }
  const vector = load<u16>(q, Q.VECTOR);
  resetQueue(q, f);
  store<u16>(q, vector, Q.VECTOR);
  let effects: u32 = 0;
  if (page != 0) {
    const size = <u64>load<u16>(q, Q.SIZE);
    const desc = (<u64>page) << LEGACY_PAGE_SHIFT;
    const driver = desc + size * VIRTQ_DESC_SIZE;
    const end = driver + VIRTQ_AVAIL_RING + (size << 1) + VIRTQ_EVENT_SIZE;
    store<u64>(q, desc, Q.DESC);
    store<u64>(q, driver, Q.DRIVER);
    store<u64>(q, (end + LEGACY_VRING_ALIGN - 1) & ~(<u64>LEGACY_VRING_ALIGN - 1), Q.DEVICE);
    store<u8>(q, 1, Q.ENABLED);
    store<u8>(f, 1, FN.LEGACY);
    effects = takeFeatures(f) | goLive(f); // a legacy device works ahead of DRIVER_OK (LEG-INIT-02)
  }
  refreshQueueWindow(f);
  return effects;
}

/** Status through the legacy interface: no FEATURES_OK; writing 0 resets this function alone. */
function writeLegacyStatus(f: usize, value: u32): u32 {
  if (value == 0) return resetDevice(f);
  const old = load<u8>(f, FN.COMMON + COMMON_DEVICE_STATUS);
  const status = (<u8>value) | (old & STATUS_DEVICE_NEEDS_RESET);
  store<u8>(f, status, FN.COMMON + COMMON_DEVICE_STATUS);
  if ((status & STATUS_DRIVER_OK) == 0) return 0;
  store<u8>(f, 1, FN.LEGACY);
  return takeFeatures(f) | goLive(f);
}
