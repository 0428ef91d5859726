// SPDX-License-Identifier: Apache-2.0
// Feature negotiation: virtio 1.4 §2.2, §6 "Reserved Feature Bits", and the dependencies of §5.1.3.1.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { Card, EXPRESS } from '../support/card.ts';
import { BASE_FEATURES, CommonConfig, featureBits, featureWords } from '../support/common_config.ts';
import { eachFunction } from '../support/modes.ts';

const VERSION_1 = 32;
const ACCESS_PLATFORM = 33;
const ORDER_PLATFORM = 36;
const FEATURES_OK = 8;

/** Bit -> alternatives, each a list of bits that must all be there. */
const NEEDS: Readonly<Record<number, readonly (readonly number[])[]>> = {
  2: [[17]],
  7: [[1]],
  8: [[1]],
  9: [[7], [8]],
  10: [[1]],
  11: [[0]],
  12: [[0]],
  13: [[11], [12]],
  14: [[0]],
  18: [[17]],
  19: [[17]],
  20: [[17]],
  21: [[17]],
  22: [[17]],
  23: [[17]],
  50: [[17]],
  51: [
    [17, 60],
    [17, 57],
  ],
  52: [[17]],
  53: [[17]],
  54: [[1]],
  55: [[1]],
  56: [[0]],
  57: [[17]],
  60: [[17]],
  61: [[11], [12]],
  64: [[17, 60]],
  65: [[7, 8, 54, 55]],
  66: [[65]],
  67: [[11, 12, 56]],
  68: [[67]],
};

/** Every bit that virtio 1.4 assigns to a network device on PCI, NOTIFY_ON_EMPTY and ANY_LAYOUT left to legacy use. */
const DEFINED = [
  0, 1, 2, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 28, 29, 32, 33, 34, 35, 36, 37, 38,
  39, 40, 41, 43, 50, 51, 52, 53, 54, 55, 56, 57, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70,
];

const isClosed = (bits: readonly number[]): boolean =>
  bits.every((bit) => (NEEDS[bit] ?? [[]]).some((all) => all.every((other) => bits.includes(other))));

eachFunction((fn) => {
  const common = (config = {}): CommonConfig => new CommonConfig(new Card(config).enableVfs(2).direct(fn));
  const offered = (config = {}): number[] => featureBits(common(config).offered());

  describe(requirement('GEN-FEAT-01'), () => {
    it.each([[[]], [[17]], [[5]], [[16]], [[41]], [[37]], [[18, 23]], [[17, 28, 29]]])(
      'without features %j no offered bit lacks its prerequisite',
      (withoutFeatures) => {
        expect(isClosed(offered({ withoutFeatures, pfQueuePairs: 4, vfQueuePairs: 4 }))).toBe(true);
      },
    );
  });

  describe(requirement('GEN-FEAT-02'), () => {
    it('every subset that has its prerequisites and the base features is agreed to', () => {
      const registers = common();
      const free = featureBits(registers.offered()).filter((bit) => !BASE_FEATURES.includes(bit));

      for (let choice = 0; choice < 1 << free.length; choice += 37) {
        const bits = [...BASE_FEATURES, ...free.filter((_, i) => ((choice >> i) & 1) === 1)];
        if (!isClosed(bits)) continue;
        expect([bits, registers.negotiate(featureWords(...bits))]).toEqual([bits, 11]);
      }
    });

    it('all that is offered is agreed to at once', () => {
      const registers = common({ pfQueuePairs: 4, vfQueuePairs: 4 });

      expect(registers.negotiate(registers.offered())).toBe(11);
    });
  });

  describe(requirement('GEN-FEAT-03'), () => {
    it.each([18, 23])('bit %i without CTRL_VQ leaves FEATURES_OK clear', (bit) => {
      expect(common().negotiate(featureWords(...BASE_FEATURES, bit)) & FEATURES_OK).toBe(0);
    });

    it.each([0, 34, 35, 38, 39, 43, 64, 127])('bit %i, which is not offered, leaves FEATURES_OK clear', (bit) => {
      expect(common().negotiate(featureWords(...BASE_FEATURES, bit)) & FEATURES_OK).toBe(0);
    });

    it('the driver may try again with less', () => {
      const registers = common();
      registers.negotiate(featureWords(...BASE_FEATURES, 34));

      registers.accept(featureWords(...BASE_FEATURES));
      registers.status = 11;

      expect(registers.status).toBe(11);
    });
  });

  describe(requirement('GEN-FEAT-04'), () => {
    it('only defined bits are offered, with the largest configuration too', () => {
      expect(offered({ pfQueuePairs: 8, vfQueuePairs: 8 }).filter((bit) => !DEFINED.includes(bit))).toEqual([]);
    });
  });

  describe(requirement('GEN-FEAT-05'), () => {
    it('a set once agreed to is agreed to again after a reset and after FLR', () => {
      const card = new Card().enableVfs(2);
      const registers = new CommonConfig(card.direct(fn));
      const all = registers.offered();
      registers.negotiate(all);

      expect(registers.negotiate(all)).toBe(11);
      card.nic.configWrite(fn, EXPRESS + 8, 2, 0x8000);
      if (fn === 0) card.nic.configWrite(0, 0x04, 2, 0x0002);
      expect(registers.offered()).toEqual(all);
      expect(registers.negotiate(all)).toBe(11);
    });
  });

  describe(requirement('GEN-RSVFEAT-01'), () => {
    it('VERSION_1 is offered', () => {
      expect(offered()).toContain(VERSION_1);
    });
  });

  describe(requirement('GEN-RSVFEAT-02'), () => {
    it('without VERSION_1 FEATURES_OK stays clear', () => {
      expect(common().negotiate(featureWords(ACCESS_PLATFORM, ORDER_PLATFORM)) & FEATURES_OK).toBe(0);
    });
  });

  describe(requirement('GEN-RSVFEAT-03'), () => {
    it('ACCESS_PLATFORM is offered: the addresses are those of an IOMMU', () => {
      expect(offered()).toContain(ACCESS_PLATFORM);
    });
  });

  describe(requirement('GEN-RSVFEAT-04'), () => {
    it('without ACCESS_PLATFORM the device either refuses or goes on, and says which', () => {
      expect([3, 11]).toContain(common().negotiate(featureWords(VERSION_1, ORDER_PLATFORM)));
    });
  });

  describe(requirement('GEN-RSVFEAT-06'), () => {
    it('without ORDER_PLATFORM the device either refuses or goes on, and says which', () => {
      expect([3, 11]).toContain(common().negotiate(featureWords(VERSION_1, ACCESS_PLATFORM)));
    });
  });

  describe(requirement('GEN-RSVFEAT-08'), () => {
    it('ACCESS_PLATFORM and ORDER_PLATFORM are offered together', () => {
      expect(offered()).toEqual(expect.arrayContaining([ACCESS_PLATFORM, ORDER_PLATFORM]));
    });
  });
});

describe(requirement('GEN-RSVFEAT-09'), () => {
  it('the PF offers SR_IOV', () => {
    expect(featureBits(new CommonConfig(new Card().direct(0)).offered())).toContain(37);
  });
});

describe(requirement('GEN-RSVFEAT-10'), () => {
  it('a VF does not offer SR_IOV', () => {
    expect(featureBits(new CommonConfig(new Card().enableVfs(1).direct(1)).offered())).not.toContain(37);
  });

  it('nor does it offer ADMIN_VQ', () => {
    expect(featureBits(new CommonConfig(new Card().enableVfs(1).direct(1)).offered())).not.toContain(41);
  });
});
