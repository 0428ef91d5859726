// SPDX-License-Identifier: Apache-2.0
// The device configuration space: virtio 1.4 §2.5, §4.1.4.3.1 for config_generation, §5.1.4 for the fields of a net device.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { Card } from '../support/card.ts';
import { BASE_FEATURES, CommonConfig, featureWords } from '../support/common_config.ts';
import { CONTROL, CONTROL_FEATURES, setMac } from '../support/control_queue.ts';
import { eachFunction, eachMode, eachPath } from '../support/modes.ts';
import { RawFunction } from '../../support/raw_function.ts';
import { DEVICE_CONFIG, R, VIRTIO_BAR } from '../../support/registers.ts';

const MTU = DEVICE_CONFIG + 10;

eachPath((kind) => {
  eachFunction((fn) => {
    const macOf = (last: number): number[] => [0x02, 0x76, 0x66, 0x00, 0x00, last];

    describe(requirement('GEN-CFG-01'), () => {
      it('mac, status and mtu are readable right after reset', () => {
        const { read } = new Card({ mtu: 1400 }).enableVfs(2).path(kind, fn);

        expect([0, 1, 2, 3, 4, 5].map((i) => read(VIRTIO_BAR, DEVICE_CONFIG + i, 1))).toEqual(macOf(fn));
        expect(read(VIRTIO_BAR, DEVICE_CONFIG + 6, 2)).toBe(1);
        expect(read(VIRTIO_BAR, MTU, 2)).toBe(1400);
      });

      it('max_virtqueue_pairs is readable before MQ is negotiated', () => {
        const { read } = new Card({ pfQueuePairs: 4, vfQueuePairs: 4 }).enableVfs(2).path(kind, fn);

        expect(read(VIRTIO_BAR, DEVICE_CONFIG + 8, 2)).toBe(4);
      });

      it('reads alike by bytes, words and dwords', () => {
        const { read } = new Card().enableVfs(2).path(kind, fn);

        for (let at = DEVICE_CONFIG; at < DEVICE_CONFIG + 12; at += 4) {
          const whole = read(VIRTIO_BAR, at, 4);
          const words = [0, 2].map((i) => read(VIRTIO_BAR, at + i, 2));
          const bytes = [0, 1, 2, 3].map((i) => read(VIRTIO_BAR, at + i, 1));
          expect(words[0]! + words[1]! * 0x10000).toBe(whole);
          expect(bytes.reduceRight((value, byte) => value * 256 + byte, 0)).toBe(whole);
        }
      });
    });

    describe('a modern driver', () => {
      it('cannot write mac, status or mtu', () => {
        const path = new Card().enableVfs(2).path(kind, fn);
        new CommonConfig(path).negotiate(featureWords(...BASE_FEATURES, 5, 16));
        const before = [0, 4, 8].map((i) => path.read(VIRTIO_BAR, DEVICE_CONFIG + i, 4));

        for (const i of [0, 4, 8]) path.write(VIRTIO_BAR, DEVICE_CONFIG + i, 4, 0);

        expect([0, 4, 8].map((i) => path.read(VIRTIO_BAR, DEVICE_CONFIG + i, 4))).toEqual(before);
      });
    });
  });
});

eachMode((mode) => {
  eachFunction((fn) => {
    const started = (): RawFunction =>
      new RawFunction(new Card({ mode }).enableVfs(2), fn).start({
        features: CONTROL_FEATURES,
        queues: { [CONTROL]: {} },
      });
    const lastByte = (target: RawFunction): number => target.path.read(VIRTIO_BAR, DEVICE_CONFIG + 5, 1);

    describe(requirement('PCI-COMMON-06'), () => {
      it('config_generation stays while nothing changes, however often it is read', () => {
        const target = started();

        const generations = [1, 2, 3].map(() => {
          lastByte(target);
          return target.read(R.CONFIG_GENERATION, 1);
        });

        expect(new Set(generations).size).toBe(1);
      });

      it('config_generation differs after a value that was read has changed', () => {
        const target = started();
        expect(lastByte(target)).toBe(fn);
        const before = target.read(R.CONFIG_GENERATION, 1);

        expect(setMac(target, [2, 0, 0, 0, 0, 0x55])).toBe(0);

        expect(lastByte(target)).toBe(0x55);
        expect(target.read(R.CONFIG_GENERATION, 1)).not.toBe(before);
      });

      it('config_generation differs after 256 changes in a row without a read between', () => {
        const target = started();
        lastByte(target);
        const before = target.read(R.CONFIG_GENERATION, 1);

        for (let i = 0; i < 256; i++) setMac(target, [2, 0, 0, 0, 1, (i + 1) & 0xff]);

        expect(lastByte(target)).toBe(0);
        expect(target.read(R.CONFIG_GENERATION, 1)).not.toBe(before);
      });

      it('config_generation differs between any two reads that see different values', () => {
        const target = started();

        for (let i = 1; i <= 20; i++) {
          lastByte(target);
          const before = target.read(R.CONFIG_GENERATION, 1);
          setMac(target, [2, 0, 0, 0, 2, i]);
          expect(lastByte(target)).toBe(i);
          expect(target.read(R.CONFIG_GENERATION, 1)).not.toBe(before);
        }
      });
    });
  });
});
