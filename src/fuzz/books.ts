// SPDX-License-Identifier: Apache-2.0
// What the executor knows of the queues that a program drives: what was made available, and whether the program kept to
// the rules so far. Oracles ask only where it did; a queue whose registers or rings were written behind the executor's
// back is not trusted any more.
import { VIRTIO_F_ADMIN_VQ } from '../../assembly/abi/virtio_features.ts';
import { VIRTIO_NET_F_CTRL_VQ } from '../../assembly/abi/virtio_net.ts';
import { FUNCTIONS, QUEUE_ADMIN, QUEUE_CONTROL, QUEUE_SIZE, QUEUES } from './layout.ts';

const COUNT = FUNCTIONS * QUEUES;
const VECTORS = 32;
const CTRL_VQ = 1 << VIRTIO_NET_F_CTRL_VQ;
const ADMIN_VQ = 1 << (VIRTIO_F_ADMIN_VQ - 32);
const BYTES =
  COUNT * (4 + 4 + 2 + 2 + 1 + 1 + 1) + COUNT * QUEUE_SIZE * (4 + 1) + 4 + FUNCTIONS * (8 + 1 + (VECTORS + 1) * 2);

/** Messages of the function may have been lost for good: MSI-X was switched, or the function reset. */
export const MSIX_TOUCHED = 1;
/** Queues began anew, so what they used before is not in their rings any more. */
export const MSIX_CLEARED = 2;

/** Entries of `messages` for a function. */
export const MESSAGE_VECTORS = VECTORS;

/** Books of every queue of every function; index of a queue: function * QUEUES + queue. */
export class Books {
  private readonly bytes = new Uint8Array(BYTES);
  /** Chains made available since the queue was set up. */
  readonly pushed: Uint32Array;
  /** How many of them the last doorbell announced. */
  readonly kicked: Uint32Array;
  /** Writable bytes of the chain that was last made available under a head; index queue * QUEUE_SIZE + head. */
  readonly room: Uint32Array;
  /** Bit n: function n was addressed by an operation, or may have been by what an operation set off. */
  readonly acted: Uint32Array;
  /** Feature words 0 and 1 that the function's driver negotiated; 0 while it was not brought up in order. */
  readonly features: Uint32Array;
  /** MSI-X messages of the run; index function * VECTORS + vector. */
  readonly messages: Uint16Array;
  /** MSIX_* bits of a function. */
  readonly msix: Uint16Array;
  /** Vector that a queue was given. */
  readonly vector: Uint16Array;
  /** The available index as the driver last wrote it. */
  readonly available: Uint16Array;
  /** 1: set up by the executor, in order, and not written by anything else since. */
  readonly trusted: Uint8Array;
  /** 1: chains are what the executor made them, so their writable bytes are known. */
  readonly roomKnown: Uint8Array;
  /** Not 0: the function's memory is detached (1), read-only (2) or not mapped (3), so what it writes is lost. */
  readonly isCutOff: Uint8Array;
  /** Descriptor that the next chain begins with. */
  readonly next: Uint8Array;
  /** How often a head was made available. */
  readonly heads: Uint8Array;

  constructor() {
    const { buffer } = this.bytes;
    let at = 0;
    const take = <T>(
      type: new (buffer: ArrayBuffer, at: number, length: number) => T,
      width: number,
      length: number,
    ): T => {
      const view = new type(buffer, at, length);
      at += width * length;
      return view;
    };
    this.pushed = take(Uint32Array, 4, COUNT);
    this.kicked = take(Uint32Array, 4, COUNT);
    this.room = take(Uint32Array, 4, COUNT * QUEUE_SIZE);
    this.acted = take(Uint32Array, 4, 1);
    this.features = take(Uint32Array, 4, 2 * FUNCTIONS);
    this.messages = take(Uint16Array, 2, FUNCTIONS * VECTORS);
    this.msix = take(Uint16Array, 2, FUNCTIONS);
    this.vector = take(Uint16Array, 2, COUNT);
    this.available = take(Uint16Array, 2, COUNT);
    this.trusted = take(Uint8Array, 1, COUNT);
    this.roomKnown = take(Uint8Array, 1, COUNT);
    this.next = take(Uint8Array, 1, COUNT);
    this.isCutOff = take(Uint8Array, 1, FUNCTIONS);
    this.heads = take(Uint8Array, 1, COUNT * QUEUE_SIZE);
  }

  copyFrom(other: Books): void {
    this.bytes.set(other.bytes);
  }

  /** A queue begins anew: nothing made available. */
  clear(queue: number): void {
    this.msix[queue >> 2]! |= MSIX_CLEARED;
    this.pushed[queue] = 0;
    this.kicked[queue] = 0;
    this.available[queue] = 0;
    this.trusted[queue] = 0;
    this.roomKnown[queue] = 1;
    this.next[queue] = 0;
    this.heads.fill(0, queue * QUEUE_SIZE, (queue + 1) * QUEUE_SIZE);
  }

  /** Every queue of a function begins anew. */
  clearFunction(fn: number): void {
    this.features[2 * fn + 1] = 0;
    for (let queue = fn * QUEUES; queue < (fn + 1) * QUEUES; queue++) this.clear(queue);
  }

  /** Has the queue a vector that no other queue of its function has? */
  isAlone(queue: number): boolean {
    const first = queue - (queue % QUEUES);
    for (let other = first; other < first + QUEUES; other++) {
      if (other !== queue && this.vector[other] === this.vector[queue]) return false;
    }
    return true;
  }

  distrust(queue: number): void {
    this.trusted[queue] = 0;
  }

  /** Does the function, as it was negotiated, have the queue? */
  hasQueue(queue: number): boolean {
    const fn = Math.floor(queue / QUEUES);
    const [low, high] = [this.features[2 * fn]!, this.features[2 * fn + 1]!];
    if (high === 0) return false; // without VERSION_1 it was not brought up
    const q = queue % QUEUES;
    return q === QUEUE_CONTROL ? (low & CTRL_VQ) !== 0 : q !== QUEUE_ADMIN || (high & ADMIN_VQ) !== 0;
  }

  /** Its registers were written by somebody else. */
  distrustFunction(fn: number): void {
    this.features[2 * fn + 1] = 0;
    for (let queue = fn * QUEUES; queue < (fn + 1) * QUEUES; queue++) this.trusted[queue] = 0;
  }

  act(fn: number): void {
    this.acted[0]! |= 1 << fn;
  }

  actAll(): void {
    this.acted[0] = (1 << FUNCTIONS) - 1;
  }
}
