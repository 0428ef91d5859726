// SPDX-License-Identifier: Apache-2.0
// A plug that leads what leaves on the wire back in, for a card that is alone.
import type { WirePort } from './wire_port.ts';

/** Frames that may be on their way back. */
const FRAMES_MAX = 256;

export class LoopbackPort implements WirePort {
  readonly attachments = [];
  private readonly frames: Uint8Array[] = [];
  private wake: () => void = () => {};

  open(wake: () => void): void {
    this.wake = wake;
  }

  send(frame: Uint8Array): boolean {
    if (this.frames.length >= FRAMES_MAX) return false;
    this.frames.push(frame.slice());
    this.wake();
    return true;
  }

  next(): Uint8Array | null {
    return this.frames.shift() ?? null;
  }

  tend(): void {}

  close(): void {
    this.frames.length = 0;
  }
}
