// SPDX-License-Identifier: Apache-2.0
// struct virtio_net_config as the driver reads it. virtio 1.4 §5.1.4:
//   mac @0 (6) | status @6 | max_virtqueue_pairs @8 | mtu @10
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { macOf } from '../ring/support/frames.ts';
import { RawCard } from '../../support/raw_card.ts';
import { F, R } from '../../support/registers.ts';

describe('DESC-NET-03 fields behind mac exist by feature', () => {
  it('mac is the configured one for the PF; VF n has n added', () => {
    const card = new RawCard({ totalVfs: 300, numVfs: 300, mac: '02:11:22:33:ff:fe' });

    expect([...card.fn(0).mac]).toEqual([0x02, 0x11, 0x22, 0x33, 0xff, 0xfe]);
    expect([...card.fn(1).mac]).toEqual([0x02, 0x11, 0x22, 0x33, 0xff, 0xff]);
    // 33fffe + 258 = 340100
    expect([...card.fn(258, 4096).mac]).toEqual([0x02, 0x11, 0x22, 0x34, 0x01, 0x00]);
  });

  it('the default addresses are 02:76:66:00:00:n', () => {
    const card = new RawCard({ numVfs: 3 });

    for (const fn of [0, 1, 2, 3]) expect(card.fn(fn).mac).toEqual(macOf(fn));
  });

  it('status says link up', () => {
    const card = new RawCard({ numVfs: 1 });

    expect([card.fn(0).deviceConfig(6, 2), card.fn(1).deviceConfig(6, 2)]).toEqual([1, 1]);
  });

  it('any aligned width reads the same bytes', () => {
    const fn = new RawCard({ mtu: 0x1234 }).fn(0);
    const bytes = Array.from({ length: 12 }, (_, i) => fn.deviceConfig(i, 1));

    for (let at = 0; at < 12; at += 2) expect(fn.deviceConfig(at, 2)).toBe(bytes[at]! | (bytes[at + 1]! << 8));
    expect(fn.deviceConfig(8, 4)).toBe((bytes[8]! | (bytes[9]! << 8) | (0x1234 << 16)) >>> 0);
  });

  it('a modern driver cannot write any of it', () => {
    const fn = new RawCard().fn(0);
    fn.start({ features: [F.MAC, F.STATUS, F.MTU] });
    const before = Array.from({ length: 12 }, (_, i) => fn.deviceConfig(i, 1));

    for (let at = 0; at < 12; at += 4) fn.write(0x2000 + at, 0xffffffff, 4);

    expect(Array.from({ length: 12 }, (_, i) => fn.deviceConfig(i, 1))).toEqual(before);
  });

  it('fields stay readable before features are negotiated', () => {
    const fn = new RawCard({ mtu: 1400 }).fn(0);
    fn.reset();

    expect([fn.deviceConfig(10, 2), [...fn.mac]]).toEqual([1400, [...macOf(0)]]);
  });
});

describe(requirement('NET-CFG-01'), () => {
  it.each([2, 3, 8])('max_virtqueue_pairs is %i as configured, for PF and VF apart', (pairs) => {
    const card = new RawCard({ pfQueuePairs: pairs, vfQueuePairs: 9 - pairs, numVfs: 1 });

    expect(card.fn(0).hasOffered(F.MQ)).toBe(true);
    expect(card.fn(0).deviceConfig(8, 2)).toBe(pairs);
    expect(card.fn(1).deviceConfig(8, 2)).toBe(9 - pairs);
  });

  it('MQ is not offered with one pair', () => {
    const card = new RawCard({ numVfs: 1 });

    expect([card.fn(0).hasOffered(F.MQ), card.fn(1).hasOffered(F.MQ)]).toEqual([false, false]);
  });
});

describe.each([requirement('NET-CFG-02'), requirement('NET-CFG-03')])('%s', () => {
  it('mtu is 1500 by default', () => {
    expect(new RawCard().fn(0).deviceConfig(10, 2)).toBe(1500);
  });
});

describe('DESC-NET-01 queues 2k receive, queues 2k + 1 transmit, the control queue follows', () => {
  it('num_queues is 2 * pairs + 1; the admin queue of the PF comes behind', () => {
    const card = new RawCard({ pfQueuePairs: 3, vfQueuePairs: 2, numVfs: 1 });

    expect(card.fn(0).read(R.NUM_QUEUES)).toBe(7);
    expect(card.fn(1).read(R.NUM_QUEUES)).toBe(5);
    expect([card.fn(0).read(R.ADMIN_QUEUE_INDEX), card.fn(0).read(R.ADMIN_QUEUE_NUM)]).toEqual([7, 1]);
  });

  it('every queue has a size, the ones behind the last none', () => {
    const card = new RawCard({ pfQueuePairs: 2, queueSize: 32, adminQueueSize: 8 });
    const sizes = [0, 1, 2, 3, 4, 5, 6, 0xffff].map((index) => card.fn(0).queue(index, R.QUEUE_SIZE));

    expect(sizes.slice(0, 5)).toEqual([32, 32, 32, 32, 32]);
    expect(sizes.slice(5)).toEqual([8, 0, 0]);
  });
});

describe('features of the network device', () => {
  it('no offload, RSS, packed ring or VLAN filter is offered', () => {
    const card = new RawCard({ pfQueuePairs: 4, numVfs: 1, vfQueuePairs: 4 });
    const vf = [3, 5, 15, 16, 17, 18, 22, 23, 28, 29, 32, 33, 36, 40];

    const offered = (fn: number): number[] =>
      Array.from({ length: 128 }, (_, bit) => bit).filter((bit) => card.fn(fn).hasOffered(bit));

    expect(offered(1)).toEqual(vf);
    expect(offered(0)).toEqual([...vf, 37, 41].sort((a, b) => a - b));
  });

  describe.each([requirement('NET-CFG-13'), requirement('NET-CFG-14')])('%s', () => {
    it('without CTRL_VQ nothing that needs it is offered', () => {
      const fn = new RawCard({ pfQueuePairs: 4, withoutFeatures: [F.CTRL_VQ] }).fn(0);

      for (const bit of [18, 19, 20, 21, 22, 23, 51, 52, 53, 57, 60])
        expect([bit, fn.hasOffered(bit)]).toEqual([bit, false]);
    });
  });
});
