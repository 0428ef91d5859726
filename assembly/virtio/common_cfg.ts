// SPDX-License-Identifier: Apache-2.0
// Writes to virtio_pci_common_cfg (virtio 1.4 §4.1.4.3). Reads are plain loads of the image. An access that covers
// parts of fields is merged with the image and then written field by field. What the specification leaves open (a bad
// size, a write after enable, an unaligned ring) is ignored and counted (AMB-39).
import * as FN from '../abi/function.ts';
import * as Q from '../abi/queue.ts';
import { FC_IGNORED_WRITES } from '../abi/counter.ts';
import { STATUS_FEATURES_OK } from '../abi/device_status.ts';
import { FEATURE_WORDS, VIRTIO_F_RING_RESET } from '../abi/virtio_features.ts';
import {
  COMMON_CONFIG_GENERATION,
  COMMON_CONFIG_MSIX_VECTOR,
  COMMON_DEVICE_FEATURE,
  COMMON_DEVICE_FEATURE_SELECT,
  COMMON_DEVICE_STATUS,
  COMMON_DRIVER_FEATURE,
  COMMON_DRIVER_FEATURE_SELECT,
  COMMON_QUEUE_DESC,
  COMMON_QUEUE_DEVICE_HI,
  COMMON_QUEUE_ENABLE,
  COMMON_QUEUE_MSIX_VECTOR,
  COMMON_QUEUE_RESET,
  COMMON_QUEUE_SELECT,
  COMMON_QUEUE_SIZE,
  COMMON_SIZE,
  VIRTIO_MSI_NO_VECTOR,
} from '../abi/virtio_pci_common.ts';
import { countFn, loadSized } from '../mem/arena.ts';
import { resetQueue, writeDeviceStatus } from './device_status.ts';
import { hasFeature } from './features.ts';
import { refreshQueueWindow, selectedQueue } from './queue_window.ts';
import { beginRing, isAligned, isRingSize } from './ring/ring.ts';

// for each byte of the structure: where its field begins, and how wide that is (64-bit fields are two halves)
const FIELD_START: StaticArray<u8> = [
  0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12, 16, 16, 18, 18, 20, 21, 22, 22, 24, 24, 26, 26, 28, 28, 30, 30,
  32, 32, 32, 32, 36, 36, 36, 36, 40, 40, 40, 40, 44, 44, 44, 44, 48, 48, 48, 48, 52, 52, 52, 52, 56, 56, 58, 58, 60,
  60, 62, 62,
];
const FIELD_WIDTH: StaticArray<u8> = [
  4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 2, 2, 2, 2, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 4,
  4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 2, 2, 2,
];

/** Write of 1, 2 or 4 aligned bytes inside the structure: DEVICE_*. */
export function writeCommon(f: usize, offset: u32, size: u32, value: u32): u32 {
  const start = <u32>unchecked(FIELD_START[offset]);
  if (start == offset && <u32>unchecked(FIELD_WIDTH[offset]) == size) {
    return writeField(f, offset, value);
  }
  let effects: u32 = 0;
  let at = start;
  while (at < offset + size && at < <u32>COMMON_SIZE) {
    const width = <u32>unchecked(FIELD_WIDTH[at]);
    let merged = loadSized(f + FN.COMMON + at, width);
    for (let i: u32 = 0; i < width; i++) {
      const byteAt = at + i;
      if (byteAt < offset || byteAt >= offset + size) continue;
      const byte = (value >> ((byteAt - offset) << 3)) & 0xff;
      merged = (merged & ~(0xff << (i << 3))) | (byte << (i << 3));
    }
    effects |= writeField(f, at, merged);
    at += width;
  }
  return effects;
}

/** DEVICE_* of a write that changes nothing. */
function ignore(f: usize): u32 {
  countFn(f, FC_IGNORED_WRITES);
  return 0;
}

