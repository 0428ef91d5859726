// SPDX-License-Identifier: Apache-2.0
// struct virtio_pci_common_cfg by field name, offsets and widths typed from virtio 1.4 §4.1.4.3, on BAR 2 of this card.
import type { AccessSize } from '../../../src/vfio/vfio_device.ts';
import type { RegisterPath } from '../../support/register_path.ts';
import { VIRTIO_BAR } from '../../support/registers.ts';

const FIELDS = {
  device_feature_select: [0, 4],
  device_feature: [4, 4],
  driver_feature_select: [8, 4],
  driver_feature: [12, 4],
  config_msix_vector: [16, 2],
  num_queues: [18, 2],
  device_status: [20, 1],
  config_generation: [21, 1],
  queue_select: [22, 2],
  queue_size: [24, 2],
  queue_msix_vector: [26, 2],
  queue_enable: [28, 2],
  queue_notify_off: [30, 2],
  queue_desc: [32, 4],
  queue_desc_hi: [36, 4],
  queue_driver: [40, 4],
  queue_driver_hi: [44, 4],
  queue_device: [48, 4],
  queue_device_hi: [52, 4],
  queue_notif_config_data: [56, 2],
  queue_reset: [58, 2],
  admin_queue_index: [60, 2],
  admin_queue_num: [62, 2],
} as const;

/** VERSION_1, ACCESS_PLATFORM and ORDER_PLATFORM: what a driver of this card at least accepts. */
export const BASE_FEATURES: readonly number[] = [32, 33, 36];

export type CommonField = keyof typeof FIELDS;

/** Common configuration of one function. */
export class CommonConfig {
  private readonly path: RegisterPath;

  constructor(path: RegisterPath) {
    this.path = path;
  }

  read(field: CommonField): number {
    const [offset, size] = FIELDS[field];
    return this.path.read(VIRTIO_BAR, offset, size as AccessSize);
  }

  write(field: CommonField, value: number): void {
    const [offset, size] = FIELDS[field];
    this.path.write(VIRTIO_BAR, offset, size as AccessSize, value);
  }

  /** A field of queue `index`. */
  readQueue(index: number, field: CommonField): number {
    this.write('queue_select', index);
    return this.read(field);
  }

  writeQueue(index: number, field: CommonField, value: number): void {
    this.write('queue_select', index);
    this.write(field, value);
  }

  get status(): number {
    return this.read('device_status');
  }

  set status(value: number) {
    this.write('device_status', value);
  }

  /** The four words of the offered features. */
  offered(): number[] {
    return [0, 1, 2, 3].map((word) => {
      this.write('device_feature_select', word);
      return this.read('device_feature');
    });
  }

  /** The words that driver_feature reads back. */
  accepted(): number[] {
    return [0, 1, 2, 3].map((word) => {
      this.write('driver_feature_select', word);
      return this.read('driver_feature');
    });
  }

  accept(words: readonly number[]): void {
    words.forEach((value, word) => {
      this.write('driver_feature_select', word);
      this.write('driver_feature', value);
    });
  }

  /** ACKNOWLEDGE, DRIVER, `words` as driver features, FEATURES_OK; returns device_status. */
  negotiate(words: readonly number[]): number {
    this.status = 0;
    this.status = 1;
    this.status = 3;
    this.accept(words);
    this.status = 11;
    return this.status;
  }
}

/** Feature words with the bits of `numbers` set. */
export function featureWords(...numbers: readonly number[]): number[] {
  const words = [0, 0, 0, 0];
  for (const bit of numbers) words[bit >>> 5] = (words[bit >>> 5]! | (1 << (bit & 31))) >>> 0;
  return words;
}

/** Numbers of the bits that are set in feature words. */
export function featureBits(words: readonly number[]): number[] {
  return words.flatMap((word, index) =>
    Array.from({ length: 32 }, (_, bit) => bit)
      .filter((bit) => ((word >>> bit) & 1) === 1)
      .map((bit) => index * 32 + bit),
  );
}
