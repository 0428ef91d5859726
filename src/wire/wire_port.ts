// SPDX-License-Identifier: Apache-2.0
// What the card's wire leads to: frames that leave go to the port, frames that the port brings arrive at the card. A port
// that has frames waits while the card is not ready for the next one.
import type { Nic } from '../device/nic.ts';

/** One end of the wire. */
export interface WirePort {
  /** Takes a frame; the bytes are valid during the call. False: it is lost. */
  send(frame: Uint8Array): boolean;
  /** The next frame that has come in, null if there is none; valid until the next call. */
  next(): Uint8Array | null;
  /** Milliseconds until next() may have something that no poll tells of; left out where polls tell. */
  dueMs?(): number;
  /** Calls `wake` when frames may have come in, from a poll. */
  open(wake: () => void): void;
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
  private waiting: Uint8Array | null = null;
  private isBringing = false;

  constructor(nic: Nic, port: WirePort) {
    this.nic = nic;
    this.port = port;
    nic.onFrame((frame) => {
      if (port.send(frame)) this.sent++;
      else this.dropped++;
    });
    port.open(() => this.bringIn());
  }

  /** Hands frames that came in to the card, until there are none or the card is busy; true if it wants to be called again. */
  bringIn(): boolean {
    if (this.isBringing) return true; // a frame that came in sends another one out
    this.isBringing = true;
    try {
      for (let i = 0; i < BATCH; i++) {
        const frame = this.waiting ?? this.port.next();
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
    return this.port.dueMs?.() ?? Number.POSITIVE_INFINITY;
  }

  close(): void {
    this.nic.onFrame(null);
    this.port.close();
  }
}
