// SPDX-License-Identifier: Apache-2.0
// Messages of the device, in the buffers that the kernel keeps in queue 1. One that finds no buffer waits; the same one
// is not kept twice, since the kernel could not tell.
import { lie } from './peer_fault.ts';
import * as P from './protocol.ts';
import type { SplitQueue } from './split_queue.ts';

/** Messages that wait: a function has 32 vectors, and a driver that rewrites them has little reason to do so often. */
const WAITING_MAX = 256;

export class MessageQueue {
  private readonly queue: SplitQueue;
  private readonly call: () => void;
  private waiting: Uint8Array[] = [];

  /** `call` tells the kernel of used buffers. */
  constructor(queue: SplitQueue, call: () => void) {
    this.queue = queue;
    this.call = call;
  }

  /** An interrupt message with what stands in the MSI-X table. Throws PeerFault, as all here. */
  msi(address: number, data: number): void {
    const message = new Uint8Array(P.COMMAND_BYTES + 4);
    const view = new DataView(message.buffer);
    view.setUint8(P.COMMAND_OP, P.OP_MSI);
    view.setUint32(P.COMMAND_SIZE, 4, true);
    view.setBigUint64(P.COMMAND_ADDRESS, BigInt(address), true);
    view.setUint32(P.COMMAND_BYTES, data, true);
    this.post(message);
  }

  /** INTA is raised. */
  intx(): void {
    const message = new Uint8Array(P.COMMAND_BYTES);
    const view = new DataView(message.buffer);
    view.setUint8(P.COMMAND_OP, P.OP_INT);
    view.setBigUint64(P.COMMAND_ADDRESS, 1n, true);
    this.post(message);
  }

  /** The kernel has added buffers: as many messages as find one go out. */
  flush(): void {
    const { queue, waiting } = this;
    if (waiting.length === 0 || !queue.isReady) return;
    const count = Math.min(waiting.length, queue.available());
    for (let i = 0; i < count; i++) {
      const chain = queue.take();
      const message = waiting[i]!;
      if (chain.writableBytes < message.length) {
        lie(`a message of ${message.length} bytes finds a buffer of ${chain.writableBytes}`);
      }
      queue.put(chain, message);
    }
    this.waiting = waiting.slice(count);
    if (count > 0 && queue.wantsCall()) this.call();
  }

  /** Nobody is there for what waits. */
  clear(): void {
    this.waiting = [];
  }

  private post(message: Uint8Array): void {
    if (!this.queue.isReady) return; // the kernel has taken its queue away, or has not brought it yet
    if (!this.waiting.some((other) => isSame(other, message))) this.waiting.push(message);
    if (this.waiting.length > WAITING_MAX) lie(`${WAITING_MAX} interrupt messages found no buffer`);
    this.flush();
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
