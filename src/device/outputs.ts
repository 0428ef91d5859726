// SPDX-License-Identifier: Apache-2.0
// What comes out of a card, and what it reports of its time and its link.

/** Why advance() returned. */
export type AdvanceReason = 'reached' | 'event' | 'idle';

/** An MSI-X message at the host, or a change of the PF's INTx line (`vector` is then the level, `address` 0). */
export type InterruptHandler = (vector: number, timeCycles: number) => void;

/** Gets a frame that leaves on the wire, and the function that sent it. The bytes are valid during the call. */
export type FrameHandler = (frame: Uint8Array, fn: number, timeCycles: number) => void;

/** Gets the completion of a request by its tag: the value that was read, 0 for a configuration write. */
export type CompletionHandler = (tag: number, value: number, timeCycles: number) => void;

/** A message signalled interrupt with what it carries, for hosts that route it themselves. */
export interface MsiMessage {
  readonly fn: number;
  readonly vector: number;
  readonly address: number;
  readonly data: number;
  readonly timeCycles: number;
}

/** A request of a card with `memory: 'outside'`, at the root complex. The object is valid during the call. */
interface DmaRequest {
  readonly fn: number;
  /** Routing id of the function; that of the PF for functions on demand. */
  readonly requesterId: number;
  /** PASID that it carries, null if it carries none. */
  readonly pasid: number | null;
  /** Exact to 2^53. Nothing crosses 4 KiB. */
  readonly address: number;
  /** Bytes; of a read at most Max_Read_Request_Size. */
  readonly length: number;
  /** Cycle in which it arrived. */
  readonly timeCycles: number;
}

/** A read of the card. Nic.answerDmaRead() or Nic.failDmaRead() answers it, now or later. */
export interface DmaRead extends DmaRequest {
  /** By which it is answered; no other read has it until then. */
  readonly tag: number;
}

/** A write of the card, all of it in its page. Its bytes are `length` of `source` from `at` on, until the card is called again. */
export interface DmaWrite extends DmaRequest {
  readonly source: Uint8Array;
  readonly at: number;
}

/** Traffic on the link since creation, headers and framing included. */
export interface LinkTraffic {
  readonly tlpsUp: number;
  readonly tlpsDown: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
}
