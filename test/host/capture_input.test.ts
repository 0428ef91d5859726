// SPDX-License-Identifier: Apache-2.0
// Captures to read: files of any length a piece at a time, FIFOs and standard input, which can be read only once.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { UsageError } from '../../src/util/errors.ts';
import { CaptureFollower, openCaptureInput } from '../../src/wire/capture_input.ts';
import { encodePcap, type PcapFrame } from '../../src/wire/pcap.ts';

const hasFifos = process.platform !== 'win32' && spawnSync('mkfifo', ['--version']).error === undefined;

let folder: string;
const at = (name: string): string => join(folder, name);
const frame = (length: number): PcapFrame => ({ seconds: length, nanoseconds: 0, bytes: new Uint8Array(length) });
const lengths = (frames: Iterable<PcapFrame>): number[] => Array.from(frames, ({ bytes }) => bytes.length);

beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'virtfn-captures-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('openCaptureInput', () => {
  it('reads a file again and again, and by several at once', () => {
    writeFileSync(at('three.pcap'), encodePcap([frame(60), frame(61), frame(62)]));
    const capture = openCaptureInput(at('three.pcap'));
    try {
      const [one, other] = [capture.frames(), capture.frames()];

      expect(one.next().value).toMatchObject({ seconds: 60 });
      expect(lengths(other)).toEqual([60, 61, 62]);
      expect(lengths(one)).toEqual([61, 62]);
    } finally {
      capture.close();
    }
  });

  it('reads frames that are longer than a piece of the file', () => {
    const long = [100, 200_000, 262_144, 60].map(frame);
    writeFileSync(at('long.pcap'), encodePcap(long));
    const capture = openCaptureInput(at('long.pcap'));
    try {
      expect(lengths(capture.frames())).toEqual([100, 200_000, 262_144, 60]);
    } finally {
      capture.close();
    }
  });

  it('reads the frames of a file above 2 GiB before it has read the file', () => {
    // behind its two frames a hole, which reads as frames of no bytes
    const name = at('large.pcap');
    writeFileSync(name, encodePcap([frame(60), frame(61)]));
    truncateSync(name, 2 ** 31 + 24);
    const capture = openCaptureInput(name);
    try {
      const frames = capture.frames();

      expect([1, 2, 3].map(() => (frames.next().value as PcapFrame).bytes.length)).toEqual([60, 61, 0]);
    } finally {
      capture.close();
      rmSync(name);
    }
  });

  it.each([
    ['is not there', 'none.pcap', 'no such file'],
    ['is a folder', '.', 'this is a folder'],
  ])('refuses what %s', (_, name, message) => {
    expect(() => openCaptureInput(at(name))).toThrow(UsageError);
    expect(() => openCaptureInput(at(name))).toThrow(`${at(name)}: ${message}`);
  });

  it.skipIf(!hasFifos)('reads a FIFO to its end, again and again, and leaves no file behind', () => {
    const before = readdirSync(tmpdir())
      .filter((name) => name.startsWith('virtfn-'))
      .toSorted();
    const fifo = newFifo('slow.fifo');
    writeFileSync(at('in.pcap'), encodePcap([frame(60), frame(70_000), frame(62)]));
    const writer = spawn('sh', ['-c', '(head -c 50 "$0"; sleep 0.2; tail -c +51 "$0") > "$1"', at('in.pcap'), fifo]);
    const capture = openCaptureInput(fifo);
    try {
      const [one, other] = [capture.frames(), capture.frames()];

      expect(one.next().value).toMatchObject({ seconds: 60 });
      expect(lengths(other)).toEqual([60, 70_000, 62]);
      expect(lengths(one)).toEqual([70_000, 62]);
      expect(lengths(capture.frames())).toEqual([60, 70_000, 62]);
      const now = readdirSync(tmpdir()).filter((name) => name.startsWith('virtfn-'));
      expect(
        now.filter((name) => !before.includes(name) && readdirSync(join(tmpdir(), name)).includes('capture')),
      ).toEqual([]);
    } finally {
      capture.close();
      writer.kill();
    }
  });

  it.skipIf(!hasFifos)('refuses a stream that is no capture at its first bytes', () => {
    const fifo = newFifo('endless.fifo');
    const writer = spawn('sh', ['-c', 'exec yes > "$0"', fifo]);
    try {
      expect(() => openCaptureInput(fifo)).toThrow('byte 0: a file that begins with 0x790a790a is neither');
    } finally {
      writer.kill();
    }
  });
});

describe('CaptureFollower', () => {
  it.skipIf(!hasFifos)('gives what has come of a FIFO, before its writer, while it writes and after it', () => {
    const fifo = newFifo('live.fifo');
    const follower = new CaptureFollower(fifo);
    expect(follower.next()).toBeUndefined();

    const bytes = encodePcap([frame(60), frame(61)]);
    const writer = openSync(fifo, 'w');
    expect(follower.next()).toBeUndefined();
    const parts = [10, 24, 90, 24 + 76, bytes.length];
    const came = parts.map((end, i) => {
      writeSync(writer, bytes, parts[i - 1] ?? 0, end - (parts[i - 1] ?? 0));
      return follower.next()?.bytes.length;
    });
    expect(came).toEqual([undefined, undefined, undefined, 60, 61]);
    expect(follower.next()).toBeUndefined();

    closeSync(writer);
    expect(follower.next()).toBeNull();
    follower.close();
  });

  it('reads a file to its end', () => {
    writeFileSync(at('one.pcap'), encodePcap([frame(60)]));
    const follower = new CaptureFollower(at('one.pcap'));

    expect(follower.next()).toMatchObject({ seconds: 60 });
    expect(follower.next()).toBeNull();
    follower.close();
  });

  it('refuses a file that is no capture, an empty one too', () => {
    writeFileSync(at('empty'), '');

    expect(() => new CaptureFollower(at('empty'))).toThrow('0 bytes are too short for a capture');
  });
});

function newFifo(name: string): string {
  spawnSync('mkfifo', [at(name)]);
  return at(name);
}
