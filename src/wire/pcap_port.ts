// SPDX-License-Identifier: Apache-2.0
// A capture file as the other end of the wire: frames that leave the card are written to it. A second file may be played
// in; its clock starts with the first frame that leaves, when a driver is there to hear it. Either may fail alone.
import { Attachment, type Say } from '../native/attachment.ts';
import type { Libc } from '../native/libc.ts';
import type { Poller } from '../native/poller.ts';
import { CaptureFile } from './capture_file.ts';
import { CaptureFollower } from './capture_input.ts';
import type { PcapFrame } from './frame_reader.ts';
import type { WirePort } from './wire_port.ts';

/** How long to wait for frames that have not come yet. */
const ARRIVAL_MS = 10;

export class PcapPort implements WirePort {
  readonly attachments: readonly Attachment[];
  private readonly file: CaptureFile;
  private readonly play: Attachment | null;
  private readonly input: CaptureFollower | null;
  private hasPlayed = false;
  /** The next frame to play: null after the last one, undefined where it has not come yet. */
  private upcoming: PcapFrame | null | undefined = null;
  private firstMs = Number.NaN;
  private startMs = Number.NaN;

  /** `play`: a capture to play in, or null. Throws NicError WIRE or FILE, UsageError where it is no capture. */
  constructor(libc: Libc, poller: Poller, path: string, play: string | null, say: Say) {
    this.play = play === null ? null : new Attachment(`play:${play}`, say);
    this.input = play === null ? null : new CaptureFollower(play);
    if (this.input !== null) this.read();
    this.file = new CaptureFile(libc, poller, path, say);
    this.attachments = this.play === null ? [this.file.attachment] : [this.file.attachment, this.play];
  }

  open(): void {}

  send(frame: Uint8Array): boolean {
    if (Number.isNaN(this.startMs)) this.startMs = performance.now();
    return this.record(frame);
  }

  next(): Uint8Array | null {
    if (this.upcoming === undefined) this.read();
    if (!this.upcoming || this.dueMs() > 0) return null;
    const { bytes } = this.upcoming;
    this.read();
    this.record(bytes);
    return bytes;
  }

  dueMs(): number {
    if (this.upcoming === null || Number.isNaN(this.startMs)) return Number.POSITIVE_INFINITY;
    if (this.upcoming === undefined) return ARRIVAL_MS;
    return Math.max(0, this.startMs + msOf(this.upcoming) - this.firstMs - performance.now());
  }

  tend(nowMs: number): void {
    this.file.tend(nowMs);
  }

  close(): void {
    this.input?.close();
    this.file.close();
  }

  private record(frame: Uint8Array): boolean {
    return this.file.record(frame, performance.timeOrigin + performance.now());
  }

  /** The next frame to be played; null at the end, or where the capture cannot be read on. */
  private read(): void {
    try {
      this.upcoming = this.input!.next();
      if (this.upcoming === null) this.play!.finish(this.hasPlayed ? 'played to its end' : 'there are no frames in it');
    } catch (error) {
      this.upcoming = null;
      this.play!.end(`${error instanceof Error ? error.message : String(error)}; nothing more is played`);
    }
    if (!this.upcoming) return;
    if (!this.hasPlayed) this.firstMs = msOf(this.upcoming);
    this.hasPlayed = true;
  }
}

function msOf({ seconds, nanoseconds }: PcapFrame): number {
  return seconds * 1000 + nanoseconds / 1e6;
}