function writeField(f: usize, field: u32, value: u32): u32 {
  const c = f + FN.COMMON;
  switch (field) {
    case COMMON_DEVICE_FEATURE_SELECT:
      store<u32>(c, value, COMMON_DEVICE_FEATURE_SELECT);
      store<u32>(c, value < <u32>FEATURE_WORDS ? load<u32>(f + (value << 2), FN.OFFERED) : 0, COMMON_DEVICE_FEATURE);
      return 0;
    case COMMON_DRIVER_FEATURE_SELECT:
      store<u32>(c, value, COMMON_DRIVER_FEATURE_SELECT);
      store<u32>(
        c,
        value < <u32>FEATURE_WORDS ? load<u32>(f + (value << 2), FN.DRIVER_FEATURES) : 0,
        COMMON_DRIVER_FEATURE,
      );
      return 0;
    case COMMON_DRIVER_FEATURE: {
      const select = load<u32>(c, COMMON_DRIVER_FEATURE_SELECT);
      const isFixed = (load<u8>(c, COMMON_DEVICE_STATUS) & STATUS_FEATURES_OK) != 0;
      if (select >= <u32>FEATURE_WORDS || isFixed) return ignore(f);
      store<u32>(f + (select << 2), value, FN.DRIVER_FEATURES);
      store<u32>(c, value, COMMON_DRIVER_FEATURE);
      return 0;
    }
    case COMMON_CONFIG_MSIX_VECTOR:
      store<u16>(c, mappedVector(f, value), COMMON_CONFIG_MSIX_VECTOR);
      return 0;
    case COMMON_DEVICE_STATUS:
      return writeDeviceStatus(f, value);
    case COMMON_QUEUE_SELECT:
      store<u16>(c, <u16>value, COMMON_QUEUE_SELECT);
      refreshQueueWindow(f);
      return 0;
    default:
      if (field < <u32>COMMON_QUEUE_SIZE || field > <u32>COMMON_QUEUE_RESET) return ignore(f);
      return writeQueueField(f, field, value);
  }
}

/** config_generation differs once a driver reads a field that changed since its last read (PCI-COMMON-06). */
export function countGeneration(f: usize): void {
  if (load<u8>(f, FN.CONFIG_READ) == 0) return;
  store<u8>(f, 0, FN.CONFIG_READ);
  const generation = f + FN.COMMON + COMMON_CONFIG_GENERATION;
  store<u8>(generation, load<u8>(generation) + 1);
}

/** The vector if the table has it, NO_VECTOR otherwise. */
export function mappedVector(f: usize, vector: u32): u16 {
  return vector < load<u32>(f, FN.VECTORS) ? <u16>vector : <u16>VIRTIO_MSI_NO_VECTOR;
}

function writeQueueField(f: usize, field: u32, value: u32): u32 {
  const q = selectedQueue(f);
  if (q == 0) return ignore(f);
  const isEnabled = load<u8>(q, Q.ENABLED) != 0;
  if (field == COMMON_QUEUE_MSIX_VECTOR) {
    store<u16>(q, mappedVector(f, value), Q.VECTOR);
  } else if (field == COMMON_QUEUE_RESET) {
    if (value != 1 || !hasFeature(f, VIRTIO_F_RING_RESET)) return ignore(f);
    resetQueue(q, f);
  } else if (isEnabled) {
    return ignore(f);
  } else if (field == COMMON_QUEUE_SIZE) {
    if (value > load<u16>(q, Q.MAX_SIZE) || !isRingSize(f, value)) return ignore(f);
    store<u16>(q, <u16>value, Q.SIZE);
  } else if (field == COMMON_QUEUE_ENABLE) {
    if (value != 1 || !isAligned(q, f)) return ignore(f);
    beginRing(q, f);
    store<u8>(q, 1, Q.ENABLED);
  } else if (field >= <u32>COMMON_QUEUE_DESC && field <= <u32>COMMON_QUEUE_DEVICE_HI) {
    store<u32>(q + Q.DESC + (field - COMMON_QUEUE_DESC), value);
  } else {
    return ignore(f);
  }
  refreshQueueWindow(f);
  return 0;
}
