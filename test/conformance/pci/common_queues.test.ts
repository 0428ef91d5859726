// SPDX-License-Identifier: Apache-2.0
// Queue registers of the common configuration: virtio 1.4 §4.1.4.3.1, ambiguity AMB-39 for writes nobody may make.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { Card } from '../support/card.ts';
import { BASE_FEATURES, CommonConfig, featureWords } from '../support/common_config.ts';
import { eachFunction, eachPath } from '../support/modes.ts';

eachPath((kind) => {
  eachFunction((fn) => {
    const common = (): CommonConfig => new CommonConfig(new Card({ queueSize: 128 }).enableVfs(2).path(kind, fn));
    const negotiated = (): CommonConfig => {
      const registers = common();
      registers.negotiate(featureWords(...BASE_FEATURES));
      return registers;
    };

    describe(requirement('PCI-COMMON-08'), () => {
      it('queue_enable of every queue is 0 at power-on and after a reset', () => {
        const registers = negotiated();
        registers.writeQueue(0, 'queue_enable', 1);

        registers.status = 0;

        expect([0, 1, 2, 3].map((queue) => registers.readQueue(queue, 'queue_enable'))).toEqual([0, 0, 0, 0]);
      });
    });

    describe(requirement('PCI-COMMON-14'), () => {
      it.each([100, 0x7fff, 0xffff])('queue_size of queue %i, which does not exist, is 0', (queue) => {
        expect(common().readQueue(queue, 'queue_size')).toBe(0);
      });

      it('the first index behind the last queue has size 0', () => {
        const registers = common();
        const first = registers.read('num_queues') + (fn === 0 ? 1 : 0);

        expect(registers.readQueue(first, 'queue_size')).toBe(0);
      });

      it('writes to a queue that does not exist reach no other queue', () => {
        const registers = common();

        for (const field of ['queue_size', 'queue_enable', 'queue_desc'] as const) {
          registers.writeQueue(0xffff, field, 16);
        }

        expect(registers.readQueue(0, 'queue_size')).toBe(128);
        expect(registers.readQueue(0, 'queue_desc')).toBe(0);
        expect(registers.readQueue(0, 'queue_enable')).toBe(0);
      });
    });

    // §5.1.2: without MQ there is one pair, and the control queue behind it; all depends on what was negotiated
    describe(requirement('PCI-COMMON-14'), () => {
      const PAIRS = 4;
      const MQ = 22;
      const CTRL_VQ = 17;
      const sizes = (features: readonly number[]): { registers: CommonConfig; sizes: number[] } => {
        const card = new Card({ queueSize: 128, pfQueuePairs: PAIRS, vfQueuePairs: PAIRS }).enableVfs(2);
        const registers = new CommonConfig(card.path(kind, fn));
        registers.negotiate(featureWords(32, 33, ...features));
        const queues = Array.from({ length: 2 * PAIRS + 2 }, (_, queue) => queue);
        return { registers, sizes: queues.map((queue) => registers.readQueue(queue, 'queue_size')) };
      };

      it.each([
        ['neither MQ nor CTRL_VQ', [], [128, 128, 0, 0, 0, 0, 0, 0, 0, 0]],
        ['CTRL_VQ', [CTRL_VQ], [128, 128, 128, 0, 0, 0, 0, 0, 0, 0]],
        ['MQ and CTRL_VQ', [MQ, CTRL_VQ], [128, 128, 128, 128, 128, 128, 128, 128, 128, 0]],
      ])('queue_size is 0 for queues that %s leave out', (_what, features, expected) => {
        expect(sizes(features).sizes).toEqual(expected);
      });

      it('queue_enable of such a queue stays 0, and its other registers are not written', () => {
        const { registers } = sizes([CTRL_VQ]);

        for (const field of ['queue_size', 'queue_desc', 'queue_enable'] as const) registers.writeQueue(3, field, 1);

        expect(registers.readQueue(3, 'queue_enable')).toBe(0);
        expect(registers.readQueue(3, 'queue_desc')).toBe(0);
        expect(registers.readQueue(3, 'queue_size')).toBe(0);
      });

      it('the admin queue is one of them without ADMIN_VQ', () => {
        const { registers } = sizes([CTRL_VQ]);
        const index = fn === 0 ? registers.read('admin_queue_index') : 2 * PAIRS + 1;

        expect(registers.readQueue(index, 'queue_size')).toBe(0);
      });

      it('a queue that is selected while features are negotiated shows it with FEATURES_OK', () => {
        const registers = new CommonConfig(new Card({ queueSize: 128 }).enableVfs(2).path(kind, fn));
        registers.status = 3;
        registers.accept(featureWords(32, 33));
        expect(registers.readQueue(2, 'queue_size')).toBe(128);

        registers.status = 11;

        expect(registers.read('queue_size')).toBe(0);
      });
    });

    describe(requirement('PCI-COMMON-15'), () => {
      it('queue_size after reset is the maximum, a power of two', () => {
        const registers = common();

        expect([0, 1, 2].map((queue) => registers.readQueue(queue, 'queue_size'))).toEqual([128, 128, 128]);
      });

      it.each([2, 16, 128])('a power of two up to the maximum, %i, is taken', (size) => {
        const registers = negotiated();

        registers.writeQueue(1, 'queue_size', size);

        expect(registers.read('queue_size')).toBe(size);
        expect(registers.readQueue(0, 'queue_size')).toBe(128);
      });

      it.each([3, 100, 127, 256, 0xffff])(
        'queue_size %i, no power of two or beyond the maximum, is ignored',
        (size) => {
          const registers = negotiated();

          registers.writeQueue(1, 'queue_size', size);

          expect(registers.read('queue_size')).toBe(128);
        },
      );
    });

    describe(requirement('PCI-LAYOUT-01'), () => {
      it.each(['queue_desc', 'queue_driver', 'queue_device'] as const)('the halves of %s are independent', (field) => {
        const registers = negotiated();

        registers.writeQueue(0, `${field}_hi`, 0x00000012);
        expect([registers.read(field), registers.read(`${field}_hi`)]).toEqual([0, 0x12]);
        registers.write(field, 0x89abc000);
        expect([registers.read(field), registers.read(`${field}_hi`)]).toEqual([0x89abc000, 0x12]);
        registers.write(`${field}_hi`, 0);
        expect([registers.read(field), registers.read(`${field}_hi`)]).toEqual([0x89abc000, 0]);
      });

      it('each queue keeps addresses of its own', () => {
        const registers = negotiated();

        registers.writeQueue(0, 'queue_desc', 0x1000);
        registers.writeQueue(1, 'queue_desc', 0x2000);

        expect([0, 1, 2].map((queue) => registers.readQueue(queue, 'queue_desc'))).toEqual([0x1000, 0x2000, 0]);
      });
    });

    describe('settings of an enabled queue', () => {
      const enabled = (): CommonConfig => {
        const registers = negotiated();
        registers.writeQueue(0, 'queue_size', 16);
        registers.write('queue_desc', 0x1000);
        registers.write('queue_driver', 0x2000);
        registers.write('queue_device', 0x3000);
        registers.write('queue_enable', 1);
        return registers;
      };

      it('queue_enable reads 1', () => {
        expect(enabled().readQueue(0, 'queue_enable')).toBe(1);
      });

      it.each([
        ['queue_size', 8, 16],
        ['queue_desc', 0x9000, 0x1000],
        ['queue_driver', 0x9000, 0x2000],
        ['queue_device', 0x9000, 0x3000],
        ['queue_desc_hi', 1, 0],
        ['queue_enable', 0, 1],
      ] as const)('%s does not change any more', (field, written, kept) => {
        const registers = enabled();

        registers.writeQueue(0, field, written);

        expect(registers.read(field)).toBe(kept);
      });
    });
  });
});

