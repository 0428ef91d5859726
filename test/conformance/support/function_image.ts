// SPDX-License-Identifier: Apache-2.0
// Everything that software can read of a function without changing it, as one string to compare: configuration space, common
// configuration of every queue, device configuration, MSI-X table and pending bits. ISR is left out, reading clears it.
import type { RawBench } from '../../support/raw_bench.ts';
import { CommonConfig } from './common_config.ts';
import { DEVICE_CONFIG, VIRTIO_BAR } from '../../support/registers.ts';

const CONFIG_BYTES = 0x200;
const QUEUES = 5;
const MSIX_BAR = 4;

export function functionImage(card: RawBench, fn: number): string {
  const path = card.direct(fn);
  const common = new CommonConfig(path);
  const words: number[] = [];
  for (let at = 0; at < CONFIG_BYTES; at += 4) words.push(path.configRead(at, 4));
  const selected = common.read('queue_select');
  for (let queue = 0; queue < QUEUES; queue++) {
    common.write('queue_select', queue);
    for (let at = 0; at < 64; at += 4) if (at !== 20) words.push(path.read(VIRTIO_BAR, at, 4));
  }
  common.write('queue_select', selected);
  for (let at = 20; at < 24; at++) words.push(path.read(VIRTIO_BAR, at, 1));
  for (let at = 0; at < 12; at += 4) words.push(path.read(VIRTIO_BAR, DEVICE_CONFIG + at, 4));
  for (let at = 0; at < 0x80; at += 4) words.push(path.read(MSIX_BAR, at, 4));
  words.push(path.read(MSIX_BAR, 0x800, 4));
  return words.map((word) => word.toString(16)).join(' ');
}
