// SPDX-License-Identifier: Apache-2.0
// --wire pcap: whatever becomes of the capture that is written or played, the functions stay, one line says what happened
// and a counter has it.
import { closeSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import { openCapture } from '../../../src/wire/capture.ts';
import { encodePcap } from '../../../src/wire/pcap.ts';
import { CardBench } from './support/card_bench.ts';
import { frame, startStation, type Station } from './support/driver_bench.ts';
import { mountSmall, noMounts, openReader, readAll, run, unmount, until } from './support/outside.ts';

const ELSEWHERE = Uint8Array.of(2, 0, 0, 0, 0, 0x99);
const VF1 = Uint8Array.of(2, 0x76, 0x66, 0, 0, 1);
const HEADER_BYTES = 24;
const RECORD_BYTES = 16;

let bench: CardBench;
afterEach(() => bench.close());

const station = (): Station => startStation(bench.libc, bench.device('vf1'));
const attachment = (name: string) => bench.card.attachments.find((one) => one.name.startsWith(name))!;
const framesOf = (file: Uint8Array): Uint8Array[] => [...openCapture(file, 'out').frames()].map(({ bytes }) => bytes);

function send(from: Station, bytes = 100): void {
  from.driver.send(frame(ELSEWHERE, from.driver.mac, bytes));
  from.settle();
}

/** The function still answers. */
function expectServed({ client }: Station): void {
  expect(client.read(7, 0, 4)).toBe(0x10411af4); // virtio 1.4 §4.1.2: vendor 1AF4, device 1040 + 1
}

describe('a capture that is written', () => {
  it.skipIf(noMounts())('waits for room on a full file system, and is whole when there is some', async () => {
    const folder = CardBench.newFolder();
    const small = join(folder, 'small');
    mountSmall(small, 8192);
    try {
      writeFileSync(join(small, 'filler'), new Uint8Array(4096));
      bench = await CardBench.start({ wire: 'pcap:$/small/out.pcap' }, folder);
      const a = station();
      // one page is left: 24 + n * (16 + 1000) > 4096 with the fifth
      for (let i = 0; i < 6; i++) send(a, 1000);

      expect(attachment('pcap:')).toMatchObject({ state: 'away', losses: 1, dropped: 1 });
      expect(bench.lines).toEqual([
        `pcap:${small}/out.pcap: no space left on device (ENOSPC); frames are not recorded until there is room`,
      ]);
      expectServed(a);

      rmSync(join(small, 'filler'));
      until(bench, () => attachment('pcap:').state === 'up');
      send(a, 60);

      expect(bench.lines[1]).toBe(`pcap:${small}/out.pcap: there is room again`);
      // the fifth was on its way, the sixth was lost
      expect(framesOf(readFileSync(join(small, 'out.pcap'))).map(({ length }) => length)).toEqual([
        1000, 1000, 1000, 1000, 1000, 60,
      ]);
    } finally {
      unmount(small);
    }
  });

  it.skipIf(noMounts())('is cut back to its last whole frame where no room comes', async () => {
    const folder = CardBench.newFolder();
    const small = join(folder, 'small');
    mountSmall(small, 4096);
    try {
      bench = await CardBench.start({ wire: 'pcap:$/small/out.pcap' }, folder);
      const a = station();
      for (let i = 0; i < 6; i++) send(a, 1000);
      bench.card.wire!.close();

      expect(framesOf(readFileSync(join(small, 'out.pcap')))).toHaveLength(4);
    } finally {
      unmount(small);
    }
  });

  it('on a device that is full is refused before anything is served', async () => {
    bench = await CardBench.start({});

    await expect(CardBench.start({ wire: 'pcap:/dev/full' })).rejects.toThrow(
      'pcap:/dev/full: the file cannot be written (no space left on device (ENOSPC))',
    );
  });

  it('is begun again in a new file when it is removed', async () => {
    bench = await CardBench.start({ wire: 'pcap:$/out.pcap' });
    const path = join(bench.folder, 'out.pcap');
    const a = station();
    send(a, 100);
    rmSync(path);
    until(bench, () => attachment('pcap:').returns === 1);
    send(a, 101);

    expect(framesOf(readFileSync(path)).map(({ length }) => length)).toEqual([101]);
    expect(bench.lines).toEqual([
      `pcap:${path}: the file was removed; a new one is begun`,
      `pcap:${path}: recording again, in a new capture`,
    ]);
  });

  it('does not touch what somebody else has put in its place', async () => {
    bench = await CardBench.start({ wire: 'pcap:$/out.pcap' });
    const path = join(bench.folder, 'out.pcap');
    const a = station();
    rmSync(path);
    writeFileSync(path, 'letters');
    until(bench, () => attachment('pcap:').reason.includes('EEXIST'));
    send(a);

    expect(readFileSync(path, 'utf8')).toBe('letters');
    expect(attachment('pcap:')).toMatchObject({ state: 'away', dropped: 1 });
    rmSync(path);
    until(bench, () => attachment('pcap:').state === 'up');
    expect(statSync(path).size).toBe(HEADER_BYTES);
  });
});

describe('a FIFO', () => {
  async function withFifo(): Promise<{ path: string; a: () => Station }> {
    const folder = CardBench.newFolder();
    const path = join(folder, 'wire.fifo');
    run('mkfifo', path);
    bench = await CardBench.start({ wire: 'pcap:$/wire.fifo' }, folder);
    return { path, a: station };
  }

  it('is written as soon as somebody reads it, and again from the beginning for the next reader', async () => {
    const { path, a: start } = await withFifo();
    const a = start();
    send(a);
    expect(attachment('pcap:')).toMatchObject({ state: 'away', reason: 'nobody reads the FIFO yet', dropped: 1 });
    expect(bench.lines).toEqual([]);

    for (const length of [80, 81]) {
      const reader = openReader(path);
      until(bench, () => attachment('pcap:').state === 'up');
      send(a, length);
      expect(framesOf(readAll(reader)).map((one) => one.length)).toEqual([length]);
      closeSync(reader);
      until(bench, () => attachment('pcap:').state === 'away');
      expectServed(a);
    }

    expect(attachment('pcap:')).toMatchObject({ losses: 2, returns: 2 });
    expect(bench.lines).toEqual(
      [0, 1].flatMap(() => [
        `pcap:${path}: recording again, in a new capture`,
        `pcap:${path}: nobody reads the FIFO any more; recording goes on when somebody does`,
      ]),
    );
  });

  it('whose reader is slow loses frames, and never a part of one', async () => {
    const { path, a: start } = await withFifo();
    const reader = openReader(path);
    until(bench, () => attachment('pcap:').state === 'up');
    const a = start();
    // a pipe holds 64 KiB and the port 1 MiB: 800 frames of 1516 bytes with their records are more
    for (let i = 0; i < 800; i++) send(a, 1500);
    const { dropped } = attachment('pcap:');
    const read: Uint8Array[] = [];
    for (let more = readAll(reader); more.length > 0; more = readAll(reader)) {
      read.push(more);
      bench.pump();
    }

    expect(dropped).toBeGreaterThan(0);
    expect(framesOf(Buffer.concat(read))).toHaveLength(800 - dropped);
    expect(bench.card.wire).toMatchObject({ sent: 800 - dropped, dropped });
    expect(attachment('pcap:').state).toBe('up');
    closeSync(reader);
  });

  it('that was removed is not replaced by a file', async () => {
    const { path, a: start } = await withFifo();
    const reader = openReader(path);
    until(bench, () => attachment('pcap:').state === 'up');
    const a = start();
    rmSync(path);
    closeSync(reader);
    until(bench, () => attachment('pcap:').state === 'away');
    send(a);
    bench.pump();

    expect(existsSync(path)).toBe(false);
    expectServed(a);
  });
});

describe('a capture that is played', () => {
  const record = { seconds: 1, nanoseconds: 0, bytes: frame(VF1, ELSEWHERE, 60) };

  it('and has a bad record is played up to it; the wire goes on', async () => {
    const folder = CardBench.newFolder();
    const file = encodePcap([record, record, record]);
    // the third record says that it holds 60 of 1,500 bytes
    const third = HEADER_BYTES + 2 * (RECORD_BYTES + 60);
    new DataView(file.buffer).setUint32(third + 8, 0xffff_ffff, true);
    writeFileSync(join(folder, 'in.pcap'), file);
    bench = await CardBench.start({ wire: 'pcap:$/out.pcap,$/in.pcap' }, folder);
    const a = station();
    send(a);
    until(bench, () => attachment('play:').state === 'ended');
    a.settle();
    send(a);

    expect(a.received).toHaveLength(2);
    expect(bench.lines).toHaveLength(1);
    expect(bench.lines[0]).toMatch(/^play:.*in\.pcap: .*frame 3 .*; nothing more is played$/);
    expect(attachment('play:')).toMatchObject({ losses: 1 });
    expect(attachment('pcap:')).toMatchObject({ state: 'up', losses: 0 });
    expect(framesOf(readFileSync(join(folder, 'out.pcap')))).toHaveLength(4);
  });

  it('and ends is no loss', async () => {
    const folder = CardBench.newFolder();
    writeFileSync(join(folder, 'in.pcap'), encodePcap([record]));
    bench = await CardBench.start({ wire: 'pcap:$/out.pcap,$/in.pcap' }, folder);
    const a = station();
    send(a);
    until(bench, () => attachment('play:').state === 'ended');

    expect(attachment('play:')).toMatchObject({ losses: 0, reason: 'played to its end' });
    expect(bench.lines).toEqual([]);
  });

  it('goes on being played when nothing can be recorded', async () => {
    const folder = CardBench.newFolder();
    mkdirSync(join(folder, 'gone'));
    writeFileSync(join(folder, 'in.pcap'), encodePcap([record, record]));
    bench = await CardBench.start({ wire: 'pcap:$/gone/out.pcap,$/in.pcap' }, folder);
    rmSync(join(folder, 'gone'), { recursive: true });
    until(bench, () => attachment('pcap:').reason.includes('ENOENT'));
    const a = station();
    send(a);
    until(bench, () => attachment('play:').state === 'ended');
    a.settle();

    expect(a.received).toHaveLength(2);
    expect(attachment('pcap:').dropped).toBe(3);
  });
});
