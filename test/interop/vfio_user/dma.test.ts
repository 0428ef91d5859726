// SPDX-License-Identifier: Apache-2.0
// DMA_MAP and DMA_UNMAP: which ranges are taken, what becomes of their file descriptors, and that what is mapped is what
// the card reaches.
import { readdirSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { COMMAND, EEXIST, EINVAL, ENOENT, fields, type RawClient } from './support/raw_client.ts';
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
const unmapPayload = (address: number, size: number, flags = 0, argsz = 24): Uint8Array =>
  fields([4, argsz], [4, flags], [8, address], [8, size]);
const unmap = (address: number, size: number, flags = 0): number =>
  client.request(COMMAND.DMA_UNMAP, unmapPayload(address, size, flags)).error;
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

  it.each([
    ['half a range', 0x10000, PAGE],
    ['more than a range', 0x10000, 3 * PAGE],
    ['another address', 0x20000, 2 * PAGE],
  ])('answers ENOENT to %s', (_what, address, size) => {
    expect(unmap(address, size)).toBe(ENOENT);
  });

  it('takes everything away where the flags say so', () => {
    map({ address: 0x40000 });

    expect(unmap(0, 0, 2)).toBe(0);
    expect(unmap(0x10000, 2 * PAGE)).toBe(ENOENT);
    expect(unmap(0x40000, PAGE)).toBe(ENOENT);
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
