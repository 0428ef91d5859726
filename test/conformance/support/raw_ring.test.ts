// SPDX-License-Identifier: Apache-2.0
// The hand-written rings and command bytes: the layout they produce, byte by byte.
import { describe, expect, it } from 'vitest';

import { requirement, REQUIREMENTS } from '../requirements.ts';
import { fromLe, header, le } from '../../support/admin_queue.ts';
import { Card } from './card.ts';
import { featureBits, featureWords } from './common_config.ts';
import { RawFunction } from '../../support/raw_function.ts';
import { RawRing } from '../../support/raw_ring.ts';

describe('RawRing', () => {
  it('writes a chain of two descriptors and makes its head available', () => {
    const memory = new RawFunction(new Card(), 0, 8192).memory;
    const ring = new RawRing(memory, 4);

    ring.add([
      { iova: 0x1_0000_2000, length: 24 },
      { iova: 0x1_0000_3000, length: 8, isWritable: true },
    ]);

    const { u8 } = memory;
    const hex = (at: number, bytes: number): string => Buffer.from(u8.subarray(at, at + bytes)).toString('hex');
    expect(hex(ring.places.desc, 16)).toBe('00200000010000001800000001000100');
    expect(hex(ring.places.desc + 16, 16)).toBe('00300000010000000800000002000200');
    expect(hex(ring.places.avail, 6)).toBe('000001000000');
  });

  it('takes used entries once, in order', () => {
    const memory = new RawFunction(new Card(), 0, 8192).memory;
    const ring = new RawRing(memory, 4);
    memory.u8.set([0, 0, 2, 0, 3, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0], ring.places.used);

    expect(ring.takeUsed()).toEqual([
      { id: 3, length: 9 },
      { id: 1, length: 8 },
    ]);
    expect(ring.takeUsed()).toEqual([]);
  });

  it('puts the used ring of a legacy queue at the next multiple of 4096', () => {
    const ring = new RawRing(new RawFunction(new Card(), 0, 32 << 10).memory, 256, 'legacy');

    expect([ring.places.avail - ring.places.desc, ring.places.used - ring.places.desc]).toEqual([4096, 8192]);
  });
});

describe('command bytes', () => {
  it('a header has opcode, group type, 12 reserved bytes and a member id of 8', () => {
    const bytes = Buffer.from(header(0x0102, 1, 0x0304, 0xee)).toString('hex');

    expect(bytes).toBe(`02010100${'ee'.repeat(12)}0403000000000000`);
  });

  it('numbers become little-endian bytes and back', () => {
    expect(le(0x12345678, 4)).toEqual([0x78, 0x56, 0x34, 0x12]);
    expect(le(2n ** 63n, 8)).toEqual([0, 0, 0, 0, 0, 0, 0, 0x80]);
    expect(fromLe([0x78, 0x56, 0x34, 0x12])).toBe(0x12345678);
  });

  it('feature numbers become words and back', () => {
    expect(featureWords(5, 31, 32, 70)).toEqual([0x80000020, 1, 0x40, 0]);
    expect(featureBits([0x80000020, 1, 0x40, 0])).toEqual([5, 31, 32, 70]);
  });
});

describe('requirement()', () => {
  it('gives id, level and text of each of the 459 requirements', () => {
    expect(REQUIREMENTS).toHaveLength(459);
    expect(requirement('GEN-RSVFEAT-01')).toBe('GEN-RSVFEAT-01 MUST: VIRTIO_F_VERSION_1 is always on offer.');
  });

  it('throws on an id that does not exist', () => {
    expect(() => requirement('GEN-RSVFEAT-99')).toThrow("no requirement 'GEN-RSVFEAT-99'");
  });
});
