// SPDX-License-Identifier: Apache-2.0
// BAR0 of the variant driver: order of checks, one admin command per access, boundary, shadow and doorbell.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { boundVf } from '../support/variant_fakes.ts';

const error = (code: string) => expect.objectContaining({ name: 'VfioError', code });
const bytes = (count: number) => new Uint8Array(count);

describe('checks of a BAR0 access', () => {
  it('BAR0 access with the command bit clear is EIO', () => {
    const { device, pf } = boundVf();
    device.write(7, 4, 2, 0x0006);

    expect(() => device.read(0, 18, 1)).toThrow(error('EIO'));
    expect(() => device.write(0, 18, 1, 0)).toThrow(error('EIO'));
    expect(() => device.read(0, 16, 2)).toThrow(error('EIO'));
    expect(() => device.readBytes(0, 0, bytes(4))).toThrow(error('EIO'));
    expect(pf.log).toEqual([]);
  });

  it('a count of 0 is 0 before the command bit is looked at', () => {
    const { device } = boundVf();
    device.write(7, 4, 2, 0);

    expect(device.readBytes(0, 99, bytes(0))).toBe(0);
    expect(device.writeBytes(0, 99, bytes(0))).toBe(0);
  });

  it('the command bit is looked at before the range', () => {
    const { device } = boundVf();
    device.write(7, 4, 2, 0);

    expect(() => device.read(0, 4096, 4)).toThrow(error('EIO'));
  });

  it.each([
    [29, 4],
    [32, 1],
    [0, 33],
    [31, 2],
    [2 ** 40, 1],
    [-1, 1],
    [Number.NaN, 1],
  ])('offset %i with %i bytes leaves BAR0: EINVAL', (offset, count) => {
    const { device, pf } = boundVf();

    expect(() => device.readBytes(0, offset, bytes(count))).toThrow(error('EINVAL'));
    expect(() => device.writeBytes(0, offset, bytes(count))).toThrow(error('EINVAL'));
    expect(pf.log).toEqual([]);
  });

  it('the last byte, and all 32 at once, are in range', () => {
    const { device } = boundVf();

    expect(device.readBytes(0, 31, bytes(1))).toBe(1);
    expect(device.readBytes(0, 0, bytes(32))).toBe(32);
  });
});

describe('one access is one admin command', () => {
  it.each([
    { offset: 0, size: 4, line: '3 group 1 member 5 [0] 4' },
    { offset: 18, size: 1, line: '3 group 1 member 5 [18] 1' },
    { offset: 19, size: 1, line: '3 group 1 member 5 [19] 1' },
    { offset: 20, size: 1, line: '5 group 1 member 5 [0] 1' },
    { offset: 24, size: 2, line: '5 group 1 member 5 [4] 2' },
    { offset: 26, size: 4, line: '5 group 1 member 5 [6] 4' },
  ] as const)('MSI-X off: a read of $size at $offset sends "$line"', ({ offset, size, line }) => {
    const { device, pf } = boundVf();

    device.read(0, offset, size);

    expect(pf.log).toEqual([line]);
  });

  it.each([
    { offset: 20, size: 2, line: '3 group 1 member 5 [20] 2' },
    { offset: 22, size: 2, line: '3 group 1 member 5 [22] 2' },
    { offset: 24, size: 1, line: '5 group 1 member 5 [0] 1' },
    { offset: 30, size: 2, line: '5 group 1 member 5 [6] 2' },
  ] as const)('MSI-X on: a read of $size at $offset sends "$line"', ({ offset, size, line }) => {
    const { device, pf } = boundVf();
    device.setIrqs(2, 0, [null]);

    device.read(0, offset, size);

    expect(pf.log).toEqual([line]);
  });

  it.each([
    { what: 'status', offset: 18, size: 1, value: 0x07, line: '2 group 1 member 5 [18 0 0 0 0 0 0 0 7] 0' },
    { what: 'queue select', offset: 14, size: 2, value: 0x0102, line: '2 group 1 member 5 [14 0 0 0 0 0 0 0 2 1] 0' },
    {
      what: 'features',
      offset: 4,
      size: 4,
      value: 0xf1e2_d3c4,
      line: '2 group 1 member 5 [4 0 0 0 0 0 0 0 196 211 226 241] 0',
    },
    { what: 'mac', offset: 20, size: 1, value: 0x52, line: '4 group 1 member 5 [0 0 0 0 0 0 0 0 82] 0' },
    { what: 'a device field', offset: 25, size: 2, value: 0x0403, line: '4 group 1 member 5 [5 0 0 0 0 0 0 0 3 4] 0' },
  ] as const)('a write of $what at $offset sends "$line"', ({ offset, size, value, line }) => {
    const { device, pf } = boundVf();

    device.write(0, offset, size, value);

    expect(pf.log).toEqual([line]);
  });

  it.each([
    [14, 4],
    [0, 32],
    [17, 1],
    [15, 2],
    [17, 15],
    [19, 4],
  ])('an access at %i of %i bytes across 16, 17 or the boundary is common configuration', (offset, count) => {
    const { device, core, pf } = boundVf();

    device.readBytes(0, offset, bytes(count));
    device.writeBytes(0, offset, bytes(count));

    expect(pf.log[0]).toBe(`3 group 1 member 5 [${offset}] ${count}`);
    expect(pf.log[1]).toBe(`2 group 1 member 5 [${[offset, ...bytes(7 + count)].join(' ')}] 0`);
    expect(core.log).toEqual([]);
  });

  it('any offset and length but 16 becomes exactly one command with its bytes', () => {
    const { device, pf } = boundVf();

    fc.assert(
      fc.property(fc.nat(31), fc.integer({ min: 1, max: 32 }), fc.boolean(), (offset, length, isMsixOn) => {
        fc.pre(offset !== 16);
        const count = Math.min(length, 32 - offset);
        const boundary = isMsixOn ? 24 : 20;
        const data = Uint8Array.from({ length: count }, (_, i) => offset + i);
        if (isMsixOn) device.setIrqs(2, 0, [null]);
        else device.disableIrqs(2);
        pf.log.length = 0;

        device.writeBytes(0, offset, data);

        const [opcode, at] = offset < boundary ? [2, offset] : [4, offset - boundary];
        expect(pf.log).toEqual([`${opcode} group 1 member 5 [${[at, 0, 0, 0, 0, 0, 0, 0, ...data].join(' ')}] 0`]);
      }),
    );
  });
});

