// SPDX-License-Identifier: Apache-2.0
// A capture file as the other end of the wire: frames that leave the card are written to it. A second file may be played
// in; its clock starts with the first frame that leaves, when a driver is there to hear it. Either may fail alone.
import { readFileSync } from 'node:fs';

import { Attachment, type Say } from '../native/attachment.ts';
import type { Libc } from '../native/libc.ts';
import type { Poller } from '../native/poller.ts';
import { NicError } from '../util/errors.ts';
import { CaptureFile } from './capture_file.ts';
import { openPcap, type PcapFrame } from './pcap.ts';
import type { WirePort } from './wire_port.ts';

export class PcapPort implements WirePort {
  readonly attachments: readonly Attachment[];
  private readonly file: CaptureFile;
  private readonly play: Attachment | null;
  private readonly input: Iterator<PcapFrame, void> | null;
  private upcoming: PcapFrame | null = null;
  private firstMs = 0;
  private startMs = Number.NaN;

  /** `play`: a capture to play in, or null. Throws NicError WIRE, UsageError where it is no capture. */
  constructor(libc: Libc, poller: Poller, path: string, play: string | null, say: Say) {
    this.play = play === null ? null : new Attachment(`play:${play}`, say);
    this.input = play === null ? null : openPcap(readWhole(play), play).frames();
    this.upcoming = this.input?.next().value ?? null;
    if (this.upcoming === null) this.play?.finish('there are no frames in it');
    else this.firstMs = msOf(this.upcoming);
    this.file = new CaptureFile(libc, poller, path, say);
    this.attachments = this.play === null ? [this.file.attachment] : [this.file.attachment, this.play];
  }

  open(): void {}

  send(frame: Uint8Array): boolean {
    if (Number.isNaN(this.startMs)) this.startMs = performance.now();
    return this.record(frame);
  }

  next(): Uint8Array | null {
    if (this.upcoming === null || this.dueMs() > 0) return null;
    const { bytes } = this.upcoming;
    this.upcoming = this.read();
    this.record(bytes);
    return bytes;
  }

  dueMs(): number {
    if (this.upcoming === null || Number.isNaN(this.startMs)) return Number.POSITIVE_INFINITY;
    return Math.max(0, this.startMs + msOf(this.upcoming) - this.firstMs - performance.now());
  }

  tend(nowMs: number): void {
    this.file.tend(nowMs);
  }

  close(): void {
    this.file.close();
  }

  private record(frame: Uint8Array): boolean {
    return this.file.record(frame, performance.timeOrigin + performance.now());
  }

  /** The next frame to be played; null at the end, or where the capture cannot be read on. */
  private read(): PcapFrame | null {
    try {
      const { value, done } = this.input!.next();
      if (done !== true) return value;
      this.play!.finish('played to its end');
    } catch (error) {
      this.play!.end(`${error instanceof Error ? error.message : String(error)}; nothing more is played`);
    }
    return null;
  }
}

function msOf({ seconds, nanoseconds }: PcapFrame): number {
  return seconds * 1000 + nanoseconds / 1e6;
}

function readWhole(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch {
    throw new NicError('WIRE', `${path}: the capture cannot be read; check the path and its rights`);
  }
}
