// SPDX-License-Identifier: Apache-2.0
// One function driven by hand: features, rings, vectors, doorbells. A net function's receive queue is 0, transmit queue 1.
import type { DmaBuffer } from '../../../src/iommufd/dma_buffer.ts';
import { MSIX, type Card, type RegisterPath } from './card.ts';
import { CommonConfig, featureWords, NOTIFY, VIRTIO_BAR } from './common_config.ts';
import { RawRing } from '../../support/raw_ring.ts';

/** VERSION_1, ACCESS_PLATFORM and ORDER_PLATFORM: what a driver of this card at least accepts. */
export const BASE_FEATURES: readonly number[] = [32, 33, 36];
export const RX = 0;
export const TX = 1;

const MSIX_BAR = 4;

/** What start() sets up beside the base features. */
export interface StartOptions {
  readonly features?: readonly number[];
  /** Queues by index, with their size (default 16) and vector (default none). */
  readonly queues?: Readonly<Record<number, { readonly size?: number; readonly vector?: number }>>;
  readonly configVector?: number;
}

/** A function and the guest memory of its driver. */
export class RawFunction {
  readonly card: Card;
  readonly fn: number;
  readonly path: RegisterPath;
  readonly common: CommonConfig;
  readonly memory: DmaBuffer;
  readonly rings = new Map<number, RawRing>();

  constructor(card: Card, fn: number, memoryBytes?: number) {
    this.card = card;
    this.fn = fn;
    this.path = card.direct(fn);
    this.common = new CommonConfig(this.path);
    this.memory = card.memoryFor(fn, memoryBytes);
    card.enableBusMaster(fn);
  }

  /** Reset, negotiation, queues, DRIVER_OK. */
  start(options: StartOptions = {}): this {
    this.prepare(options);
    this.common.status = 15;
    return this;
  }

  /** start() without DRIVER_OK. */
  prepare({ features = [], queues = { [RX]: {}, [TX]: {} }, configVector }: StartOptions = {}): this {
    this.common.negotiate(featureWords(...BASE_FEATURES, ...features));
    if (configVector !== undefined) this.common.write('config_msix_vector', configVector);
    for (const [index, { size = 16, vector }] of Object.entries(queues)) this.setupQueue(Number(index), size, vector);
    return this;
  }

  /** Gives queue `index` a ring of `size` (the one it had, cleared, where that fits) and enables it. */
  setupQueue(index: number, size = 16, vector?: number): RawRing {
    let ring = this.rings.get(index);
    if (ring?.size === size) ring.clear();
    else ring = new RawRing(this.memory, size);
    this.rings.set(index, ring);
    this.common.writeQueue(index, 'queue_size', size);
    if (vector !== undefined) this.common.write('queue_msix_vector', vector);
    this.writeAddress('queue_desc', ring.places.desc);
    this.writeAddress('queue_driver', ring.places.avail);
    this.writeAddress('queue_device', ring.places.used);
    this.common.write('queue_enable', 1);
    return ring;
  }

  ring(index: number): RawRing {
    return this.rings.get(index)!;
  }

  /** Writes the doorbell of a queue, where notify_off * 4 says it is, and lets the card work. */
  kick(queue: number): void {
    this.path.write(VIRTIO_BAR, NOTIFY + 4 * queue, 2, queue);
    this.card.settle();
  }

  /** Fills the MSI-X table (vector v sends 0x4000 + v to 0xfee01000), all unmasked, and sets MSI-X Enable. */
  enableMsix(vectors: number): this {
    for (let vector = 0; vector < vectors; vector++) {
      this.path.write(MSIX_BAR, 16 * vector, 4, 0xfee01000);
      this.path.write(MSIX_BAR, 16 * vector + 4, 4, 0);
      this.path.write(MSIX_BAR, 16 * vector + 8, 4, 0x4000 + vector);
      this.path.write(MSIX_BAR, 16 * vector + 12, 4, 0);
    }
    this.path.configWrite(MSIX + 2, 2, 0x8000);
    return this;
  }

  maskVector(vector: number, isMasked: boolean): void {
    this.path.write(MSIX_BAR, 16 * vector + 12, 4, isMasked ? 1 : 0);
    this.card.settle();
  }

  /** Pending bits of vectors 0..31. */
  pending(): number {
    return this.path.read(MSIX_BAR, 0x800, 4);
  }

  /** Makes a frame to transmit available: 12 bytes of header, then 60 bytes addressed to nobody here. */
  addFrame(): number {
    const at = this.memory.alloc(72, 8);
    this.memory.u8.set([0x02, 0, 0, 0, 0, 0x99, 0x02, 0, 0, 0, 0, 0x01, 0x08, 0x00], at + 12);
    return this.ring(TX).add([{ iova: this.memory.iova(at), length: 72 }]);
  }

  /** One frame on its way, and the card idle again. */
  transmit(): number {
    const head = this.addFrame();
    this.kick(TX);
    return head;
  }

  /** Makes the device meet a driver's mistake that it cannot recover from: a head beyond the transmit queue. */
  breakQueue(): void {
    const ring = this.ring(TX);
    ring.offer(ring.size);
    this.kick(TX);
  }

  private writeAddress(field: 'queue_desc' | 'queue_driver' | 'queue_device', offset: number): void {
    const iova = this.memory.iova(offset);
    this.common.write(field, iova >>> 0);
    this.common.write(`${field}_hi`, Math.floor(iova / 0x1_0000_0000));
  }
}
