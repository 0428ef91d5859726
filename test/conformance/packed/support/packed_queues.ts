// SPDX-License-Identifier: Apache-2.0
// A function with packed rings of the tests' own, from reset to DRIVER_OK, register by register.
import type { RawBuffer } from '../../../support/raw_ring.ts';
import { RawPackedRing } from '../../../support/raw_packed_ring.ts';
import { frame, macOf, packet, STRANGER } from '../../ring/support/frames.ts';
import { RawCard, type RawCardOptions } from '../../../support/raw_card.ts';
import type { RawFunction } from '../../../support/raw_function.ts';
import { ACKNOWLEDGE, DRIVER, DRIVER_OK, F, FEATURES_OK, R } from '../../../support/registers.ts';

export const RX = 0;
export const TX = 1;
export const RX_VECTOR = 1;
export const TX_VECTOR = 2;
/** VIRTIO_F_RING_PACKED. */
export const RING_PACKED = 34;

export interface PackedOptions extends RawCardOptions {
  readonly features?: readonly number[];
  readonly size?: number;
}

export class PackedFunction {
  readonly card: RawCard;
  readonly fn: RawFunction;
  readonly rx: RawPackedRing;
  readonly tx: RawPackedRing;

  constructor({ features = [], size = 16, ...card }: PackedOptions = {}, number = 0) {
    this.card = new RawCard({ packed: true, queueSize: 256, ...card });
    this.fn = this.card.fn(number);
    this.rx = new RawPackedRing(this.fn.memory, size);
    this.tx = new RawPackedRing(this.fn.memory, size);
    this.start(features);
  }

  start(features: readonly number[] = []): void {
    const { fn } = this;
    fn.reset();
    const bits = [F.VERSION_1, F.ACCESS_PLATFORM, RING_PACKED, F.RING_RESET, ...features];
    if (!fn.negotiate(bits)) throw new Error('FEATURES_OK was refused');
    this.enable(RX, this.rx);
    this.enable(TX, this.tx);
    fn.status = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
    this.card.settle();
  }

  /** Places a ring, tells the device and enables the queue; vector index + 1. */
  enable(index: number, ring: RawPackedRing): void {
    const { fn } = this;
    fn.setQueue(index, R.QUEUE_SIZE, ring.size);
    fn.setQueueAddress(index, R.QUEUE_DESC, ring.iovas.desc);
    fn.setQueueAddress(index, R.QUEUE_DRIVER, ring.iovas.driver);
    fn.setQueueAddress(index, R.QUEUE_DEVICE, ring.iovas.device);
    fn.setQueue(index, R.QUEUE_MSIX_VECTOR, index + 1);
    fn.setQueue(index, R.QUEUE_ENABLE, 1);
  }

  /** A frame to send, in pieces of these lengths; the last one takes the rest. */
  parts(bytes: Uint8Array, ...lengths: readonly number[]): RawBuffer[] {
    const whole = packet(bytes);
    const edges = [0];
    for (const length of lengths) edges.push(edges.at(-1)! + length);
    edges.push(whole.length);
    return edges
      .slice(1)
      .map((end, i) => ({ iova: this.fn.place(whole.slice(edges[i], end)), length: end - edges[i]! }));
  }

  /** Room for a frame, in pieces of these lengths. */
  room(...lengths: readonly number[]): RawBuffer[] {
    return lengths.map((length) => ({ iova: this.fn.space(length), length, isWritable: true }));
  }

  /** A frame of function 0 to a station outside. */
  frame(length = 60, seed = 1): Uint8Array {
    return frame(STRANGER, macOf(0), length, seed);
  }

  get sent(): Uint8Array[] {
    return this.card.wire.map(({ bytes }) => bytes);
  }
}
