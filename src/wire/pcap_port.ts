// SPDX-License-Identifier: Apache-2.0
// A capture file as the other end of the wire: frames that leave the card are written to it. A second file may be played
// in; its clock starts with the first frame that leaves, when a driver is there to hear it.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

import { NicError } from '../util/errors.ts';
import { openPcap, pcapPieces, type PcapFrame } from './pcap.ts';
import type { WirePort } from './wire_port.ts';

export class PcapPort implements WirePort {
  private readonly file: number;
  private readonly input: Iterator<PcapFrame, void> | null;
  private upcoming: PcapFrame | null = null;
  private firstMs = 0;
  private startMs = Number.NaN;

  /** `play`: a capture to play in, or null. Throws NicError WIRE, UsageError where it is no capture. */
  constructor(path: string, play: string | null) {
    this.input = play === null ? null : openPcap(readWhole(play), play).frames();
    this.upcoming = this.input?.next().value ?? null;
    if (this.upcoming !== null) this.firstMs = msOf(this.upcoming);
    try {
      this.file = openSync(path, 'w');
    } catch {
      throw new NicError('WIRE', `pcap:${path}: the file cannot be written; check the folder and its rights`);
    }
    this.writePiece(pcapPieces([]).next().value!);
  }

  open(): void {}

  send(frame: Uint8Array): boolean {
    if (Number.isNaN(this.startMs)) this.startMs = performance.now();
    this.record(frame);
    return true;
  }

  next(): Uint8Array | null {
    if (this.upcoming === null || this.dueMs() > 0) return null;
    const { bytes } = this.upcoming;
    this.upcoming = this.input!.next().value ?? null;
    this.record(bytes);
    return bytes;
  }

  dueMs(): number {
    if (this.upcoming === null || Number.isNaN(this.startMs)) return Number.POSITIVE_INFINITY;
    return Math.max(0, this.startMs + msOf(this.upcoming) - this.firstMs - performance.now());
  }

  close(): void {
    closeSync(this.file);
  }

  private record(bytes: Uint8Array): void {
    const ms = performance.timeOrigin + performance.now();
    const seconds = Math.floor(ms / 1000);
    const nanoseconds = Math.floor((ms - seconds * 1000) * 1e6);
    const [, piece] = pcapPieces([{ seconds, nanoseconds, bytes }]);
    this.writePiece(piece!);
  }

  private writePiece(piece: Uint8Array): void {
    for (let done = 0; done < piece.length;) done += writeSync(this.file, piece, done);
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
