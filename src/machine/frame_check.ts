// SPDX-License-Identifier: Apache-2.0
// Compares the frames that come out of a card with those that went in: bytes equal, and in order within a flow. A flow is
// everything with the same two addresses, so flows by protocol and port are in order as well.

interface FrameUnderWay {
  readonly bytes: Uint8Array;
  /** A later frame of the same flow has been received. */
  isOvertaken: boolean;
}

const ADDRESSES_BYTES = 12;

/** Watches the frames between one sender and one receiver. */
export class FrameCheck {
  /** Received frames that equal no frame under way, and those that came behind a later one of their flow. */
  altered = 0;
  reordered = 0;
  /** Frames that were given up. */
  lost = 0;
  private readonly waiting: FrameUnderWay[] = [];

  /** Frames sent that have been neither received nor given up. */
  get underWay(): number {
    return this.waiting.length;
  }

  /** The bytes must stay as they are until the frame is received. */
  sent(bytes: Uint8Array): void {
    this.waiting.push({ bytes, isOvertaken: false });
  }

  received(bytes: Uint8Array): void {
    const at = this.waiting.findIndex((frame) => isEqual(frame.bytes, bytes, bytes.length));
    const frame = this.waiting[at];
    if (frame === undefined) {
      this.altered++;
      return;
    }
    if (frame.isOvertaken) this.reordered++;
    for (const earlier of this.waiting.slice(0, at)) {
      if (isEqual(earlier.bytes, bytes, ADDRESSES_BYTES)) earlier.isOvertaken = true;
    }
    this.waiting.splice(at, 1);
  }

  /** The card has nothing left to do: what is under way does not come any more. */
  giveUp(): void {
    this.lost += this.waiting.length;
    this.waiting.length = 0;
  }
}

/** Equal in the first `count` bytes, and in length where all are compared. */
function isEqual(one: Uint8Array, other: Uint8Array, count: number): boolean {
  if (count === other.length && one.length !== other.length) return false;
  for (let i = 0; i < count; i++) if (one[i] !== other[i]) return false;
  return true;
}
