// SPDX-License-Identifier: Apache-2.0
// A witness of a planted bug: a short program whose outcome is known from the specification, and differs on the mutant.
import type { CreateOptions } from '../../src/device/nic.ts';
import { DEFAULT_IOVA_BASE } from '../../src/iommufd/dma_buffer.ts';
import { readable } from '../conformance/ring/support/buffers.ts';
import { frame, macOf, packet, STRANGER } from '../conformance/ring/support/frames.ts';
import { RawCard, type RawCardOptions } from '../support/raw_card.ts';
import type { RawFunction } from '../support/raw_function.ts';
import { TX } from '../support/registers.ts';

export interface Witness {
  /** What a right card shows. */
  readonly right: string;
  /** Runs the program on a card with this core. */
  readonly run: (core: CreateOptions) => string;
}

/** Witnesses by the number of their mutant, M01 and so on. */
export type Witnesses = Readonly<Record<string, Witness>>;

/** A functional card with two VFs and queues of 16, unless `options` say otherwise. */
export function cardOf(core: CreateOptions, options: RawCardOptions = {}): RawCard {
  return new RawCard({ core, mode: 'functional', queueSize: 16, numVfs: 2, outputLimit: 2000, ...options });
}

/** Offers a frame to nobody on the card to the transmit queue, without a doorbell. */
export function offerFrame(fn: RawFunction): void {
  const ring = fn.ring(TX);
  ring.offer(ring.chain(readable(fn, packet(frame(STRANGER, macOf(fn.fn)))), ring.availIdx % ring.size));
}

/** Sends that frame. */
export function sendFrame(fn: RawFunction): void {
  offerFrame(fn);
  fn.kick(TX);
}

/** Names of the counters that say why the function was stopped. */
export function causes(fn: RawFunction): string {
  const named = Object.entries(fn.counters).filter(([name, value]) => name.startsWith('bad_') && value > 0);
  return named.map(([name]) => name).join() || 'none';
}

/**
 * Gives a function one page of memory of the caller's at a free address; `fill` may change it before
 * each read.
 * Throws after 1,000 reads: work without end. Returns the address.
 */
export function foreignPage(fn: RawFunction, page: Uint8Array, fill: (reads: number) => void = () => {}): number {
  const iova = DEFAULT_IOVA_BASE / 2;
  let reads = 0;
  const memory = {
    read(offset: number, length: number, target: Uint8Array, at: number): boolean {
      if (++reads > 1000) throw new Error('the memory is read without end');
      fill(reads);
      target.set(page.subarray(offset, offset + length), at);
      return true;
    },
    write: () => true,
  };
  fn.ioas.map(iova, page.length, { foreign: memory });
  return iova;
}