describe('number of queues', () => {
  it.each([
    [1, 3],
    [4, 9],
    [8, 17],
  ])('%i pairs are %i queues with the control queue, admin queues left out', (pairs, queues) => {
    const card = new Card({ pfQueuePairs: pairs, vfQueuePairs: pairs }).enableVfs(1);

    expect(new CommonConfig(card.direct(0)).read('num_queues')).toBe(queues);
    expect(new CommonConfig(card.direct(1)).read('num_queues')).toBe(queues);
  });
});

describe(requirement('PCI-COMMON-16'), () => {
  it.each([1, 8])('admin_queue_index is not below num_queues with %i pairs', (pfQueuePairs) => {
    const registers = new CommonConfig(new Card({ pfQueuePairs }).direct(0));
    registers.negotiate(featureWords(...BASE_FEATURES, 37, 41));

    expect(registers.read('admin_queue_index')).toBeGreaterThanOrEqual(registers.read('num_queues'));
  });
});

describe(requirement('PCI-COMMON-17'), () => {
  it('admin_queue_num is 1, and index plus number stay within 0x10000', () => {
    const registers = new CommonConfig(new Card().direct(0));
    registers.negotiate(featureWords(...BASE_FEATURES, 37, 41));

    expect(registers.read('admin_queue_num')).toBe(1);
    expect(registers.read('admin_queue_index') + 1).toBeLessThanOrEqual(0x10000);
  });

  it('the admin queue can be selected and has the size asked for', () => {
    const registers = new CommonConfig(new Card({ adminQueueSize: 32 }).direct(0));
    registers.negotiate(featureWords(...BASE_FEATURES, 37, 41));

    expect(registers.readQueue(registers.read('admin_queue_index'), 'queue_size')).toBe(32);
  });

  it('a PF that does not offer ADMIN_VQ has none', () => {
    const registers = new CommonConfig(new Card({ withoutFeatures: [41] }).direct(0));

    expect(registers.read('admin_queue_num')).toBe(0);
    expect(registers.readQueue(3, 'queue_size')).toBe(0);
  });

  it('a VF has no admin queue', () => {
    const registers = new CommonConfig(new Card().enableVfs(1).direct(1));
    registers.negotiate(featureWords(...BASE_FEATURES));

    expect(registers.read('admin_queue_num')).toBe(0);
  });
});
