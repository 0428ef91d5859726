// SPDX-License-Identifier: Apache-2.0
// What a function needs of the bench it stands on.

export interface Rig {
  /** Frames that left on the wire. */
  readonly wire: readonly Uint8Array[];
  /** Lets the card work until nothing is left to do. */
  settle(): void;
  /** A frame arrives at the wire port and is dealt with. */
  arrive(bytes: Uint8Array): void;
}
