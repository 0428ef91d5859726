// SPDX-License-Identifier: Apache-2.0
// MSI-X of one function (PCI Express Base §6.1.4, §7.7.2) as a model: what may happen when the function wants to signal a
// vector, and what must have happened in the end. Where PCI Express leaves the fate of an event open, so does the model.

/** What becomes of an event: a message at once, a pending bit, nothing, or one that is not settled. */
export type Signalled = 'message' | 'pending' | 'nothing' | 'open';

export class MsixModel {
  readonly vectors: number;
  private isEnabled = false;
  private isMasked = false;
  private isMaster = true;
  /** Vector Control, mask bit of each: 0 or 1; 2 where it is not known. */
  private readonly maskBit: Uint8Array;
  /** Pending bits, likewise. */
  private readonly pendingBit: Uint8Array;
  /** A message must still come. */
  private readonly isOwed: Uint8Array;
  /** The vector could have fired since the last settle(), so a message of it may be on its way. */
  private readonly couldFire: Uint8Array;

  constructor(vectors: number) {
    this.vectors = vectors;
    this.maskBit = new Uint8Array(vectors);
    this.pendingBit = new Uint8Array(vectors);
    this.isOwed = new Uint8Array(vectors);
    this.couldFire = new Uint8Array(vectors);
    this.reset();
  }

  /** Function level reset: MSI-X off, all vectors masked, nothing pending. */
  reset(): void {
    this.isEnabled = false;
    this.isMasked = false;
    this.maskBit.fill(1);
    this.pendingBit.fill(0);
    this.isOwed.fill(0);
  }

  /** Message Control: Enable and Function Mask. */
  setControl(isEnabled: boolean, isMasked: boolean): void {
    // What happens to pending bits while MSI-X is off is not said.
    if (!isEnabled && this.isEnabled) {
      for (let v = 0; v < this.vectors; v++) if (this.pendingBit[v] === 1) this.blur(v);
    }
    this.isEnabled = isEnabled;
    this.isMasked = isMasked;
    for (let v = 0; v < this.vectors; v++) this.release(v);
  }

  /** Bus Master Enable: without it no message leaves. */
  setBusMaster(isMaster: boolean): void {
    this.isMaster = isMaster;
    for (let v = 0; v < this.vectors; v++) this.release(v);
  }

  /** Mask bit of a vector; undefined where an odd access left it open. */
  setMask(vector: number, isMasked: boolean | undefined): void {
    this.maskBit[vector] = isMasked === undefined ? 2 : Number(isMasked);
    if (isMasked === undefined) this.blur(vector);
    this.release(vector);
  }

  /** The function wants to signal `vector`; other numbers, NO_VECTOR among them, are no vector. */
  signal(vector: number): Signalled {
    if (vector >= this.vectors || !this.isEnabled) return 'nothing';
    const isHeld = this.isHeld(vector);
    if (isHeld === undefined || (!isHeld && !this.isMaster)) {
      this.blur(vector);
      return 'open';
    }
    if (isHeld) {
      this.pendingBit[vector] = 1;
      return 'pending';
    }
    this.fire(vector);
    return 'message';
  }

  /** Whether the vector is pending is open from now on. */
  blur(vector: number): void {
    this.pendingBit[vector] = 2;
  }

  /** The device raised what it wanted, unseen: every vector that had to be held may be pending. */
  blurAll(): void {
    for (let v = 0; v < this.vectors; v++) if (!this.canFire(v)) this.blur(v);
  }

  /** The causes of earlier events may be gone, by a reset or a new mapping: nothing has to come any more. */
  withdraw(): void {
    for (let v = 0; v < this.vectors; v++) if (this.pendingBit[v] === 1) this.blur(v);
    this.isOwed.fill(0);
  }

  /** Pending bit of a vector; undefined where it is open. */
  pending(vector: number): boolean | undefined {
    const bit = this.pendingBit[vector]!;
    return bit === 2 ? undefined : bit === 1;
  }

  /** A read of the pending bit array settles what was open. */
  learnPending(vector: number, isPending: boolean): void {
    if (this.pendingBit[vector] === 2) this.pendingBit[vector] = Number(isPending);
  }

  /** A message of `vector` arrived at the host. Returns what is wrong with that, or null. */
  message(vector: number): string | null {
    if (vector >= this.vectors) return `message of vector ${vector}, the table has ${this.vectors}`;
    const isLegal = this.couldFire[vector] === 1 || this.canFire(vector);
    this.isOwed[vector] = 0;
    return isLegal ? null : `message of vector ${vector} while it was masked or MSI-X was off`;
  }

  /** Everything that was on its way has arrived. Functional cards are settled after each access. */
  settle(): void {
    for (let v = 0; v < this.vectors; v++) this.couldFire[v] = Number(this.canFire(v));
  }

  /** At rest: messages that had to come and did not, one line each. */
  lost(): string[] {
    const faults: string[] = [];
    for (let v = 0; v < this.vectors; v++) if (this.isOwed[v] === 1) faults.push(`message of vector ${v} never came`);
    return faults;
  }

  /** May a message of this vector leave now? */
  private canFire(vector: number): boolean {
    return this.isEnabled && this.isMaster && !this.isMasked && this.maskBit[vector] !== 1;
  }

  /** Masked, by the function or for itself; undefined where that is open. */
  private isHeld(vector: number): boolean | undefined {
    if (this.isMasked || this.maskBit[vector] === 1) return true;
    return this.maskBit[vector] === 2 ? undefined : false;
  }

  /** Something about the masks changed: what is pending fires once. */
  private release(vector: number): void {
    if (!this.canFire(vector)) return;
    this.couldFire[vector] = 1;
    if (this.maskBit[vector] === 2) this.blur(vector);
    else if (this.pendingBit[vector] === 1) this.fire(vector);
    else if (this.pendingBit[vector] === 2) this.pendingBit[vector] = 0;
  }

  private fire(vector: number): void {
    this.pendingBit[vector] = 0;
    this.couldFire[vector] = 1;
    this.isOwed[vector] = 1;
  }
}