describe('results and the shadow', () => {
  it('a read returns the bytes little-endian', () => {
    const { device, pf } = boundVf();
    pf.answer(0x78, 0x56, 0x34, 0xf2).answer(0xcd, 0xab).answer(0x0f);

    expect(device.read(0, 0, 4)).toBe(0xf234_5678);
    expect(device.read(0, 12, 2)).toBe(0xabcd);
    expect(device.read(0, 18, 1)).toBe(0x0f);
  });

  it('a short answer leaves the old bytes, and the user sees them', () => {
    const { device, pf } = boundVf();
    pf.answer(1, 2, 3, 4).answer(9);
    device.read(0, 0, 4);

    expect(device.read(0, 0, 4)).toBe(0x0403_0209);
  });

  it('a longer answer than asked for does not spill over', () => {
    const { device, pf } = boundVf();
    pf.answer(1, 2, 3, 4).answer();

    expect(device.read(0, 4, 1)).toBe(1);
    expect(device.read(0, 4, 2)).toBe(0x0001);
  });

  it('a failed write leaves the shadow changed', () => {
    const { device, pf } = boundVf();
    pf.fail(22).answer();

    expect(() => device.write(0, 4, 4, 0xa1b2_c3d4)).toThrow(error('EINVAL'));
    expect(device.read(0, 4, 4)).toBe(0xa1b2_c3d4);
  });

  it.each([
    [22, 'EINVAL'],
    [12, 'ENOMEM'],
    [11, 'EAGAIN'],
    [6, 'ENXIO'],
    [16, 'EBUSY'],
    [28, 'ENOSPC'],
    [4, 'EINTR'],
    [77, 'EIO'],
    [5000, 'EIO'],
  ])('admin status %i reaches the user as %s', (status, code) => {
    const { device, pf } = boundVf();
    pf.fail(status).fail(status);

    expect(() => device.read(0, 0, 4)).toThrow(error(code));
    expect(() => device.write(0, 4, 4, 0)).toThrow(error(code));
  });

  it('a write returns its count', () => {
    expect(boundVf().device.writeBytes(0, 4, bytes(4))).toBe(4);
  });
});

describe('the notify register', () => {
  it('a 2-byte write is one register write to the VF’s own BAR, and no admin command', () => {
    const { device, core, pf } = boundVf();

    device.write(0, 16, 2, 0x0001);
    device.writeBytes(0, 16, Uint8Array.of(2, 1));

    expect(core.log).toEqual(['write 2 12288 2 0x1', 'write 2 12288 2 0x102']);
    expect(pf.log).toEqual([]);
  });

  it('a 2-byte read is one register read there', () => {
    const { device, core, pf } = boundVf();
    core.readValue = 0x1234;
    const data = bytes(2);

    const count = device.readBytes(0, 16, data);

    expect(device.read(0, 16, 2)).toBe(0x1234);
    expect([count, ...data]).toEqual([2, 0x34, 0x12]);
    expect(core.log).toEqual(['read 2 12288 2', 'read 2 12288 2']);
    expect(pf.log).toEqual([]);
  });

  it.each([1, 3, 4, 16])('any other length than 2 is EINVAL: %i', (count) => {
    const { device, core } = boundVf();

    expect(() => device.readBytes(0, 16, bytes(count))).toThrow(error('EINVAL'));
    expect(() => device.writeBytes(0, 16, bytes(count))).toThrow(error('EINVAL'));
    expect(core.log).toEqual([]);
  });

  it('register accesses of 1 and 4 bytes are EINVAL too', () => {
    const { device } = boundVf();

    expect(() => device.write(0, 16, 1, 0)).toThrow(error('EINVAL'));
    expect(() => device.read(0, 16, 4)).toThrow(error('EINVAL'));
  });
});
