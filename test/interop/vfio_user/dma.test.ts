// SPDX-License-Identifier: Apache-2.0
// DMA_MAP and DMA_UNMAP: which ranges are taken, what becomes of their file descriptors, and that what is mapped is what
// the card reaches.
import { readdirSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { COMMAND, EEXIST, EINVAL, fields, type RawClient } from './support/raw_client.ts';
import { Served } from './support/served.ts';

const READ_WRITE = 3;
const PAGE = 4096;

let served: Served;
let client: RawClient;
beforeEach(async () => {
  served = await Served.start();
  client = served.greeted();
});
afterEach(() => served.close());

interface MapFields {
  readonly argsz?: number;
  readonly flags?: number;
  readonly offset?: number | bigint;
  readonly address?: number | bigint;
  readonly size?: number | bigint;
}

const mapPayload = ({ argsz = 32, flags = READ_WRITE, offset = 0, address = 0x10000, size = PAGE }: MapFields = {}) =>
  fields([4, argsz], [4, flags], [8, offset], [8, address], [8, size]);
const map = (request: MapFields = {}, fds: readonly number[] = []): number =>
  client.request(COMMAND.DMA_MAP, mapPayload(request), fds).error;
const unmapPayload = (address: number | bigint, size: number | bigint, flags = 0, argsz = 24): Uint8Array =>
  fields([4, argsz], [4, flags], [8, address], [8, size]);
const unmap = (address: number | bigint, size: number | bigint, flags = 0): number =>
  client.request(COMMAND.DMA_UNMAP, unmapPayload(address, size, flags)).error;
/** Bytes that the server says it took away. */
const unmapped = (address: number | bigint, size: number | bigint): bigint => {
  const { error, payload } = client.request(COMMAND.DMA_UNMAP, unmapPayload(address, size));
  expect(error).toBe(0);
  return payload.getBigUint64(16, true);
};
const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

describe('DMA_MAP', () => {
  it('takes a range without a file descriptor', () => {
    expect(map()).toBe(0);
  });

  it('takes ranges side by side', () => {
    expect([map({ address: 0x3000 }), map({ address: 0x1000 }), map({ address: 0x2000 })]).toEqual([0, 0, 0]);
  });

  it.each([
    ['the same range', 0x10000, PAGE],
    ['a range that ends inside', 0xf000, 2 * PAGE],
    ['a range that begins inside', 0x11000, 4 * PAGE],
    ['a range around it', 0, 0x100000],
    ['a range inside', 0x11000, PAGE],
  ])('refuses %s with EEXIST', (_what, address, size) => {
    map({ size: 3 * PAGE });

    expect(map({ address, size })).toBe(EEXIST);
  });

  it.each<[string, MapFields]>([
    ['no bytes', { size: 0 }],
    ['argsz too small', { argsz: 31 }],
    ['flags that do not exist', { flags: 0x13 }],
    ['an end beyond 2^64', { address: (1n << 64n) - 4096n, size: 8192 }],
    ['a size of 2^63', { size: 1n << 63n }],
  ])('refuses %s', (_what, request) => {
    expect(map(request)).toBe(EINVAL);
  });

  it('refuses a cut off message', () => {
    expect(client.request(COMMAND.DMA_MAP, mapPayload().subarray(0, 31)).error).toBe(EINVAL);
  });

  it('refuses a file that is shorter than the range', () => {
    const fd = client.memfd(PAGE);

    expect(map({ size: 2 * PAGE }, [fd])).toBe(EINVAL);
    expect(map({ offset: PAGE }, [fd])).toBe(EINVAL);
    expect(map({}, [fd])).toBe(0);
    client.libc.close(fd);
  });

  it('refuses a descriptor that is no file', () => {
    const fd = client.eventfd();

    expect(map({}, [fd])).toBe(EINVAL);
    client.libc.close(fd);
  });

  it('refuses two descriptors for one range', () => {
    const fd = client.memfd(PAGE);

    expect(map({}, [fd, fd])).toBe(EINVAL);
    client.libc.close(fd);
  });
});

describe('DMA_UNMAP', () => {
  beforeEach(() => {
    map({ address: 0x10000, size: 2 * PAGE });
  });

  it('answers with the range', () => {
    const { payload } = client.request(COMMAND.DMA_UNMAP, unmapPayload(0x10000, 2 * PAGE));

    expect([payload.byteLength, payload.getBigUint64(8, true), payload.getBigUint64(16, true)]).toEqual([
      24,
      0x10000n,
      8192n,
    ]);
  });

  it('makes room for another mapping', () => {
    unmap(0x10000, 2 * PAGE);

    expect(map({ address: 0x10000, size: PAGE })).toBe(0);
  });

  // the mapping is 0x10000..0x11fff
  it.each([
    ['the first half of a mapping', 0x10000, PAGE],
    ['the second half', 0x11000, PAGE],
    ['its end and what lies behind', 0x11000, 3 * PAGE],
    ['its beginning and what lies before', 0xf000, 2 * PAGE],
    ['the inside of it', 0x10800, 0x1000],
    ['no bytes', 0x10000, 0],
    ['what goes on beyond 2^64', 0x10000, (1n << 64n) - 0xffffn],
  ])('refuses %s, and the mapping stays', (_what, address, size) => {
    expect(unmap(address, size)).toBe(EINVAL);
    expect(map({ address: 0x11000, size: PAGE })).toBe(EEXIST);
  });

  it('of a range takes all mappings away that lie inside, and no other', () => {
    for (let i = 1; i < 18; i++) map({ address: 0x1_0000_0000 + i * 0x20_0000, size: 0x20_0000 });

    // as QEMU does behind a virtual IOMMU: one range over 17 mappings of 2 MiB
    expect(unmapped(0x1_0000_0000, 0x1_0000_0000)).toBe(17n * 0x20_0000n);
    expect(map({ address: 0x1_0020_0000, size: PAGE })).toBe(0);
    expect(map({ address: 0x10000 })).toBe(EEXIST);
  });

  it.each([
    ['all of 2^64 but the first page', 0x1000n, (1n << 64n) - 0x1000n],
    ["QEMU's of the space behind the MSI addresses", 0xfef0_0000n, 0xffff_ffff_0110_0000n],
    ['a size of 2^63', 0n, 1n << 63n],
  ])('takes what lies inside a range beyond 2^53: %s', (_what, address, size) => {
    map({ address: 0x1_0000_0000, size: PAGE });
    map({ address: 2 ** 53 - 4 * PAGE, size: PAGE });
    const below = address > 0x10000n ? 0n : 2n * 4096n; // the mapping that is there already

    expect(unmapped(address, size)).toBe(2n * 4096n + below);
    expect(map({ address: 2 ** 53 - 4 * PAGE, size: PAGE })).toBe(0);
  });

  it.each([
    ['no mapping is', 0x20000n, 8192n],
    ['none can be', 1n << 60n, 1n << 60n],
  ])('of a range where %s succeeds, with 0 bytes', (_what, address, size) => {
    expect(unmapped(address, size)).toBe(0n);
  });

  it('takes everything away where the flags say so', () => {
    map({ address: 0x40000 });

    expect(unmap(0, 0, 2)).toBe(0);
    expect(unmapped(0, 0x100000)).toBe(0n);
  });

  it.each([
    ['everything at an address', unmapPayload(0x10000, 2 * PAGE, 2)],
    ['a bitmap of dirty pages', unmapPayload(0x10000, 2 * PAGE, 1)],
    ['flags that do not exist', unmapPayload(0x10000, 2 * PAGE, 4)],
    ['argsz too small', unmapPayload(0x10000, 2 * PAGE, 0, 23)],
    ['a cut off message', unmapPayload(0x10000, 2 * PAGE).subarray(0, 23)],
  ])('refuses %s', (_what, payload) => {
    expect(client.request(COMMAND.DMA_UNMAP, payload).error).toBe(EINVAL);
  });
});

describe('file descriptors of ranges', () => {
  it('are closed once the range is gone', () => {
    const fd = client.memfd(PAGE);
    const before = openDescriptors();
    map({}, [fd]);
    unmap(0x10000, PAGE);

    expect(openDescriptors()).toBe(before);
    client.libc.close(fd);
  });

  it('are closed when the client goes', () => {
    const fd = client.memfd(PAGE);
    const before = openDescriptors();
    map({}, [fd]);
    client.close();
    served.pump();

    expect(openDescriptors()).toBe(before - 2); // the two ends of the connection
    client.libc.close(fd);
  });

  it('are closed when the range is refused, or the command knows none', () => {
    const fd = client.memfd(PAGE);
    const before = openDescriptors();
    map({ size: 0 }, [fd]);
    client.request(COMMAND.DEVICE_RESET, undefined, [fd, fd, fd]);
    client.request(99, undefined, [fd]);

    expect(openDescriptors()).toBe(before);
    client.libc.close(fd);
  });

  it('survive 2,000 rounds of map and unmap, as firmware does', () => {
    const fd = client.memfd(1 << 20);
    client.libc.fcntl(fd, 1033, 2); // F_ADD_SEALS, F_SEAL_SHRINK: the server maps it
    const before = openDescriptors();
    const errors = Array.from({ length: 2000 }, () => map({ size: 1 << 20 }, [fd]) + unmap(0x10000, 1 << 20));

    expect(new Set(errors)).toEqual(new Set([0]));
    expect(openDescriptors()).toBe(before);
    client.libc.close(fd);
  });
});
