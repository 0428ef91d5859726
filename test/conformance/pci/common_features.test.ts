// SPDX-License-Identifier: Apache-2.0
// Feature words, status and generation in the common configuration: virtio 1.4 §4.1.4.3.1.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { Card } from '../support/card.ts';
import { CommonConfig, featureWords } from '../support/common_config.ts';
import { eachFunction, eachPath } from '../support/modes.ts';

/** What this card offers with one queue pair (see docs/requirements.md for what it leaves out). */
const NET = [3, 5, 15, 16, 17, 18, 23];
const PF_BITS = [...NET, 28, 29, 32, 33, 36, 37, 40, 41];
const VF_BITS = [...NET, 28, 29, 32, 33, 36, 40];

eachPath((kind) => {
  eachFunction((fn) => {
    const common = (): CommonConfig => new CommonConfig(new Card().enableVfs(2).path(kind, fn));

    describe(requirement('PCI-COMMON-03'), () => {
      it('device_feature shows the word that device_feature_select picks', () => {
        expect(common().offered()).toEqual(featureWords(...(fn === 0 ? PF_BITS : VF_BITS)));
      });

      it.each([4, 5, 0x80000000, 0xffffffff])('device_feature is 0 for select %i, behind the last word', (select) => {
        const registers = common();

        registers.write('device_feature_select', select);

        expect(registers.read('device_feature')).toBe(0);
      });

      it('device_feature follows every write of the selector', () => {
        const registers = common();
        const [low, high] = registers.offered();

        registers.write('device_feature_select', 1);
        expect(registers.read('device_feature')).toBe(high);
        registers.write('device_feature_select', 0xffffffff);
        expect(registers.read('device_feature')).toBe(0);
        registers.write('device_feature_select', 0);
        expect(registers.read('device_feature')).toBe(low);
      });

      it('a write to device_feature changes nothing', () => {
        const registers = common();
        const before = registers.offered();

        registers.write('device_feature_select', 0);
        registers.write('device_feature', 0xffffffff);

        expect(registers.offered()).toEqual(before);
      });
    });

    describe(requirement('PCI-COMMON-04'), () => {
      it('driver_feature reads back what was written, word by word', () => {
        const registers = common();
        registers.status = 1;
        registers.status = 3;

        registers.accept(featureWords(5, 16, 28, 32, 33));

        expect(registers.accepted()).toEqual(featureWords(5, 16, 28, 32, 33));
      });

      it('a later write replaces the word', () => {
        const registers = common();
        registers.status = 3;
        registers.accept(featureWords(5, 16, 32));

        registers.accept(featureWords(5, 32));

        expect(registers.accepted()).toEqual(featureWords(5, 32));
      });

      it('words 2 and 3 take the zeros that a driver of 128 bits writes', () => {
        const registers = common();
        registers.status = 3;

        registers.accept([0, 1, 0, 0]);

        expect(registers.accepted()).toEqual([0, 1, 0, 0]);
      });

      it('a select behind the last word reads 0 and does not fall on another word', () => {
        const registers = common();
        registers.status = 3;
        registers.accept(featureWords(5, 32));

        registers.write('driver_feature_select', 4);
        registers.write('driver_feature', 0xffffffff);

        expect(registers.read('driver_feature')).toBe(0);
        expect(registers.accepted()).toEqual(featureWords(5, 32));
      });
    });

    describe(requirement('PCI-COMMON-05'), () => {
      it('ones for all bits leave at least the offered bits set', () => {
        const registers = common();
        const offered = registers.offered();
        registers.status = 3;

        registers.accept([0xffffffff, 0xffffffff, 0, 0]);

        const accepted = registers.accepted();
        expect((accepted[0]! & offered[0]!) >>> 0).toBe(offered[0]);
        expect((accepted[1]! & offered[1]!) >>> 0).toBe(offered[1]);
      });
    });

    describe(requirement('PCI-COMMON-07'), () => {
      it('0 written to device_status reads back as 0', () => {
        const registers = common();
        registers.status = 1;
        registers.status = 3;

        registers.status = 0;

        expect(registers.status).toBe(0);
      });
    });
  });
});

describe('features left out by configuration', () => {
  it('are not offered, and those that need them neither', () => {
    const registers = new CommonConfig(new Card({ withoutFeatures: [17] }).direct(0));

    expect(registers.offered()[0]! & ((1 << 17) | (1 << 18) | (1 << 22) | (1 << 23))).toBe(0);
  });
});
