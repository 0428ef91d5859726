// SPDX-License-Identifier: Apache-2.0
// Memory of a client that is mapped: any piece of it, and pieces that the driver writes at the same time.
import { Worker } from 'node:worker_threads';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { loadLibc, type Libc } from '../../../src/native/libc.ts';
import { DmaMap } from '../../../src/vfio_user/dma_map.ts';

const MEMFD_FLAGS = 3; // MFD_CLOEXEC, MFD_ALLOW_SEALING
const F_ADD_SEALS = 1033;
const F_SEAL_SHRINK = 2;
const PAGE = 4096;
const BASE = 0x10000;

let libc: Libc;
let fd: number;
let map: DmaMap;
beforeEach(async () => {
  libc = await loadLibc();
  fd = libc.memfd_create('test', MEMFD_FLAGS);
  libc.ftruncate(fd, PAGE);
  libc.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
  map = new DmaMap(libc, { canReach: () => false, beginRead: () => ({ ask() {}, fail() {} }), write() {} });
  const forMap = libc.fcntl(fd, 0, 0); // F_DUPFD: the range closes its own
  const range = { address: BASE, size: PAGE, isReadable: true, isWritable: true, fileOffset: 0, isFileIo: false };
  map.map({ ...range, fd: forMap });
});
afterEach(() => {
  map.clear();
  libc.close(fd);
});

/** Every offset from a word's boundary, every length up to beyond a line of the cache. */
const PIECES = Array.from({ length: 4 * 80 }, (_, i) => [64 + (i & 3), 1 + (i >> 2)] as const);

describe('a mapped range', () => {
  it('is read as it is, whatever the piece', () => {
    const file = Uint8Array.from({ length: PAGE }, (_, i) => (7 * i) & 0xff);
    libc.pwrite(fd, file, PAGE, 0);
    for (const [offset, length] of PIECES) {
      const target = new Uint8Array(100);
      const expected = new Uint8Array(100);
      expected.set(file.subarray(offset, offset + length), 5);
      expect(map.read(BASE + offset, length, target, 5)).toBe(true);
      expect(target).toEqual(expected);
    }
  });

  it('takes what is written, and nothing beside it', () => {
    const source = Uint8Array.from({ length: 100 }, (_, i) => 255 - i);
    const file = new Uint8Array(PAGE);
    for (const [offset, length] of PIECES) {
      libc.pwrite(fd, new Uint8Array(PAGE), PAGE, 0);
      expect(map.write(BASE + offset, length, source, 5)).toBe(true);
      libc.pread(fd, file, PAGE, 0);
      const expected = new Uint8Array(PAGE);
      expected.set(source.subarray(5, 5 + length), offset);
      expect(Buffer.compare(file, expected)).toBe(0);
    }
  });

  /** A driver on another thread that writes two values of an index in turn. */
  const DRIVER = `
    const { workerData: fd, parentPort } = require('node:worker_threads');
    const koffi = require('koffi');
    const mmap = koffi.load(null).func('void *mmap(void *a, size_t length, int protection, int flags, int fd, int64_t o)');
    const index = new Uint16Array(koffi.view(mmap(null, 4096, 3, 1, fd, 0), 4096));
    index[1] = 0x00ff;
    parentPort.postMessage('ready');
    for (;;) {
      Atomics.store(index, 1, 0x0100);
      Atomics.store(index, 1, 0x00ff);
    }`;

  it.each([
    ['alone', 2, 2],
    ['with the flags before it', 0, 4],
    ['with the line that it lies in', 0, 66],
  ])('gives an index %s as one of the values that the driver writes', async (_how, offset, length) => {
    const driver = new Worker(DRIVER, { eval: true, workerData: fd });
    await new Promise((resolve) => driver.once('message', resolve));
    const target = new Uint8Array(length);
    const seen = new Set<number>();
    for (let i = 0; i < 2_000_000 || seen.size < 2; i++) {
      map.read(BASE + offset, length, target, 0);
      seen.add(target[2 - offset]! + 256 * target[3 - offset]!);
    }
    await driver.terminate();

    expect([...seen].sort((a, b) => a - b)).toEqual([0x00ff, 0x0100]);
  });
});
