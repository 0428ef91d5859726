// SPDX-License-Identifier: Apache-2.0
// What the card's wire leads to: frames that leave go to the port, frames that the port brings arrive at the card. A port
// that has frames waits while the card is not ready for the next one. Whatever becomes of the port, the card goes on.
import type { Nic } from '../device/nic.ts';
import type { Attachment } from '../native/attachment.ts';
import { runAll } from '../util/run_all.ts';

/** One end of the wire. What it hangs on may go and come back; it throws nothing for that once it is made. */
export interface WirePort {
  /** What it hangs on outside. */
  readonly attachments: readonly Attachment[];
  /** Takes a frame; the bytes are valid during the call. False: it is lost. */
  send(frame: Uint8Array): boolean;
  /** The next frame that has come in, null if there is none; valid until the next call. */
  next(): Uint8Array | null;
  /** Milliseconds until next() may have something that no poll tells of; left out where polls tell. */
  dueMs?(): number;
  /** Calls `wake` when frames may have come in, from a poll. */
  open(wake: () => void): void;
  /** Looks after its attachments; called a few times a second. */
  tend(nowMs: number): void;
  close(): void;
}

const FRAME_MIN = 14;
const FRAME_MAX = 9216;
/** Frames taken in a row before others get their turn. */
const BATCH = 64;

/** A card with a port on its wire. */
export class Wire {
  sent = 0;
  received = 0;
  /** Frames that the port did not take, or that no Ethernet frame can be. */
  dropped = 0;
  private readonly nic: Nic;
  private readonly port: WirePort;
  /** Told of an error that the port threw: a bug. */
  private readonly onFault: (error: unknown) => void;
  private waiting: Uint8Array | null = null;
  private isBringing = false;
  private isClosed = false;

  constructor(nic: Nic, port: WirePort, onFault: (error: unknown) => void) {
    this.nic = nic;
    this.port = port;
    this.onFault = onFault;
    nic.onFrame((frame) => {
      if (this.ask(() => port.send(frame), false)) this.sent++;
      else this.dropped++;
    });
    port.open(() => this.bringIn());
  }

  get attachments(): readonly Attachment[] {
    return this.port.attachments;
  }

  /** Hands frames that came in to the card, until there are none or the card is busy; true if it wants to be called again. */
  bringIn(): boolean {
    if (this.isBringing) return true; // a frame that came in sends another one out
    this.isBringing = true;
    try {
      for (let i = 0; i < BATCH; i++) {
        const frame = this.waiting ?? this.ask(() => this.port.next(), null);
        this.waiting = null;
        if (frame === null) return false;
        if (frame.length < FRAME_MIN || frame.length > FRAME_MAX) {
          this.dropped++;
        } else if (this.nic.receiveFrame(frame)) {
          this.received++;
        } else {
          this.waiting = frame;
          return true;
        }
      }
      return true;
    } finally {
      this.isBringing = false;
    }
  }

  /** Milliseconds until frames may come in without a poll. */
  dueMs(): number {
    return this.ask(() => this.port.dueMs?.(), undefined) ?? Number.POSITIVE_INFINITY;
  }

  /** Looks after the port; called a few times a second. */
  tend(nowMs: number): void {
    this.ask(() => this.port.tend(nowMs), undefined);
  }

  close(): void {
    this.nic.onFrame(null);
    if (!this.isClosed) this.port.close();
  }

  /** What the port answers; one that throws is closed, and asked no more. */
  private ask<T>(question: () => T, otherwise: T): T {
    if (this.isClosed) return otherwise;
    try {
      return question();
    } catch (error) {
      this.isClosed = true;
      for (const attachment of this.attachments) attachment.end('an internal error ended it');
      runAll(
        () => this.onFault(error),
        () => this.port.close(),
      );
      return otherwise;
    }
  }
}
