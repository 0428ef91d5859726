// SPDX-License-Identifier: Apache-2.0
// What comes out of a card, and what it reports of its time and its link.

/** Why advance() returned. */
export type AdvanceReason = 'reached' | 'event' | 'idle';

/** An MSI-X message at the host, or a change of the PF's INTx line (`vector` is then the level, `address` 0). */
export type InterruptHandler = (vector: number, timeCycles: number) => void;

/** Gets a frame that leaves on the wire, and the function that sent it. The bytes are valid during the call. */
export type FrameHandler = (frame: Uint8Array, fn: number, timeCycles: number) => void;

/** A message signalled interrupt with what it carries, for hosts that route it themselves. */
export interface MsiMessage {
  readonly fn: number;
  readonly vector: number;
  readonly address: number;
  readonly data: number;
  readonly timeCycles: number;
}

/** Traffic on the link since creation, headers and framing included. */
export interface LinkTraffic {
  readonly tlpsUp: number;
  readonly tlpsDown: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
}
